"""One check of this machine: what it is about, how it stands, why, and what to do.

Touches: nothing. Source: docs/operations.md (doctor).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from scanner.cli.exits import Exit


class Verdict(StrEnum):
    """`warn`: a scan runs, and its rows say less, or take longer. `fail`: a scan refuses, or its rows would mislead."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """`reason` and `remedy` are one line each for people, and may quote a peer: escaped when shown. `subject` is the
    source, resolver or file that the check is about; empty for the machine. What is ok has no remedy.
    """

    name: str
    verdict: Verdict
    reason: str
    remedy: str = ""
    subject: str = ""


def ok(name: str, reason: str, subject: str = "") -> Check:
    """All is well."""
    return Check(name, Verdict.OK, reason, subject=subject)


def warn(name: str, reason: str, remedy: str, subject: str = "") -> Check:
    """A scan may run."""
    return Check(name, Verdict.WARN, reason, remedy, subject)


def fail(name: str, reason: str, remedy: str, subject: str = "") -> Check:
    """No scan should run."""
    return Check(name, Verdict.FAIL, reason, remedy, subject)


def counted(checks: Iterable[Check]) -> dict[str, int]:
    """Count the checks of each verdict, all three always."""
    found = Counter(check.verdict for check in checks)
    return {verdict.value: found[verdict] for verdict in Verdict}


def exit_of(checks: Iterable[Check], *, is_strict: bool) -> Exit:
    """5 where anything failed, 3 where `--strict` and anything is not as it should be, else 0."""
    found = {check.verdict for check in checks}
    if Verdict.FAIL in found:
        return Exit.ENVIRONMENT
    return Exit.INCOMPLETE if is_strict and Verdict.WARN in found else Exit.OK
