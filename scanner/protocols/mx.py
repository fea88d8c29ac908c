"""From DNS answers to the order of delivery, and from a route to the endpoints worth a session.

Touches: nothing. Source: RFC 5321 section 5.1 (order, implicit MX), RFC 7505 (null MX), RFC 7672 section 8.1 (SNI).
"""

import hashlib
import re
from collections.abc import Container
from dataclasses import dataclass

from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, Validity, ip_version
from scanner.model.session import Session, Source
from scanner.settings import Limits, Settings, SourceUse

Way = tuple[str, int]
"""The name of one of our sources, and the version of IP that the peer wants."""
_LABEL = r"(?!-)[a-z0-9_-]{1,63}(?<!-)"
HOST_NAME = re.compile(rf"(?:{_LABEL}\.)*(?!\d+\Z){_LABEL}", re.IGNORECASE | re.ASCII)
WIDE_MAY_DECIDE = frozenset({Kind.TLS_ALERT, Kind.TLS_FAILED, Kind.CLOSED, Kind.RESET})


@dataclass(frozen=True, slots=True)
class MxOrder:
    """(preference, name) in the order of delivery, capped; `mx_count` is the number published."""

    hosts: tuple[tuple[int, str], ...] = ()
    mx_count: int = 0
    implicit: bool = False
    null_mx: bool = False


def is_host_name(name: str) -> bool:
    """Tell whether a name may be sent as SNI: LDH labels, the underscore tolerated because such names resolve."""
    return len(name) <= 253 and HOST_NAME.fullmatch(name) is not None


def order(domain: str, answer: Answer[MxRecord], seed: int, cap: int) -> MxOrder:
    """Sort by preference, and by a seeded draw inside equal preference (RFC 5321 section 5.1: MUST be randomised)."""
    if not answer.records:
        if answer.fault is None or answer.fault.kind is Kind.NODATA:
            return MxOrder(hosts=((0, domain),), implicit=True)  # RFC 5321 s5.1: the domain itself, preference 0
        return MxOrder()
    count = len(answer.records)
    if count == 1 and answer.records[0] == MxRecord(0, ""):
        return MxOrder(mx_count=1, null_mx=True)  # RFC 7505 s3
    named = {(record.preference, record.exchange.lower().rstrip(".")) for record in answer.records if record.exchange}
    hosts = sorted(named, key=lambda host: (host[0], draw(seed, domain, host[1]))) if len(named) > 1 else [*named]
    return MxOrder(hosts=tuple(hosts[:cap]), mx_count=count)


def draw(*words: object) -> int:
    """Draw a number that depends on these words only, so that a run can be repeated."""
    digest = hashlib.blake2b("\0".join(map(str, words)).encode(errors="surrogateescape"), digest_size=8)
    return int.from_bytes(digest.digest(), "big")


def endpoints(route: Route, port: int, limits: Limits) -> tuple[Endpoint, ...]:
    """List every address of every host up to the cap, each pair of host and address once."""
    found = [
        Endpoint(host.name, address, port, server_name(host))
        for host in route.hosts
        for address in in_turn(host.ipv4.records, host.ipv6.records)[: limits.addresses_per_host]
    ]
    return tuple(dict.fromkeys(found))


def in_turn(ipv4: tuple[str, ...], ipv6: tuple[str, ...]) -> tuple[str, ...]:
    """Take both families in turn, IPv4 first, so that a cap never hides one of them."""
    shorter = min(len(ipv4), len(ipv6))
    turns = [address for pair in zip(ipv4, ipv6, strict=False) for address in pair]
    return (*turns, *ipv4[shorter:], *ipv6[shorter:])


def server_name(host: MxHost) -> str:
    """Name the SNI: the TLSA base domain under DANE (RFC 7672 section 8.1), else the MX host; empty if unfit."""
    under_dane = host.tlsa.validity is Validity.SECURE and bool(host.tlsa.records)
    name = (host.tlsa_base if under_dane else host.name).rstrip(".")
    return name if is_host_name(name) else ""


def sources(
    endpoint: Endpoint, visit: int, settings: Settings, lost: Container[Way] = frozenset()
) -> tuple[Source, ...]:
    """Choose the sources of one endpoint: all in alternating order, or one that depends on the address only.

    Where that one is lost, another of its role and family takes its place, if one is left. Where no source has the
    family of the endpoint, the first is returned and its session will say so.
    """
    fitting = tuple(source for source in settings.sources if fits(source, endpoint)) or settings.sources[:1]
    if settings.source_use is SourceUse.EACH:
        return fitting if visit % 2 == 0 else fitting[::-1]
    if len(fitting) == 1:
        return fitting
    drawn, version = draw(endpoint.address), ip_version(endpoint.address)
    first = fitting[drawn % len(fitting)]
    there = [each for each in alike(first, version, settings.sources) if (each.name, version) not in lost]
    return (first if first in there or not there else there[drawn % len(there)],)


def alike(source: Source, version: int, sources: tuple[Source, ...]) -> tuple[Source, ...]:
    """List the sources that may take over the rows of one, itself among them: of its role, with this version of IP."""
    return tuple(each for each in sources if each.role is source.role and has_version(each, version))


def fits(source: Source, endpoint: Endpoint) -> bool:
    """Tell whether a source has the address family of the endpoint."""
    return has_version(source, ip_version(endpoint.address))


def has_version(source: Source, version: int) -> bool:
    """Tell whether a source has this version of IP."""
    return not source.address or ip_version(source.address) == version


def deserves_wide_hello(session: Session) -> bool:
    """Tell whether a wider ClientHello could decide: the server wanted TLS and refused the one it was shown."""
    fault = session.fault
    if fault is None or session.handshake is not None or session.starttls is None:
        return False
    refused_hello = fault.stage is Stage.HANDSHAKE and fault.side is Side.REMOTE and fault.kind in WIDE_MAY_DECIDE
    return session.starttls.is_positive and refused_hello
