"""`python -m scanner.lab`: serve, or print the list, or print what a scan of it must find.

Touches: network and files through `serve`. Source: none.
"""

import asyncio
import csv
import dataclasses
import io
import json
import sys

from scanner.lab.scenarios import SCENARIOS
from scanner.lab.serve import serve

BAD_ROWS = (
    ("192.0.2.1", "An address and no domain."),
    ("two words.lab.test", "A blank inside the name."),
    (f"{'a' * 64}.lab.test", "A label of 64 letters."),
    ("müller.lab.test", "A name beyond ASCII that works."),
    ("https://plain-good.lab.test/path", "A URL and no domain."),
    ("PLAIN-GOOD.LAB.TEST.", "Capitals and a final dot, which work."),
)
USAGE = "usage: python -m scanner.lab [--list | --expected]"


def listed() -> str:
    """The list as CSV: every scenario, and rows that a list may hold by mistake."""
    text = io.StringIO()
    rows = [(scenario.domain, scenario.story) for scenario in SCENARIOS]
    csv.writer(text, lineterminator="\n").writerows([("domain", "story"), *rows, *BAD_ROWS])
    return text.getvalue()


def expected() -> str:
    """The expectations as JSON Lines."""
    rows = [
        {
            "domain": scenario.domain,
            "expected": dataclasses.asdict(scenario.expected),
            "story": scenario.story,
            "clause": scenario.clause,
            "catalogue": scenario.catalogue,
        }
        for scenario in SCENARIOS
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def main(arguments: list[str]) -> int:
    """Return 0, or 2 for arguments that mean nothing."""
    printed = {"--list": listed, "--expected": expected}.get(" ".join(arguments))
    if printed is not None:
        sys.stdout.write(printed())
    elif arguments:
        sys.stderr.write(USAGE + "\n")
        return 2
    else:
        asyncio.run(serve())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
