"""The DNS part of a plan: every domain of the list is looked up, by a bounded number of workers.

Touches: network (DNS only), threads (the list is read in one). Source: RFC 5321 section 5.1.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import anyio
from anyio import to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job
from scanner.cli.streams import say
from scanner.model.fault import Fault, Kind
from scanner.model.route import Answer, MxRecord, Route, TlsaRecord
from scanner.model.target import Target
from scanner.net.breaker import AT_ONCE, Breaking
from scanner.net.remembering import Remembering
from scanner.net.resolver import AiodnsResolver
from scanner.plan import Census, Rules
from scanner.protocols.provider import grouping
from scanner.survey import Resolver, locate
from scanner.targets import ListRefused

T = TypeVar("T")


@dataclass(slots=True)
class Counting:
    """Implements survey.Resolver over another, and counts the questions that are sent."""

    inner: Resolver
    queries: int = 0

    @property
    def name(self) -> str:
        """Who answers."""
        return self.inner.name

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order."""
        return await self._counted(self.inner.mx, domain)

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._counted(self.inner.ipv4, host)

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._counted(self.inner.ipv6, host)

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""
        return await self._counted(self.inner.cname, host)

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""
        return await self._counted(self.inner.txt, name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name`."""
        return await self._counted(self.inner.tlsa, name)

    async def _counted(self, ask: Callable[[str], Awaitable[Answer[T]]], name: str) -> Answer[T]:
        self.queries += 1
        return await ask(name)


@dataclass(slots=True)
class Lookups:
    """Counts so far, and what stopped the looking up, if anything did."""

    census: Census
    resolver: str
    queries: int = 0
    took_s: float = 0.0
    dead: Fault | None = None
    refused: ListRefused | None = None


@dataclass(frozen=True, slots=True)
class Desk:
    """What every worker works with."""

    job: Job
    resolver: Resolver
    found: Lookups
    scope: anyio.CancelScope


def census_of(job: Job) -> Census:
    """Begin to count, as this job would hold its sessions."""
    of_host = grouping(job.settings.pace)
    return Census(Rules(job.settings, job.exclusions.rules, of_host, not job.chosen["no-share"]))


async def look_up(job: Job) -> Lookups:
    """Look up the whole list. Raises Refused where the resolver is dead or dies, or the list cannot be read."""
    settings, clock = job.settings, job.clock
    began_at_s = clock.monotonic_s()
    async with AiodnsResolver(settings.resolvers, settings.deadlines.dns_s) as bulk:
        fault = await bulk.canary()
        if fault is not None:
            raise Refused(Exit.ENVIRONMENT, f"resolver {bulk.name}: {fault.kind} {fault.detail}")
        counting = Counting(Breaking(bulk, bulk.canary, job.chosen["resolver-patience"]))
        resolver = Remembering(counting, settings.limits.answers_remembered, clock.monotonic_s)
        found = Lookups(census_of(job), bulk.name)
        await all_rows(Desk(job, resolver, found, anyio.CancelScope()))
    found.queries, found.took_s = counting.queries, clock.monotonic_s() - began_at_s
    if found.refused is not None:
        raise Refused(Exit.USAGE, f"the list could not be read to its end: {found.refused}")
    if found.dead is not None:
        raise Refused(Exit.ENVIRONMENT, f"resolver {found.resolver} died after {found.census.rows} rows")
    return found


async def all_rows(desk: Desk) -> None:
    """Read the list in a thread, a batch at a time, and hand every domain to a worker."""
    todo, rows = anyio.create_memory_object_stream[Target]()
    with desk.scope:
        async with anyio.create_task_group() as group, todo:
            async with rows:
                for _ in range(AT_ONCE):
                    group.start_soon(labour, rows.clone(), desk)
            teller = anyio.CancelScope()
            group.start_soon(tell, teller, desk)
            await admit(todo, desk)
            teller.cancel()


async def admit(todo: MemoryObjectSendStream[Target], desk: Desk) -> None:
    """Hand out rows until the list ends."""
    try:
        while batch := await to_thread.run_sync(desk.job.batch, abandon_on_cancel=True):
            for target in batch:
                if desk.found.census.add_row(target):
                    await todo.send(target)
    except ListRefused as refused:
        desk.found.refused = refused


async def labour(rows: MemoryObjectReceiveStream[Target], desk: Desk) -> None:
    """One worker: one domain after the other."""
    async with rows:
        async for target in rows:
            route = await locate(target.domain, desk.resolver, desk.job.settings)
            desk.found.census.add_route(route)
            desk.found.dead = desk.found.dead or own_fault(route)
            if desk.found.dead is not None:
                desk.scope.cancel()


def own_fault(route: Route) -> Fault | None:
    """Find the fault of a resolver that stayed dead for as long as our patience lasted."""
    return next((fault for fault in route.lookup_faults if fault.kind is Kind.RESOLVER_DOWN), None)


async def tell(scope: anyio.CancelScope, desk: Desk) -> None:
    """Say now and then how far it came."""
    chosen, census = desk.job.chosen, desk.found.census
    with scope:
        while not chosen["quiet"]:
            await anyio.sleep(chosen["status-interval"])
            say(f"{census.rows} rows read, {census.outcomes.total()} looked up\n")
