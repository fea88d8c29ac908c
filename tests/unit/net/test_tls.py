"""What the TLS library says and sends, in our words: alerts by number, names, groups, and errors of somebody else."""

from pathlib import Path

import pytest
from OpenSSL import SSL

from scanner.model.fault import Kind, Side, Stage
from scanner.model.session import Hello
from scanner.net import tls
from scanner.net.tls import ALERTS, ENDED, Tls, TlsError, reason_of, tls_fault
from tests.sessions import scripted_smtp as play

FATAL, ALERT = 2, 21
NUMBERS = sorted(set(ALERTS.values()))


def begun(hello: Hello = Hello.USUAL) -> Tls:
    """A connection whose ClientHello is sent."""
    made = Tls(tls.context(hello), "mx.example.test")
    assert not made.shake()
    return made


def hello_of(hello: Hello) -> bytes:
    made = Tls(tls.context(hello), "mx.example.test")
    made.shake()
    return made.take()


@pytest.mark.parametrize("number", NUMBERS)
def test_rfc_8446_s6_every_alert_is_told_by_its_number(number: int) -> None:
    there = begun()
    there.receive(bytes((ALERT, 3, 3, 0, 2, FATAL, number)))
    with pytest.raises(TlsError) as raised:
        there.shake()
    fault = tls_fault(str(raised.value), Stage.HANDSHAKE)
    assert (fault.kind, fault.side, fault.code) == (Kind.TLS_ALERT, Side.REMOTE, number)
    assert fault.detail in ALERTS


def test_an_alert_without_a_name_is_a_failure_that_says_so() -> None:
    there = begun()
    there.receive(bytes((ALERT, 3, 3, 0, 2, FATAL, 99)))
    with pytest.raises(TlsError) as raised:
        there.shake()
    fault = tls_fault(str(raised.value), Stage.HANDSHAKE)
    assert (fault.kind, fault.code, fault.detail) == (Kind.TLS_FAILED, None, "OpenSSL gives no reason")


@pytest.mark.parametrize(
    "words", ["sslv3 alert handshake failure", "ssl/tls alert handshake failure", "tls alert handshake failure"]
)
def test_an_alert_has_one_name_whatever_the_version_calls_it(words: str) -> None:
    assert reason_of(words) == "SSLV3_ALERT_HANDSHAKE_FAILURE"


@pytest.mark.parametrize("spoken", [b"220 no TLS here\r\n", b"HTTP/1.1 400 Bad Request\r\n", bytes(64)])
def test_what_is_no_tls_is_called_so(spoken: bytes) -> None:
    there = begun()
    there.receive(spoken)
    with pytest.raises(TlsError) as raised:
        there.shake()
    assert tls_fault(str(raised.value), Stage.HANDSHAKE).kind is Kind.NOT_TLS


def test_an_end_in_the_middle_is_a_close() -> None:
    assert tls_fault(ENDED, Stage.EHLO_TLS).kind is Kind.CLOSED


def test_an_error_that_somebody_else_left_behind_is_not_that_of_a_connection(tmp_path: Path) -> None:
    """Verifying a chain may leave errors on OpenSSL's list, which is one for the whole thread. Before OpenSSL 4 they
    were taken for those of a connection.
    """
    there = joined(play.self_signed(tmp_path)[0])
    leave_an_error()
    assert there.hear() is None
    leave_an_error()
    there.say(b"EHLO a\r\n")
    assert not begun().shake()


def leave_an_error() -> None:
    SSL._lib.ERR_put_error(20, 0, 1040, b"elsewhere", 1)  # type: ignore[attr-defined]


def joined(pem: Path) -> Tls:
    """A connection whose handshake with Python's own TLS is over."""
    there = begun()
    there.receive(play.in_memory(pem).answer(there.take()))
    assert there.shake()
    return there


def test_what_was_agreed_on_is_told(tmp_path: Path) -> None:
    pem, der = play.self_signed(tmp_path)
    there = joined(pem)
    assert (there.version, there.group, there.chain) == ("TLSv1.3", "x25519", [der])
    assert there.cipher.startswith("TLS_")


@pytest.mark.parametrize("hello", list(Hello))
def test_a_hello_fits_into_one_packet(hello: Hello) -> None:
    """Some middleboxes lose the second one."""
    assert 100 < len(hello_of(hello)) < 1200


GROUPS = {"X25519": 29, "P-256": 23, "X448": 30, "P-521": 25, "P-384": 24, "ffdhe2048": 256, "ffdhe3072": 257}
LONG_PRIMES = {"ffdhe4096": 258, "ffdhe6144": 259, "ffdhe8192": 260}


def groups_of(sent: bytes) -> list[int]:
    """RFC 8446 s4.1.2, s4.2.7: extension 10, behind record, header, version, random, session, suites, compression."""
    at = 5 + 4 + 2 + 32
    at += 1 + sent[at]
    at += 2 + int.from_bytes(sent[at : at + 2])
    at += 1 + sent[at] + 2
    while (kind := int.from_bytes(sent[at : at + 2])) != 10:
        assert kind < 0xFFFF
        at += 4 + int.from_bytes(sent[at + 2 : at + 4])
    length = int.from_bytes(sent[at + 4 : at + 6])
    return [int.from_bytes(sent[each : each + 2]) for each in range(at + 6, at + 6 + length, 2)]


@pytest.mark.parametrize("hello", [Hello.USUAL, Hello.WIDE, Hello.ONLY_TLS_1_3])
def test_groups_are_sent_as_told_and_long_primes_only_where_a_thread_works_them_out(hello: Hello) -> None:
    wanted = [*GROUPS.values(), *(LONG_PRIMES.values() if hello in tls.LONG else ())]
    assert groups_of(hello_of(hello)) == wanted


@pytest.mark.parametrize("hello", list(Hello))
def test_every_hello_that_offers_dhe_is_long(hello: Hello) -> None:
    """RFC 5246 s7.4.3: only there does the server choose a prime, of any length."""
    offered = SSL.Connection(tls.context(hello), None).get_cipher_list()
    assert any(each.startswith(("DHE-", "ADH-")) for each in offered) == (hello in tls.LONG)


@pytest.mark.parametrize("hello", list(Hello))
def test_every_question_can_be_asked_with_this_tls_library(hello: Hello) -> None:
    assert SSL.Connection(tls.context(hello), None).get_cipher_list()


def test_the_private_names_are_still_there() -> None:
    assert callable(SSL._lib.SSL_CTX_set1_curves_list)  # type: ignore[attr-defined]
    assert SSL.Context(SSL.TLS_CLIENT_METHOD)._context
