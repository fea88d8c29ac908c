"""The examination joined to the network.

Touches: network. Source: docs/architecture.md.
"""

from dataclasses import dataclass

from scanner.cli.doctor.check import Check
from scanner.cli.doctor.examination import Instruments, Wishes, examine
from scanner.cli.doctor.resolvers import ResolverSeen
from scanner.model.fault import Fault
from scanner.net.clock import Clock
from scanner.net.resolver import AiodnsResolver
from scanner.net.smtp import SmtpProber
from scanner.net.trials import NO_SUCH_NAME, bind_fault, large_fault, route_fault, tcp_fault
from scanner.net.validating import ValidatingResolver, trusted_path
from scanner.settings import Settings


@dataclass(frozen=True, slots=True)
class Here:
    """Implements Kernel: the machine that we run on."""

    def bind(self, address: str) -> Fault | None:
        """As in Kernel."""
        return bind_fault(address)

    def route(self, address: str, version: int) -> Fault | None:
        """As in Kernel."""
        return route_fault(address, version)


async def examined(wishes: Wishes) -> list[Check]:
    """Join, examine, close."""
    settings, clock = wishes.settings, Clock()
    deadline_s = settings.deadlines.dns_s

    async def look(server: str) -> ResolverSeen:
        return await resolver_seen(server, deadline_s, clock)

    async with AiodnsResolver(settings.resolvers, deadline_s) as resolver:
        servers = tuple(resolver.name.split(", "))
        return await examine(wishes, Instruments(Here(), servers, look, resolver, prober(settings, clock)))


def prober(settings: Settings, clock: Clock) -> SmtpProber:
    """Make what visits canaries: as a scan would, without its waiting."""
    return SmtpProber(settings.deadlines, settings.limits, settings.allow_networks, clock)


async def resolver_seen(server: str, deadline_s: float, clock: Clock) -> ResolverSeen:
    """Ask one server everything about itself."""
    async with AiodnsResolver((server,), deadline_s) as alone:
        began_at_s = clock.monotonic_s()
        fault = await alone.canary()
        took_s = clock.monotonic_s() - began_at_s
        if fault is not None:
            return ResolverSeen(server, took_s, fault)
        invented = bool((await alone.ipv4(NO_SUCH_NAME)).records)
    validating = ValidatingResolver(server, deadline_s)
    return ResolverSeen(
        server=server,
        took_s=took_s,
        validates=await validating.proves_validation() if trusted_path(server) else None,
        invented=invented,
        large=await large_fault(server, deadline_s),
        tcp=await tcp_fault(server, deadline_s),
    )
