"""Every number the scanner lives by: limits, deadlines, pace. Frozen; nothing is read here, no default elsewhere.

Touches: nothing. Source: docs/guarantees.md for each figure; RFC 5321 section 4.5.3 for the lower bounds we stay under.
"""

import ipaddress
from dataclasses import dataclass, field
from enum import StrEnum

from scanner.model.session import Source

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds. Per command or per session, never per read: a dripping peer cannot prolong them.

    `greeting_s`: servers delay 6 to 20 s on purpose (postscreen, greet_pause), some 60. `quit_s`: then abort, because
    a hostile peer would hold the socket for 30 s.
    """

    connect_s: float = 15.0
    greeting_s: float = 60.0
    ehlo_s: float = 30.0
    starttls_s: float = 15.0
    handshake_s: float = 15.0
    session_s: float = 120.0
    quit_s: float = 2.0
    policy_s: float = 15.0
    dns_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Caps on what a peer may make us read, keep or try."""

    greeting_bytes: int = 8 * 1024
    reply_bytes: int = 16 * 1024
    reply_lines: int = 256
    policy_bytes: int = 64 * 1024
    mx_hosts: int = 20
    addresses_per_host: int = 4
    addresses_asked_deeper: int = 8
    certificates_kept: int = 8
    list_line_bytes: int = 4 * 1024
    list_expansion: int = 200
    names_per_address: int = 20
    open_sessions: int = 2000
    handshakes_at_once: int = 64
    policies_at_once: int = 64
    remembered: int = 100_000
    sessions_remembered: int = 20_000
    answers_remembered: int = 60_000
    tries_after_own_fault: int = 3
    follow_up_rounds: int = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """How gently we knock. Rates are new connections per second; destination limits count per (source, destination).

    An address starts at `address_interval_s` between sessions and earns shorter ones down to `address_floor_s` while
    answers stay clean. After 421, 450 or "too many": `backoff_s`, doubling to `backoff_most_s`; `park_after` in a row
    park the (source, provider) until the next run. `sources` may have a rate and a number of places of their own.
    """

    source_per_s: float = 50.0
    source_open: int = 2000
    run_per_s: float = 200.0
    address_open: int = 1
    address_interval_s: float = 30.0
    address_floor_s: float = 1.0
    prefix_open: int = 5
    prefix_per_s: float = 1.0
    provider_open: int = 10
    provider_per_s: float = 2.0
    provider_is_host: bool = False
    backoff_s: float = 300.0
    backoff_most_s: float = 4000.0
    park_after: int = 3
    sources: tuple[Source, ...] = ()


GENTLE = Pace(source_per_s=10.0, run_per_s=20.0, prefix_per_s=0.2, provider_per_s=0.5, address_interval_s=60.0)
STANDARD = Pace()
LAB = Pace(
    source_per_s=2000.0,
    run_per_s=4000.0,
    address_open=4,
    address_interval_s=0.01,
    address_floor_s=0.01,
    prefix_open=2000,
    prefix_per_s=4000.0,
    provider_open=2000,
    provider_per_s=4000.0,
    provider_is_host=True,  # all scenarios share one registered domain, and many of them refuse on purpose
    backoff_s=0.01,
    backoff_most_s=0.02,
)
LAB_DEADLINES = Deadlines(
    connect_s=1.0,
    greeting_s=2.5,
    ehlo_s=2.0,
    starttls_s=1.5,
    handshake_s=1.5,
    session_s=6.0,
    quit_s=0.5,
    policy_s=2.0,
    dns_s=5.0,
)
PROFILES = {
    "gentle": (GENTLE, Deadlines()),
    "standard": (STANDARD, Deadlines()),
    "lab": (LAB, LAB_DEADLINES),
}


class SourceUse(StrEnum):
    """`spread` shares the load among the sources; `each` probes every endpoint from every source."""

    SPREAD = "spread"
    EACH = "each"


@dataclass(frozen=True, slots=True)
class Settings:
    """One run, as asked for. `resolvers` are `address` or `address:port`, in order; `allow_networks` are for labs.

    `deep`: ask every server in further sessions which versions and weak suites it takes. `follow_up`: ask again where
    our sources disagree. `canaries` are domains or MX hosts known to offer STARTTLS.
    """

    sources: tuple[Source, ...]
    source_use: SourceUse = SourceUse.SPREAD
    resolvers: tuple[str, ...] = ()
    port: int = 25
    https_port: int = 443
    allow_networks: tuple[Network, ...] = ()
    seed: int = 0
    deep: bool = False
    follow_up: bool = True
    canaries: tuple[str, ...] = ()
    deadlines: Deadlines = field(default_factory=Deadlines)
    limits: Limits = field(default_factory=Limits)
    pace: Pace = STANDARD
