"""Visits to servers that are known to offer STARTTLS, from every source, as long as the run lasts.

They go through the prober that waits its turn, and never through the one that remembers: a canary is there to notice
what changes on our side. Of each canary the first address of a source's own family is visited, in the order of
delivery. What is seen last counts.

Touches: network (through the resolver and the prober given), clock. Source: docs/what-we-send.md (canaries).
"""

from dataclasses import dataclass, field

import anyio

from scanner.model.fault import Side
from scanner.model.route import Endpoint, Route
from scanner.model.session import Canary, Hello, Source
from scanner.protocols import mx
from scanner.protocols.canaries import Sighting, counted, sighting
from scanner.protocols.exclusions import LeftAlone
from scanner.settings import Settings
from scanner.survey import Prober, Resolver, excluded, locate

AGAIN_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Canaries:
    """What each source saw last of each canary. `looked` is set after the first visit to all of them."""

    resolver: Resolver
    prober: Prober
    exclusions: LeftAlone
    settings: Settings
    looked: anyio.Event = field(default_factory=anyio.Event)
    seen: dict[tuple[str, str], Sighting] = field(default_factory=dict)

    def latest(self) -> tuple[Canary, ...]:
        """Count what was seen, in the order of the sources; one that saw nothing yet has no entry."""
        asked = [(source.name, name) for source in self.settings.sources for name in self.settings.canaries]
        return counted((source, self.seen[source, name]) for source, name in asked if (source, name) in self.seen)

    async def watch(self) -> None:
        """Visit every hour, until cancelled."""
        while self.settings.canaries:
            await self.visit()
            self.looked.set()
            await anyio.sleep(AGAIN_AFTER_S)

    async def visit(self) -> None:
        """Visit every canary from every source, all at once as far as the pace allows."""
        async with anyio.create_task_group() as group:
            for name in self.settings.canaries:
                group.start_soon(self._look_for, name)

    async def _look_for(self, name: str) -> None:
        if excluded(name, self.exclusions) is not None:
            return
        route = await locate(name, self.resolver, self.settings)
        async with anyio.create_task_group() as group:
            for source in self.settings.sources:
                group.start_soon(self._look, name, route, source)

    async def _look(self, name: str, route: Route, source: Source) -> None:
        endpoints = mx.endpoints(route, self.settings.port, self.settings.limits)
        endpoint = next((each for each in endpoints if mx.fits(source, each)), None)
        if endpoint is not None:
            seen = await self._knock(endpoint, source)
        else:
            seen = None if endpoints or is_ours(route) else Sighting.UNSEEN
        if seen is not None:
            self.seen[source.name, name] = seen

    async def _knock(self, endpoint: Endpoint, source: Source) -> Sighting | None:
        if self.exclusions.rule_for_endpoint(endpoint) is not None:
            return None
        return sighting(await self.prober.converse(endpoint, source, Hello.USUAL))


def is_ours(route: Route) -> bool:
    """Tell whether our own resolver is to blame for what the route lacks."""
    return any(fault.side is not Side.REMOTE for fault in route.lookup_faults)
