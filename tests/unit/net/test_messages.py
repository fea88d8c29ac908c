import orjson
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.session import Hello, Session
from scanner.net.messages import Order, Received, Sent, read_order, read_seen, unread, write_order, write_seen
from scanner.net.seen import Seen
from scanner.net.smtp import CERTIFICATE_REMEMBERED_BYTES
from scanner.protocols import certificate
from tests.unit import records
from tests.unit.stories import DERS

HUGE = b"\x30" * (CERTIFICATE_REMEMBERED_BYTES + 1)
REMEMBERED = 2


def seen_of(session: Session) -> Seen:
    """What a session that ended so must have shown."""
    return Seen(
        ehlo_name=session.ehlo_name,
        stage=session.stage,
        greeting=session.greeting,
        ehlo=session.ehlo,
        helo=session.helo,
        starttls=session.starttls,
        handshake=session.handshake,
        ehlo_tls=session.ehlo_tls,
        fault=session.fault,
        unsolicited=session.unsolicited,
        oddities=dict.fromkeys(session.oddities),
        times_ms=list(session.times_ms),
    )


@given(st.lists(records.sessions, max_size=4))
def test_what_a_session_showed_comes_back_as_it_was(sessions: list[Session]) -> None:
    sent, received = Sent(), Received(certificate.read)
    for session in sessions:
        told = orjson.loads(orjson.dumps(write_seen(seen_of(session), sent)))
        assert read_seen(told, received) == seen_of(session)


@given(records.letters, st.sampled_from(Hello), records.letters, st.floats(0, 1000))
def test_an_order_comes_back_as_it_was(server_name: str, hello: Hello, ehlo_name: str, left_s: float) -> None:
    order = Order(server_name, hello, ehlo_name, left_s)
    number, *told = orjson.loads(orjson.dumps(write_order(7, order)))
    assert (number, read_order(told)) == (7, order)


@given(st.lists(st.sampled_from((*DERS, HUGE)), max_size=30))
def test_both_ends_forget_the_same_certificates(ders: list[bytes]) -> None:
    sent, received = Sent(REMEMBERED), Received(unread, REMEMBERED)
    for der in ders:
        assert received.certificate(sent.write(unread(der))).der == der


def test_a_certificate_is_told_whole_only_once() -> None:
    sent = Sent()
    it = unread(DERS[0])
    assert sent.write(it) != it.sha256
    assert sent.write(it) == it.sha256


def test_a_huge_certificate_is_told_whole_every_time() -> None:
    sent = Sent()
    it = unread(HUGE)
    assert sent.write(it) == sent.write(it) != it.sha256
