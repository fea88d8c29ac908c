"""Causes: small stories of who saw what, each with the cause that must come first, and no absence that is none."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess import sources
from scanner.assess.case import Case, in_reach, views
from scanner.assess.causes import table as causing
from scanner.assess.findings import FINDING_TYPES
from scanner.model.assessment import Assessment, Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.record import Record
from scanner.model.route import Answer, Route
from scanner.model.session import Canary, Oddity, Reply, Session
from tests.unit.assess.evidence import (
    ADDRESS,
    AT,
    MINUTE,
    MX,
    again,
    authority,
    cut,
    encrypted,
    host,
    judged,
    plain,
    reply,
    route,
    seen,
    session,
    spoken,
    wide,
    witnessed,
)
from tests.unit.records import canaries, records
from tests.unit.records import sessions as anything

P, F, A, U, H = Verdict.PASS, Verdict.FAIL, Verdict.ABSENT, Verdict.UNKNOWN, Verdict.PARTIAL
FULL = ("PIPELINING", "SIZE 1000", "STARTTLS", "8BITMIME")
BARE = ("PIPELINING", "SIZE 1000", "8BITMIME")
SERVED = encrypted(ehlo=reply(250, *FULL), times_ms=(("connect", 10), ("greeting", 20)))
POSTFIX = "502 5.5.1 Error: command not implemented"
EXIM = "503 STARTTLS command used when not advertised"
SENDMAIL = "503 5.5.0 TLS not available"
ESA = "500 #5.5.1 command not recognized"
SIX = "2001:db8::1"


def hidden(answer: str = POSTFIX, *keywords: str, **facts: Any) -> Session:
    """A clean dialogue without the keyword, and what STARTTLS was answered with."""
    return plain(ehlo=reply(250, *(keywords or BARE)), starttls=spoken(answer), **facts)


def turned_away(said: str, stage: Stage = Stage.GREETING, **facts: Any) -> Session:
    """A session that was refused in these words."""
    code = int(said[:3])
    kind = Kind.REPLY_421 if code == 421 else Kind.REPLY_4XX if code < 500 else Kind.REPLY_5XX
    made = cut(stage, kind, code=code, **facts)
    made = replace(made, fault=Fault(stage, kind, Side.REMOTE, said[4:], code))
    return replace(made, greeting=spoken(said)) if stage is Stage.GREETING else replace(made, ehlo=spoken(said))


def lost(stage: Stage, kind: Kind, **facts: Any) -> Session:
    """A session that ended without a word."""
    return cut(stage, kind, **facts)


MANGLED = plain(
    greeting=spoken("220 ****************"),
    ehlo=reply(250, "PIPELINING", "SIZE 1000", "XXXXXXXA", "8BITMIME"),
    starttls=spoken(ESA),
    oddities=(Oddity.STARTTLS_MANGLED, Oddity.BANNER_MASKED),
)
STRIPPED = encrypted(ehlo=reply(250, *BARE), oddities=(Oddity.STARTTLS_UNADVERTISED,))
TARPIT = plain(
    greeting=spoken("220 mx.example.test ESMTP spamd IP-based SPAM blocker; Tue Nov 24 12:00:00 2026"),
    ehlo=spoken("250 Hello, spam sender. Pleased to be wasting your time."),
    starttls=spoken("451 Temporary failure, please try again later."),
    times_ms=(("connect", 10), ("greeting", 10_000)),
)
DRIPPING = replace(
    cut(Stage.GREETING, Kind.TIMEOUT), greeting=spoken("220-mx.exam"), times_ms=(("connect", 10), ("greeting", 60_000))
)
TEASED = hidden(
    POSTFIX,
    "SIZE 1000",
    "8BITMIME",
    greeting=spoken("220-mx.example.test ESMTP", "220 mx.example.test ESMTP Postfix"),
    times_ms=(("connect", 10), ("greeting", 6010)),
)
OTHER_BACKEND = plain(
    ehlo=spoken("250-two.example.test", "250-PIPELINING", "250-SIZE 1000", "250 8BITMIME"), starttls=spoken(POSTFIX)
)
DENIED = plain(ehlo=reply(250, "ENHANCEDSTATUSCODES"), starttls=spoken("550 5.7.1 Access denied"))


@dataclass(frozen=True)
class Story:
    """Who saw what, and what must come of it."""

    sessions: Sequence[Session]
    cause: str
    evidence: str
    starttls: Verdict
    differs: bool | None = None
    least: int = 60
    canaries: tuple[Canary, ...] = ()
    way: Route | None = field(default=None)


def beside(made: Session) -> tuple[Session, ...]:
    """This session from the mail source, and a good one from the witness."""
    return made, witnessed(SERVED)


BOTH_FAMILIES = route(host(ipv6=Answer(MX, (SIX,), MX)))
GOOD_CANARIES = (Canary("mail", offered=3), Canary("witness", offered=3))
LOSING = (Canary("mail", mangled=3), Canary("witness", offered=3))
DIFFERS, AGREES = True, False
STORIES = {
    # A.2, row by row: who hides STARTTLS from one client
    "ESA sender group": Story(beside(hidden(ESA)), "client-policy", "Cisco ESA (IronPort)", H, DIFFERS),
    "ESA throttled group": Story(
        beside(turned_away("421 #4.4.5 Too many connections from your host.")), "rate-limit", "ESA", U
    ),
    "Postfix discard map": Story(
        beside(hidden()), "client-policy", "smtpd_discard_ehlo_keyword_address_maps", H, DIFFERS, 75
    ),
    "Exim tls_advertise_hosts": Story(beside(hidden(EXIM)), "client-policy", "tls_advertise_hosts", H, DIFFERS, 75),
    "Sendmail Srv_Features": Story(beside(hidden(SENDMAIL)), "client-policy", "Srv_Features", H, DIFFERS, 75),
    "MDaemon list": Story(beside(hidden("500 what?")), "client-policy", "MDaemon", H, DIFFERS, 65),
    "Sendmail Connect REJECT": Story(beside(DENIED), "reputation-block", "X.7", H, DIFFERS, 75),
    "refused when asked for": Story(
        beside(cut(Stage.STARTTLS, Kind.REPLY_5XX, code=550)), "client-policy", "550", F, DIFFERS
    ),
    "spamd": Story(beside(TARPIT), "greylist-tarpit", "spamd", U, None, 90),
    "endless greeting": Story(beside(DRIPPING), "greylist-tarpit", "bit by bit", U),
    "greylisting": Story(beside(turned_away("451 4.7.1 Greylisted, try later")), "greylist-tarpit", "451", U),
    "postscreen": Story(beside(TEASED), "postscreen", "6010 ms", H, DIFFERS, 85),
    "postscreen protocol error": Story(
        [
            turned_away("521 5.5.1 Protocol error", Stage.EHLO, greeting=TEASED.greeting, times_ms=TEASED.times_ms),
            witnessed(SERVED),
        ],
        "postscreen",
        "Protocol error",
        U,
    ),
    "ASA before the server": Story(beside(MANGLED), "middlebox", "XXXXXXXA", H, DIFFERS, 85),
    "ASA, and canaries are whole": Story(
        beside(MANGLED), "middlebox", "not on our own way out", H, DIFFERS, 90, GOOD_CANARIES
    ),
    "ASA for everybody": Story([MANGLED, witnessed(MANGLED)], "middlebox", "overwritten", A, AGREES),
    "ASA seen from one source": Story([MANGLED], "middlebox", "overwritten", A),
    "masked greeting": Story(
        beside(replace(SERVED, greeting=spoken("220 *****"), oddities=(Oddity.BANNER_MASKED,))),
        "middlebox",
        "masked",
        P,
        AGREES,
    ),
    "ASA on our own way out": Story(beside(MANGLED), "own-egress", "3 servers", U, None, 95, LOSING),
    "stripped on the path": Story(beside(STRIPPED), "middlebox-strip", "accepted", H, DIFFERS, 80),
    "unequal backends, in turn": Story(
        [SERVED, witnessed(SERVED), replace(OTHER_BACKEND, follow_up=1, observed_at=AT + MINUTE)],
        "unequal-backends",
        "mx.example.test or two.example.test",
        H,
        None,
        90,
    ),
    "unequal backends, seen once": Story(beside(OTHER_BACKEND), "unequal-backends", "two.example.test", H, DIFFERS),
    "block list": Story(
        beside(turned_away("554 5.7.1 Client host rejected; blocked using rbl.test")), "reputation-block", "rbl", U
    ),
    "block list by EHLO": Story(
        beside(turned_away("550 listed by dnsbl.test", Stage.EHLO)), "reputation-block", "dnsbl", U
    ),
    "no reason given": Story(beside(turned_away("554 go away")), "reputation-block", "lets in witness", U),
    "refused TCP": Story(beside(lost(Stage.GREETING, Kind.CLOSED)), "reputation-block", "hangs up", U),
    "rate limit": Story(
        beside(turned_away("421 4.7.0 too many connections from 198.51.100.10")), "rate-limit", "too many", U
    ),
    "family": Story(
        [SERVED, hidden(address=SIX)], "address-family", "over IPv6 it has none", H, None, 80, (), BOTH_FAMILIES
    ),
    "route": Story(beside(lost(Stage.CONNECT, Kind.TIMEOUT)), "route", "timeout at connect", U),
    "one translator for both": Story(
        [hidden(egress="203.0.113.9"), witnessed(SERVED, egress="203.0.113.9")], "same-egress", "203.0.113.9", H
    ),
    "nobody": Story([hidden(), witnessed(hidden())], "server-without-tls", "none of mail, witness", A, AGREES, 85),
    "nobody else looked": Story([hidden()], "server-without-tls", "nobody else saw", A),
    "HELO only": Story(
        [plain(ehlo=reply(502), helo=reply(250), starttls=None, oddities=(Oddity.HELO_ONLY,))],
        "server-without-tls",
        "EHLO is refused",
        A,
    ),
}


def of(story: Story) -> Assessment:
    """The judgement of a story."""
    return judged(*story.sessions, way=story.way, canaries=story.canaries)


@pytest.mark.parametrize("name", STORIES)
def test_the_likeliest_cause_comes_first_with_its_evidence(name: str) -> None:
    story = STORIES[name]
    first = of(story).causes[0]
    assert (first.cause, first.confidence >= story.least) == (story.cause, True), first
    assert story.evidence in " ".join(first.evidence)


@pytest.mark.parametrize("name", STORIES)
def test_starttls_is_never_absent_for_the_wrong_reason(name: str) -> None:
    """`absent` is left to servers that offer it to nobody, as far as anybody looked."""
    story = STORIES[name]
    assessment = of(story)
    assert (assessment.starttls, assessment.differs_by_source) == (story.starttls, story.differs)


def test_every_cause_of_the_table_comes_first_in_some_story() -> None:
    assert {story.cause for story in STORIES.values()} == set(causing.RULES)


@pytest.mark.parametrize(
    "sessions",
    [
        [SERVED],
        [SERVED, witnessed(SERVED)],
        again(SERVED, witnessed(SERVED)),
        [cut(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)],
        [cut(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40), wide(SERVED)],
        [cut(Stage.CONNECT, Kind.REFUSED_ADDRESS)],
        [cut(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS)],
        [cut(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT)],
        [],
    ],
)
def test_there_is_no_cause_where_nothing_is_missing_and_nothing_differs(sessions: list[Session]) -> None:
    assert judged(*sessions).causes == ()


def ranked(*sessions: Session, **more: Any) -> dict[str, int]:
    """Confidence by cause."""
    return {cause.cause: cause.confidence for cause in judged(*sessions, **more).causes}


def test_repetition_makes_a_policy_more_certain() -> None:
    once, twice = ranked(*beside(hidden())), ranked(*again(*beside(hidden())))
    assert twice["client-policy"] > once["client-policy"] >= 75
    assert twice["client-policy"] >= 90


def test_another_name_of_the_server_speaks_against_a_policy() -> None:
    assert ranked(*beside(OTHER_BACKEND))["client-policy"] < ranked(*beside(hidden()))["client-policy"]


def test_names_that_change_with_every_connection_tell_nothing() -> None:
    """Some providers name the machine that happened to take the call."""
    sessions = [
        replace(made, ehlo=Reply(250, (b"250-host%d.example.test" % number, *made.ehlo.lines[1:])))
        for number, made in enumerate(again(*beside(hidden())))
        if made.ehlo is not None
    ]
    told = ranked(*sessions)
    assert "unequal-backends" not in told
    assert max(told, key=lambda it: told[it]) == "client-policy"


def test_canaries_that_are_whole_acquit_our_own_way_out() -> None:
    assert "own-egress" in ranked(*beside(MANGLED))
    assert "own-egress" not in ranked(*beside(MANGLED), canaries=GOOD_CANARIES)


def test_a_single_look_cannot_tell_hidden_from_missing() -> None:
    assert list(ranked(hidden())) == ["server-without-tls", "client-policy"]
    assert "client-policy" not in ranked(hidden(), witnessed(hidden()))


def test_a_mangled_keyword_without_canaries_may_be_our_own_doing_and_says_so() -> None:
    cause = next(it for it in judged(*beside(MANGLED)).causes if it.cause == "own-egress")
    assert "no canary was asked" in cause.evidence[0]


def test_the_server_is_named_where_several_have_a_gap() -> None:
    way = route(host("a.example.test", addresses=["192.0.2.1"]), host("b.example.test", addresses=["192.0.2.2"]))
    sessions = [
        replace(made, endpoint=session(mx=mx, address=address).endpoint)
        for mx, address in (("a.example.test", "192.0.2.1"), ("b.example.test", "192.0.2.2"))
        for made in beside(hidden())
    ]
    evidence = judged(*sessions, way=way).causes[0].evidence
    assert {line.split(":")[0] for line in evidence} == {"a.example.test [192.0.2.1]", "b.example.test [192.0.2.2]"}


def test_what_a_peer_says_is_cut_short() -> None:
    assessment = judged(*beside(turned_away("554 5.7.1 blocked " + "x" * 4000)), *beside(hidden("502 " + "y" * 4000)))
    assert max(len(line) for cause in assessment.causes for line in cause.evidence) < 300


PIECES = [made for story in STORIES.values() for made in story.sessions]


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_ranking_does_not_depend_on_the_order_of_sessions(pieces: list[Session], random: Random) -> None:
    sessions = [replace(it, observed_at=AT + at * MINUTE, follow_up=at) for at, it in enumerate(pieces)]
    shuffled = list(sessions)
    random.shuffle(shuffled)
    assert judged(*shuffled).causes == judged(*sessions).causes


@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6))
def test_causes_are_ranked_and_each_is_told_once(pieces: list[Session]) -> None:
    found = judged(*pieces, way=BOTH_FAMILIES).causes
    assert [it.confidence for it in found] == sorted((it.confidence for it in found), reverse=True)
    assert len({it.cause for it in found}) == len(found)
    assert all(it.evidence and causing.LEAST <= it.confidence <= causing.MOST for it in found)


def crowd(drawn: list[tuple[Session, str, str]]) -> tuple[Session, ...]:
    """These sessions, from two sources to two addresses of one host."""
    return tuple(
        replace(it, source=source, endpoint=session(address=address).endpoint) for it, source, address in drawn
    )


CROWDS = st.lists(
    st.tuples(
        anything | st.sampled_from(PIECES), st.sampled_from(["mail", "witness"]), st.sampled_from([ADDRESS, SIX])
    ),
    max_size=6,
).map(crowd)


@given(CROWDS, st.lists(canaries.map(lambda it: replace(it, source="mail")), max_size=2))
def test_causes_never_raise_whatever_two_sources_meet(sessions: tuple[Session, ...], told: list[Canary]) -> None:
    evidence = replace(seen(*sessions, way=BOTH_FAMILIES), canaries=tuple(told))
    case = Case(evidence, views(in_reach(sessions), sources.distorted(evidence)), authority().judge.verifier, AT)
    assert {it.cause for it in causing.causes(case)} <= set(causing.RULES)
    assert {it.type for it in sources.findings(case)} <= set(FINDING_TYPES)
    assert sources.differs(case) in {True, False, None}


@given(records())
def test_causes_never_raise_and_are_always_of_the_table(record: Record) -> None:
    """Nor do the findings that compare, whatever a row may hold."""
    if record.evidence is None:
        return
    heard = views(in_reach(record.evidence.sessions), sources.distorted(record.evidence))
    case = Case(record.evidence, heard, authority().judge.verifier, AT)
    assert {it.cause for it in causing.causes(case)} <= set(causing.RULES)
    assert all(len(line) < 2000 for it in causing.causes(case) for line in it.evidence)
    assert {it.type for it in sources.findings(case)} <= set(FINDING_TYPES)
