"""What rows have in common is read once, and every row says what it would have said alone."""

import copy
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import jsonl
from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.assess.trust import Trust
from scanner.jsonl.once import PIECE_BYTES, ReadOnce
from scanner.model.record import Evidence, Record
from scanner.model.route import Endpoint
from scanner.model.session import Session
from tests.fuzz import changed_rows
from tests.unit import records
from tests.unit import stories as some

DAYS = (0, 1, 45, 59, 61, 30, 0)
"""The certificate of the stories ends on the sixtieth."""


def evidence_of(record: Record) -> Evidence:
    """What there is in these stories."""
    assert record.evidence is not None
    return record.evidence


def all_shared(record: Record) -> Record:
    """As if every session had been held for another domain."""
    if record.evidence is None:
        return record
    sessions = tuple(replace(it, shared=True) for it in record.evidence.sessions)
    return replace(record, evidence=replace(record.evidence, sessions=sessions))


RECORDS = tuple(map(all_shared, changed_rows.RECORDS))
ROWS = tuple(orjson.loads(jsonl.encode(record)) for record in RECORDS)
PLACES = tuple(tuple(changed_rows.places(row)) for row in ROWS)
SHARED = all_shared(some.TYPICAL)


def alike(line: bytes, certificates: jsonl.Certificates) -> None:
    """A row with others before it is read, or refused, as it is alone."""
    try:
        alone = jsonl.decode(line, some.CERTIFICATES)
    except ValueError:
        with pytest.raises(ValueError, match=r"\A[^\n]+\Z"):
            jsonl.decode(line, certificates)
    else:
        assert repr(jsonl.decode(line, certificates)) == repr(alone)  # repr tells 1 from true


def read_in_turn(lines: Iterable[bytes]) -> None:
    """Read each, and then all of them again, with one memory."""
    certificates = jsonl.Certificates(some.CERTIFICATES)
    for line in [*lines] * 2:
        alike(line, certificates)


nearly: st.SearchStrategy[Any] = st.sampled_from(
    (0, 1, 1.0, 0.0, -0.0, True, False, None, "", "1", [], {}, 25, 25.0, "\\x80", [[1]], 1 << 53)
)


@st.composite
def changed(draw: st.DrawFn) -> list[bytes]:
    """One row, and it again with one value changed, to what Python or a careless reader might take for the same."""
    number = draw(st.integers(0, len(ROWS) - 1))
    rows = [ROWS[number]]
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(PLACES[number]))
        rows.append(changed_rows.put(copy.deepcopy(ROWS[number]), path, draw(nearly)))
    return [orjson.dumps(row) for row in draw(st.permutations(rows))]


@given(changed())
@settings(max_examples=300)
def test_a_row_that_somebody_changed_is_read_as_if_it_stood_alone(lines: list[bytes]) -> None:
    read_in_turn(lines)


@given(st.lists(records.records(), max_size=3))
@settings(max_examples=50)
def test_any_rows_are_read_as_if_each_stood_alone(found: list[Record]) -> None:
    read_in_turn([jsonl.encode(each) for record in found for each in (record, all_shared(record))])


def read(record: Record, certificates: jsonl.Certificates) -> Session:
    """The first session of this row, written and read."""
    return evidence_of(jsonl.decode(jsonl.encode(record), certificates)).sessions[0]


def under(endpoint: Endpoint, *, is_inherited: bool = False) -> Record:
    """The same row, with its first session for this endpoint."""
    evidence = evidence_of(SHARED)
    first = replace(evidence.sessions[0], endpoint=endpoint, inherited=is_inherited)
    return replace(SHARED, evidence=replace(evidence, sessions=(first, *evidence.sessions[1:])))


def test_a_session_that_rows_share_is_one_value_for_all_of_them() -> None:
    certificates = jsonl.Certificates(some.CERTIFICATES)
    assert read(SHARED, certificates) is read(replace(SHARED, run_id="another"), certificates)


def test_a_host_and_predictions_that_rows_share_are_one_value_for_all_of_them() -> None:
    certificates = jsonl.Certificates(some.CERTIFICATES)
    one, other = (jsonl.decode(jsonl.encode(it), certificates) for it in (SHARED, replace(SHARED, run_id="another")))
    assert evidence_of(one).route.hosts[0] is evidence_of(other).route.hosts[0]
    assert one.assessment.predictions is other.assessment.predictions


def test_a_session_that_nobody_shares_is_read_for_every_row() -> None:
    certificates = jsonl.Certificates(some.CERTIFICATES)
    one, other = read(some.TYPICAL, certificates), read(some.TYPICAL, certificates)
    assert one == other
    assert one is not other


@pytest.mark.parametrize("is_inherited", [False, True])
def test_under_another_name_a_session_is_the_same_connection_and_another_value(*, is_inherited: bool) -> None:
    certificates, endpoint = jsonl.Certificates(some.CERTIFICATES), evidence_of(SHARED).sessions[0].endpoint
    first = read(SHARED, certificates)
    tenant = replace(endpoint, mx="tenant.example.test", server_name="tenant.example.test")
    other = read(under(tenant, is_inherited=is_inherited), certificates)
    assert other == replace(first, endpoint=tenant, inherited=is_inherited)
    assert other.handshake is first.handshake
    assert read(SHARED, certificates) == first


def test_what_one_reader_knows_is_nothing_to_another_with_other_certificates() -> None:
    with_der, without = (read(SHARED, jsonl.Certificates(ders)) for ders in (some.CERTIFICATES, {}))
    assert with_der.handshake is not None
    assert without.handshake is not None
    assert [bool(it.der) for it in with_der.handshake.chain] != [bool(it.der) for it in without.handshake.chain]


def counted(asked: list[Any], part: object) -> object:
    """Read nothing, and note that it was asked for."""
    asked.append(part)
    return part


def test_the_last_pieces_are_remembered_and_older_ones_forgotten() -> None:
    asked: list[Any] = []
    once = ReadOnce[object](2)
    for part in ("a", "b", "a", "c", "a", "b"):
        assert once(part, lambda it: counted(asked, it)) == part
    assert asked == ["a", "b", "c", "b"]


@pytest.mark.parametrize("part", ["x" * PIECE_BYTES, orjson.loads("[" * 500 + "]" * 500)], ids=["long", "deep"])
def test_what_is_too_long_or_too_deep_is_read_every_time(part: object) -> None:
    asked: list[Any] = []
    once = ReadOnce[object](2)
    assert [once(part, lambda it: counted(asked, it)) for _ in range(2)] == [part, part]
    assert len(asked) == 2


def test_what_could_not_be_read_is_refused_again() -> None:
    once = ReadOnce[int](2)
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            once("x", int)


@pytest.mark.parametrize("number", range(len(RECORDS)))
def test_what_is_remembered_of_servers_never_changes_the_judgement_of_a_stored_row(number: int) -> None:
    """Rows of one server, days apart: its certificate may end between two of them."""
    anchors, certificates = Trust("the CA of the stories", "0" * 64, (some.CA,)), jsonl.Certificates(some.CERTIFICATES)
    judge, afresh = Judge(anchors, servers=Servers()), Judge(anchors)
    for day in DAYS:
        at = some.AT + timedelta(days=day)
        record = jsonl.decode(jsonl.encode(replace(RECORDS[number], observed_at=at)), certificates)
        if record.evidence is not None:
            policy = record.target.policy
            alone = evidence_of(jsonl.decode(jsonl.encode(record), some.CERTIFICATES))
            assert judge(record.evidence, at, policy) == afresh(alone, at, policy)
