"""Counting, live and from a file."""

from collections import Counter
from dataclasses import replace

import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from scanner.jsonl import encode
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.record import Record
from scanner.model.session import Hello
from scanner.model.target import TlsPolicy
from scanner.tally import Tally, duration_class, upper_ms
from tests.unit.records import records
from tests.unit.stories import TYPICAL


@settings(max_examples=30)
@given(records())
def test_a_resumed_run_counts_what_the_first_one_counted(record: Record) -> None:
    findings = record.assessment.findings[:1]
    assume(all(found.type.isidentifier() for found in findings))  # the types are ours
    row = orjson.loads(encode(record))
    live, reread = Tally(), Tally()
    live.add(record)
    reread.add_row(row)
    assert live == reread or row["truncated"]


def test_what_deep_asks_is_not_counted_among_the_sessions() -> None:
    evidence = TYPICAL.evidence
    assert evidence is not None
    asked = replace(evidence.sessions[0], hello=Hello.ONLY_TLS_1_0, fault=Fault(Stage.HANDSHAKE, Kind.TLS_ALERT))
    plain, deep = Tally(), Tally()
    plain.add(TYPICAL)
    deep.add(replace(TYPICAL, evidence=replace(evidence, sessions=(*evidence.sessions, asked))))
    assert deep == plain


@pytest.mark.parametrize(
    ("policy", "would_wait", "counted"),
    [
        (TlsPolicy.MUST_TLS, True, {"yes": 2}),
        (TlsPolicy.DANE, False, {"no": 2}),
        (TlsPolicy.VERIFY, None, {"unknown": 2}),
        (TlsPolicy.NONE, None, {}),
        (None, None, {}),
    ],
)
def test_waiting_is_counted_where_a_policy_demands_something(
    policy: TlsPolicy | None, *, would_wait: bool | None, counted: dict[str, int]
) -> None:
    target, assessment = replace(TYPICAL.target, policy=policy), replace(TYPICAL.assessment, would_wait=would_wait)
    record = replace(TYPICAL, target=target, assessment=assessment)
    tally = Tally()
    tally.add(record)
    tally.add_row(orjson.loads(encode(record)))
    assert tally.words["would_wait"] == counted


@given(st.integers(0, 10**7))
def test_a_duration_lies_in_its_class(took_ms: int) -> None:
    upper = upper_ms(duration_class(took_ms))
    assert took_ms <= upper <= max(1, took_ms * 1.26)


def test_percentiles_are_those_of_all_sessions() -> None:
    tally = Tally()
    tally.durations["ehlo"] = Counter({duration_class(10): 90, duration_class(1000): 10})
    assert tally.latency_ms() == {"ehlo": {"p50": 11, "p90": 11, "p99": 1023}}
