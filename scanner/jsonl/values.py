"""The small values that appear everywhere in a row: instants, faults, what DNS said of one name.

Touches: nothing. Source: RFC 3339 section 5.6 (time).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from scanner import text
from scanner.jsonl.caps import Pen
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, Validity

T = TypeVar("T")
Part = Mapping[str, Any]
"""A piece of a row as it was read back."""


def write_time(at: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def write_time_if_any(at: datetime | None) -> str | None:
    """As `write_time`."""
    return None if at is None else write_time(at)


def read_time(shown: str) -> datetime:
    """Undo `write_time`."""
    return datetime.fromisoformat(shown)


def read_text(shown: str | None) -> str:
    """Undo `Pen.text_if_any`."""
    return text.to_str(shown) if shown else ""


def read_texts(shown: list[str]) -> tuple[str, ...]:
    """Undo a list of `Pen.text`."""
    return tuple(map(text.to_str, shown))


def write_fault(fault: Fault | None, pen: Pen) -> dict[str, object] | None:
    """Write what cut a piece of evidence short."""
    if fault is None:
        return None
    return {
        "stage": fault.stage.word,
        "kind": fault.kind,
        "side": fault.side,
        "detail": pen.text_if_any(fault.detail),
        "code": fault.code,
    }


def read_fault(part: Part | None) -> Fault | None:
    """Undo `write_fault`."""
    if part is None:
        return None
    stage = Stage[part["stage"].upper()]
    return Fault(stage, Kind(part["kind"]), Side(part["side"]), read_text(part["detail"]), part["code"])


def write_lookup(answer: Answer[Any], pen: Pen) -> dict[str, object]:
    """Write everything about an RRset but its records."""
    return {
        "name": pen.text(answer.name),
        "canonical_name": pen.text_if_any(answer.canonical_name),
        "ttl_s": answer.ttl_s,
        "validity": answer.validity,
        "fault": write_fault(answer.fault, pen),
    }


def read_lookup(part: Part, records: tuple[T, ...]) -> Answer[T]:
    """Undo `write_lookup`."""
    return Answer(
        name=read_text(part["name"]),
        records=records,
        canonical_name=read_text(part["canonical_name"]),
        ttl_s=part["ttl_s"],
        validity=Validity(part["validity"]),
        fault=read_fault(part["fault"]),
    )
