"""`starttls doctor`: may this machine scan? Each check says ok, warn or fail, why, and what to do in one line.

It takes the words of a scan: what it looks at is what a scan with the same flags, variables and file would use.

Touches: network, files, stdout. Source: docs/operations.md (doctor).
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

import orjson

from scanner import text
from scanner.cli import configuration, laboratory
from scanner.cli.arguments import parsed
from scanner.cli.borrowed import borrowed
from scanner.cli.doctor.check import Check, Verdict, counted, exit_of, fail, ok
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import read_exclusions
from scanner.cli.loop import in_loop
from scanner.cli.options import OF_DOCTOR, SCAN, Chosen, add_to, chosen_from
from scanner.cli.streams import show
from scanner.protocols.exclusions import NONE, Exclusions

USED = frozenset(
    {
        *(
            "output",
            "source",
            "sources",
            "canary",
            "ehlo-name",
            "resolver",
            "port",
            "profile",
            "rate",
            "run-rate",
            "open",
        ),
        *("allow-net", "exclude", "ca-file", "i-am-testing", "lab", "config", "dns-deadline", "connect-deadline"),
        *("greeting-deadline", "session-deadline"),
    }
)
"""The options of a scan that decide what is looked at. The others are taken too, and help does not name them."""
CANARY_OF_LAB = "d0.many.lab.test"


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Examine, and print a line for each check."""
    parser = argparse.ArgumentParser("starttls doctor", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("--json", action="store_true", help="an object for each check, then a summary")
    parser.add_argument("--strict", action="store_true", help="exit 3 where anything is not as it should be")
    add_to(parser, [*borrowed(USED), *OF_DOCTOR])
    flags = parsed(parser, words)
    chosen = chosen_from(flags, environment, (*SCAN, *OF_DOCTOR))
    with ExitStack() as opened:
        if chosen["lab"]:
            chosen = inside(chosen, opened.enter_context(laboratory.laboratory()))
        checks = examined(chosen)
    code = exit_of(checks, is_strict=flags["strict"])
    show(as_json(checks, code) if flags["json"] else as_text(checks))
    return code


def inside(chosen: Chosen, lab: dict[str, Any]) -> Chosen:
    """Turn to the lab, and to a server of it where none was named."""
    turned = laboratory.inside(chosen, lab)
    canaries = chosen["canary"] or (CANARY_OF_LAB,)
    return Chosen({**turned.values, "canary": canaries}, turned.origins)


def examined(chosen: Chosen) -> list[Check]:
    """Do every check. Raises Refused where the options contradict each other."""
    from scanner.cli.doctor import examination, facts, instruments, machine  # noqa: PLC0415 - help must not wait

    settings = configuration.settings(chosen)
    rules, checks = exclusions(chosen["exclude"])
    wishes = examination.Wishes(settings, chosen["dnsbl"], rules, chosen["i-am-testing"])
    checks += machine.machine_checks(facts.machine(chosen), settings)
    checks += in_loop(instruments.examined, wishes)
    return checks


def exclusions(path: str) -> tuple[Exclusions, list[Check]]:
    """Read who asked to be left alone: a scan without that list must not start."""
    if not path:
        return NONE, []
    try:
        rules, _ = read_exclusions(path)
    except Refused as refused:
        return NONE, [fail("exclude", str(refused), "correct the file, or the path", path)]
    reason = f"{len(rules.networks)} networks and {len(rules.suffixes)} domains are left alone"
    return rules, [ok("exclude", reason, path)]


def as_text(checks: Sequence[Check]) -> str:
    """Write for people; what peers said is escaped."""
    lines = [line for check in checks for line in lines_of(check)]
    return "\n".join([*lines, "", verdict_words(checks)]) + "\n"


def lines_of(check: Check) -> list[str]:
    """Write one check, and its remedy below it."""
    about = f" [{check.subject}]" if check.subject else ""
    head = f"{check.verdict.value:<5}{check.name}{about}: {check.reason}"
    return [text.from_str(head), *([text.from_str(f"     -> {check.remedy}")] if check.remedy else [])]


def verdict_words(checks: Sequence[Check]) -> str:
    """Say the whole in a line."""
    counts = counted(checks)
    numbers = ", ".join(f"{count} {verdict}" for verdict, count in counts.items())
    if counts[Verdict.FAIL]:
        return f"this machine should not scan: {numbers}"
    return f"this machine may scan: {numbers}"


def as_json(checks: Sequence[Check], code: Exit) -> str:
    """Write an object for each check, and one for the whole."""
    rows: list[dict[str, object]] = [{"type": "check", **escaped(check)} for check in checks]
    rows.append({"type": "summary", **counted(checks), "exit": int(code), "may_scan": code is not Exit.ENVIRONMENT})
    return "".join(f"{orjson.dumps(row).decode()}\n" for row in rows)


def escaped(check: Check) -> dict[str, str]:
    """Give every field as text that nothing interprets."""
    return {name: text.from_str(str(value)) for name, value in asdict(check).items()}
