"""The STARTTLS axis, session by session."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess.passing import PASSING
from scanner.model.assessment import Verdict
from scanner.model.fault import Kind, Side, Stage
from scanner.model.session import Oddity, Reply, Session
from tests.unit.assess.evidence import (
    GREETING,
    cut,
    encrypted,
    judged,
    plain,
    reply,
    session,
    types,
    wide,
)

REMOTE_STAGES = (Stage.CONNECT, Stage.GREETING, Stage.EHLO, Stage.STARTTLS, Stage.HANDSHAKE, Stage.EHLO_TLS)
HELO_ONLY = plain(ehlo=reply(502), helo=reply(250), starttls=None, oddities=(Oddity.HELO_ONLY,))
UNADVERTISED = encrypted(ehlo=reply(250, "SIZE"), oddities=(Oddity.STARTTLS_UNADVERTISED,))
MANGLED = plain(ehlo=reply(250, "XXXXXXXA"), oddities=(Oddity.STARTTLS_MANGLED,))
MISPLACED = plain(ehlo=Reply(250, (b"250 STARTTLS",)), oddities=(Oddity.STARTTLS_MISPLACED,))
P, F, A, U = Verdict.PASS, Verdict.FAIL, Verdict.ABSENT, Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("seen", "verdict", "first"),
    [
        (encrypted(), P, None),
        (plain(), A, "starttls-not-supported"),
        (HELO_ONLY, A, "helo-only"),
        (MANGLED, A, "starttls-mangled"),
        (UNADVERTISED, A, "starttls-stripped"),
        (MISPLACED, A, "starttls-misplaced"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), F, "starttls-refused"),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40), F, "tls-handshake-failed"),
        (cut(Stage.HANDSHAKE, Kind.NOT_TLS), F, "tls-handshake-failed"),
        (cut(Stage.EHLO_TLS, Kind.TLS_ALERT, code=116), F, "client-certificate-demanded"),
        (cut(Stage.STARTTLS, Kind.REPLY_4XX, code=454), U, "starttls-unavailable"),
        (cut(Stage.GREETING, Kind.REPLY_5XX), U, "smtp-session-rejected"),
        (cut(Stage.GREETING, Kind.REPLY_421), U, "smtp-session-rejected"),
        (cut(Stage.EHLO, Kind.REPLY_5XX), U, "smtp-session-rejected"),
        (cut(Stage.EHLO, Kind.CLOSED), U, "session-unclear"),
        (cut(Stage.CONNECT, Kind.REFUSED), U, "mx-unreachable"),
        (cut(Stage.CONNECT, Kind.REFUSED_ADDRESS), U, "mx-address-special"),
        (cut(Stage.HANDSHAKE, Kind.CLOSED), U, "session-unclear"),
        (cut(Stage.EHLO_TLS, Kind.REPLY_421), U, "session-unclear"),
        (cut(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT), U, "not-looked-at"),
        (cut(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS), U, "not-looked-at"),
        (plain(starttls=reply(454)), U, "session-unclear"),
    ],
)
def test_one_session_gives_one_verdict(seen: Session, verdict: Verdict, first: str | None) -> None:
    assessment = judged(seen)
    assert assessment.starttls is verdict
    assert next(iter(types(assessment)), None) == first


@pytest.mark.parametrize(
    ("usual", "second", "verdict"),
    [
        (cut(Stage.HANDSHAKE, Kind.CLOSED), cut(Stage.HANDSHAKE, Kind.RESET), F),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), cut(Stage.HANDSHAKE, Kind.CLOSED), F),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), cut(Stage.HANDSHAKE, Kind.TLS_ALERT), F),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), cut(Stage.CONNECT, Kind.TIMEOUT), U),
        (cut(Stage.HANDSHAKE, Kind.CLOSED), cut(Stage.GREETING, Kind.REPLY_421), U),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), encrypted(), P),
        (cut(Stage.HANDSHAKE, Kind.CLOSED), encrypted(""), P),
    ],
)
def test_a_second_wider_hello_may_cure_or_confirm(usual: Session, second: Session, verdict: Verdict) -> None:
    assessment = judged(usual, wide(second))
    assert assessment.starttls is verdict
    assert judged(wide(second), usual, usual).starttls is verdict


def test_a_wider_hello_that_cures_is_told() -> None:
    assert "usual-hello-refused" in types(judged(cut(Stage.HANDSHAKE, Kind.TLS_ALERT), wide(encrypted())))
    assert "anonymous-tls" in types(judged(cut(Stage.HANDSHAKE, Kind.TLS_ALERT), wide(encrypted(""))))


@given(st.sampled_from(REMOTE_STAGES), st.sampled_from(sorted(PASSING)), st.booleans())
def test_a_passing_fault_never_reads_as_absent_or_fail(stage: Stage, kind: Kind, is_offered: bool) -> None:  # noqa: FBT001 - drawn
    made = cut(stage, kind)
    if not is_offered and made.ehlo is not None:
        made = replace(made, ehlo=reply(250, "SIZE"))
    assessment = judged(made)
    axes = {assessment.starttls, assessment.webpki, assessment.dane, assessment.mta_sts}
    assert assessment.starttls is U
    assert F not in axes
    assert assessment.webpki is not A


@given(st.sampled_from(REMOTE_STAGES), st.sampled_from(sorted(Kind)))
def test_a_fault_on_our_side_says_nothing_about_the_peer(stage: Stage, kind: Kind) -> None:
    assert judged(cut(stage, kind, Side.OURS)).starttls is U


def test_rfc_3207_s4_an_endpoint_that_changes_its_answer_is_flapping() -> None:
    assessment = judged(encrypted(), plain())
    assert assessment.starttls is Verdict.PARTIAL
    assert types(assessment)[0] == "flapping"


@pytest.mark.parametrize(
    ("mail", "witness", "differs"),
    [
        (encrypted(), encrypted(), False),
        (plain(), plain(), False),
        (plain(), encrypted(), True),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), encrypted(), True),
        (cut(Stage.GREETING, Kind.REPLY_5XX), encrypted(), None),
        (cut(Stage.CONNECT, Kind.TIMEOUT), plain(), None),
    ],
)
def test_two_sources_differ_only_where_both_saw_clearly(mail: Session, witness: Session, differs: bool | None) -> None:  # noqa: FBT001 - a column
    assessment = judged(mail, replace(witness, source="witness"))
    assert assessment.differs_by_source is differs
    assert ("source-dependent" in types(assessment)) is (differs is True)


def test_one_source_alone_compares_with_nobody() -> None:
    assert judged(encrypted()).differs_by_source is None


def test_a_blocked_source_is_not_no_starttls() -> None:
    assessment = judged(cut(Stage.GREETING, Kind.REPLY_5XX), encrypted(source="witness"))
    assert assessment.starttls is U
    assert "starttls-not-supported" not in types(assessment)


@pytest.mark.parametrize(
    ("oddity", "name"),
    [
        (Oddity.PLAINTEXT_AFTER_STARTTLS, "plaintext-after-starttls"),
        (Oddity.STARTTLS_LOWER_CASE, "starttls-lower-case"),
        (Oddity.STARTTLS_AGAIN, "starttls-again"),
        (Oddity.BANNER_MASKED, "banner-masked"),
    ],
)
def test_oddities_on_the_wire_become_findings(oddity: Oddity, name: str) -> None:
    assert [finding.type for finding in judged(encrypted(oddities=(oddity,))).findings] == [name]


@pytest.mark.parametrize("facts", [{}, {"stage": Stage.GREETING, "greeting": GREETING}])
def test_a_session_that_says_nothing_is_unknown(facts: dict[str, Any]) -> None:
    assert judged(session(**facts)).starttls is U
