"""The adapters of one run, joined: DNS behind its breaker, the prober that shares and waits, the policy fetcher.

Touches: network. Source: docs/architecture.md.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import anyio

from scanner.assess.judgement import Judge
from scanner.cli.job import Job
from scanner.net.breaker import Breaking
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.https import HttpsPolicyFetcher, policy_context
from scanner.net.paced import Hours, Paced
from scanner.net.remembering import Remembering
from scanner.net.resolver import AiodnsResolver
from scanner.net.shared import Shared
from scanner.net.smtp import SmtpProber
from scanner.net.stalls import AwakeFetcher, AwakeProber, Stalls
from scanner.net.validating import ValidatingResolver, trusted_path
from scanner.protocols.provider import provider
from scanner.settings import Settings
from scanner.survey import Prober, Resolver, Tools


@dataclass(frozen=True, slots=True)
class Network:
    """What a run works with. `validates`: the resolver proved that it validates; None where its word cannot count.
    `stalls.watch` has to run while rows are surveyed.
    """

    tools: Tools
    bulk: AiodnsResolver
    validates: bool | None
    paced: Paced
    stalls: Stalls


@contextlib.asynccontextmanager
async def connected(job: Job) -> AsyncIterator[Network]:
    """Join everything. Made inside the running loop, closed with it."""
    settings, clock = job.settings, job.clock
    stalls = Stalls(clock.monotonic_s)
    async with AiodnsResolver(settings.resolvers, settings.deadlines.dns_s) as bulk:
        resolver = unbroken(bulk, job, stalls)
        validating, validates = await validation(bulk.name.split(", ")[0], job, stalls)
        paced = polite(settings, clock, stalls)
        tools = Tools(
            resolver=Remembering(resolver, settings.limits.answers_remembered, clock.monotonic_s),
            validating=validating,
            prober=paced if job.chosen["no-share"] else shared(paced, settings, clock),
            fetcher=AwakeFetcher(policies(job, resolver), stalls),
            judge=Judge(job.trust),
            exclusions=job.exclusions,
            now=clock.now,
        )
        yield Network(tools, bulk, validates, paced, stalls)


def policies(job: Job, resolver: Resolver) -> HttpsPolicyFetcher:
    """Make the fetcher of policy files."""
    places = anyio.CapacityLimiter(job.settings.limits.policies_at_once)
    context = policy_context(job.chosen["ca-file"])
    return HttpsPolicyFetcher(resolver, job.settings, context, places, job.chosen["contact"])


def unbroken(resolver: AiodnsResolver | ValidatingResolver, job: Job, stalls: Stalls) -> Breaking:
    """Put a breaker before a resolver."""
    clock, patience_s = stalls.monotonic_s, job.chosen["resolver-patience"]
    return Breaking(resolver, resolver.canary, patience_s, monotonic_s=clock, stalled_since=stalls.since)


async def validation(server: str, job: Job, stalls: Stalls) -> tuple[Resolver | None, bool | None]:
    """Make a validating resolver of the first server, where its AD bit can be believed and is proven."""
    if not trusted_path(server):
        return None, None
    validating = ValidatingResolver(server, job.settings.deadlines.dns_s)
    if not await validating.proves_validation():
        return None, False
    return Remembering(unbroken(validating, job, stalls), job.settings.limits.answers_remembered), True


def polite(settings: Settings, clock: Clock, stalls: Stalls) -> Paced:
    """Make the prober that waits its turn."""
    limits = settings.limits
    handshakes = Handshakes(limits.handshakes_at_once)
    inner = SmtpProber(settings.deadlines, limits, settings.allow_networks, clock, handshakes)
    of_host = str if settings.pace.provider_is_host else provider
    return Paced(AwakeProber(inner, stalls), settings.pace, limits, of_host, Hours(clock, seed=settings.seed))


def shared(inner: Prober, settings: Settings, clock: Clock) -> Shared:
    """Make the prober that knocks once and answers often."""
    return Shared(inner, settings.limits.names_per_address, settings.limits.sessions_remembered, clock)
