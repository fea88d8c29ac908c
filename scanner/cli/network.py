"""The adapters of one run, joined: DNS behind its breaker, the prober that shares and waits, the policy fetcher.

Touches: network. Source: docs/architecture.md.
"""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from functools import partial

import anyio

from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job
from scanner.cli.standstill import STDERR, STDOUT, Watch, longest_pause_s, longest_step_s
from scanner.cli.streams import teller
from scanner.model.fault import Fault
from scanner.net.breaker import Breaking
from scanner.net.canaries import Canaries
from scanner.net.clock import Clock
from scanner.net.considerate import Considerate
from scanner.net.counting import Counting, waiting
from scanner.net.handshakes import Handshakes
from scanner.net.https import HttpsPolicyFetcher, policy_context
from scanner.net.paced import Hours, Paced
from scanner.net.patience import Patient
from scanner.net.processes import Processes
from scanner.net.remembering import Remembering
from scanner.net.resolver import AiodnsResolver
from scanner.net.shared import Shared
from scanner.net.silence import Silence
from scanner.net.smtp import SmtpProber
from scanner.net.sockets import no_way_out
from scanner.net.stalls import AwakeFetcher, AwakeProber, AwakeResolver, Stalls
from scanner.net.steps import Steps
from scanner.net.together import Together
from scanner.net.validating import ValidatingResolver, trusted_path
from scanner.protocols.provider import grouping
from scanner.settings import Settings, SourceUse
from scanner.survey import Prober, Resolver, Tools


@dataclass(frozen=True, slots=True)
class Network:
    """What a run works with. `validates`: the resolver proved that it validates; None where its word cannot count.
    `stalls.watch`, `steps.watch` and `canaries.watch` have to run while rows are surveyed. `waiting` counts sessions
    that wait for their turn. `lost` says why no session can be held any more, in words; empty while they can. `watch`
    knows whether the run stands still.
    """

    tools: Tools
    bulk: AiodnsResolver
    validates: bool | None
    paced: Paced
    stalls: Stalls
    canaries: Canaries
    waiting: Callable[[], int]
    patient: Patient
    lost: Callable[[], str]
    silence: Silence
    steps: Steps
    watch: Watch


@contextlib.asynccontextmanager
async def connected(job: Job) -> AsyncIterator[Network]:
    """Join everything. Made inside the running loop, closed with it."""
    settings, clock = job.settings, job.clock
    stalls = Stalls(clock.monotonic_s)
    async with AiodnsResolver(settings.resolvers, settings.deadlines.dns_s) as bulk, connecting(job) as inner:
        resolver = unbroken(bulk, job, stalls)
        validating, validates = await validation(bulk.name.split(", ")[0], job, stalls)
        held = Counting(AwakeProber(inner, stalls))
        paced = polite(Considerate(held, job.exclusions, clock.now), settings, clock)
        answers = Remembering(resolver, settings.limits.answers_remembered, clock.monotonic_s)
        canaries = Canaries(answers, paced, job.exclusions, settings)
        silence = Silence(paced, canaries, teller(quiet=job.chosen["quiet"]), clock.monotonic_s)
        patient = unhurried(silence, job, stalls)
        asked = Counting(patient if job.chosen["no-share"] else shared(patient, settings, clock))
        tools = Tools(
            resolver=answers,
            validating=validating,
            prober=Together(asked),
            fetcher=AwakeFetcher(policies(job, resolver), stalls),
            judge=Judge(job.trust, job.chosen["models"], Servers()),
            exclusions=job.exclusions,
            now=clock.now,
            canaries=canaries.latest,
            lost=patient.lost,
        )
        lost = inner.lost if isinstance(inner, Processes) else str
        yield Network(
            tools,
            bulk,
            validates,
            paced,
            stalls,
            canaries,
            partial(waiting, asked, held),
            patient,
            lost,
            silence,
            Steps(clock, teller(quiet=job.chosen["quiet"])),
            watching(job, stalls, asked, held),
        )


def policies(job: Job, resolver: Resolver) -> HttpsPolicyFetcher:
    """Make the fetcher of policy files."""
    places = anyio.CapacityLimiter(job.settings.limits.policies_at_once)
    context = policy_context(job.chosen["ca-file"])
    return HttpsPolicyFetcher(resolver, job.settings, context, places, job.chosen["contact"])


def unbroken(resolver: AiodnsResolver | ValidatingResolver, job: Job, stalls: Stalls) -> Breaking:
    """Put a breaker before a resolver."""
    clock, patience_s, awake = stalls.monotonic_s, job.chosen["resolver-patience"], AwakeResolver(resolver, stalls)
    return Breaking(awake, awake.canary, patience_s, monotonic_s=clock, stalled_since=stalls.since)


async def validation(server: str, job: Job, stalls: Stalls) -> tuple[Resolver | None, bool | None]:
    """Make a validating resolver of the first server, where its AD bit can be believed and is proven."""
    if not trusted_path(server):
        return None, None
    validating = ValidatingResolver(server, job.settings.deadlines.dns_s)
    if not await validating.proves_validation():
        return None, False
    return Remembering(unbroken(validating, job, stalls), job.settings.limits.answers_remembered), True


def watching(job: Job, stalls: Stalls, asked: Counting, held: Counting) -> Watch:
    """Make the watch over the run; only where every session waits for its turn may nothing happen for long."""
    settings = job.settings
    step_s = longest_step_s(settings.deadlines)
    pause_s = longest_pause_s(replace(settings.pace, sources=settings.sources))

    def silent_most_s() -> float:
        return step_s if held.inside or not waiting(asked, held) else step_s + pause_s

    readers = (STDERR,) if job.chosen["output"] else (STDERR, STDOUT)
    return Watch(lambda: stalls.signs, silent_most_s, readers)


def unhurried(inner: Silence, job: Job, stalls: Stalls) -> Patient:
    """Make the prober that waits while our own way out is lost, and tells people so."""
    tell = teller(quiet=job.chosen["quiet"])

    def trouble(address: str, source_address: str) -> Fault | None:
        return no_way_out(address, source_address) or inner.no_way_out(address, source_address)

    async def pause(pause_s: float) -> None:
        await anyio.sleep(pause_s)
        stalls.sign()

    share_the_load = job.settings.sources if job.settings.source_use is SourceUse.SPREAD else ()
    patience_s, monotonic_s = job.chosen["network-patience"], job.clock.monotonic_s
    return Patient(inner, trouble, patience_s, tell, monotonic_s, pause, share_the_load)


@contextlib.asynccontextmanager
async def connecting(job: Job) -> AsyncIterator[SmtpProber | Processes]:
    """Make the prober that connects, with worker processes where more than one is asked for. Raises Refused."""
    settings, clock, processes = job.settings, job.clock, job.chosen["processes"]
    if processes == 1:
        handshakes = Handshakes(settings.limits.handshakes_at_once)
        yield SmtpProber(settings.deadlines, settings.limits, settings.allow_networks, clock, handshakes)
        return
    with contextlib.ExitStack() as stack:
        try:
            workers = stack.enter_context(Processes(processes, settings, clock, teller(quiet=job.chosen["quiet"])))
        except OSError as error:
            raise Refused(Exit.ENVIRONMENT, f"--processes: no worker can be started: {error.strerror}") from None
        await workers.ready()
        if workers.lost():
            raise Refused(Exit.ENVIRONMENT, f"--processes: {workers.lost()}")
        yield workers


def polite(inner: Prober, settings: Settings, clock: Clock) -> Paced:
    """Make the prober that waits its turn."""
    pace = replace(settings.pace, sources=settings.sources)
    return Paced(inner, pace, settings.limits, grouping(pace), Hours(clock, seed=settings.seed))


def shared(inner: Prober, settings: Settings, clock: Clock) -> Shared:
    """Make the prober that knocks once and answers often."""
    return Shared(inner, settings.limits.names_per_address, settings.limits.sessions_remembered, clock)
