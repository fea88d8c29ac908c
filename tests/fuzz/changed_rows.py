"""Stored rows that somebody changed, under one law: a row is refused in one line, or what was read of it can be
written, judged, explained and compared, and nothing on that way raises.

A change puts any JSON value at any place of a good row. As bytes, for a fuzzer: the number of the row, then changes,
one a line, each the number of a place (two bytes) and a JSON text.
"""

import contextlib
import copy
from collections.abc import Iterator
from functools import cache
from typing import Any

import orjson

from scanner import jsonl, text, vantage
from scanner.assess.judgement import Judge
from scanner.assess.trust import Trust
from scanner.cli import compare
from scanner.cli.diff.changes import difference
from scanner.cli.diff.facts import Facts
from scanner.cli.diff.rows import read
from scanner.cli.diff.words import as_json, as_text
from scanner.explain import letter, page
from scanner.explain.styles import rendered
from scanner.model.record import Record
from scanner.vantage import Sight
from tests.unit import stories as some
from tests.unit.explain import pages

Path = tuple[str | int, ...]
RECORDS = (some.TYPICAL, some.SIGNED, some.REFUSED, *(record for record, _ in pages.PAGES.values()))
LINES = tuple(map(jsonl.encode, RECORDS))
PLACE_BYTES = 2
POLICIES = (None, "verify", "dane")


@cache
def judge() -> Judge:
    """One for all: it is slow to make, and what it remembers changes nothing."""
    return Judge(Trust("the CA of the stories", "0" * 64, (some.CA,)))


def places(value: object, path: Path = ()) -> Iterator[Path]:
    """Every place of a parsed row, the row itself first."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from places(each, (*path, key))


def at(row: Any, path: Path) -> Any:
    """What stands at a place. Raises TypeError, KeyError or IndexError where there is no such place any more."""
    for key in path:
        row = row[key]
    return row


def put(row: Any, path: Path, value: object) -> Any:
    """Put another value at one place; where a change before took the place away, nothing happens."""
    if not path:
        return value
    *way, last = path
    with contextlib.suppress(TypeError, KeyError, IndexError):
        at(row, tuple(way))[last] = value
    return row


@cache
def parsed(number: int) -> tuple[Any, tuple[Path, ...]]:
    """A good row with all its places."""
    row = orjson.loads(LINES[number])
    return row, tuple(places(row))


def from_bytes(data: bytes) -> bytes:
    """Make the row that these bytes describe."""
    row, known = parsed((data[0] if data else 0) % len(LINES))
    row = copy.deepcopy(row)
    for change in data[1:].split(b"\n"):
        at = int.from_bytes(change[:PLACE_BYTES], "big")
        try:
            row = put(row, known[at % len(known)], orjson.loads(change[PLACE_BYTES:]))
        except ValueError:
            continue
    return orjson.dumps(row)


def obeyed(line: bytes) -> Record | None:
    """Hold one row to the law. Returns what was read, None where it was refused; whatever else is raised breaks it."""
    diffed(line)
    try:
        record = jsonl.decode(line, some.CERTIFICATES)
    except ValueError as refused:
        assert_in_one_line(str(refused))
        return None
    written = jsonl.encode(record)
    assert len(written) <= jsonl.ROW_BYTES
    if not orjson.loads(written)["truncated"]:
        assert jsonl.decode(written, some.CERTIFICATES) == record
    explained(record)
    judged_again(line, record)
    compared(record)
    return record


def assert_in_one_line(words: str) -> None:
    """A line of a message, and not the whole row in it."""
    assert len(words.splitlines()) == 1, words
    assert len(words) < 400, words[:400]


def assert_shown(lines: bytes) -> None:
    """Nothing that a terminal would obey: all that is to be escaped is."""
    words = lines.decode().replace("\\", "")
    assert all(text.from_str(line) == line for line in words.split("\n")), words


def explained(record: Record) -> None:
    """Show the page and the letter."""
    for policy in POLICIES:
        assert rendered(page.page(record, policy))
        assert not letter.letter(record, policy) or not letter.objection(record, policy)


def compared(record: Record) -> None:
    """Put it together with a good row, in both orders and in every direction, as `starttls compare` does it."""
    for pair in ((record, some.TYPICAL), (some.TYPICAL, record)):
        sights = [Sight(name, it, it.evidence) for name, it in zip("ab", pair, strict=True) if it.evidence is not None]
        comparison = vantage.compared(sights, judge())
        assert len(jsonl.encode(comparison.record)) <= jsonl.ROW_BYTES
        cells = compare.answers(comparison, ("a", "b"), judge())
        assert_shown(compare.line_of("d.test", cells, {"a": 1, "b": 1}, compare.remark(comparison)))


def diffed(line: bytes) -> Facts | None:
    """Tell what changed from a good row to it, and back, as `starttls diff` does it. None where it is refused."""
    try:
        facts = read(line)
    except (ValueError, TypeError, KeyError, AttributeError) as refused:
        assert_in_one_line(str(refused))
        return None
    assert not difference(facts, facts).changes
    good = read(LINES[0])
    for was, now in ((facts, good), (good, facts)):
        it = difference(was, now)
        assert_shown(as_text(it, it.changes).encode() + as_json(it, it.changes))
    return facts


def judged_again(line: bytes, record: Record) -> None:
    """As `starttls assess` does it."""
    if record.evidence is None:
        return
    assessment = judge()(record.evidence, record.observed_at, record.target.policy)
    try:
        line = jsonl.replace_assessment(line, assessment)
    except ValueError as refused:  # a key that is not known may hold what no row may
        assert_in_one_line(str(refused))
        return
    again = jsonl.decode(line, some.CERTIFICATES)
    assert again.evidence == record.evidence
    assert again.assessment == assessment or orjson.loads(line)["truncated"]
