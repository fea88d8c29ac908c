"""What the network itself says, and on whose side: real routes of the namespace."""

import ipaddress

from scanner.model.fault import Kind, Side
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Source
from scanner.net.clock import Clock
from scanner.net.smtp import SmtpProber
from scanner.settings import Deadlines, Limits
from tests.servers.lab import Lab, seen


async def test_a_network_that_cannot_be_reached_is_the_peers_affair(lab: Lab) -> None:
    """EHOSTUNREACH, as a router on the way says it (RFC 1122 section 3.2.2.1)."""
    fault = (await seen("203.0.113.66")).fault
    assert fault is not None
    assert (fault.kind, fault.side) == (Kind.UNREACHABLE, Side.REMOTE)


async def test_where_we_have_no_route_it_is_ours(lab: Lab) -> None:
    """ENETUNREACH from our own kernel: no packet was sent, so nothing is known about the peer."""
    prober = SmtpProber(Deadlines(), Limits(), (ipaddress.ip_network("198.18.0.0/15"),), Clock())
    nowhere = Endpoint("mx.lab.test", "198.18.0.1", 25, "mx.lab.test")
    fault = (await prober.converse(nowhere, Source("mail"), Hello.USUAL)).fault
    assert fault is not None
    assert (fault.kind, fault.side) == (Kind.NO_ROUTE, Side.OURS)
    assert fault.leaves_row_undone
