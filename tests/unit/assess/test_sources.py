"""Our sources compared: findings that only a comparison shows, repetitions, and our own way out."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess import sources
from scanner.assess.folding import better
from scanner.model.assessment import Assessment, Status, Verdict
from scanner.model.fault import Kind, Stage
from scanner.model.route import Route
from scanner.model.session import Canary, Oddity, Session
from tests.unit.assess.evidence import (
    AT,
    MINUTE,
    WITNESS,
    again,
    cut,
    encrypted,
    host,
    judged,
    plain,
    policy,
    predicted,
    reply,
    route,
    secured,
    seen,
    session,
    tlsa_of,
    types,
    witnessed,
)

P, F, A, U, H = Verdict.PASS, Verdict.FAIL, Verdict.ABSENT, Verdict.UNKNOWN, Verdict.PARTIAL
MANGLED = plain(ehlo=reply(250, "XXXXXXXA"), oddities=(Oddity.STARTTLS_MANGLED,))
SILENT = cut(Stage.CONNECT, Kind.TIMEOUT)
BUSY = cut(Stage.GREETING, Kind.REPLY_421)
LOSING = (Canary("mail", mangled=2, unseen=1), Canary("witness", offered=3))


def detail(assessment: Assessment, name: str) -> str:
    """The detail of the one finding of this type."""
    (found,) = (it for it in assessment.findings if it.type == name)
    return found.detail


def repeated(made: Session, times: int = 1) -> Session:
    """The same again, a minute later."""
    return replace(made, follow_up=times, observed_at=AT + times * MINUTE)


# what is compared


def test_a_difference_that_was_seen_once_is_told_with_that_word() -> None:
    assessment = judged(plain(), witnessed(encrypted()))
    assert detail(assessment, "source-dependent") == "mail: no (seen once), witness: yes (seen once)"
    assert assessment.differs_by_source is True


def test_a_difference_that_stays_is_told_with_the_number_of_visits() -> None:
    assessment = judged(*again(plain(), witnessed(encrypted())))
    assert detail(assessment, "source-dependent") == "mail: no (2 visits), witness: yes (2 visits)"
    assert assessment.starttls is H


def test_a_source_with_changing_answers_compares_with_nobody() -> None:
    assessment = judged(plain(), repeated(encrypted()), witnessed(encrypted()))
    assert assessment.differs_by_source is None
    assert types(assessment)[0] == "flapping"
    assert "source-dependent" not in types(assessment)


def test_two_steady_sources_are_compared_though_a_third_is_flapping() -> None:
    third = [replace(it, source="third") for it in (plain(), repeated(encrypted()))]
    assessment = judged(plain(), witnessed(encrypted()), *third)
    assert assessment.differs_by_source is True
    assert "third" not in detail(assessment, "source-dependent")


def test_rfc_7672_s9_2_starttls_must_not_be_selective_beside_tlsa_records() -> None:
    way = secured(tlsa_of("good"))
    selective = judged(plain(), witnessed(encrypted()), way=way)
    found = [it for it in selective.findings if it.type == "selective-starttls-under-dane"]
    assert [(it.source, it.rule) for it in found] == [("mail", "RFC 7672 9.2")]
    assert "selective-starttls-under-dane" not in types(judged(plain(), witnessed(plain()), way=way))
    assert "selective-starttls-under-dane" not in types(judged(plain(), witnessed(encrypted())))


# repetitions


@pytest.mark.parametrize(
    ("visits", "verdict"),
    [
        ((plain(), plain()), A),
        ((plain(), SILENT), A),
        ((plain(), BUSY), A),
        ((SILENT, plain()), A),
        ((SILENT, BUSY), U),
        ((encrypted(), BUSY), P),
        ((BUSY, encrypted()), P),
        ((encrypted(), plain()), H),
        ((cut(Stage.STARTTLS, Kind.REPLY_5XX), SILENT), F),
        ((cut(Stage.STARTTLS, Kind.REPLY_4XX, code=454), encrypted()), P),
        ((cut(Stage.STARTTLS, Kind.REPLY_4XX, code=454), plain()), A),
        ((cut(Stage.HANDSHAKE, Kind.CLOSED), cut(Stage.HANDSHAKE, Kind.CLOSED)), U),
    ],
)
def test_a_repetition_that_saw_nothing_takes_nothing_back(visits: tuple[Session, Session], verdict: Verdict) -> None:
    usual, later = visits
    assert judged(usual, repeated(later)).starttls is verdict
    assert judged(repeated(later), usual).starttls is verdict


def test_one_visit_that_saw_nothing_is_no_repetition() -> None:
    """Two connections of one visit belong together: the second, wider one was to decide."""
    assert judged(plain(), SILENT).starttls is U


def test_what_is_told_of_a_server_is_what_was_seen_of_it() -> None:
    """Not the time-out of the other visit."""
    assert types(judged(SILENT, repeated(plain()))) == ["starttls-not-supported"]
    late = judged(SILENT, repeated(cut(Stage.STARTTLS, Kind.REPLY_5XX)))
    assert types(late) == ["starttls-refused"]


def test_the_delivery_follows_the_visit_that_saw_clearly() -> None:
    assert predicted(judged(SILENT, repeated(plain())), "may") == predicted(judged(plain()), "may")


PASSING = st.sampled_from([SILENT, BUSY, cut(Stage.EHLO, Kind.CLOSED), cut(Stage.STARTTLS, Kind.TIMEOUT)])
CLEAR = st.sampled_from([encrypted(), plain(), cut(Stage.STARTTLS, Kind.REPLY_5XX), MANGLED])


@given(CLEAR, st.lists(PASSING, max_size=3))
def test_passing_faults_in_repetitions_change_no_verdict(clear: Session, passing: list[Session]) -> None:
    more = [repeated(it, times) for times, it in enumerate(passing, 1)]
    assert judged(clear, *more).starttls is judged(clear).starttls


@given(st.lists(PASSING, min_size=1, max_size=4))
def test_visits_that_saw_nothing_never_add_up_to_absent(passing: list[Session]) -> None:
    assert judged(*(repeated(it, times) for times, it in enumerate(passing))).starttls is U


# turned away


@pytest.mark.parametrize("stage", [Stage.GREETING, Stage.EHLO])
@pytest.mark.parametrize("kind", [Kind.REPLY_5XX, Kind.REPLY_4XX, Kind.REPLY_421])
@pytest.mark.parametrize("other", [encrypted(), plain()])
def test_who_is_turned_away_while_another_is_let_in_is_blocked(stage: Stage, kind: Kind, other: Session) -> None:
    assessment = judged(cut(stage, kind), witnessed(other))
    assert assessment.starttls is U
    assert [it.source for it in assessment.findings if it.type == "blocked-for-source"] == ["mail"]
    assert assessment.differs_by_source is None


@pytest.mark.parametrize(
    "sessions",
    [
        (BUSY, witnessed(BUSY)),
        (BUSY,),
        (SILENT, witnessed(encrypted())),
        (BUSY, repeated(encrypted()), witnessed(encrypted())),
    ],
)
def test_a_server_that_refuses_everybody_or_says_nothing_blocks_no_source(sessions: tuple[Session, ...]) -> None:
    assert "blocked-for-source" not in types(judged(*sessions))


# our own way out


@pytest.mark.parametrize("seen_here", [MANGLED, plain(), cut(Stage.STARTTLS, Kind.REPLY_5XX)])
def test_what_our_own_way_out_loses_is_unknown_and_never_held_against_the_partner(seen_here: Session) -> None:
    way = secured(tlsa_of("good"))
    assessment = judged(seen_here, witnessed(encrypted()), way=way, canaries=LOSING, mta_sts=policy())
    assert (assessment.starttls, assessment.status) == (U, Status.INCONCLUSIVE)
    assert assessment.differs_by_source is None
    assert types(assessment) == ["own-egress"]
    assert detail(assessment, "own-egress") == "2 of 3 canaries lose STARTTLS from here, none offers it"
    assert [it.cause for it in assessment.causes] == ["own-egress"]
    assert F not in {assessment.dane, assessment.mta_sts, assessment.webpki}


def test_our_own_way_out_still_decides_what_becomes_of_our_mail() -> None:
    bent = judged(MANGLED, witnessed(encrypted()), canaries=LOSING)
    assert predicted(bent, "encrypt") == predicted(judged(MANGLED), "encrypt")


def test_tls_that_stands_is_a_fact_whatever_canaries_say() -> None:
    assert judged(encrypted(), canaries=LOSING).starttls is P
    assert types(judged(encrypted(), canaries=LOSING)) == []


def test_a_source_that_was_turned_away_is_told_so_and_not_blamed_on_us() -> None:
    assessment = judged(BUSY, witnessed(encrypted()), canaries=LOSING)
    assert "own-egress" not in types(assessment)
    assert "smtp-session-rejected" in types(assessment)


@pytest.mark.parametrize(
    ("canary", "is_ours"),
    [
        (Canary("mail", mangled=1), True),
        (Canary("mail", missing=2), True),
        (Canary("mail", missing=2, unseen=3), True),
        (Canary("mail", missing=1), False),
        (Canary("mail", unseen=5), False),
        (Canary("mail", offered=1, missing=4, mangled=4), False),
        (Canary("witness", mangled=3), False),
        (Canary("mail"), False),
    ],
)
def test_canaries_convict_only_where_all_that_answered_agree(canary: Canary, is_ours: bool) -> None:  # noqa: FBT001 - a column
    assert (judged(MANGLED, canaries=(canary,)).starttls is U) is is_ours


def at(mx: str, address: str, made: Session) -> Session:
    """The same session with another server."""
    return replace(made, endpoint=session(mx=mx, address=address).endpoint)


ONE, TWO = ("mx.one.test", "192.0.2.1"), ("mx.two.example", "203.0.114.1")
NEXT_DOOR, SAME_NAME = ("mx.three.example", "192.0.3.1"), ("mx2.one.test", "203.0.114.1")


@pytest.mark.parametrize(
    ("second", "is_ours"),
    [(TWO, True), (NEXT_DOOR, False), (SAME_NAME, False), (ONE, False)],
)
def test_two_operators_that_share_nothing_do_not_share_a_middlebox(second: tuple[str, str], is_ours: bool) -> None:  # noqa: FBT001 - a column
    way = route(*(host(mx, addresses=[address]) for mx, address in dict.fromkeys((ONE, second))))
    sessions = [at(*place, made) for place in (ONE, second) for made in (MANGLED, witnessed(encrypted()))]
    assessment = judged(*sessions, way=way)
    assert ("own-egress" in types(assessment)) is is_ours
    assert (assessment.starttls is U) is is_ours
    assert (assessment.causes[0].cause == "own-egress") is is_ours


def two_operators(*made: Session, **more: Any) -> Assessment:
    """These sessions at each of two operators."""
    way: Route = route(*(host(mx, addresses=[address]) for mx, address in (ONE, TWO)))
    return judged(*(at(*place, it) for place in (ONE, TWO) for it in made), way=way, **more)


def test_a_canary_that_is_whole_acquits_us_of_two_mangled_operators() -> None:
    assert two_operators(MANGLED, witnessed(encrypted()), canaries=(Canary("mail", offered=1),)).starttls is H


def test_what_everybody_sees_mangled_convicts_nobody() -> None:
    assert two_operators(MANGLED, witnessed(MANGLED)).starttls is A
    assert two_operators(MANGLED).starttls is A


@given(CLEAR, st.integers(0, 3), st.integers(0, 3), st.integers(0, 3))
def test_losing_canaries_never_improve_a_verdict(made: Session, missing: int, mangled: int, unseen: int) -> None:
    told = Canary("mail", missing=missing, mangled=mangled, unseen=unseen)
    before, after = judged(made), judged(made, canaries=(told,))
    assert not better(after.starttls, before.starttls) or before.starttls is F
    assert after.starttls in {before.starttls, U}


# one way out for two sources


def shared(egress: str, mail: str = "198.51.100.10", witness: str = WITNESS) -> tuple[Session, Session]:
    """Two sources with two answers, both echoed as this address."""
    return plain(egress=egress, source_address=mail), witnessed(encrypted(), egress=egress, source_address=witness)


@pytest.mark.parametrize(
    ("sessions", "is_shared"),
    [
        (shared("203.0.113.9"), True),
        (shared("198.51.100.10"), True),
        (shared("9.9.9.9", "10.0.0.1", "10.0.0.2"), True),
        (shared("10.0.0.9", "10.0.0.1", "10.0.0.2"), True),
        (shared("10.9.9.9", "9.9.9.10", "9.9.9.11"), False),  # a balancer over there
        (shared(""), False),
        (shared("203.0.113.9", "", ""), False),
        ((plain(egress="198.51.100.10"), witnessed(encrypted(), egress=WITNESS)), False),
    ],
)
def test_two_sources_that_leave_by_one_address_are_not_compared(
    sessions: tuple[Session, Session],
    is_shared: bool,  # noqa: FBT001 - a column
) -> None:
    assessment = judged(*sessions)
    assert ("same-egress" in types(assessment)) is is_shared
    assert assessment.differs_by_source is (None if is_shared else True)
    assert (assessment.causes[0].cause == "same-egress") is is_shared


def test_one_source_is_never_compared_with_itself() -> None:
    assert "same-egress" not in types(judged(*again(plain(egress="203.0.113.9"))))


def test_evidence_without_sessions_distorts_nothing() -> None:
    assert sources.distorted(seen(canaries=(Canary("mail", missing=1),))) == frozenset()
