"""The order of a doctor's visit: gather facts, first here, then from the resolver, then from canaries; judge each.

No foreign host is ever contacted but the resolver, and the canaries and lists that the user named.

Touches: network, through what it is given. Source: docs/operations.md (doctor).
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from scanner.cli.doctor.canaries import canary_checks, egresses
from scanner.cli.doctor.check import Check
from scanner.cli.doctor.resolvers import ResolverSeen, resolver_checks
from scanner.cli.doctor.sources import ListSeen, SourceSeen, is_left_to_kernel, list_name, listings, source_checks
from scanner.cli.preflight import Reverse, identity_problem
from scanner.model.fault import Fault
from scanner.model.route import Answer, Endpoint, ip_version
from scanner.model.session import Hello, Session, Source
from scanner.protocols import mx
from scanner.protocols.exclusions import NONE, Exclusions
from scanner.protocols.special_addresses import refusal
from scanner.settings import Settings
from scanner.survey import Prober, Resolver, locate


class Names(Resolver, Reverse, Protocol):
    """DNS, names of addresses included."""


class Kernel(Protocol):
    """What this machine says of its own addresses. Nothing is sent."""

    def bind(self, address: str) -> Fault | None:
        """Say why an address cannot be a source."""

    def route(self, address: str, version: int) -> Fault | None:
        """Say why a source (empty: any) has no way out by an IP version."""


@dataclass(frozen=True, slots=True)
class Instruments:
    """What the examination works with: `look` asks one server of `resolvers` everything about itself."""

    kernel: Kernel
    resolvers: tuple[str, ...]
    look: Callable[[str], Awaitable[ResolverSeen]]
    resolver: Names
    prober: Prober


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for: `zones` are lists in DNS."""

    settings: Settings
    zones: tuple[str, ...] = ()
    exclusions: Exclusions = NONE
    is_testing: bool = False


@dataclass(slots=True)
class Visits:
    """What canaries showed; `unknown` are those without an address."""

    sessions: list[Session] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


async def examine(wishes: Wishes, with_: Instruments) -> list[Check]:
    """Look at everything but the machine itself. Where no resolver lives, nothing that needs names is asked."""
    seen = [await with_.look(server) for server in with_.resolvers]
    is_alive = any(each.fault is None for each in seen)
    checks = list(resolver_checks(seen))
    bound: list[Source] = []
    for source in wishes.settings.sources:
        looked_at = await source_seen(source, wishes, with_, is_alive=is_alive)
        checks += source_checks(looked_at, wishes.settings.allow_networks, is_testing=wishes.is_testing)
        bound += [source] if looked_at.bind is None else []
    visits = await visited(bound, wishes, with_) if is_alive else Visits()
    if is_alive:
        were_named = bool(wishes.settings.canaries)
        checks += canary_checks(bound, visits.sessions, visits.unknown, were_named=were_named)
        checks += listings(await listed(bound, wishes, with_, egresses(visits.sessions)))
    return checks


async def source_seen(source: Source, wishes: Wishes, with_: Instruments, *, is_alive: bool) -> SourceSeen:
    """Look at one source."""
    fault = None if is_left_to_kernel(source) else with_.kernel.bind(source.address)
    if fault is not None:
        return SourceSeen(source, fault, ())
    problem = await identity_problem(source, with_.resolver) if is_alive else None
    return SourceSeen(source, None, routes(source, wishes.settings, with_.kernel), problem)


def routes(source: Source, settings: Settings, kernel: Kernel) -> tuple[tuple[int, Fault | None], ...]:
    """Ask for the way out by every IP version that a source has; one of a lab needs none."""
    versions = (ip_version(source.address),) if source.address else (4, 6)
    if source.address and refusal(source.address) and refusal(source.address, settings.allow_networks) is None:
        return ((versions[0], None),)
    here = "" if is_left_to_kernel(source) else source.address
    return tuple((version, kernel.route(here, version)) for version in versions)


async def visited(sources: Sequence[Source], wishes: Wishes, with_: Instruments) -> Visits:
    """Visit every canary from every source, one session at a time from each."""
    visits = Visits()
    endpoints: list[Endpoint] = []
    for name in wishes.settings.canaries:
        found = await canary_endpoints(name, wishes, with_.resolver)
        endpoints += found
        visits.unknown += [] if found else [name]
    async with anyio.create_task_group() as group:
        for source in sources:
            fitting = [endpoint for endpoint in endpoints if mx.fits(source, endpoint)]
            group.start_soon(visit_all, fitting, source, with_.prober, visits)
    return visits


async def visit_all(endpoints: Iterable[Endpoint], source: Source, prober: Prober, visits: Visits) -> None:
    """Hold one usual session with each."""
    for endpoint in endpoints:
        visits.sessions.append(await prober.converse(endpoint, source, Hello.USUAL))


async def canary_endpoints(name: str, wishes: Wishes, resolver: Resolver) -> list[Endpoint]:
    """Find one address of each family of a domain or mail host, in the order of delivery; none of who is excluded."""
    if wishes.exclusions.rule_for_name(name) is not None:
        return []
    route = await locate(name, resolver, wishes.settings)
    found = mx.endpoints(route, wishes.settings.port, wishes.settings.limits)
    welcome = [endpoint for endpoint in found if wishes.exclusions.rule_for_endpoint(endpoint) is None]
    first = {":" in endpoint.address: endpoint for endpoint in reversed(welcome)}
    return list(first.values())


async def listed(
    sources: Sequence[Source], wishes: Wishes, with_: Instruments, seen: dict[str, tuple[str, ...]]
) -> list[ListSeen]:
    """Ask the lists that were named about the public address of every source, or the one that servers see."""
    found = []
    for zone in wishes.zones:
        for source in sources:
            address = public_address(source, seen.get(source.name, ()))
            name = list_name(address, zone) if address else zone
            answer = await with_.resolver.ipv4(name) if address else Answer(name)
            found.append(ListSeen(source.name, address, zone, answer))
    return found


def public_address(source: Source, seen: Sequence[str]) -> str:
    """Name the address that the world sees; empty where it is not known."""
    own = (source.address,) if source.address else ()
    return next((address for address in (*own, *seen) if refusal(address) is None), "")
