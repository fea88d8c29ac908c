"""Which addresses must never be connected to: everything but globally reachable unicast.

MX and address records are the peer's to write; one that points at loopback, a private network or a metadata service is
a finding, never a packet. `ipaddress.is_global` is not enough: it passes multicast and embedded IPv4 forms.

Touches: nothing. Source: IANA IPv4 and IPv6 special-purpose address registries (RFC 6890), RFC 4291, RFC 5771.
"""

import ipaddress

from scanner.protocols import special_blocks
from scanner.settings import Network

GLOBAL_UNICAST_IPV6 = ipaddress.IPv6Network("2000::/3")
"""RFC 4291 section 2.4: all that is handed out as global unicast today."""
IPV4_RULES = (
    *((ipaddress.IPv4Network(block), reason) for block, reason in special_blocks.IPV4.items()),
    (ipaddress.IPv4Network("224.0.0.0/4"), "Multicast (RFC 5771)"),  # a registry of its own
)
IPV6_RULES = tuple((ipaddress.IPv6Network(block), reason) for block, reason in special_blocks.IPV6.items())


def refusal(address: str, allow: tuple[Network, ...] = ()) -> str | None:
    """Say why this address may not be connected to; None where it may.

    `allow` are the networks of a lab. A zone id, an embedded IPv4 form other than v4-mapped and anything that is not an
    address literal are refused.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return "not an address"
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped  # the kernel connects to the IPv4 address
    if any(ip.version == network.version and ip in network for network in allow):
        return None
    if isinstance(ip, ipaddress.IPv4Address):
        return next((reason for network, reason in IPV4_RULES if ip in network), None)
    if ip.scope_id is not None or ip not in GLOBAL_UNICAST_IPV6:
        return "not global unicast (RFC 4291 section 2.4)"
    return next((reason for network, reason in IPV6_RULES if ip in network), None)
