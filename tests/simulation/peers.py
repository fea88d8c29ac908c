"""Everybody whom the scanner talks to, in memory, and what they saw: resolver, mail hosts, policy hosts.

They stand behind the scanner's own Protocols, and write down every connection as they see it.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import anyio

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Hello, Reply, Session, Source
from scanner.pace import Feedback
from scanner.protocols.provider import provider
from tests.simulation.virtual import VirtualLoop
from tests.simulation.world import Domain, Host, Temper, World
from tests.unit.assess import evidence

DNS_S, TRY_S = 15.0, 5.0
BLOCKED = Reply(554, (b"554 blocked using sbl.example",))
TROUBLE = {"nxdomain": Kind.NXDOMAIN, "servfail": Kind.SERVFAIL}
POLICY = b"version: STSv1\r\nmode: testing\r\nmx: *.example\r\nmax_age: 86400\r\n"


@cache
def ending(how: str) -> tuple[Session, Feedback]:
    """A session that ends like this, and what it should teach us about our pace."""
    blocked = replace(evidence.cut(Stage.GREETING, Kind.REPLY_5XX), greeting=BLOCKED)
    return {
        "silence": (evidence.cut(Stage.GREETING, Kind.TIMEOUT), Feedback.NEUTRAL),
        "blocked": (blocked, Feedback.BLOCKED),
        "421": (evidence.cut(Stage.GREETING, Kind.REPLY_421), Feedback.SLOW_DOWN),
        "reset": (evidence.cut(Stage.GREETING, Kind.RESET), Feedback.NEUTRAL),
        Temper.BROKEN: (evidence.cut(Stage.STARTTLS, Kind.REPLY_5XX), Feedback.NEUTRAL),
        Temper.GOOD: (evidence.encrypted(), Feedback.CLEAN),
        Temper.PLAIN: (evidence.plain(), Feedback.CLEAN),
    }[how]


def key_of(session: Session) -> tuple[str, str, datetime]:
    """Name a connection, whoever reuses it."""
    return session.source_address, session.endpoint.address, session.observed_at


@dataclass(eq=False)
class Seen:
    """One connection as its peer saw it. `epoch` counts the starts of the scanner."""

    source: str
    address: str
    provider: str
    epoch: int
    at_s: float
    until_s: float = math.inf
    said: Feedback = Feedback.NEUTRAL


@dataclass
class Peers:
    """The time they live in, and what happened: `seen` connections, and the `trace` of everything.

    `unjust`: sessions (source, address, when) that ended in our time-out though the host was about to speak.
    """

    world: World
    loop: VirtualLoop
    seen: list[Seen] = field(default_factory=list)
    trace: list[tuple[float, str]] = field(default_factory=list)
    epoch: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    own_faults: int = 0
    unjust: set[tuple[str, str, datetime]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._began_s = self.loop.time()

    @property
    def since_start_s(self) -> float:
        return self.loop.time() - self._began_s

    def now(self) -> datetime:
        """Read the wall clock, which jumps."""
        jumped_s = sum(by_s for at_s, by_s in self.world.jumps if at_s <= self.since_start_s)
        return evidence.AT + timedelta(seconds=self.since_start_s + jumped_s)

    def is_troubled(self, what: str) -> bool:
        return self.world.troubled(what, self.since_start_s)

    def note(self, *words: object) -> None:
        self.trace.append((self.loop.time(), " ".join(map(str, words))))

    def nth(self, *words: object) -> int:
        """Count how often this was asked."""
        name = " ".join(map(str, words))
        self.asked[name] += 1
        return self.asked[name]


@dataclass(frozen=True)
class Dns:
    """Implements survey.Resolver. While it is dead nothing comes back; each question is sent three times."""

    peers: Peers
    name: str = "simulated"

    @property
    def domains(self) -> dict[str, Domain]:
        return self.peers.world.by_name

    async def mx(self, domain: str) -> Answer[MxRecord]:
        asked = self.domains[domain]
        records = tuple(MxRecord(10, name) for name in asked.mx) if asked.answers == "ok" else ()
        if asked.answers == "null":
            records = (MxRecord(0, ""),)
        return await self._answer(domain, "mx", records, TROUBLE.get(asked.answers))

    async def ipv4(self, host: str) -> Answer[str]:
        return await self._answer(host, "a", tuple(each.address for each in self.peers.world.hosts[host]))

    async def ipv6(self, host: str) -> Answer[str]:
        return await self._answer(host, "aaaa", ())

    async def cname(self, host: str) -> Answer[str]:
        return await self._answer(host, "cname", ())

    async def txt(self, name: str) -> Answer[bytes]:
        label, _, domain = name.partition(".")
        is_there = label == "_mta-sts" and self.domains[domain].has_policy
        return await self._answer(name, "txt", (b"v=STSv1; id=1",) if is_there else ())

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return await self._answer(name, "tlsa", ())

    async def canary(self) -> Fault | None:
        """Say what is wrong with the resolver."""
        return (await self._answer("canary", "ns", ("ns.test",))).fault

    async def _answer(self, name: str, kind: str, records: Sequence[Any], trouble: Kind | None = None) -> Answer[Any]:
        chance = self.peers.world.chance("dns", name, kind, self.peers.nth("dns", name, kind))
        for _ in range(round(DNS_S / TRY_S)):
            if not self.peers.is_troubled("resolver"):
                await anyio.sleep(chance.random() * 0.2)
                fault = None if records else Fault(Stage.RESOLVE, trouble or Kind.NODATA)
                return Answer(name, tuple(records), name, fault=fault)
            await anyio.sleep(TRY_S)
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT))


@dataclass(frozen=True)
class Mail:
    """Implements survey.Prober, as the innermost one: every call that gets so far is a connection at a host."""

    peers: Peers

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        world = self.peers.world
        nth = self.peers.nth("smtp", source.address, endpoint.address)
        chance = world.chance("smtp", source.address, endpoint.address, nth)
        base: dict[str, Any] = {
            "endpoint": endpoint,
            "source": source.name,
            "source_address": source.address,
            "ehlo_name": source.ehlo_name,
            "observed_at": self.peers.now(),
            "hello": hello,
            "follow_up": follow_up,
        }
        ours = self._own_fault(source, chance.random())
        if ours is not None:
            self.peers.own_faults += 1
            return replace(evidence.session(), **base, fault=Fault(Stage.CONNECT, ours, Side.OURS, "simulated"))
        host = world.by_address[endpoint.address]
        seen = Seen(source.address, host.address, provider(endpoint.mx) or endpoint.mx, self.peers.epoch, 0.0)
        drawn = chance.random()
        session = replace(await self._visit(host, seen, drawn, nth), **base)
        if drawn < 1 - host.is_silent and session.fault is not None and session.fault.kind is Kind.TIMEOUT:
            self.peers.unjust.add(key_of(session))
        return session

    def _own_fault(self, source: Source, drawn: float) -> Kind | None:
        """What fails before a packet is sent; some of it, as a bug would, with an exception."""
        if self.peers.is_troubled("descriptors"):
            return Kind.NO_DESCRIPTORS
        if self.peers.is_troubled("source") and source.name == "mail":
            return Kind.NO_SOURCE
        if self.peers.is_troubled("buffers") and drawn < 0.5:
            return Kind.NO_BUFFERS
        if drawn < self.peers.world.own_share / 2:
            self.peers.own_faults += 1
            raise RuntimeError("a simulated bug")
        return Kind.NO_ROUTE if drawn < self.peers.world.own_share else None

    async def _visit(self, host: Host, seen: Seen, drawn: float, nth: int) -> Session:
        """Come and go, as the host sees it."""
        seen.at_s = self.peers.loop.time()
        self.peers.seen.append(seen)
        self.peers.note("open", seen.source, seen.address)
        try:
            session, seen.said = await self._talk(host, drawn, nth)
        finally:
            seen.until_s = self.peers.loop.time()
            self.peers.note("close", seen.source, seen.address, seen.said.name)
        return session

    async def _talk(self, host: Host, drawn: float, nth: int) -> tuple[Session, Feedback]:
        """Play the host; where it is silent, the deadline of the greeting is ours."""
        is_silent = drawn >= 1 - host.is_silent
        with anyio.move_on_after(self.peers.world.settings.deadlines.greeting_s) as patience:
            await anyio.sleep(math.inf if is_silent else host.slow_s * (0.3 + drawn))
            await anyio.sleep(host.slow_s * 0.2)  # a stall cuts between the packets of a greeting
        if patience.cancelled_caught:
            return ending("silence")
        if nth >= host.blocks_from:
            return ending("blocked")
        if drawn < host.says_421:
            return ending("421")
        return ending("reset" if drawn < host.says_421 + host.resets else host.temper)


@dataclass(frozen=True)
class Policies:
    """Implements survey.PolicyFetcher: some hosts answer, some are silent, some have lost the file."""

    peers: Peers

    async def fetch(self, domain: str) -> PolicyFetch:
        drawn = self.peers.world.chance("https", domain, self.peers.nth("https", domain)).random()
        if drawn < 0.2:
            await anyio.sleep(self.peers.world.settings.deadlines.policy_s)
            return PolicyFetch("192.0.2.80", fault=Fault(Stage.POLICY, Kind.TIMEOUT))
        await anyio.sleep(drawn)
        if drawn < 0.4:
            return PolicyFetch("192.0.2.80", 404, fault=Fault(Stage.POLICY, Kind.HTTP_STATUS, code=404))
        return PolicyFetch("192.0.2.80", 200, "text/plain", POLICY)
