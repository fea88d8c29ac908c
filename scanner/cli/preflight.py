"""May this machine scan? Asked before anything is sent to a target; each refusal says what to do.

Servers judge their clients by name and address: a scanner whose EHLO name does not lead back to its address is
refused by some, listed by others, and would report its own bad manners as other people's posture.

Touches: network (DNS, through the resolver given), the process's limits. Source: docs/what-we-send.md; RFC 1912 section
2.1 (forward and reverse agree), RFC 5321 section 4.1.1.1 (the name in EHLO).
"""

import ipaddress
import resource
from collections.abc import Iterable
from typing import Protocol

from scanner.cli.exits import Exit, Refused
from scanner.model.route import Answer
from scanner.model.session import Source
from scanner.protocols.special_addresses import refusal

DESCRIPTORS_KEPT_FREE = 64
DESCRIPTORS_PER_SESSION = 1.2


class Reverse(Protocol):
    """What the check of an identity asks of DNS."""

    async def ipv4(self, host: str) -> Answer[str]:
        """A records."""

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records."""

    async def ptr(self, address: str) -> Answer[str]:
        """Names of an address."""


async def check_identity(sources: Iterable[Source], resolver: Reverse) -> None:
    """Demand an EHLO name with forward-confirmed reverse DNS of every source. Raises Refused."""
    for source in sources:
        problem = await identity_problem(source, resolver)
        if problem:
            raise Refused(Exit.ENVIRONMENT, f"source {source.name}: {problem} (--i-am-testing scans all the same)")


async def identity_problem(source: Source, resolver: Reverse) -> str:
    """Say what is wrong with the identity of a source; empty where nothing is."""
    name = source.ehlo_name
    if not name:
        return "it has no EHLO name; give --ehlo-name with a name whose DNS points back to this machine"
    forward = await resolver.ipv4(name), await resolver.ipv6(name)
    addresses = [address for answer in forward for address in answer.records]
    if not addresses:
        return f"{name} has no address in DNS"
    is_public = bool(source.address) and refusal(source.address) is None
    if is_public and not any(same(source.address, address) for address in addresses):
        return f"{name} does not resolve to {source.address}"
    candidates = [source.address] if is_public else addresses
    names = [found.rstrip(".").lower() for each in candidates for found in (await resolver.ptr(each)).records]
    if name.lower() not in names:
        return f"no reverse name of {', '.join(candidates)} is {name}"
    return ""


def same(one: str, other: str) -> bool:
    """Compare two spellings of an address."""
    return ipaddress.ip_address(one) == ipaddress.ip_address(other)


def room_for_sessions(wanted: int) -> int:
    """Raise the limit of open files as far as it goes, and say how many sessions fit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft = raised(wanted, soft, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return that_fit(wanted, soft)


def that_fit(wanted: int, limit: int) -> int:
    """Say how many sessions fit into this many descriptors, one at least."""
    if limit == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, int((limit - DESCRIPTORS_KEPT_FREE) / DESCRIPTORS_PER_SESSION)))


def raised(wanted: int, soft: int, hard: int) -> int:
    """Choose the soft limit: what is needed, never less than there is, never more than is allowed."""
    needed = int(wanted * DESCRIPTORS_PER_SESSION) + DESCRIPTORS_KEPT_FREE
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    return soft if soft == resource.RLIM_INFINITY else max(soft, allowed)
