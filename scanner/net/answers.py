"""What an adapter of DNS makes of names, CNAME chains and RRsets, whichever library asked.

Touches: nothing. Source: RFC 1034 section 3.6.2 (CNAME), RFC 1035 section 2.3.4 (sizes), RFC 2308 section 2 (NODATA).
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import TypeVar

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer

T = TypeVar("T")

DNS_PORT = 53
SERVER = re.compile(r"(?:\[([^\[\]]+)\]|([^:\[\]]+))(?::(\d{1,5}))?", re.ASCII)
ALIASES_MOST = 8
RECORDS_MOST = 2000
LABEL = r"[!-\-/-\[\]-~]{1,63}"  # no dot, no backslash: what c-ares asks for as it stands
NAME = re.compile(rf"(?=.{{1,253}}\.?\Z){LABEL}(?:\.{LABEL})*\.?")


def server_address(server: str) -> tuple[str, int]:
    """Read `address` or `[address]`, with or without `:port`. Raises ValueError for anything else, names included."""
    try:
        return str(ipaddress.ip_address(server)), DNS_PORT
    except ValueError:
        found = SERVER.fullmatch(server)
    port = 0 if found is None else int(found[3] or DNS_PORT)
    if found is None or not 0 < port < 65536:
        raise ValueError(f"not an address or address:port: {server}")
    return str(ipaddress.ip_address(found[1] or found[2])), port


def is_askable(name: str) -> bool:
    """Tell whether DNS can carry the name (RFC 1035 section 2.3.4) and c-ares will not change it."""
    return NAME.fullmatch(name) is not None


def unaskable(name: str) -> Fault:
    """The fault of a name that is never asked for: a peer published it."""
    return Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, Side.REMOTE, f"not a name to ask for: {name[:300]}")


def follow(name: str, aliases: Mapping[str, str]) -> str | None:
    """Walk from the name along the aliases (lower case, owner to target); None for a loop or a chain too long."""
    at = name.removesuffix(".").lower()
    if at not in aliases:
        return name
    for _ in range(ALIASES_MOST):
        at = aliases[at]
        if at not in aliases:
            return at
    return None


def assembled(name: str, found: tuple[T, ...], canonical_name: str | None, ttl_s: int | None) -> Answer[T]:
    """Make the answer of an RRset and the end of its chain. RFC 2308 section 2.2: nothing there is NODATA."""
    if canonical_name is None:
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, detail="a CNAME loop, or a chain too long"))
    fault = None if found else Fault(Stage.RESOLVE, Kind.NODATA)
    return Answer(name, found[:RECORDS_MOST], canonical_name, ttl_s, fault=fault)
