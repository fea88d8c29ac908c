"""Trials before a scan: may this source be bound, has it a way out, do large answers come home? Facts only.

The first two send nothing; the others ask the resolver one question each.

Touches: network. Source: ip(7); RFC 7766 (TCP), RFC 6891 section 6.2.5 (large answers), RFC 6761 section 6.4.
"""

import socket
from dataclasses import replace
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import ip_version
from scanner.net.answers import server_address
from scanner.net.sockets import FAR, blame, bound, route_error

UDP_BYTES = 1232
NO_SUCH_NAME = "starttls-doctor.invalid"


def bind_fault(address: str) -> Fault | None:
    """Say why this address cannot be a source. Faults: our side."""
    try:
        bound(ip_version(address), address, socket.SOCK_DGRAM).close()
    except OSError as error:
        return blame(error, Stage.CONNECT)
    return None


def route_fault(address: str, version: int) -> Fault | None:
    """Say why a source (empty: any) has no way out by this IP version. Faults: our side."""
    error = route_error(FAR[version], address)
    if error is None:
        return None
    return replace(blame(error, Stage.CONNECT), kind=Kind.NO_ROUTE, side=Side.OURS)  # nothing left this machine


async def large_fault(server: str, deadline_s: float) -> Fault | None:
    """Ask for the keys of the root with their signatures, which hardly fit into one packet. Faults: the DNS kinds."""
    query = dns.message.make_query(".", "DNSKEY", use_edns=0, payload=UDP_BYTES, want_dnssec=True)
    return await asked(query, server, deadline_s, is_tcp=False)


async def tcp_fault(server: str, deadline_s: float) -> Fault | None:
    """Ask for the name servers of the root, by TCP (RFC 7766 section 5). Faults: the DNS kinds."""
    return await asked(
        dns.message.make_query(".", "NS", use_edns=0, payload=UDP_BYTES), server, deadline_s, is_tcp=True
    )


async def asked(query: dns.message.Message, server: str, deadline_s: float, *, is_tcp: bool) -> Fault | None:
    """Ask once; what the answer says does not matter."""
    host, port = server_address(server)
    backend: Any = dns.asyncbackend.get_backend("asyncio")
    ask: Any = dns.asyncquery.tcp if is_tcp else dns.asyncquery.udp_with_fallback
    try:
        await ask(query, host, timeout=deadline_s, port=port, backend=backend)
    except dns.exception.Timeout:
        return Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT, Side.REMOTE, f"no answer in {deadline_s:g} s")
    except OSError as error:
        return replace(blame(error, Stage.RESOLVE), kind=Kind.RESOLVER_DOWN, side=Side.OURS)
    except (dns.exception.DNSException, EOFError, ValueError) as error:
        return Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, Side.REMOTE, type(error).__name__)
    return None
