"""`starttls config show`: what a scan with these flags, this environment and this file would be told, and by whom.

Touches: files (the configuration file), stdout. Source: docs/record.md (commands).
"""

import argparse
from collections.abc import Mapping, Sequence

from scanner.cli.arguments import parsed
from scanner.cli.configuration import effective
from scanner.cli.exits import Exit
from scanner.cli.options import SCAN, add_to, chosen_from
from scanner.cli.streams import show


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Print `option = value`, a line each; what has no value is decided by the profile."""
    parser = argparse.ArgumentParser("starttls config", exit_on_error=False, allow_abbrev=False)
    parser.add_argument(
        "what", nargs="?", default="show", choices=["show"], help="show: the options of a scan with these flags"
    )
    parser.add_argument("--origin", action="store_true", help="say where each value came from")
    add_to(parser, SCAN)
    asked = parsed(parser, words)
    chosen = chosen_from(asked, environment, SCAN)
    for name, text in effective(chosen).items():
        value = "(by the profile)" if text is None else repr(text)
        show(f"{name} = {value}" + f"  # {chosen.origins[name]}" * asked["origin"] + "\n")
    return Exit.OK
