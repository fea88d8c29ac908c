"""Sources compared at one server: close in time, asked again where they disagree, and never more than that costs."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.record import Record
from scanner.model.route import Endpoint, MxRecord
from scanner.model.session import Canary, Handshake, Hello, Reply, Session, Source
from scanner.model.target import Target
from scanner.net.clock import Clock
from scanner.net.shared import Shared
from scanner.protocols.exclusions import NONE
from scanner.settings import Settings, SourceUse
from scanner.survey import Prober, Tools, survey
from tests.unit.test_survey import MAIL, WITNESS, PolicyHost, Zone, judge

AT = datetime(2026, 11, 24, tzinfo=UTC)
TLS = Handshake("TLSv1.3", "", None, "mx.test")
ALERT = Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)
HIDDEN = Fault(Stage.STARTTLS, Kind.REPLY_5XX, code=502)
CANARIES = (Canary("mail", offered=3),)
Rule = Callable[[Endpoint, Source, int], Fault | None]
"""What a source meets at an endpoint on a visit, counted from 0."""


@dataclass
class Peer:
    """A prober that follows a rule, and holds `open_at_once` sessions before it answers any."""

    rule: Rule
    asked: list[tuple[str, str, Hello, int]] = field(default_factory=list)
    open_at_once: int = 1
    full: anyio.Event = field(default_factory=anyio.Event)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        visit = sum((endpoint.address, source.name) == each[:2] for each in self.asked)
        self.asked.append((endpoint.address, source.name, hello, follow_up))
        if len(self.asked) >= self.open_at_once:
            self.full.set()
        await self.full.wait()
        fault = self.rule(endpoint, source, visit)
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name="c.test",
            observed_at=AT,
            hello=hello,
            follow_up=follow_up,
            starttls=Reply(220, (b"220 go",)),
            handshake=None if fault else TLS,
            fault=fault,
        )


def everybody(endpoint: Endpoint, source: Source, visit: int) -> Fault | None:
    """A good server."""
    return None


def but_mail(endpoint: Endpoint, source: Source, visit: int) -> Fault | None:
    """A server whose first address hides STARTTLS from the mail source."""
    return HIDDEN if (endpoint.address, source.name) == ("192.0.2.1", "mail") else None


def in_turn(endpoint: Endpoint, source: Source, visit: int) -> Fault | None:
    """Backends that the mail source meets in turn."""
    return HIDDEN if source.name == "mail" and visit % 2 == 0 else None


async def surveyed(prober: Prober, domain: str = "example.test", **settings: object) -> Record:
    asked = Settings(**{"sources": (MAIL, WITNESS), "source_use": SourceUse.EACH} | settings)  # type: ignore[arg-type]
    tools = Tools(Zone(), None, prober, PolicyHost(), judge, NONE, lambda: AT, lambda: CANARIES)
    return await survey(Target(1, domain), tools, asked, "run")


def follow_ups(peer: Peer) -> list[tuple[str, str, Hello, int]]:
    return [each for each in peer.asked if each[3]]


async def test_the_sources_of_one_endpoint_get_in_line_together() -> None:
    peer = Peer(everybody, open_at_once=2)
    with anyio.fail_after(10):
        await surveyed(peer)
    assert [each[:2] for each in peer.asked[:2]] == [("192.0.2.1", "mail"), ("192.0.2.1", "witness")]


async def test_a_wide_hello_of_one_source_does_not_delay_the_other() -> None:
    peer = Peer(lambda endpoint, source, visit: ALERT)
    await surveyed(peer)
    assert [each[1:3] for each in peer.asked[:2]] == [("mail", Hello.USUAL), ("witness", Hello.USUAL)]
    assert Counter(each[2] for each in peer.asked) == {Hello.USUAL: 4, Hello.WIDE: 4}


async def test_a_bug_in_one_of_two_sessions_is_told_by_its_own_name() -> None:
    def breaks(endpoint: Endpoint, source: Source, visit: int) -> Fault | None:
        raise ZeroDivisionError("ours")

    with pytest.raises(ZeroDivisionError):
        await surveyed(Peer(breaks))


async def test_sources_that_agree_cost_two_sessions_an_endpoint_and_no_more() -> None:
    peer = Peer(everybody)
    await surveyed(peer)
    assert Counter(each[0] for each in peer.asked) == {"192.0.2.1": 2, "192.0.2.2": 2}


async def test_only_the_disagreeing_endpoint_is_asked_again_once_by_each_source_in_reverse_order() -> None:
    peer = Peer(but_mail)
    record = await surveyed(peer)
    assert follow_ups(peer) == [("192.0.2.1", "witness", Hello.USUAL, 1), ("192.0.2.1", "mail", Hello.USUAL, 1)]
    assert len(peer.asked) == 6
    assert record.evidence is not None
    assert [each.follow_up for each in record.evidence.sessions] == [0, 0, 0, 0, 1, 1]


async def test_a_source_that_meets_backends_in_turn_asks_until_the_rounds_are_used_up() -> None:
    peer = Peer(in_turn)
    await surveyed(peer)
    assert Counter(each[:2] for each in follow_ups(peer)) == {
        ("192.0.2.1", "mail"): 3,
        ("192.0.2.1", "witness"): 1,
        ("192.0.2.2", "mail"): 3,
        ("192.0.2.2", "witness"): 1,
    }


async def test_a_disputed_handshake_costs_one_wide_session_and_the_follow_ups_are_usual() -> None:
    peer = Peer(lambda endpoint, source, visit: ALERT if source.name == "mail" else None)
    await surveyed(peer)
    per_endpoint = Counter((each[0], each[2], each[3] > 0) for each in peer.asked)
    assert set(per_endpoint.values()) == {1, 2}
    assert per_endpoint["192.0.2.1", Hello.WIDE, False] == 1
    assert {each[2] for each in follow_ups(peer)} == {Hello.USUAL}


@pytest.mark.parametrize(
    "settings", [{"follow_up": False}, {"source_use": SourceUse.SPREAD}, {"sources": (MAIL,)}], ids=str
)
async def test_nobody_is_asked_again_where_that_is_not_wanted(settings: dict[str, object]) -> None:
    peer = Peer(but_mail)
    await surveyed(peer, **settings)  # type: ignore[arg-type] # a table of any settings
    assert follow_ups(peer) == []


async def test_a_peer_that_parks_us_is_left_alone_and_its_word_stands() -> None:
    refused, parked = Fault(Stage.GREETING, Kind.REPLY_5XX, code=554), Fault(Stage.CONNECT, Kind.PARKED)
    peer = Peer(lambda endpoint, source, visit: (parked if visit else refused) if source.name == "mail" else None)
    record = await surveyed(peer)
    assert record.evidence is not None
    told = [(each.source, each.fault) for each in record.evidence.sessions if each.source == "mail"]
    assert told == [("mail", refused)] * 2


async def test_our_own_trouble_is_followed_by_nothing() -> None:
    ours = Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS)
    peer = Peer(lambda endpoint, source, visit: ours if source.name == "mail" else None)
    await surveyed(peer)
    assert len(peer.asked) == 4


async def test_many_domains_on_one_disputed_server_cost_one_run_of_follow_ups_by_address_and_source() -> None:
    """Each domain is its own server name, which only the usual visits are repeated for."""
    peer = Peer(but_mail)
    shared = Shared(peer, 20, 1000, Clock())
    zone_names = ("a.test", "b.test", "c.test")
    records = [await surveyed(Renamed(shared, name), name) for name in zone_names]
    assert follow_ups(peer) == [("192.0.2.1", "witness", Hello.USUAL, 1), ("192.0.2.1", "mail", Hello.USUAL, 1)]
    sessions = [each for record in records if record.evidence for each in record.evidence.sessions if each.follow_up]
    assert [(each.shared, each.inherited) for each in sessions] == [(False, False)] * 2 + [(True, True)] * 4


@dataclass(frozen=True)
class Renamed:
    """A prober whose endpoints all have the server name of one domain."""

    inner: Prober
    name: str

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        renamed = replace(endpoint, server_name=f"mx.{self.name}")
        return replace(await self.inner.converse(renamed, source, hello, follow_up), endpoint=endpoint)


async def test_what_the_canaries_say_goes_into_the_evidence() -> None:
    record = await surveyed(Peer(everybody))
    assert record.evidence is not None
    assert record.evidence.canaries == CANARIES


@dataclass(frozen=True)
class TwoNames(Zone):
    """Two MX hosts at the same addresses."""

    mx_records: tuple[MxRecord, ...] = (MxRecord(10, "mx1.test"), MxRecord(20, "mx2.test"))


async def test_two_names_of_one_disputed_address_share_the_follow_ups() -> None:
    peer = Peer(but_mail)
    asked = Settings((MAIL, WITNESS), SourceUse.EACH)
    tools = Tools(TwoNames(), None, Shared(peer, 20, 1000, Clock()), PolicyHost(), judge, NONE, lambda: AT)
    await survey(Target(1, "example.test"), tools, asked, "run")
    assert len(follow_ups(peer)) == 2
    assert len(peer.asked) == 10


@pytest.mark.parametrize(("lost", "left"), [("one", "two"), ("two", "one")])
async def test_a_row_is_asked_from_the_sources_that_are_not_lost(lost: str, left: str) -> None:
    twins = tuple(Source(name, f"198.51.100.{number}") for number, name in enumerate(("one", "two"), 1))
    peer = Peer(everybody)
    tools = Tools(Zone(), None, peer, PolicyHost(), judge, NONE, lambda: AT, lost=lambda: frozenset({(lost, 4)}))
    await survey(Target(1, "example.test"), tools, Settings(sources=twins, deep=True), "run")
    assert {each[1] for each in peer.asked} == {left}
