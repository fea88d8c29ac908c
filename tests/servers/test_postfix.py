"""What our prober writes down of a real Postfix, from several client addresses."""

import socket

import pytest

from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello, Oddity
from scanner.protocols.ehlo import offers_starttls
from tests.servers.lab import BLOCKED_FROM, HIDDEN_FROM, SEEN_FROM, code, faulted, leaf, offered, seen
from tests.servers.postfix import SIXTH_SEEN_FROM, Postfix


async def test_starttls_is_hidden_from_one_client_address_only(postfix: Postfix) -> None:
    """The case of 2006: the keyword is gone for one address, and STARTTLS is refused there."""
    hidden = await seen(postfix.addresses["hides"], HIDDEN_FROM)
    shown = await seen(postfix.addresses["hides"], SEEN_FROM)
    assert hidden.ehlo is not None
    assert hidden.ehlo.is_positive
    assert not offers_starttls(hidden.ehlo)
    assert code(hidden, "starttls") == 502
    assert hidden.fault is None
    assert shown.handshake is not None
    assert shown.stage is Stage.DONE
    assert hidden.source_address == HIDDEN_FROM


async def test_a_blocked_client_address_is_a_rejected_session(postfix: Postfix) -> None:
    """A 554 greeting says nothing about TLS."""
    session = await seen(postfix.addresses["blocks"], BLOCKED_FROM)
    assert faulted(session) == (Stage.GREETING, Kind.REPLY_5XX, 554)
    assert session.ehlo is None


async def test_a_server_that_is_busy_says_421_for_a_greeting(postfix: Postfix) -> None:
    """RFC 5321 section 3.8: it closes at once, and nothing more is said."""
    session = await seen(postfix.addresses["busy"])
    assert faulted(session) == (Stage.GREETING, Kind.REPLY_421, 421)
    assert session.ehlo is None


@pytest.mark.parametrize(("face", "version"), [("tls10", "TLSv1"), ("tls13", "TLSv1.3"), ("required", "TLSv1.3")])
async def test_every_version_of_tls_is_reached(postfix: Postfix, face: str, version: str) -> None:
    """TLS 1.0 is poor hygiene, and still what a sender would use (RFC 9325 section 5.2)."""
    session = await seen(postfix.addresses[face])
    assert session.handshake is not None
    assert session.handshake.version == version
    assert session.stage is Stage.DONE


@pytest.mark.parametrize(
    ("face", "name", "year"), [("expired", "*.lab.test", 2021), ("misnamed", "www.other.test", 2049)]
)
async def test_a_poor_certificate_is_written_down_and_stops_nothing(
    postfix: Postfix, face: str, name: str, year: int
) -> None:
    """Senders that do not authenticate use it all the same."""
    session = await seen(postfix.addresses[face])
    assert session.stage is Stage.DONE
    certificate = leaf(session)
    assert certificate.dns_names[0] == name
    assert certificate.not_after_at is not None
    assert certificate.not_after_at.year == year


async def test_a_server_without_tls_offers_none(postfix: Postfix) -> None:
    """No fault: that is simply the answer."""
    session = await seen(postfix.addresses["plain"])
    assert session.fault is None
    assert "STARTTLS" not in offered(session)
    assert code(session, "starttls") == 502


async def test_a_server_without_a_certificate_needs_the_wide_hello(postfix: Postfix) -> None:
    """Anonymous suites only: opportunistic senders offer them, browsers and we at first do not."""
    usual = await seen(postfix.addresses["anonymous"])
    wide = await seen(postfix.addresses["anonymous"], hello=Hello.WIDE)
    assert faulted(usual) == (Stage.HANDSHAKE, Kind.TLS_ALERT, 40)
    assert wide.handshake is not None
    assert wide.handshake.chain == ()
    assert Oddity.NO_CERTIFICATE in wide.oddities


async def test_an_unreadable_certificate_is_a_454_although_offered(postfix: Postfix) -> None:
    """RFC 3207 section 4: TLS not available due to temporary reason."""
    session = await seen(postfix.addresses["unreadable"])
    assert "STARTTLS" in offered(session)
    assert faulted(session) == (Stage.STARTTLS, Kind.REPLY_4XX, 454)


async def test_a_demand_for_our_certificate_comes_after_the_handshake(postfix: Postfix) -> None:
    """TLS 1.3: the handshake is through, the EHLO inside it is refused."""
    session = await seen(postfix.addresses["client_certificate"])
    assert session.handshake is not None
    assert faulted(session) == (Stage.EHLO_TLS, Kind.REPLY_421, 421)


async def test_implicit_tls_on_port_25_never_greets(postfix: Postfix) -> None:
    """It waits for our ClientHello while we wait for its greeting."""
    session = await seen(postfix.addresses["wrapped"], greeting_s=3)
    assert faulted(session) == (Stage.GREETING, Kind.TIMEOUT, None)


async def test_the_teaser_of_postscreen_is_waited_out(postfix: Postfix) -> None:
    """The `220-` line comes at once, `220 ` after the greet wait; speaking between them is punished."""
    session = await seen(postfix.addresses["teaser"], "198.51.100.31")
    assert session.greeting is not None
    assert session.greeting.lines == (b"220-mx.lab.test ESMTP Postfix", b"220 mx.lab.test ESMTP Postfix")
    assert session.handshake is not None
    assert dict(session.times_ms)["greeting"] >= 1500


async def test_postscreen_remembers_who_was_patient(postfix: Postfix) -> None:
    """The second visit gets its greeting at once: what we see of a server depends on what it has seen of us."""
    await seen(postfix.addresses["teaser"], "198.51.100.30")
    again = await seen(postfix.addresses["teaser"], "198.51.100.30")
    assert again.greeting is not None
    assert again.greeting.lines == (b"220 mx.lab.test ESMTP Postfix",)


@pytest.mark.parametrize(
    ("ehlo_name", "kind", "reply"),
    [("foo", Kind.REPLY_5XX, 504), ("c.nx.lab.test", Kind.REPLY_4XX, 450)],
)
async def test_a_server_may_dislike_our_name(postfix: Postfix, ehlo_name: str, kind: Kind, reply: int) -> None:
    """No full name, and a name that DNS does not know: rejected sessions, whatever TLS there is."""
    session = await seen(postfix.addresses["names"], ehlo_name=ehlo_name)
    assert faulted(session) == (Stage.EHLO, kind, reply)
    assert session.starttls is None


@pytest.mark.parametrize("ehlo_name", ["", "mx.hides.lab.test"])
async def test_an_address_literal_and_a_name_that_resolves_are_liked(postfix: Postfix, ehlo_name: str) -> None:
    """RFC 5321 section 4.1.3."""
    session = await seen(postfix.addresses["names"], ehlo_name=ehlo_name)
    assert session.stage is Stage.DONE
    assert session.ehlo_name == (ehlo_name or f"[{SEEN_FROM}]")


async def test_one_connection_too_many_is_a_421(postfix: Postfix) -> None:
    """The limit counts per client address, and another address is served meanwhile."""
    with socket.socket() as first:
        first.bind((SEEN_FROM, 0))
        first.settimeout(20)
        first.connect((postfix.addresses["crowded"], 25))
        assert first.recv(100).startswith(b"220 ")
        refused = await seen(postfix.addresses["crowded"])
        served = await seen(postfix.addresses["crowded"], HIDDEN_FROM)
    assert faulted(refused) == (Stage.GREETING, Kind.REPLY_421, 421)
    assert served.stage is Stage.DONE


async def test_connections_too_fast_are_a_421(postfix: Postfix) -> None:
    """Two a minute are served, the third is not: a hurried scanner spoils its own result."""
    first, second, third = [await seen(postfix.addresses["hurried"]) for _ in range(3)]
    assert (first.stage, second.stage) == (Stage.DONE, Stage.DONE)
    assert faulted(third) == (Stage.GREETING, Kind.REPLY_421, 421)
    assert third.fault is not None
    assert "too many connections" in third.fault.detail


async def test_ipv6_is_spoken(postfix: Postfix) -> None:
    """The same server by its other family, from a source of that family."""
    if "sixth" not in postfix.addresses:
        pytest.skip("no IPv6 here")
    session = await seen(postfix.addresses["sixth"], SIXTH_SEEN_FROM, ehlo_name="")
    assert session.stage is Stage.DONE
    assert session.ehlo_name == f"[IPv6:{SIXTH_SEEN_FROM}]"


@pytest.mark.parametrize("face", ["plain", "hides", "required", "teaser"])
async def test_nothing_odd_is_seen_at_a_clean_postfix(postfix: Postfix, face: str) -> None:
    """Oddities are for servers that are odd."""
    session = await seen(postfix.addresses[face])
    assert session.oddities == ()
    assert session.unsolicited == b""
