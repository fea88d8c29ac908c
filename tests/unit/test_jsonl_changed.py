"""Rows that somebody changed: refused in one line, or sound (tests/fuzz/changed_rows.py holds them to that)."""

import copy
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import jsonl
from scanner.jsonl.caps import Caps, Pen, ladder
from scanner.jsonl.row import write_record
from scanner.model.record import Record
from tests.fuzz import changed_rows
from tests.unit import records
from tests.unit import stories as some

NEARLY = (
    *("", "a", "pass", "mail", "usual", "25", "::1", "192.0.2.1", "*.example.test", "\\", "\\x80", "\\u{d800}", "00"),
    *("2026-11-24T12:30:15.250Z", "0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z", "250 STARTTLS", "\n", "ä"),
    *(0, 1, -1, 2, 3, 25, 250, 421, 65536, (1 << 53) - 1, 1 << 53, -(1 << 53), (1 << 64) - 1, 0.5, True, False, None),
)
"""What stands somewhere in a row, and would be wrong, or odd, elsewhere."""
scalars = st.sampled_from(NEARLY) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10)
values = st.recursive(
    scalars, lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=5), each, max_size=3)
)


@st.composite
def changed(draw: st.DrawFn) -> bytes:
    """A good row with up to three places changed, each to any JSON value or to what stands at another place."""
    good, places = changed_rows.parsed(draw(st.integers(0, len(changed_rows.LINES) - 1)))
    row = copy.deepcopy(good)
    elsewhere = st.sampled_from(places).map(lambda path: copy.deepcopy(changed_rows.at(good, path)))
    for _ in range(draw(st.integers(1, 3))):
        row = changed_rows.put(row, draw(st.sampled_from(places)), draw(values | elsewhere))
    return orjson.dumps(row)


@given(changed())
@settings(max_examples=500)
def test_a_changed_row_is_refused_or_can_be_written_judged_and_explained(line: bytes) -> None:
    changed_rows.obeyed(line)


@given(st.data())
@settings(max_examples=500)
def test_a_value_of_another_type_is_refused_where_it_is_compared(data: st.DataObject) -> None:
    """JSON holds nothing to any type: a number must not pass for a text, nor a text for a flag."""
    number = data.draw(st.integers(0, len(changed_rows.LINES) - 1))
    good, places = changed_rows.parsed(number)
    path = data.draw(st.sampled_from(places).filter(lambda path: changed_rows.at(good, path) is not None))
    others = values.filter(lambda it: it is not None and type(it) is not type(changed_rows.at(good, path)))
    facts = changed_rows.diffed(orjson.dumps(changed_rows.put(copy.deepcopy(good), path, data.draw(others))))
    assert facts is None or facts == changed_rows.diffed(changed_rows.LINES[number])


@given(records.records())
@settings(max_examples=50)
def test_any_record_that_was_written_obeys_the_same_law(record: Record) -> None:
    changed_rows.explained(record)


@pytest.mark.parametrize("line", changed_rows.LINES)
def test_a_row_that_nobody_changed_is_read(line: bytes) -> None:
    assert changed_rows.obeyed(line) is not None


@pytest.mark.parametrize("caps", list(ladder()))
def test_a_row_that_had_to_be_cut_is_read(caps: Caps) -> None:
    for record in changed_rows.RECORDS:
        assert changed_rows.obeyed(orjson.dumps(write_record(record, Pen(caps)))) is not None


WRONG: tuple[tuple[str, Any], ...] = (
    ("n", 0),
    ("n", -1),
    ("n", True),
    ("n", "1"),
    ("n", 1.0),
    ("n", 1 << 53),
    ("run_id", None),
    ("run_id", "a" * 256),
    ("domain", ["example.test"]),
    ("domain", "a" * 256),
    ("observed_at", "2026-11-24T12:30:15.250"),
    ("observed_at", "2026-11-24T12:30:15.250+01:00"),
    ("observed_at", "2026-11-24T12:30:15.250001Z"),
    ("observed_at", "0001-01-01T00:00:00.000+14:00"),
    ("observed_at", "2026-11-24"),
    ("observed_at", 1764000000),
    ("observed_at", ["a" * 1000] * 24),
    ("sessions.0.observed_at", "a" * 1000),
    ("status", "fine"),
    ("starttls", ["pass"]),
    ("differs_by_source", 0),
    ("would_wait", "no"),
    ("findings", "starttls-not-supported"),
    ("findings", {}),
    ("predictions.0.certain", 1),
    ("predictions.0.outcome", "CLEAR"),
    ("predictions.0.words", ["a"]),
    ("input.columns", ""),
    ("input.raw", None),
    ("input.tls_policy", "must_tls"),
    ("route.mx", None),
    ("route.mx.0.preference", None),
    ("route.mx.0.addresses", "192.0.2.1"),
    ("route.mx.0.addresses.0", None),
    ("route.implicit", None),
    ("route.validity", "Secure"),
    ("route.ttl_s", "300"),
    ("route.published.0.exchange", 7),
    ("policies.mta_sts.txt", "v=STSv1; id=1"),
    ("sessions.0.port", False),
    ("sessions.0.greeting", "220 mx"),
    ("sessions.0.greeting.0", ["220 mx"]),
    ("sessions.0.greeting_code", "220"),
    ("sessions.0.stage", "DONE"),
    ("sessions.0.oddities", ["strange"]),
    ("sessions.0.times_ms", []),
    ("sessions.0.times_ms.connect", 1.5),
    ("sessions.0.tls.chain", ["no digest"]),
    ("sessions.0.tls.chain.0", 7),
    ("sessions.0.shared", None),
)
"""Place in the typical row, and what cannot stand there."""


@pytest.mark.parametrize(("place", "wrong"), WRONG)
def test_what_cannot_stand_at_a_place_is_refused(place: str, wrong: Any) -> None:
    row = orjson.loads(jsonl.encode(some.TYPICAL))
    path = tuple(int(key) if key.isdecimal() else key for key in place.split("."))
    changed_rows.at(row, path)
    with pytest.raises(ValueError, match=r"\A[^\n]{1,200}\Z"):
        jsonl.decode(orjson.dumps(changed_rows.put(row, path, wrong)), some.CERTIFICATES)


def test_one_is_not_taken_for_true_because_true_was_there_before() -> None:
    line = jsonl.encode(some.TYPICAL)
    jsonl.decode(line, {})
    with pytest.raises(ValueError, match="no flag"):
        jsonl.decode(line.replace(b'"certain":true', b'"certain":1'), {})


@pytest.mark.parametrize("text", ["NaN", "1e999", '"\\ud800"', "[" * 2000 + "]" * 2000, "-", "{'a':1}"])
def test_what_is_no_json_is_refused(text: str) -> None:
    line = jsonl.encode(some.TYPICAL)[:-2] + f',"news":{text}}}'.encode()
    with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
        jsonl.decode(line, {})


@pytest.mark.parametrize("news", ["[" * 500 + "]" * 500, str(1 << 60)])
def test_an_unknown_key_that_cannot_be_written_again_is_refused_when_it_would_be(news: str) -> None:
    line = jsonl.encode(some.TYPICAL)[:-2] + f',"news":{news}}}'.encode()
    assert jsonl.decode(line, some.CERTIFICATES) == some.TYPICAL
    with pytest.raises(ValueError, match="not a row of schema"):
        jsonl.replace_assessment(line, some.TYPICAL.assessment)


@pytest.mark.parametrize(("place", "wrong"), [("truncated", None), ("sessions.0.source", 7), ("sessions.0", "x")])
def test_another_judgement_of_a_changed_row_is_refused(place: str, wrong: Any) -> None:
    row = orjson.loads(jsonl.encode(some.TYPICAL))
    path = tuple(int(key) if key.isdecimal() else key for key in place.split("."))
    with pytest.raises(ValueError, match="not a row of schema"):
        jsonl.replace_assessment(orjson.dumps(changed_rows.put(row, path, wrong)), some.TYPICAL.assessment)


def test_the_last_of_two_equal_keys_counts() -> None:
    line = jsonl.encode(some.TYPICAL)[:-2] + b',"n":7}'
    assert jsonl.decode(line, {}).target.n == 7


@given(st.binary(max_size=60))
def test_any_bytes_describe_a_changed_row(data: bytes) -> None:
    changed_rows.obeyed(changed_rows.from_bytes(data))
