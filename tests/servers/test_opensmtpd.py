"""What our prober writes down of a real OpenSMTPD.

Debian 12 ships 6.8.0p2 with OpenSSL 3, which breaks it: the process that talks to the peer keeps no key and cannot sign
(OpenSMTPD issues 1171 and 1239). So this is a server as met in the wild: it promises TLS and fails every handshake.
"""

import pytest

from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello, Oddity
from tests.servers.lab import BLOCKED_FROM, SEEN_FROM, code, faulted, offered, seen
from tests.servers.opensmtpd import OpenSmtpd

INTERNAL_ERROR = 80
"""RFC 8446 section 6.2."""


@pytest.mark.parametrize("face", ["tls", "required", "filtered"])
@pytest.mark.parametrize("hello", [Hello.USUAL, Hello.WIDE])
async def test_a_server_that_lost_its_key_breaks_every_handshake(opensmtpd: OpenSmtpd, face: str, hello: Hello) -> None:
    """Offered, 220, and then an alert: no other ClientHello helps."""
    session = await seen(opensmtpd.addresses[face], hello=hello)
    assert "STARTTLS" in offered(session)
    assert code(session, "starttls") == 220
    assert faulted(session) == (Stage.HANDSHAKE, Kind.TLS_ALERT, INTERNAL_ERROR)


async def test_a_server_without_tls_answers_503_to_starttls(opensmtpd: OpenSmtpd) -> None:
    """The third way to say no: Postfix says 502, Exim says 503 with other words."""
    session = await seen(opensmtpd.addresses["plain"])
    assert session.fault is None
    assert "STARTTLS" not in offered(session)
    assert code(session, "starttls") == 503
    assert session.oddities == ()


async def test_a_filter_disconnects_one_client(opensmtpd: OpenSmtpd) -> None:
    """550 in place of a greeting, and the connection is gone."""
    session = await seen(opensmtpd.addresses["filtered"], BLOCKED_FROM)
    assert faulted(session) == (Stage.GREETING, Kind.REPLY_5XX, 550)
    assert session.ehlo is None


async def test_a_filter_may_refuse_ehlo_and_take_helo(opensmtpd: OpenSmtpd) -> None:
    """RFC 5321 section 3.2: such a session goes on without extensions."""
    session = await seen(opensmtpd.addresses["filtered"], ehlo_name="foo")
    assert code(session, "ehlo") == 504
    assert session.helo is not None
    assert session.helo.code == 250
    assert Oddity.HELO_ONLY in session.oddities
    assert session.fault is None


async def test_our_address_is_echoed(opensmtpd: OpenSmtpd) -> None:
    """The first EHLO line says as whom we were seen."""
    assert (await seen(opensmtpd.addresses["plain"])).egress == SEEN_FROM
