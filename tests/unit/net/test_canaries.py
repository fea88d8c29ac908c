"""Canaries are visited from every source, and what is seen last counts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Canary, Hello, Reply, Session, Source
from scanner.net import canaries
from scanner.net.canaries import Canaries
from scanner.protocols.exclusions import NONE, Exclusions, read
from scanner.settings import Settings

MAIL, SIX = Source("mail", "198.51.100.10"), Source("six", "2001:db8::10")
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
DOWN = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS)
OFFER = Reply(250, (b"250-mx", b"250 STARTTLS"))
PLAIN = Reply(250, (b"250 mx",))


@dataclass(frozen=True)
class Zone:
    """Every name has one MX host with one address of each family, unless told otherwise."""

    mx_fault: Fault | None = None
    address_fault: Fault | None = None
    name: str = "table"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Answer(domain, () if self.mx_fault else (MxRecord(10, f"mx.{domain}"),), fault=self.mx_fault)

    async def ipv4(self, host: str) -> Answer[str]:
        return Answer(host, () if self.address_fault else ("192.0.2.1",), fault=self.address_fault)

    async def ipv6(self, host: str) -> Answer[str]:
        return Answer(host, fault=NODATA)

    async def cname(self, host: str) -> Answer[str]:
        return Answer(host, fault=NODATA)

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return Answer(name, fault=NODATA)


@dataclass
class Peer:
    """A prober that gives these EHLO replies by source, one after the other; None is a fault of ours."""

    replies: dict[str, list[Reply | None]]
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.asked.append((endpoint.mx, source.name))
        reply = self.replies[source.name].pop(0)
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name="c.test",
            observed_at=datetime(2026, 11, 24, tzinfo=UTC),
            greeting=Reply(220, (b"220 mx",)),
            ehlo=reply,
            fault=None if reply else Fault(Stage.CONNECT, Kind.NO_BUFFERS, Side.OURS),
        )


def watched(
    peer: Peer, *names: str, zone: Zone = Zone(), exclusions: Exclusions = NONE, sources: tuple[Source, ...] = (MAIL,)
) -> Canaries:
    return Canaries(zone, peer, exclusions, Settings(sources, canaries=names))


async def test_every_canary_is_visited_from_every_source() -> None:
    witness = Source("witness", "198.51.100.20")
    peer = Peer({"mail": [PLAIN, PLAIN], "witness": [OFFER, OFFER]})
    seen = watched(peer, "a.test", "b.test", sources=(MAIL, witness))
    assert seen.latest() == ()
    await seen.visit()
    assert sorted(peer.asked) == [(f"mx.{name}.test", who) for name in "ab" for who in ("mail", "witness")]
    assert seen.latest() == (Canary("mail", missing=2), Canary("witness", offered=2))


async def test_what_is_seen_last_counts_and_our_own_trouble_is_no_sight() -> None:
    seen = watched(Peer({"mail": [OFFER, PLAIN, None]}), "a.test")
    await seen.visit()
    assert seen.latest() == (Canary("mail", offered=1),)
    await seen.visit()
    assert seen.latest() == (Canary("mail", missing=1),)
    await seen.visit()
    assert seen.latest() == (Canary("mail", missing=1),)


@pytest.mark.parametrize(
    ("zone", "told"),
    [
        (Zone(mx_fault=Fault(Stage.RESOLVE, Kind.NXDOMAIN)), (Canary("mail", unseen=1),)),
        (Zone(address_fault=NODATA), (Canary("mail", unseen=1),)),
        (Zone(mx_fault=DOWN), ()),
        (Zone(address_fault=DOWN), ()),
    ],
)
async def test_a_canary_without_an_address_is_unseen_unless_our_resolver_is_to_blame(
    zone: Zone, told: tuple[Canary, ...]
) -> None:
    seen = watched(Peer({}), "a.test", zone=zone)
    await seen.visit()
    assert seen.latest() == told


async def test_a_source_without_the_family_of_a_canary_says_nothing() -> None:
    seen = watched(Peer({"mail": [OFFER]}), "a.test", sources=(MAIL, SIX))
    await seen.visit()
    assert seen.latest() == (Canary("mail", offered=1),)


@pytest.mark.parametrize("rule", ["a.test", "mx.a.test", "192.0.2.0/24"])
async def test_a_canary_that_asked_to_be_left_alone_is_left_alone(rule: str) -> None:
    peer = Peer({})
    seen = watched(peer, "a.test", exclusions=read(rule))
    await seen.visit()
    assert (peer.asked, seen.latest()) == ([], ())


async def test_the_watch_looks_at_once_and_then_every_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canaries, "AGAIN_AFTER_S", 0.01)
    peer = Peer({"mail": [OFFER, PLAIN, None]})
    seen = watched(peer, "a.test")
    with pytest.raises(ExceptionGroup), anyio.fail_after(10):  # the peer has no fourth answer
        await seen.watch()
    assert seen.looked.is_set()
    assert len(peer.asked) == 4
    assert seen.latest() == (Canary("mail", missing=1),)


async def test_without_canaries_nothing_is_watched() -> None:
    with anyio.fail_after(10):
        await watched(Peer({})).watch()
