"""Rules that make an alarm, and what they count."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from scanner.alarms import FLAGS, WORDS, Alarm, Rule, head_of, outcomes, raised, read
from scanner.jsonl import encode
from scanner.model.assessment import Cause, Outcome, Prediction
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.tally import Tally
from tests.unit.records import records
from tests.unit.stories import REFUSED, SIGNED, TYPICAL, predicted, session

STRICT = replace(
    SIGNED,
    assessment=replace(
        SIGNED.assessment,
        predictions=(
            Prediction("strict_rfc", "witness", Outcome.DEFER, ""),
            Prediction("strict_rfc", "mail", Outcome.BOUNCE, ""),
        ),
    ),
)
"""Beyond the models of the head; what the witness would meet is nobody's mail."""
RULES = [
    *FLAGS,
    *(f"{key}={','.join(words)}" for key, words in WORDS.items()),
    *(f"cause={each}" for each in WORDS["cause"]),
]


@pytest.mark.parametrize(
    ("written", "key", "words"),
    [
        ("would_wait", "would_wait", set()),
        ("differs_by_source", "differs_by_source", set()),
        ("starttls=absent,fail", "starttls", {"absent", "fail"}),
        ("starttls=absent, fail", "starttls", {"absent", "fail"}),
        ("dane=fail", "dane", {"fail"}),
        ("delivery.encrypt=defer,bounce", "delivery.encrypt", {"defer", "bounce"}),
        ("delivery.dane_only=defer", "delivery.dane_only", {"defer"}),
        ("finding=certificate-expired", "finding", {"certificate-expired"}),
        ("status=inconclusive", "status", {"inconclusive"}),
        ("cause=client-policy", "cause", {"client-policy"}),
    ],
)
def test_a_rule_is_a_flag_or_a_key_with_words(written: str, key: str, words: set[str]) -> None:
    assert read(written) == Rule(written, key, frozenset(words))


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("", "no such rule: '' (one of would_wait, differs_by_source, status=..., starttls=..., "),
        ("would-wait", "no such rule: 'would-wait'"),
        ("would_wait=true", "no such rule: 'would_wait=true'"),
        ("tls=fail", "no such rule: 'tls=fail'"),
        ("delivery.sendmail=defer", "no such rule: 'delivery.sendmail=defer'"),
        ("starttls", "starttls is never '' (one of pass, partial, fail, absent, unknown, not_applicable)"),
        ("starttls=absent,", "starttls is never ''"),
        ("starttls=missing,absent", "starttls is never 'missing' (one of pass"),
        ("delivery.may=absent", "delivery.may is never 'absent' (one of encrypted_authenticated"),
        ("finding=expired", "finding is never 'expired' (one of dane-required, "),
        ("cause=chance", "cause is never 'chance' (one of own-egress, "),
        ("status=\x1b[31m", "status is never '\\x1b[31m' (one of ok, "),
    ],
)
def test_a_word_that_is_not_known_is_refused_with_those_that_are(written: str, why: str) -> None:
    with pytest.raises(ValueError, match=r"\A.+\Z") as refused:
        read(written)
    assert str(refused.value).startswith(why)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("written", "record", "is_told"),
    [
        ("would_wait", SIGNED, True),
        ("would_wait", TYPICAL, False),
        ("differs_by_source", SIGNED, True),
        ("differs_by_source", TYPICAL, False),
        ("starttls=absent,fail", SIGNED, True),
        ("starttls=absent", SIGNED, False),
        ("status=ok", SIGNED, True),
        ("status=input_error", REFUSED, True),
        ("delivery.encrypt=defer", SIGNED, True),
        ("delivery.encrypt=clear,bounce", SIGNED, False),
        ("delivery.encrypt=unknown", REFUSED, False),
        ("delivery.strict_rfc=bounce", STRICT, True),
        ("delivery.strict_rfc=defer", STRICT, False),
        ("finding=starttls-not-supported", SIGNED, True),
        ("finding=starttls-refused", SIGNED, False),
        ("cause=middlebox", SIGNED, False),
    ],
)
def test_a_rule_matches_what_the_row_says(written: str, record: Record, *, is_told: bool) -> None:
    assert read(written).matches(head_of(record)) is is_told
    assert read(written).matches(orjson.loads(encode(record))) is is_told


def test_only_the_most_likely_cause_is_told() -> None:
    causes = (Cause("client-policy", 80, ()), Cause("route", 5, ()))
    head = head_of(replace(TYPICAL, assessment=replace(TYPICAL.assessment, causes=causes)))
    assert read("cause=client-policy").matches(head)
    assert not read("cause=route").matches(head)


def test_rows_are_counted_and_the_first_is_named() -> None:
    tally = Tally(alarms=tuple(Alarm(read(each)) for each in ("would_wait", "status=ok", "starttls=absent")))
    tally.add_row(orjson.loads(encode(SIGNED)))  # of an interrupted run
    tally.add(TYPICAL)
    assert [(it.rows, it.example) for it in tally.alarms] == [(1, "signed.test"), (2, "signed.test"), (0, "")]
    assert raised(tally.alarms) == "would_wait: 1 row, first signed.test; status=ok: 2 rows, first signed.test"


def test_a_row_without_a_domain_is_named_by_its_number() -> None:
    alarm = Alarm(read("status=input_error"))
    alarm.look(head_of(REFUSED))
    assert alarm.example == "row 3"


@pytest.mark.parametrize("hostile", ["a\x1b[2Jb", "a\nb", "a\u202eb", "a\\b"])
def test_the_example_is_shown_escaped_once(hostile: str) -> None:
    """A domain is clean by the time it is one; a file of rows may say anything."""
    record = replace(TYPICAL, target=Target(1, hostile))
    for head in (head_of(record), orjson.loads(encode(record))):
        alarm = Alarm(read("status=ok"))
        alarm.look(head)
        assert alarm.example == hostile
        assert raised([alarm]).isprintable()
        assert "\\\\\\\\" not in raised([alarm])


@settings(max_examples=30)
@given(records(), st.lists(st.sampled_from(RULES), min_size=1, max_size=8))
def test_a_resumed_run_raises_the_alarms_that_the_whole_one_would(record: Record, rules: list[str]) -> None:
    row: dict[str, Any] = orjson.loads(encode(record))
    live, reread = (Tally(alarms=tuple(Alarm(read(each)) for each in rules)) for _ in range(2))
    live.add(record)
    reread.add_row(row)
    assert live.alarms == reread.alarms or row["truncated"]


def test_without_a_match_nothing_is_said() -> None:
    assert raised([Alarm(read("would_wait"))]) == raised([]) == ""


NAMELESS = replace(
    TYPICAL,
    evidence=replace(TYPICAL.evidence, sessions=(session(source=""),)),  # type: ignore[type-var] # it is there
    assessment=replace(
        TYPICAL.assessment,
        predictions=(*predicted(Outcome.CLEAR, "another"), *predicted(Outcome.ENCRYPTED, "")),
    ),
)
"""A source without a name is null where it is predicted for."""


@settings(max_examples=30)
@given(records())
@example(NAMELESS)
def test_an_outcome_is_the_one_of_the_head(record: Record) -> None:
    row: dict[str, Any] = orjson.loads(encode(record))
    for model, outcome in row["delivery"].items():
        assert outcome is None or outcome in outcomes(model, row) or row["truncated"]
