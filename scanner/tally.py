"""What a run has counted so far: rows by status and axis, by first finding, and rows left undone by fault.

Touches: nothing. Source: docs/record.md (manifest).
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from scanner.model.fault import Fault
from scanner.model.record import Record

COUNTED = ("status", "starttls", "webpki", "dane", "mta_sts", "tls_rpt", "first_finding")
"""Words of the flat head that are counted, in the order of the summary."""


@dataclass(slots=True)
class Tally:
    """Counts only grow; memory is bounded by the number of words there are."""

    rows: int = 0
    undone: int = 0
    words: dict[str, Counter[str]] = field(default_factory=lambda: {name: Counter() for name in COUNTED})
    undone_faults: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one finished row."""
        assessment = record.assessment
        head = {name: str(getattr(assessment, name)) for name in COUNTED[:-1]}
        first = assessment.findings[0].type if assessment.findings else ""
        self.add_head({**head, "first_finding": first})

    def add_head(self, head: Mapping[str, object]) -> None:
        """Count one row by its flat head, as a resumed run reads it from its file."""
        self.rows += 1
        for name in COUNTED:
            word = head.get(name)
            if isinstance(word, str) and word:
                self.words[name][word] += 1

    def add_undone(self, fault: Fault) -> None:
        """Count one row that our own trouble left without a verdict."""
        self.undone += 1
        self.undone_faults[fault.kind.value] += 1

    def count(self, name: str, word: str) -> int:
        """How many rows carry this word."""
        return self.words[name][word]
