"""What a partner's policy makes of mail from each of our sources, and of the row."""

from dataclasses import replace

import pytest

from scanner.assess.case import Case, views
from scanner.assess.partners import MODEL_OF, is_stuck, waits, would_wait
from scanner.model.assessment import Assessment, Outcome, Prediction, Status, Wait
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.record import Evidence
from scanner.model.route import MxRecord
from scanner.model.session import Role, Session
from scanner.model.target import Target, TlsPolicy
from scanner.protocols.exclusions import NONE
from scanner.survey import excluded, given_up, unscanned
from tests.unit.assess.evidence import (
    AT,
    NXDOMAIN,
    SERVFAIL,
    authority,
    cut,
    encrypted,
    host,
    plain,
    route,
    secured,
    seen,
    tlsa_of,
)

NOBODY = Prediction("", "", Outcome.UNKNOWN, "")


def judged(policy: TlsPolicy | None, *sessions: Session, evidence: Evidence | None = None) -> Assessment:
    return authority().judge(evidence or seen(*sessions), AT, policy)


def witness(made: Session) -> Session:
    return replace(made, source="witness", source_address="203.0.113.9", role=Role.WITNESS)


@pytest.mark.parametrize(
    ("policy", "session", "outcome", "stuck"),
    [
        (TlsPolicy.MUST_TLS, encrypted(), Outcome.ENCRYPTED, False),
        (TlsPolicy.MUST_TLS, encrypted("expired"), Outcome.ENCRYPTED, False),
        (TlsPolicy.MUST_TLS, encrypted("wrong host"), Outcome.ENCRYPTED, False),
        (TlsPolicy.MUST_TLS, plain(), Outcome.DEFER, True),
        (TlsPolicy.MUST_TLS, cut(Stage.STARTTLS, Kind.REPLY_5XX), Outcome.BOUNCE, True),
        (TlsPolicy.MUST_TLS, cut(Stage.HANDSHAKE, Kind.TLS_ALERT), Outcome.DEFER, True),
        (TlsPolicy.MUST_TLS, cut(Stage.CONNECT, Kind.REFUSED), Outcome.DEFER, True),
        (TlsPolicy.MUST_TLS, cut(Stage.GREETING, Kind.TIMEOUT), Outcome.DEFER, True),
        (TlsPolicy.MUST_TLS, cut(Stage.GREETING, Kind.REPLY_421), Outcome.DEFER, True),
        (TlsPolicy.MUST_TLS, cut(Stage.CONNECT, Kind.PARKED, Side.OURS), Outcome.UNKNOWN, None),
        (TlsPolicy.MUST_TLS, cut(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT), Outcome.UNKNOWN, None),
        (TlsPolicy.VERIFY, encrypted(), Outcome.ENCRYPTED_AUTHENTICATED, False),
        (TlsPolicy.VERIFY, encrypted("expired"), Outcome.DEFER, True),
        (TlsPolicy.VERIFY, encrypted("wrong host"), Outcome.DEFER, True),
        (TlsPolicy.VERIFY, encrypted("self-signed"), Outcome.DEFER, True),
        (TlsPolicy.VERIFY, plain(), Outcome.DEFER, True),
        (TlsPolicy.DANE, encrypted(), Outcome.DEFER, True),  # there are no TLSA records
    ],
)
def test_a_policy_asks_its_sender_model_whether_mail_would_wait(
    policy: TlsPolicy, session: Session, outcome: Outcome, *, stuck: bool | None
) -> None:
    """RFC 7672 section 2.2, RFC 3207 section 4; waiting and bouncing are one answer."""
    found = judged(policy, session)
    assert [(it.source, it.role, it.outcome, it.would_wait) for it in found.waits] == [
        ("mail", Role.MAIL, outcome, stuck)
    ]
    assert found.would_wait is stuck


@pytest.mark.parametrize(("party", "stuck"), [("good", False), ("expired", True)])
def test_rfc_7672_section_2_2_dane_is_judged_by_its_records(party: str, *, stuck: bool) -> None:
    way = secured(tlsa_of("good"))
    assert judged(TlsPolicy.DANE, evidence=seen(encrypted(party), way=way)).would_wait is stuck


@pytest.mark.parametrize("policy", [TlsPolicy.NONE, None])
@pytest.mark.parametrize("session", [plain(), encrypted(), cut(Stage.GREETING, Kind.REPLY_5XX)])
def test_who_is_excused_or_not_named_never_waits(policy: TlsPolicy | None, session: Session) -> None:
    found = judged(policy, session)
    assert (found.waits, found.would_wait) == ((), None)


@pytest.mark.parametrize(
    ("mail", "other", "stuck"),
    [
        (plain(), encrypted(), True),
        (encrypted(), plain(), False),
        (encrypted(), encrypted(), False),
        (plain(), plain(), True),
    ],
)
def test_a_witness_is_told_of_and_decides_nothing(mail: Session, other: Session, *, stuck: bool) -> None:
    """The founding case: hidden from us, there for others."""
    found = judged(TlsPolicy.MUST_TLS, mail, witness(other))
    assert [(it.source, it.role) for it in found.waits] == [("mail", Role.MAIL), ("witness", Role.WITNESS)]
    assert [it.would_wait for it in found.waits] == [it.handshake is None for it in (mail, other)]
    assert found.would_wait is stuck


def test_where_only_witnesses_looked_nobody_can_tell() -> None:
    found = judged(TlsPolicy.MUST_TLS, witness(plain()))
    assert [it.would_wait for it in found.waits] == [True]
    assert found.would_wait is None


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ((), None),
        ((False,), False),
        ((False, False), False),
        ((False, True), True),
        ((None, True), True),
        ((None, False), None),
        ((None,), None),
    ],
)
def test_one_source_that_is_stuck_is_enough_and_one_that_is_unknown_leaves_it_open(
    told: tuple[bool | None, ...], *, answer: bool | None
) -> None:
    each = tuple(Wait(f"mail{n}", Role.MAIL, stuck, Outcome.UNKNOWN) for n, stuck in enumerate(told))
    assert would_wait(each) is answer
    assert would_wait((*each, Wait("w", Role.WITNESS, would_wait=True, outcome=Outcome.DEFER))) is answer


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_is_stuck_through_or_unknown(outcome: Outcome) -> None:
    expected = {Outcome.DEFER: True, Outcome.BOUNCE: True, Outcome.UNKNOWN: None}
    assert is_stuck(outcome) is expected.get(outcome, False)


@pytest.mark.parametrize("policy", MODEL_OF)
@pytest.mark.parametrize(
    ("evidence", "stuck"),
    [
        (seen(way=route(null_mx=True, records=(MxRecord(0, ""),))), True),
        (seen(way=route(fault=NXDOMAIN)), True),
        (seen(way=route(fault=SERVFAIL)), True),
        (seen(way=route(host(addresses=()))), True),
        (seen(way=route(fault=Fault(Stage.RESOLVE, Kind.DNS_REFUSED))), None),
    ],
)
def test_where_dns_decides_one_nameless_source_answers(policy: TlsPolicy, evidence: Evidence, *, stuck: bool) -> None:
    """A partner whose domain takes no mail any more is worth an alarm as well."""
    found = judged(policy, evidence=evidence)
    assert [(it.source, it.role, it.would_wait) for it in found.waits] == [("", Role.MAIL, stuck)]
    assert found.would_wait is stuck


def test_what_was_not_scanned_or_left_undone_says_nothing() -> None:
    fault = Fault(Stage.INPUT, Kind.BAD_ROW, Side.INPUT)
    target = Target(1, "a.example", policy=TlsPolicy.MUST_TLS)
    broken = given_up(target, Fault(Stage.INPUT, Kind.BUG, Side.OURS), "run", AT).assessment
    assert excluded("a.example", NONE) is None
    for found in (unscanned(fault), unscanned(replace(fault, kind=Kind.EXCLUDED)), broken):
        assert found.status is not Status.OK
        assert (found.waits, found.would_wait) == ((), None)


def test_the_words_are_those_of_the_log() -> None:
    (found,) = judged(TlsPolicy.MUST_TLS, plain()).waits
    assert found.words == "TLS is required, but was not offered by host mx.example.test[192.0.2.1]"


def test_every_policy_that_demands_something_has_a_sender_model() -> None:
    evidence = seen(encrypted())
    case = Case(evidence, views(evidence.sessions), authority().judge.verifier, AT)
    models = {prediction.model for prediction in authority().judge(evidence, AT).predictions}
    assert set(MODEL_OF) == set(TlsPolicy) - {TlsPolicy.NONE}
    assert set(MODEL_OF.values()) <= models
    assert waits(TlsPolicy.MUST_TLS, (), case) == waits(None, (NOBODY,), case) == ()
