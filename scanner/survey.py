"""ONE domain: Target -> Evidence -> Record. Read this first.

A target is followed along its mail route to sessions whose observed evidence is assessed into a record. Every arrow is
one function below; the network is behind three small Protocols, which `net` implements. One domain's endpoints are
visited one after the other: parallelism comes from many domains, politeness from order. Only the sources that are
compared at one endpoint get in line together, so that a queue or a slow greeting does not set them far apart.

Touches: nothing itself. Source: RFC 5321 section 5.1 (locate), RFC 8461 and 8460 (discover), RFC 3207 (converse).
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import anyio

from scanner.model.assessment import Assessment, Finding, Status, Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Canary, Hello, Session, Source
from scanner.model.target import Target, TlsPolicy
from scanner.protocols import deep, follow_up, mta_sts, mx, tlsa, tlsrpt
from scanner.protocols.exclusions import LeftAlone
from scanner.settings import Settings, SourceUse


class Resolver(Protocol):
    """DNS. Every answer comes back as a value; its fault is one of the DNS kinds. Nothing is raised."""

    @property
    def name(self) -> str:
        """Who answers, as written in the record."""

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order."""

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name` (with its `_25._tcp.`)."""


class Prober(Protocol):
    """SMTP. Returns what was seen, and never raises for what a peer does."""

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """One connection: greeting, EHLO, STARTTLS, handshake, EHLO, QUIT. `follow_up` counts repetitions from 1."""


class PolicyFetcher(Protocol):
    """HTTPS, for one file."""

    async def fetch(self, domain: str) -> PolicyFetch:
        """GET https://mta-sts.<domain>/.well-known/mta-sts.txt (RFC 8461 section 3.3)."""


def no_canaries() -> tuple[Canary, ...]:
    """Say nothing: none were named."""
    return ()


@dataclass(frozen=True, slots=True)
class Tools:
    """What one survey works with. `validating` answers like `resolver` and knows the security status (DNSSEC); it is
    asked only where that decides something, and is None where no resolver can be trusted to validate. `judge` is a pure
    function over the evidence and a moment: the same that judges stored rows again. `canaries` gives what our sources
    saw last of servers known to offer STARTTLS, `lost` which of our sources have no way out now.
    """

    resolver: Resolver
    validating: Resolver | None
    prober: Prober
    fetcher: PolicyFetcher
    judge: Callable[[Evidence, datetime, TlsPolicy | None], Assessment]
    exclusions: LeftAlone
    now: Callable[[], datetime]
    canaries: Callable[[], tuple[Canary, ...]] = no_canaries
    lost: Callable[[], frozenset[mx.Way]] = frozenset


async def survey(target: Target, tools: Tools, settings: Settings, run_id: str) -> Record:
    """Follow one target to its record. It is judged at the moment that the row keeps, and can be judged again."""
    refused = target.fault or excluded(target.domain, tools.exclusions)
    if refused is not None:
        return Record(run_id, target, tools.now(), None, unscanned(refused))
    observed_at = tools.now()
    route = await locate_secured(target.domain, tools, settings)
    policies = await discover(target.domain, route, tools)
    sessions = await converse(route, tools, settings)
    evidence = Evidence(route, *policies, sessions, tools.canaries())
    return Record(run_id, target, observed_at, evidence, tools.judge(evidence, observed_at, target.policy))


def unscanned(fault: Fault) -> Assessment:
    """Judge a row about which nothing was sent: a bad row of the list, or a domain that asked to be left alone."""
    nothing = Verdict.NOT_APPLICABLE
    return Assessment(
        status=Status.EXCLUDED if fault.kind is Kind.EXCLUDED else Status.INPUT_ERROR,
        starttls=nothing,
        webpki=nothing,
        dane=nothing,
        mta_sts=nothing,
        tls_rpt=nothing,
        findings=(Finding(fault.kind.value, "docs/record.md", detail=fault.detail),),
    )


def given_up(target: Target, fault: Fault, run_id: str, at: datetime) -> Record:
    """Make the row of a survey that broke: it stays undone and carries no verdict."""
    nothing: Answer[bytes] = Answer(target.domain)
    route = Route(target.domain, Answer(target.domain, fault=fault))
    evidence = Evidence(route, MtaSts(nothing), TlsRpt(nothing))
    return Record(run_id, target, at, evidence, Assessment(status=Status.INCONCLUSIVE))


def excluded(name: str, exclusions: LeftAlone) -> Fault | None:
    """The fault of a name that asked to be left alone."""
    rule = exclusions.rule_for_name(name)
    return None if rule is None else Fault(Stage.INPUT, Kind.EXCLUDED, Side.INPUT, rule)


async def locate_secured(domain: str, tools: Tools, settings: Settings) -> Route:
    """The route, asked again with DNSSEC where TLSA records, or trouble in looking them up, make it matter."""
    route = await locate(domain, tools.resolver, settings)
    if tools.validating is None or not tlsa.matters(route):
        return route
    return await locate(domain, tools.validating, settings)


async def locate(domain: str, resolver: Resolver, settings: Settings) -> Route:
    """RFC 5321 section 5.1: MX, else the domain itself; addresses and TLSA of every host."""
    answer = await resolver.mx(domain)
    order = mx.order(domain, answer, settings.seed, settings.limits.mx_hosts)
    hosts = [await describe(name, preference, resolver) for preference, name in order.hosts]
    return Route(
        domain=domain,
        mx=answer,
        hosts=tuple(hosts),
        mx_count=order.mx_count,
        implicit=order.implicit,
        null_mx=order.null_mx,
        resolver=resolver.name,
    )


async def describe(name: str, preference: int, resolver: Resolver) -> MxHost:
    """Addresses first, then TLSA at the base domains that RFC 7672 section 2.2.2 leaves."""
    ipv4 = await resolver.ipv4(name)
    ipv6 = await resolver.ipv6(name)
    alias = await alias_validity(name, ipv4, ipv6, resolver)
    base = name
    found: Answer[TlsaRecord] = Answer(name)
    for base in tlsa.base_domains(name, ipv4, ipv6, alias):
        found = await resolver.tlsa(f"_25._tcp.{base}")
        if tlsa.settles(found):
            break
    return MxHost(name, preference, ipv4, ipv6, found, base, alias)


async def alias_validity(name: str, ipv4: Answer[str], ipv6: Answer[str], resolver: Resolver) -> Validity:
    """Security of the host's own CNAME, asked only where its target is insecure (RFC 7672 section 2.1.3)."""
    if not tlsa.needs_alias_status(name, ipv4, ipv6):
        return Validity.INDETERMINATE
    return (await resolver.cname(name)).validity


async def discover(domain: str, route: Route, tools: Tools) -> tuple[MtaSts, TlsRpt]:
    """RFC 8461 and 8460 records, and the policy file where a record announces one."""
    if route.mx.fault is not None and route.mx.fault.kind is Kind.NXDOMAIN:  # RFC 8020: nothing below it either
        nothing: Answer[bytes] = Answer(domain, fault=route.mx.fault)
        return MtaSts(nothing), TlsRpt(nothing)
    reports = tlsrpt.read(await tools.resolver.txt(f"_smtp._tls.{domain}"))
    announced = mta_sts.read_record(await tools.resolver.txt(f"_mta-sts.{domain}"))
    if not announced.id:
        return announced, reports
    return mta_sts.read_policy(announced, await tools.fetcher.fetch(domain)), reports


async def converse(route: Route, tools: Tools, settings: Settings) -> tuple[Session, ...]:
    """Every address of every host up to the caps, from the sources that the settings ask for."""
    sessions: list[Session] = []
    for visit, endpoint in enumerate(mx.endpoints(route, settings.port, settings.limits)):
        sessions += await compare(endpoint, mx.sources(endpoint, visit, settings, tools.lost()), tools)
    if settings.follow_up and settings.source_use is SourceUse.EACH:
        sessions += await ask_again(sessions, tools, settings)
    if settings.deep:
        sessions += await look_deeper(route, sessions, tools, settings)
    return tuple(sessions)


async def compare(endpoint: Endpoint, sources: tuple[Source, ...], tools: Tools) -> list[Session]:
    """Knock at one endpoint from each of these sources, the first one first, and each as soon as its pace allows."""
    if len(sources) == 1:
        return await knock(endpoint, sources[0], tools)
    held: dict[str, list[Session]] = {source.name: [] for source in sources}

    async def visit(source: Source) -> None:
        held[source.name] += await knock(endpoint, source, tools)

    try:
        async with anyio.create_task_group() as group:
            for source in sources:
                group.start_soon(visit, source)
    except ExceptionGroup as bugs:
        raise bugs.exceptions[0] from bugs
    return [session for sessions in held.values() for session in sessions]


async def ask_again(visits: list[Session], tools: Tools, settings: Settings) -> list[Session]:
    """Follow up where sources disagree, one after the other: the order matters here, and the pace makes the pauses.

    A peer that wants to be left alone meanwhile is, and that takes nothing from what it said before.
    """
    named = {source.name: source for source in settings.sources}
    held: list[Session] = []
    for endpoint in dict.fromkeys(session.endpoint for session in visits):
        seen = [session for session in visits if session.endpoint == endpoint]
        for times in range(1, settings.limits.follow_up_rounds + 1):
            for name in follow_up.next_sources(seen):
                session = await tools.prober.converse(endpoint, named[name], Hello.USUAL, times)
                if follow_up.was_held(session):
                    seen.append(session)
                    held.append(session)
    return held


async def knock(endpoint: Endpoint, source: Source, tools: Tools) -> list[Session]:
    """One session; a second with a wider ClientHello only where the first failed and it can decide something."""
    refused = tools.exclusions.rule_for_endpoint(endpoint)
    if refused is not None:
        return [left_alone(endpoint, source, refused, tools.now())]
    first = await tools.prober.converse(endpoint, source, Hello.USUAL)
    if not mx.deserves_wide_hello(first):
        return [first]
    return [first, await tools.prober.converse(endpoint, source, Hello.WIDE)]


async def look_deeper(route: Route, seen: list[Session], tools: Tools, settings: Settings) -> list[Session]:
    """`--deep`: what else the best servers take, asked from their first source, until one of them asks us to stop."""
    held: list[Session] = []
    for endpoint in mx.endpoints(route, settings.port, settings.limits)[: settings.limits.addresses_asked_deeper]:
        source = mx.sources(endpoint, 0, settings, tools.lost())[0]
        known = [session for session in seen if (session.endpoint, session.source) == (endpoint, source.name)]
        while (hello := deep.next_hello(known)) is not None:
            known.append(await tools.prober.converse(endpoint, source, hello))
            held.append(known[-1])
        if held and not deep.is_answered(held[-1]):
            break
    return held


def left_alone(endpoint: Endpoint, source: Source, rule: str, at: datetime) -> Session:
    """The session that was not held because the operator of the endpoint asked for it."""
    return Session(
        endpoint=endpoint,
        source=source.name,
        source_address=source.address,
        ehlo_name=source.ehlo_name,
        observed_at=at,
        role=source.role,
        fault=Fault(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT, rule),
    )
