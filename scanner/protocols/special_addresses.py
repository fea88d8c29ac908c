"""Which addresses must never be connected to: everything but globally reachable unicast.

MX and address records are the peer's to write; one that points at loopback, a private network or a metadata service is
a finding, never a packet. `ipaddress.is_global` is not enough: it passes multicast and embedded IPv4 forms.

Touches: nothing. Source: IANA IPv4 and IPv6 special-purpose address registries (RFC 6890), RFC 4291, RFC 6052.
"""

import ipaddress

from scanner.settings import Network

DENIED_IPV4 = {
    "0.0.0.0/8": "this network (RFC 791)",
    "10.0.0.0/8": "private use (RFC 1918)",
    "100.64.0.0/10": "shared address space (RFC 6598)",
    "127.0.0.0/8": "loopback (RFC 1122)",
    "169.254.0.0/16": "link local (RFC 3927)",
    "172.16.0.0/12": "private use (RFC 1918)",
    "192.0.0.0/24": "IETF protocol assignments (RFC 6890)",
    "192.0.2.0/24": "documentation (RFC 5737)",
    "192.31.196.0/24": "AS112 (RFC 7535)",
    "192.52.193.0/24": "AMT (RFC 7450)",
    "192.88.99.0/24": "deprecated 6to4 relay (RFC 7526)",
    "192.168.0.0/16": "private use (RFC 1918)",
    "192.175.48.0/24": "AS112 (RFC 7534)",
    "198.18.0.0/15": "benchmarking (RFC 2544)",
    "198.51.100.0/24": "documentation (RFC 5737)",
    "203.0.113.0/24": "documentation (RFC 5737)",
    "224.0.0.0/4": "multicast (RFC 5771)",
    "240.0.0.0/4": "reserved (RFC 1112)",
}
GLOBAL_UNICAST_IPV6 = ipaddress.IPv6Network("2000::/3")
DENIED_IPV6 = {
    "2001::/23": "IETF protocol assignments (RFC 2928)",
    "2001:db8::/32": "documentation (RFC 3849)",
    "2002::/16": "6to4 (RFC 3056)",
    "2620:4f:8000::/48": "AS112 (RFC 7534)",
    "3fff::/20": "documentation (RFC 9637)",
}
IPV4_RULES = tuple((ipaddress.IPv4Network(block), reason) for block, reason in DENIED_IPV4.items())
IPV6_RULES = tuple((ipaddress.IPv6Network(block), reason) for block, reason in DENIED_IPV6.items())


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
