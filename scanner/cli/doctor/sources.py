"""Our own addresses: are they on this machine, do they lead out, do their names lead back to them?

Touches: nothing. Source: docs/what-we-send.md (who we are); RFC 1912 section 2.1 (forward and reverse agree), RFC 5782
section 2 (lists in DNS), RFC 1918 (private addresses).
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scanner.cli.doctor.check import Check, fail, ok, warn
from scanner.model.fault import Fault, Kind
from scanner.model.route import Answer
from scanner.model.session import Source
from scanner.protocols.special_addresses import refusal
from scanner.settings import Network

LISTED = ipaddress.ip_network("127.0.0.0/8")
"""RFC 5782 section 2.1: a listing is an address in here."""
LIST_REFUSES = ipaddress.ip_network("127.255.255.0/24")
"""What large lists answer to resolvers that they do not serve; it is no listing."""
NOT_LISTED = frozenset({Kind.NXDOMAIN, Kind.NODATA})


@dataclass(frozen=True, slots=True)
class SourceSeen:
    """What the kernel and DNS say of one source. `routes` holds each IP version with the fault of its way out;
    `identity` says what is wrong with its EHLO name: empty where nothing is, None where no resolver could tell.
    """

    source: Source
    bind: Fault | None
    routes: tuple[tuple[int, Fault | None], ...]
    identity: str | None = ""


@dataclass(frozen=True, slots=True)
class ListSeen:
    """What one list in DNS says of one address of ours."""

    source: str
    address: str
    zone: str
    answer: Answer[str]


def source_checks(seen: SourceSeen, allow: tuple[Network, ...], *, is_testing: bool) -> Iterator[Check]:
    """Judge one source."""
    if seen.bind is not None:
        yield unbound(seen.source, seen.bind)
        return
    yield ok("source", bound_words(seen.source), seen.source.name)
    yield kind_of_address(seen.source, allow)
    yield way_out(seen)
    yield identity(seen, is_testing=is_testing)


def unbound(source: Source, fault: Fault) -> Check:
    """Judge an address that cannot be bound."""
    remedy = "take an address from `ip -brief address`, or put this one on an interface of this machine"
    if fault.kind is not Kind.NO_SOURCE:
        remedy = "see what this machine forbids or lacks: the reason is that of the operating system"
    return fail("source", f"{source.address} cannot be bound: {fault.detail}", remedy, source.name)


def bound_words(source: Source) -> str:
    """Say which address is used."""
    if is_left_to_kernel(source):
        return "no address was named, the kernel chooses"
    return f"{source.address} is on this machine"


def is_left_to_kernel(source: Source) -> bool:
    """Tell whether no address was named."""
    return not source.address or ipaddress.ip_address(source.address).is_unspecified


def kind_of_address(source: Source, allow: tuple[Network, ...]) -> Check:
    """Judge whether the world can see this address."""
    if is_left_to_kernel(source):
        return ok("address", "not known before the first connection", source.name)
    why = refusal(source.address)
    if why is None:
        return ok("address", f"{source.address} is public", source.name)
    if refusal(source.address, allow) is None:
        return ok("address", f"{source.address} is of a lab that --allow-net names", source.name)
    return warn(
        "address",
        f"{source.address} is not public ({why}): it is translated on the way, and servers see another address",
        "name a --canary that repeats the address it sees, and give every source a public address of its own",
        source.name,
    )


def way_out(seen: SourceSeen) -> Check:
    """Judge the routes of one source."""
    name = seen.source.name
    open_ones = [f"IPv{version}" for version, fault in seen.routes if fault is None]
    shut = [f"IPv{version} ({fault.detail})" for version, fault in seen.routes if fault is not None]
    if not open_ones:
        return fail("route", f"no way out: {', '.join(shut)}", "give this source a default route: `ip route`", name)
    if shut:
        remedy = "servers that have only this family stay inconclusive; give the source an address and a route of it"
        return warn("route", f"{' and '.join(open_ones)} only; no {', '.join(shut)}", remedy, name)
    return ok("route", f"{' and '.join(open_ones)} {'has' if len(open_ones) == 1 else 'have'} a way out", name)


def identity(seen: SourceSeen, *, is_testing: bool) -> Check:
    """Judge the EHLO name: a scan refuses to start with a bad one, unless it is told that this is a test."""
    source = seen.source
    if seen.identity is None:
        return warn("identity", "not known, no resolver answers", "see to the resolver first", source.name)
    if not seen.identity:
        return ok("identity", f"{source.ehlo_name} leads to this source and back", source.name)
    remedy = "set --ehlo-name to a name of yours; its A or AAAA and the PTR of this source must name each other"
    judged = warn if is_testing else fail
    return judged("identity", seen.identity, remedy, source.name)


def listings(seen: Iterable[ListSeen]) -> Iterator[Check]:
    """Judge what lists say, which are asked only where somebody named them."""
    for each in seen:
        yield listing(each)


def listing(seen: ListSeen) -> Check:
    """Judge one address in one list (RFC 5782 section 2.1)."""
    subject = f"{seen.source}, {seen.zone}"
    if not seen.address:
        remedy = "name a --canary that repeats the address it sees"
        return warn("dnsbl", "the public address of this source is not known", remedy, subject)
    fault = seen.answer.fault
    codes = [code for code in seen.answer.records if ipaddress.ip_address(code) in LISTED]
    refused = [code for code in codes if ipaddress.ip_address(code) in LIST_REFUSES]
    strange = refused or [code for code in seen.answer.records if code not in codes]
    if strange:
        remedy = "see whether it is a list, and whom it serves: large resolvers are often refused"
        return warn("dnsbl", f"{seen.zone} answers {strange[0]}, which says nothing", remedy, subject)
    if fault is not None and fault.kind not in NOT_LISTED:
        return warn("dnsbl", f"{seen.zone}: {fault.kind} {fault.detail}".strip(), "ask again later", subject)
    if codes:
        reason = f"{seen.address} is listed by {seen.zone} ({', '.join(codes)})"
        return fail("dnsbl", reason, "ask the list why, and have it taken off before you scan", subject)
    return ok("dnsbl", f"{seen.address} is not listed by {seen.zone}", subject)


def list_name(address: str, zone: str) -> str:
    """Name what a list is asked for (RFC 5782 sections 2.1 and 2.4). Raises ValueError for what is no address."""
    reverse = ipaddress.ip_address(address).reverse_pointer
    return f"{reverse.removesuffix('.in-addr.arpa').removesuffix('.ip6.arpa')}.{zone}"
