"""What a run has counted so far: rows by status and axis, sessions by family and fault, how long peers take.

Touches: nothing. Source: docs/record.md (manifest).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from scanner import alarms, text
from scanner.alarms import Alarm
from scanner.model.fault import Fault
from scanner.model.record import Record
from scanner.model.session import Hello
from scanner.model.target import TlsPolicy

AXES = ("status", "starttls", "webpki", "dane", "mta_sts", "tls_rpt")
COUNTED = (*AXES, "first_finding", "would_wait")
"""Words of the flat head that are counted, in the order of the summary."""
WAITING = {True: "yes", False: "no", None: "unknown"}
"""The words of `would_wait`, counted where a policy demands something."""
PERCENTILES = (50, 90, 99)
STEPS_PER_DOUBLING = 4
"""Durations are counted in classes that are 19 % wide: exact enough for a percentile, and few."""


@dataclass(slots=True)
class Tally:
    """Counts only grow; memory is bounded by the number of words and classes there are. `alarms` look at every row.

    What `--deep` asks is not counted among the sessions: most of it is meant to be refused.
    """

    rows: int = 0
    undone: int = 0
    words: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in COUNTED})
    undone_faults: Counter[str] = field(default_factory=Counter)
    undone_examples: dict[str, str] = field(default_factory=dict)
    session_faults: Counter[str] = field(default_factory=Counter)
    families: Counter[str] = field(default_factory=Counter)
    durations: dict[str, Counter[int]] = field(default_factory=partial(defaultdict, Counter))
    alarms: tuple[Alarm, ...] = ()

    def add(self, record: Record) -> None:
        """Count one finished row."""
        assessment, policy = record.assessment, record.target.policy
        head = {name: str(getattr(assessment, name)) for name in AXES}
        first = assessment.findings[0].type if assessment.findings else ""
        self._add_head(
            {**head, "first_finding": first, "would_wait": waiting(policy, would_wait=assessment.would_wait)}
        )
        if self.alarms:
            self._alarm(alarms.head_of(record))
        for session in record.evidence.sessions if record.evidence else ():
            if not session.shared and not session.hello.is_deep:
                kind = session.fault.kind.value if session.fault else ""
                self._add_session(session.endpoint.address, kind, session.times_ms)

    def add_row(self, row: Mapping[str, Any]) -> None:
        """Count one row as a resumed run reads it from its file."""
        policy = row.get("input", {}).get("tls_policy")
        self._add_head({**row, "would_wait": waiting(policy, would_wait=row.get("would_wait"))})
        self._alarm(row)
        for session in row.get("sessions", ()):
            if not session["shared"] and not Hello(session["hello"]).is_deep:
                times = [(stage, took) for stage, took in session["times_ms"].items() if took is not None]
                self._add_session(session["address"], (session["fault"] or {}).get("kind", ""), times)

    def add_undone(self, fault: Fault) -> None:
        """Count one row that our own trouble left without a verdict."""
        self.undone += 1
        self.undone_faults[fault.kind.value] += 1
        self.undone_examples.setdefault(fault.kind.value, text.from_str(fault.detail))

    def count(self, name: str, word: str) -> int:
        """How many rows carry this word."""
        return self.words[name][word]

    def latency_ms(self) -> dict[str, dict[str, int]]:
        """Percentiles of each stage's duration, `p50` and so on, in milliseconds, upper bound of their class."""
        return {
            stage: {f"p{percent}": upper_ms(percentile(counted, percent)) for percent in PERCENTILES}
            for stage, counted in self.durations.items()
        }

    def _add_head(self, head: Mapping[str, object]) -> None:
        self.rows += 1
        for name in COUNTED:
            word = head.get(name)
            if isinstance(word, str) and word:
                self.words[name][word] += 1

    def _alarm(self, head: Mapping[str, Any]) -> None:
        for alarm in self.alarms:
            alarm.look(head)

    def _add_session(self, address: str, fault: str, times_ms: Iterable[tuple[str, int]]) -> None:
        self.families["ipv6" if ":" in address else "ipv4"] += 1
        if fault:
            self.session_faults[fault] += 1
        for stage, took_ms in times_ms:
            self.durations[stage][duration_class(took_ms)] += 1


def waiting(policy: str | None, *, would_wait: bool | None) -> str:
    """Name what a policy makes of mail; empty where none demands anything."""
    return "" if policy in {None, TlsPolicy.NONE} else WAITING[would_wait]


def duration_class(took_ms: int) -> int:
    """Number the class of a duration: its doublings, each in `STEPS_PER_DOUBLING` parts."""
    doublings = max(took_ms, 1).bit_length() - 1
    return doublings * STEPS_PER_DOUBLING + (max(took_ms, 1) - (1 << doublings)) * STEPS_PER_DOUBLING // (
        1 << doublings
    )


def upper_ms(number: int) -> int:
    """Name the longest duration of a class."""
    doublings, step = divmod(number, STEPS_PER_DOUBLING)
    start = 1 << doublings
    return max(start, start + -(-start * (step + 1) // STEPS_PER_DOUBLING) - 1)


def percentile(counted: Mapping[int, int], percent: int) -> int:
    """Find the class below or in which `percent` of all lie."""
    wanted, seen = sum(counted.values()) * percent / 100, 0
    for number in sorted(counted):
        seen += counted[number]
        if seen >= wanted:
            return number
    return 0
