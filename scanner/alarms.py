"""Rules that make an alarm of a run: which rows match, how many they are, and one of them by name.

A rule is `would_wait`, `differs_by_source`, or a key and words of which one must be there: `status=WORDS`,
`starttls=absent,fail` and the other axes, `delivery.encrypt=defer` and the other sender models (from the first of our
mail sources, as in the head), `finding=TYPES` (any finding of the row), `cause=NAMES` (the most likely one).

Rows are looked at in the shape in which they are written, so that rows of an interrupted run count like any other.

Touches: nothing. Source: docs/record.md (alarms).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from scanner import text
from scanner.assess.causes import table
from scanner.assess.findings import FINDING_TYPES
from scanner.assess.senders.delivery import ALL_MODELS
from scanner.jsonl.judgement import AXES, write_verdicts
from scanner.model.assessment import Outcome, Status, Verdict
from scanner.model.record import Record
from scanner.model.session import Role

OF_DELIVERY = "delivery."
FLAGS = ("would_wait", "differs_by_source")
"""Rules without words: the flag of the row is true."""
WORDS: Mapping[str, tuple[str, ...]] = {
    "status": tuple(Status),
    **dict.fromkeys(AXES, tuple(Verdict)),
    **{f"{OF_DELIVERY}{model}": tuple(Outcome) for model in ALL_MODELS},
    "finding": tuple(FINDING_TYPES),
    "cause": tuple(table.RULES),
}
"""Every other rule, and the words it knows."""
Head = Mapping[str, Any]
"""A row, or as much of it as rules look at."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `written` is as it was given, `words` those of which one must be there; a flag has none."""

    written: str
    key: str
    words: frozenset[str] = frozenset()

    def matches(self, head: Head) -> bool:
        """Tell whether a row is one to be told of."""
        if not self.words:
            return head.get(self.key) is True
        return not self.words.isdisjoint(told(self.key, head))


@dataclass(slots=True)
class Alarm:
    """One rule, how many rows matched so far, and the domain of the first (`row N` where it has none)."""

    rule: Rule
    rows: int = 0
    example: str = ""

    def look(self, head: Head) -> None:
        """Count one row if it matches."""
        if self.rule.matches(head):
            self.rows += 1
            self.example = self.example or text.to_str(head.get("domain") or f"row {head['n']}")

    @property
    def words(self) -> str:
        """What happened, for people; the domain came from a list and is shown escaped."""
        return f"{self.rule.written}: {self.rows} row{'s' * (self.rows > 1)}, first {text.from_str(self.example)}"


def read(written: str) -> Rule:
    """Read a rule. Raises ValueError, which lists what is known."""
    key, equals, words = written.partition("=")
    if key in FLAGS and not equals:
        return Rule(written, key)
    if key not in WORDS:
        known = ", ".join((*FLAGS, *(f"{each}=..." for each in WORDS)))
        raise ValueError(f"no such rule: {written!a} (one of {known})")
    asked = [word.strip() for word in words.split(",")]
    strange = [word for word in asked if word not in WORDS[key]]
    if strange:
        raise ValueError(f"{key} is never {', '.join(map(ascii, strange))} (one of {', '.join(WORDS[key])})")
    return Rule(written, key, frozenset(asked))


def told(key: str, head: Head) -> Collection[str]:
    """Name the words that a row says for a key."""
    if key == "finding":
        return {finding["type"] for finding in head.get("findings", ())}
    if key == "cause":
        return {cause["cause"] for cause in head.get("causes", ())[:1]}
    if key.startswith(OF_DELIVERY):
        return outcomes(key.removeprefix(OF_DELIVERY), head)
    return {str(head.get(key))}


def outcomes(model: str, head: Head) -> Collection[str]:
    """Name what a sender model does from the first of our mail sources, or the first of all where none was asked."""
    predictions = head.get("predictions", ())
    predicted = {each["source"] for each in predictions}
    sources = (it["source"] or None for it in head.get("sessions", ()) if it["role"] == Role.MAIL)
    first = next(chain((each for each in sources if each in predicted), (it["source"] for it in predictions)), None)
    return {each["outcome"] for each in predictions if (each["model"], each["source"]) == (model, first)}


def head_of(record: Record) -> Head:
    """Write as much of a row as rules look at."""
    assessment = record.assessment
    sessions = record.evidence.sessions if record.evidence else ()
    return {
        "n": record.target.n,
        "domain": text.from_str(record.target.domain),
        **write_verdicts(assessment),
        "findings": [{"type": finding.type} for finding in assessment.findings],
        "causes": [{"cause": cause.cause} for cause in assessment.causes],
        "predictions": [
            {"model": it.model, "source": it.source or None, "outcome": it.outcome} for it in assessment.predictions
        ],
        "sessions": [{"source": session.source, "role": session.role} for session in sessions],
    }


def raised(alarms: Iterable[Alarm]) -> str:
    """Say which rules matched; empty where none did."""
    return "; ".join(alarm.words for alarm in alarms if alarm.rows)
