"""What our prober writes down of a real Postfix, from several client addresses."""

import ipaddress

import pytest

from scanner.model.fault import Kind, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Oddity, Session, Source
from scanner.net.clock import Clock
from scanner.net.smtp import SmtpProber
from scanner.protocols.ehlo import offers_starttls
from scanner.settings import Deadlines, Limits
from tests.servers.conftest import BLOCKED_FROM, HIDDEN_FROM, SEEN_FROM, Postfix

LAB = (ipaddress.ip_network("192.0.2.0/24"),)


async def seen(postfix: Postfix, instance: str, client: str = SEEN_FROM) -> Session:
    """One session with an instance from one of our addresses."""
    prober = SmtpProber(Deadlines(greeting_s=6), Limits(), LAB, Clock())
    endpoint = Endpoint("mx.lab.test", postfix.addresses[instance], 25, "mx.lab.test")
    return await prober.converse(endpoint, Source("mail", client, "c.lab.test"), Hello.USUAL)


async def test_starttls_is_hidden_from_one_client_address_only(postfix: Postfix) -> None:
    """The case of 2006: the keyword is gone for one address, and STARTTLS is refused there."""
    hidden = await seen(postfix, "hides", HIDDEN_FROM)
    offered = await seen(postfix, "hides", SEEN_FROM)
    assert hidden.ehlo is not None
    assert hidden.ehlo.is_positive
    assert not offers_starttls(hidden.ehlo)
    assert hidden.starttls is not None
    assert hidden.starttls.code == 502
    assert offered.handshake is not None
    assert offered.stage is Stage.DONE
    assert hidden.source_address == HIDDEN_FROM


async def test_a_blocked_client_address_is_a_rejected_session(postfix: Postfix) -> None:
    """A 554 greeting says nothing about TLS."""
    session = await seen(postfix, "blocks", BLOCKED_FROM)
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind, session.fault.code) == (Stage.GREETING, Kind.REPLY_5XX, 554)
    assert session.ehlo is None


async def test_an_old_server_is_reached(postfix: Postfix) -> None:
    """TLS 1.0 is poor hygiene, and still what a sender would use (RFC 9325 section 5.2)."""
    session = await seen(postfix, "tls10")
    assert session.handshake is not None
    assert session.handshake.version == "TLSv1"


async def test_a_server_without_tls_offers_none(postfix: Postfix) -> None:
    """No fault: that is simply the answer."""
    session = await seen(postfix, "plain")
    assert session.fault is None
    assert session.ehlo is not None
    assert not offers_starttls(session.ehlo)


async def test_a_server_that_requires_tls_is_no_trouble(postfix: Postfix) -> None:
    """We never send MAIL, so its 530 is never seen."""
    assert (await seen(postfix, "required")).stage is Stage.DONE


async def test_an_unreadable_certificate_is_a_454_although_offered(postfix: Postfix) -> None:
    """RFC 3207 section 4: TLS not available due to temporary reason."""
    session = await seen(postfix, "unreadable")
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind, session.fault.code) == (Stage.STARTTLS, Kind.REPLY_4XX, 454)


async def test_a_demand_for_our_certificate_comes_after_the_handshake(postfix: Postfix) -> None:
    """TLS 1.3: the handshake is through, the EHLO inside it is refused."""
    session = await seen(postfix, "client_certificate")
    assert session.handshake is not None
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind) == (Stage.EHLO_TLS, Kind.REPLY_421)


async def test_implicit_tls_on_port_25_never_greets(postfix: Postfix) -> None:
    """It waits for our ClientHello while we wait for its greeting."""
    session = await seen(postfix, "wrapped")
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind) == (Stage.GREETING, Kind.TIMEOUT)


async def test_the_teaser_of_postscreen_is_waited_out(postfix: Postfix) -> None:
    """The `220-` line comes at once, `220 ` after the greet wait; speaking between them is punished."""
    session = await seen(postfix, "teaser")
    assert session.greeting is not None
    assert len(session.greeting.lines) == 2
    assert session.handshake is not None
    assert dict(session.times_ms)["greeting"] >= 1500


@pytest.mark.parametrize("instance", ["plain", "hides"])
async def test_nothing_odd_is_seen_at_a_clean_postfix(postfix: Postfix, instance: str) -> None:
    """Oddities are for servers that are odd."""
    assert Oddity.UNSOLICITED not in (await seen(postfix, instance)).oddities
