"""What a scan would send and how long that takes: counting of routes, and arithmetic of the pace. Nothing is sent.

Sessions are counted as `net/shared.py` holds them: one for each address, source and server name, up to a cap of names.
Second sessions (a wider ClientHello, follow-ups, canaries) depend on what is seen, and are not counted.

Memory: what was met is kept as digests of eight bytes, some 80 bytes for each distinct domain and host, some 500 for
each distinct address. A million domains on 200,000 addresses take 250 MB; names are kept of the largest providers only.

Touches: nothing. Source: docs/what-we-send.md (how fast), docs/adr/0005-pacing.md.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from scanner.model.fault import Kind
from scanner.model.route import Endpoint, MxHost, Route, ip_version
from scanner.model.session import Source
from scanner.model.target import Target
from scanner.pace import PREFIX_BYTES, SPACING, Cap
from scanner.protocols import mx
from scanner.protocols.deep import SESSIONS_MOST
from scanner.protocols.exclusions import Exclusions
from scanner.protocols.special_addresses import refusal
from scanner.settings import Pace, Settings

SESSION_S = 1.5
"""Assumed for the likely duration: how long a session takes, many servers greeting late."""
ADDRESS_STRETCH = 1.2
"""The mean of what `pace.ADDRESS_SPREAD` does to the interval of an address."""
ROW_BYTES, SESSION_BYTES, CERTIFICATE_BYTES = 3_000, 4_000, 3_000
"""Sizes in the output: a row, each session in it, the certificates of each address."""
POLICY_QUERIES = 2
"""RFC 8461 section 3.1 and RFC 8460 section 3: one TXT record each."""
NAMES_KEPT = 50_000
NAMED_FROM = 8
"""Beyond as many, a provider has its name kept once it has so many sessions: the largest ones are never nameless."""
PREFIX_BITS = {4: 8 * PREFIX_BYTES[4], 6: 8 * PREFIX_BYTES[16]}
NOTHING_THERE = frozenset({Kind.NXDOMAIN, Kind.NODATA})
OUTCOMES = ("mail", "implicit", "null_mx", "no_mail", "no_such_domain", "no_address", "unresolved")
"""What a route leads to: MX hosts; the domain itself; nowhere, as published; nowhere; the domain does not exist; MX
hosts without an address; not known, because DNS failed."""


@dataclass(slots=True)
class Busiest:
    """Counts by digest, and the name of the largest."""

    counts: dict[int, int] = field(default_factory=dict)
    most: int = 0
    name: str = ""

    def add(self, key: int, name: Callable[[], str]) -> int:
        """Count once more; return how often that was."""
        count = self.counts[key] = self.counts.get(key, 0) + 1
        if count > self.most:
            self.most, self.name = count, name()
        return count


@dataclass(frozen=True, slots=True)
class Rules:
    """What decides how sessions are counted: `provider` names who runs an MX host, `is_shared` as `--no-share`."""

    settings: Settings
    exclusions: Exclusions
    provider: Callable[[str], str]
    is_shared: bool = True


@dataclass(slots=True)
class Census:
    """Counts of one list. `visits` is what would be held without sharing; `special` and `no_family` are endpoints that
    get no session, because of their address or because no source has their family.
    """

    rules: Rules
    rows: int = 0
    bad: int = 0
    excluded: int = 0
    duplicates: int = 0
    visits: int = 0
    special: int = 0
    no_family: int = 0
    left_alone: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    addresses: Busiest = field(default_factory=Busiest)
    prefixes: Busiest = field(default_factory=Busiest)
    providers: Busiest = field(default_factory=Busiest)
    provider_names: dict[int, tuple[str, str]] = field(default_factory=dict)
    _domains: set[int] = field(default_factory=set)
    _hosts: set[int] = field(default_factory=set)
    _knocks: set[int] = field(default_factory=set)

    @property
    def sessions(self) -> int:
        """How many a scan would hold."""
        return self.sources.total()

    @property
    def hosts(self) -> int:
        """How many distinct MX hosts there are."""
        return len(self._hosts)

    @property
    def endpoints(self) -> int:
        """How many distinct addresses get a session."""
        return len(self.addresses.counts)

    @property
    def deep_most(self) -> int:
        """How many further sessions `--deep` may take."""
        return self.endpoints * SESSIONS_MOST if self.rules.settings.deep else 0

    def add_row(self, target: Target) -> bool:
        """Count a row; tell whether a scan would look its domain up."""
        self.rows += 1
        self.bad += target.fault is not None
        if target.fault is not None:
            return False
        key = mx.draw(target.domain)
        self.duplicates += key in self._domains
        self._domains.add(key)
        is_excluded = self.rules.exclusions.rule_for_name(target.domain) is not None
        self.excluded += is_excluded
        return not is_excluded

    def add_route(self, route: Route) -> None:
        """Count where a domain leads, and every session that is new."""
        self.outcomes[outcome(route)] += 1
        self._hosts.update(mx.draw(host.name) for host in route.hosts if not route.implicit or host.addresses)
        settings = self.rules.settings
        for visit, endpoint in enumerate(mx.endpoints(route, settings.port, settings.limits)):
            if self._is_reachable(endpoint):
                self._add_endpoint(endpoint, mx.sources(endpoint, visit, settings))

    def top_providers(self, most: int) -> list[tuple[str, int]]:
        """Name the largest providers with their sessions, those of all sources together."""
        found: Counter[str] = Counter()
        for key, (_, name) in self.provider_names.items():
            found[name] += self.providers.counts[key]
        return sorted(found.items(), key=lambda each: (-each[1], each[0]))[:most]

    def _is_reachable(self, endpoint: Endpoint) -> bool:
        if self.rules.exclusions.rule_for_endpoint(endpoint) is not None:
            self.left_alone += 1
            return False
        is_special = refusal(endpoint.address, self.rules.settings.allow_networks) is not None
        self.special += is_special
        return not is_special

    def _add_endpoint(self, endpoint: Endpoint, sources: tuple[Source, ...]) -> None:
        if not mx.fits(sources[0], endpoint):
            self.no_family += 1
            return
        self.visits += len(sources)
        if self._is_new(endpoint):
            for source in sources:
                self._add_session(endpoint, source)

    def _is_new(self, endpoint: Endpoint) -> bool:
        """Tell whether nobody asked for this address and server name, and count it at the address."""
        here, name = mx.draw(endpoint.address), endpoint.server_name.lower()
        knock = mx.draw(endpoint.address, name)
        is_full = self.addresses.counts.get(here, 0) >= self.rules.settings.limits.names_per_address
        if self.rules.is_shared and (is_full or knock in self._knocks):
            return False
        self._knocks.add(knock)
        self.addresses.add(here, lambda: endpoint.address)
        return True

    def _add_session(self, endpoint: Endpoint, source: Source) -> None:
        """Count at every gate of `pace`."""
        provider, prefix = self.rules.provider(endpoint.mx), prefix_of(endpoint.address)
        self.sources[source.name] += 1
        self.prefixes.add(mx.draw(source.name, prefix), lambda: prefix)
        key = mx.draw(source.name, provider)
        count = self.providers.add(key, lambda: provider)
        if count == NAMED_FROM or len(self.provider_names) < NAMES_KEPT:
            self.provider_names[key] = (source.name, provider)


@dataclass(frozen=True, slots=True)
class Bound:
    """What one cap makes of its busiest part: `sessions` there cannot be held in less than `least_s`, and take
    `likely_s` where each lasts `SESSION_S`. `per_s` is its rate, 0 for the interval of an address.
    """

    cap: Cap
    name: str
    sessions: int
    per_s: float
    least_s: float
    likely_s: float


def outcome(route: Route) -> str:
    """Name where a domain leads, one of OUTCOMES."""
    if route.null_mx:
        return "null_mx"
    fault = route.mx.fault
    if fault is not None and fault.kind is not Kind.NODATA:
        return "no_such_domain" if fault.kind is Kind.NXDOMAIN else "unresolved"
    if any(host.addresses for host in route.hosts):
        return "implicit" if route.implicit else "mail"
    if any(map(is_unknown, route.hosts)):
        return "unresolved"
    return "no_mail" if route.implicit else "no_address"


def is_unknown(host: MxHost) -> bool:
    """Tell whether DNS failed for a host, instead of saying that there is nothing."""
    faults = (host.ipv4.fault, host.ipv6.fault)
    return any(fault is not None and fault.kind not in NOTHING_THERE for fault in faults)


def prefix_of(address: str) -> str:
    """Write the prefix that shares a cap: /24 or /56."""
    return str(ipaddress.ip_network(f"{address}/{PREFIX_BITS[ip_version(address)]}", strict=False))


def bounds(census: Census) -> list[Bound]:
    """Work out every cap at its busiest part, the slowest first."""
    settings = census.rules.settings
    found = [bound for bound in (*of_sources(census, settings), *of_destinations(census, settings)) if bound.sessions]
    return sorted(found, key=lambda bound: -bound.least_s)


def of_sources(census: Census, settings: Settings) -> Iterator[Bound]:
    """Caps on what we send: the run, and each source with its own pace."""
    pace = settings.pace
    yield steady(Cap.RUN, "the run", census.sessions, pace.run_per_s, settings.limits.open_sessions)
    for source in settings.sources:
        per_s = source.rate_per_s or pace.source_per_s
        places = source.open_most or pace.source_open
        yield steady(Cap.SOURCE, source.name, census.sources[source.name], per_s, places)


def of_destinations(census: Census, settings: Settings) -> Iterator[Bound]:
    """Caps on what one destination gets from one source."""
    pace = settings.pace
    providers, prefixes, addresses = census.providers, census.prefixes, census.addresses
    yield steady(Cap.PROVIDER, providers.name, providers.most, pace.provider_per_s, pace.provider_open)
    yield steady(Cap.PREFIX, prefixes.name, prefixes.most, pace.prefix_per_s, pace.prefix_open)
    yield at_address(addresses.name, addresses.most, pace)


def steady(cap: Cap, name: str, sessions: int, per_s: float, places: int) -> Bound:
    """Work out a cap with one rate and a number of places."""
    least_s = max(0, sessions - 1) * SPACING / per_s
    return Bound(cap, name, sessions, per_s, least_s, max(least_s + SESSION_S, sessions * SESSION_S / places))


def at_address(name: str, sessions: int, pace: Pace) -> Bound:
    """Work out the interval of an address, halved by every clean answer down to its floor."""
    floor_s = min(pace.address_floor_s, pace.address_interval_s)
    pauses = [max(floor_s, pace.address_interval_s * 0.5 ** min(n, 64)) for n in range(max(0, sessions - 1))]
    likely_s = sum(max(pause_s * ADDRESS_STRETCH, SESSION_S / pace.address_open) for pause_s in pauses)
    return Bound(Cap.ADDRESS, name, sessions, 0.0, sum(pauses), likely_s + SESSION_S)


def output_bytes(rows: int, visits: int, endpoints: int) -> int:
    """Estimate rows and certificates on the disk."""
    return rows * ROW_BYTES + visits * SESSION_BYTES + endpoints * CERTIFICATE_BYTES
