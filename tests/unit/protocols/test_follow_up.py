"""Who is asked again, and how often at most."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Handshake, Hello, Oddity, Session
from scanner.protocols.follow_up import next_sources
from scanner.settings import Limits

AT = datetime(2026, 11, 24, tzinfo=UTC)
TLS = Handshake("TLSv1.3", "", None, "mx.test")
ALERT = Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)
BUSY = Fault(Stage.GREETING, Kind.REPLY_421, code=421)
Seen = tuple[Session, ...]


def seen(source: str, fault: Fault | None = None, *, tls: bool = False, hello: Hello = Hello.USUAL, n: int = 0) -> Seen:
    """One session; without TLS and without a fault STARTTLS was not offered."""
    session = Session(
        endpoint=Endpoint("mx.test", "192.0.2.1", 25, "mx.test"),
        source=source,
        source_address="198.51.100.1",
        ehlo_name="c.test",
        observed_at=AT + timedelta(minutes=n),
        hello=hello,
        follow_up=n,
        handshake=TLS if tls else None,
        fault=fault,
    )
    return (session,)


@pytest.mark.parametrize(
    "fault",
    [
        None,
        BUSY,
        Fault(Stage.GREETING, Kind.REPLY_5XX, code=554),
        Fault(Stage.EHLO, Kind.REPLY_4XX, code=450),
        Fault(Stage.STARTTLS, Kind.REPLY_5XX, code=502),
        Fault(Stage.STARTTLS, Kind.REPLY_4XX, code=454),
        Fault(Stage.GREETING, Kind.CLOSED),
        Fault(Stage.GREETING, Kind.TIMEOUT),
        Fault(Stage.CONNECT, Kind.REFUSED),
        Fault(Stage.HANDSHAKE, Kind.RESET),
        ALERT,
    ],
    ids=str,
)
def test_a_source_that_the_far_side_kept_from_tls_makes_every_source_ask_again_in_reverse(fault: Fault | None) -> None:
    assert next_sources(seen("mail", fault) + seen("witness", tls=True)) == ("witness", "mail")
    assert next_sources(seen("witness", tls=True) + seen("mail", fault)) == ("mail", "witness")


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Stage.CONNECT, Kind.PARKED, detail="421 busy"),
        Fault(Stage.CONNECT, Kind.REFUSED_ADDRESS),
        Fault(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT),
        Fault(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS),
        Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS),
        Fault(Stage.GREETING, Kind.STALLED, Side.OURS),
    ],
    ids=str,
)
def test_what_we_did_not_ask_is_no_disagreement(fault: Fault) -> None:
    assert next_sources(seen("mail", fault) + seen("witness", tls=True)) == ()
    assert next_sources(seen("a", fault) + seen("b", tls=True) + seen("c", BUSY)) == ("c", "b")


@pytest.mark.parametrize(
    "sessions",
    [
        (),
        seen("mail", tls=True),
        seen("mail"),
        seen("mail", tls=True) + seen("witness", tls=True),
        seen("mail") + seen("witness", BUSY),
        seen("mail", ALERT) + seen("mail", tls=True, hello=Hello.WIDE) + seen("witness", tls=True),
        seen("mail", tls=True) + seen("mail", ALERT, hello=Hello.ONLY_NULL) + seen("witness", tls=True),
    ],
)
def test_nobody_is_asked_again_where_sources_agree(sessions: Seen) -> None:
    assert next_sources(sessions) == ()


def test_what_is_hidden_and_works_all_the_same_is_a_no() -> None:
    [session] = seen("mail", tls=True)
    hidden = replace(session, oddities=(Oddity.STARTTLS_UNADVERTISED,))
    assert next_sources((hidden, *seen("witness", tls=True))) == ("witness", "mail")


def test_a_steady_yes_and_no_is_asked_about_once() -> None:
    visits = seen("mail") + seen("witness", tls=True)
    assert next_sources(visits + seen("witness", tls=True, n=1) + seen("mail", n=1)) == ()


def test_only_a_source_that_was_answered_differently_asks_a_third_time_and_a_fourth() -> None:
    sessions = seen("mail") + seen("witness", tls=True) + seen("witness", tls=True, n=1) + seen("mail", tls=True, n=1)
    assert next_sources(sessions) == ("mail",)
    assert next_sources(sessions + seen("mail", tls=True, n=2)) == ("mail",)


def test_the_order_turns_round_from_round_to_round() -> None:
    sessions = seen("mail", tls=True) + seen("witness")
    assert next_sources(sessions) == ("witness", "mail")
    sessions += seen("witness", tls=True, n=1) + seen("mail", n=1)
    assert next_sources(sessions) == ("mail", "witness")
    sessions += seen("mail", tls=True, n=2) + seen("witness", n=2)
    assert next_sources(sessions) == ("witness", "mail")


def test_a_clock_that_was_set_back_between_rounds_changes_no_order() -> None:
    visits = seen("mail", tls=True) + seen("witness")
    earlier = [replace(each, observed_at=AT - timedelta(hours=1)) for each in seen("witness", tls=True, n=1)]
    sessions = (*visits, *earlier, *seen("mail", n=1))
    assert next_sources(sessions) == ("mail", "witness")


def test_a_wide_hello_that_got_through_is_no_change_of_mind() -> None:
    mail = seen("mail", ALERT) + seen("mail", tls=True, hello=Hello.WIDE) + seen("mail", ALERT, n=1)
    others = seen("b", tls=True) + seen("c", BUSY) + seen("c", BUSY, n=1) + seen("b", tls=True, n=1)
    assert next_sources(mail + others) == ()


def test_a_source_that_was_parked_meanwhile_is_left_alone() -> None:
    visits = seen("mail", BUSY) + seen("witness", tls=True)
    parked = Fault(Stage.CONNECT, Kind.PARKED)
    assert next_sources(visits + seen("witness", n=1) + seen("mail", parked, n=1)) == ("witness",)


@given(st.data())
def test_law_no_source_asks_more_often_than_there_are_rounds_and_nobody_without_a_disagreement(
    data: st.DataObject,
) -> None:
    """Whatever is answered: the visits, and in each round each source once at most."""
    words = st.sampled_from([(None, False), (None, True), (BUSY, False), (Fault(Stage.CONNECT, Kind.PARKED), False)])
    names = ("a", "b", "c")[: data.draw(st.integers(1, 3))]
    sessions: Seen = ()
    rounds = Limits().follow_up_rounds
    for n in range(rounds + 1):
        asked = next_sources(sessions) if n else names
        assert len(set(asked)) == len(asked)
        assert set(asked) <= set(names)
        for name in asked:
            fault, tls = data.draw(words)
            sessions += seen(name, fault, tls=tls, n=n)
    answers = {(each.source, each.handshake is not None) for each in sessions if not each.follow_up}
    if len({tls for _, tls in answers}) == 1:
        assert len(sessions) == len(names)
