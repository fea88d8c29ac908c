"""The small values that appear everywhere in a row: instants, faults, what DNS said of one name.

What is read is held to its type, because JSON holds nothing to any: a text where a list is wanted would be read letter
by letter, and `true` where a number is. Every `read_...` raises TypeError, ValueError or KeyError for what is no such
thing, and lets nothing else through.

Touches: nothing. Source: RFC 3339 section 5.6 (time).
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from operator import itemgetter
from typing import Any, TypeVar

from scanner import schema, text
from scanner.jsonl.caps import Pen
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, Validity
from scanner.model.session import Role

T = TypeVar("T")
Part = Mapping[str, Any]
"""A piece of a row as it was read back."""

MINOR = int(schema.VERSION.partition(".")[2])
VERSION = re.compile(rf"{schema.MAJOR}\.([0-9]{{1,9}})")
TIME_LETTERS = len("2026-11-24T12:30:15.250Z")
STAGES = {stage.word: stage for stage in Stage}
KINDS = {kind.value: kind for kind in Kind}
SIDES = {side.value: side for side in Side}
ROLES = {role.value: role for role in Role}
VALIDITIES = {validity.value: validity for validity in Validity}
FAULT = itemgetter("stage", "kind", "side", "detail", "code")
FAULTS_KEPT = 128
"""Made once for all rows that are read: there are few, and NODATA stands in every row."""


def read_version(shown: object) -> None:
    """Let a row of this minor version or an older one pass. Raises ValueError for any other.

    What a newer one adds may be what its verdicts rest on: nobody here could know that something was passed over.
    """
    found = VERSION.fullmatch(shown) if type(shown) is str else None
    if found is None:
        raise ValueError(f"schema {repr(shown)[:80]} is not {schema.MAJOR}.x")
    if int(found[1]) > MINOR:
        raise ValueError(
            f"schema {shown} was written by a newer starttls-scanner: this one reads up to {schema.VERSION}"
        )


def write_time(at: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    if at.tzinfo is not UTC:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:-6] + "Z"


def write_time_if_any(at: datetime | None) -> str | None:
    """As `write_time`."""
    return None if at is None else write_time(at)


def read_time(shown: object) -> datetime:
    """Undo `write_time`: an instant in UTC, and in whole milliseconds, as none other can be written again."""
    if type(shown) is not str or len(shown) != TIME_LETTERS:
        raise _wrong("instant to the millisecond", shown)
    at = datetime.fromisoformat(shown)
    if at.tzinfo is not UTC or at.microsecond % 1000:
        raise ValueError(f"{shown!r} is no instant in UTC")
    return at


def read_text(shown: object) -> str:
    """Undo `Pen.text`."""
    if type(shown) is str:
        return text.to_str(shown) if "\\" in shown else shown
    raise _wrong("text", shown)


def read_text_if_any(shown: object) -> str:
    """Undo `Pen.text_if_any`."""
    if shown is None:
        return ""
    return shown if type(shown) is str and "\\" not in shown else read_text(shown)


def read_bytes(shown: object) -> bytes:
    """Undo `Pen.raw`."""
    if type(shown) is str:
        return text.to_bytes(shown) if "\\" in shown else shown.encode()
    raise _wrong("text", shown)


def read_list(shown: object, read: Callable[[Any], T]) -> tuple[T, ...]:
    """Undo `Pen.listed`."""
    if type(shown) is list:
        return tuple(map(read, shown)) if shown else ()
    raise _wrong("list", shown)


def read_int(number: object) -> int:
    """Read a number that can be written again."""
    if type(number) is int and -schema.INTEGER_MOST <= number <= schema.INTEGER_MOST:
        return number
    raise _wrong("number in range", number)


def read_int_if_any(number: object) -> int | None:
    """As `read_int`."""
    return None if number is None else read_int(number)


def read_flag(flag: object) -> bool:
    """Read true or false."""
    if flag is True or flag is False:
        return flag
    raise _wrong("flag", flag)


def read_flag_if_any(flag: object) -> bool | None:
    """As `read_flag`."""
    return None if flag is None else read_flag(flag)


def read_word(words: Mapping[str, T], word: str) -> T:
    """Read one of the words that are known. A table is asked much faster than an Enum."""
    try:
        return words[word]
    except KeyError:
        raise ValueError(f"unknown word {str(word)[:80]!r}") from None


def _wrong(wanted: str, found: object) -> TypeError:
    return TypeError(f"{type(found).__name__} is no {wanted}")


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
    return _fault(*FAULT(part))


@lru_cache(FAULTS_KEPT, typed=True)
def _fault(stage: str, kind: str, side: str, detail: str | None, code: int | None) -> Fault:
    """Typed, because 1 would find what was kept for true, which is no code."""
    where, what, whose = read_word(STAGES, stage), read_word(KINDS, kind), read_word(SIDES, side)
    return Fault(where, what, whose, read_text_if_any(detail), read_int_if_any(code))


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
        canonical_name=read_text_if_any(part["canonical_name"]),
        ttl_s=read_int_if_any(part["ttl_s"]),
        validity=read_word(VALIDITIES, part["validity"]),
        fault=read_fault(part["fault"]),
    )
