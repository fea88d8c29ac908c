"""A server that wants to shake hands again and again (RFC 5246 section 7.4.1.1): it gets one handshake, no more."""

import contextlib
from pathlib import Path

import pytest
from OpenSSL import SSL

from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello
from scanner.net import tls
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import READY, probe

REFUSED = b"refused"


def shake_hands_twice(pem: Path) -> play.Act:
    """Hear the EHLO inside TLS and ask for another handshake; note that it is refused."""

    def act(stage: play.Stage) -> None:
        context = SSL.Context(SSL.TLSv1_2_METHOD)
        context.use_certificate_file(str(pem))
        context.use_privatekey_file(str(pem))
        stage.wire.settimeout(None)
        connection = SSL.Connection(context, stage.wire)
        connection.set_accept_state()
        connection.do_handshake()
        connection.recv(4096)
        connection.renegotiate()
        connection.do_handshake()
        with contextlib.suppress(SSL.ZeroReturnError, SSL.SysCallError):
            try:
                connection.recv(4096)
            except SSL.Error:
                stage.heard.append(REFUSED)

    return act


async def test_a_second_handshake_is_refused_and_the_session_ends(tmp_path: Path) -> None:
    pem, _ = play.self_signed(tmp_path)
    session = await probe(*READY, shake_hands_twice(pem))
    assert session.handshake is not None
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind) == (Stage.EHLO_TLS, Kind.TLS_ALERT)


@pytest.mark.parametrize("hello", list(Hello))
def test_no_server_may_renegotiate(hello: Hello) -> None:
    assert tls.context(hello).set_options(0) & SSL.OP_NO_RENEGOTIATION
