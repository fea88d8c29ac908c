"""Trials before a scan: may this source be bound, has it a way out, do large answers come home? Facts only.

The first two send nothing; the others ask the resolver one question each.

Touches: network. Source: ip(7); RFC 7766 (TCP), RFC 6891 section 6.2.5 (large answers), RFC 6761 section 6.4.
"""

import ipaddress
import socket
from dataclasses import replace
from typing import Any

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.message

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.net.answers import server_address
from scanner.net.sockets import blame

FAR = {4: "192.0.2.1", 6: "2001:db8::1"}
"""An address far away of each IP version (RFC 5737, RFC 3849): asking for the route sends nothing."""
UDP_BYTES = 1232
NO_SUCH_NAME = "starttls-doctor.invalid"
DISCARD_PORT = 9


def bind_fault(address: str) -> Fault | None:
    """Say why this address cannot be a source. Faults: our side."""
    try:
        datagram(ipaddress.ip_address(address).version, address).close()
    except OSError as error:
        return blame(error, Stage.CONNECT)
    return None


def route_fault(address: str, version: int) -> Fault | None:
    """Say why a source (empty: any) has no way out by this IP version. Faults: our side."""
    try:
        with datagram(version, address) as opened:
            opened.connect((FAR[version], DISCARD_PORT))
    except OSError as error:  # whatever it is, nothing left this machine
        return replace(blame(error, Stage.CONNECT), kind=Kind.NO_ROUTE, side=Side.OURS)
    return None


def datagram(version: int, address: str) -> socket.socket:
    """Make a datagram socket of a source. Raises OSError."""
    opened = socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        if address:
            opened.bind((address, 0))
    except OSError:
        opened.close()
        raise
    return opened


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
