"""The adapters of one run, joined: DNS behind its breaker, the prober that shares and waits, the policy fetcher.

Touches: network. Source: docs/architecture.md.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from scanner.assess.judgement import Judge
from scanner.cli.job import Job
from scanner.net.breaker import Breaking
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.https import HttpsPolicyFetcher, policy_context
from scanner.net.paced import Hours, Paced
from scanner.net.resolver import AiodnsResolver
from scanner.net.shared import Shared
from scanner.net.smtp import SmtpProber
from scanner.net.validating import ValidatingResolver, trusted_path
from scanner.protocols.provider import provider
from scanner.settings import Settings
from scanner.survey import Prober, Resolver, Tools

RESOLVER_PATIENCE_S = 600.0
"""How long rows wait for a dead resolver before they are left undone."""


@dataclass(frozen=True, slots=True)
class Network:
    """What a run works with. `validates`: the resolver proved that it validates; None where its word cannot count."""

    tools: Tools
    bulk: AiodnsResolver
    validates: bool | None
    paced: Paced


@contextlib.asynccontextmanager
async def connected(job: Job) -> AsyncIterator[Network]:
    """Join everything. Made inside the running loop, closed with it."""
    settings, clock = job.settings, job.clock
    async with AiodnsResolver(settings.resolvers, settings.deadlines.dns_s) as bulk:
        resolver = Breaking(bulk, bulk.canary, RESOLVER_PATIENCE_S)
        validating, validates = await validation(bulk.name.split(", ")[0], settings)
        paced = polite(settings, clock)
        tools = Tools(
            resolver=resolver,
            validating=validating,
            prober=paced if job.chosen["no-share"] else shared(paced, settings, clock),
            fetcher=HttpsPolicyFetcher(
                resolver, settings, policy_context(job.chosen["ca-file"]), job.chosen["contact"]
            ),
            judge=Judge(job.trust),
            exclusions=job.exclusions,
            now=clock.now,
        )
        yield Network(tools, bulk, validates, paced)


async def validation(server: str, settings: Settings) -> tuple[Resolver | None, bool | None]:
    """Make a validating resolver of the first server, where its AD bit can be believed and is proven."""
    if not trusted_path(server):
        return None, None
    validating = ValidatingResolver(server, settings.deadlines.dns_s)
    if not await validating.proves_validation():
        return None, False
    return Breaking(validating, validating.canary, RESOLVER_PATIENCE_S), True


def polite(settings: Settings, clock: Clock) -> Paced:
    """Make the prober that waits its turn."""
    limits = settings.limits
    handshakes = Handshakes(limits.handshakes_at_once)
    inner = SmtpProber(settings.deadlines, limits, settings.allow_networks, clock, handshakes)
    of_host = str if settings.pace.provider_is_host else provider
    return Paced(inner, settings.pace, limits, of_host, Hours(clock, seed=settings.seed))


def shared(inner: Prober, settings: Settings, clock: Clock) -> Shared:
    """Make the prober that knocks once and answers often."""
    return Shared(inner, settings.limits.names_per_address, settings.limits.sessions_remembered, clock)
