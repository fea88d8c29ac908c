"""Does a certificate name this host? DNS names only, with one wildcard form.

Touches: nothing. Source: RFC 9525 sections 6.3 and 6.4 (DNS-ID, wildcard as the complete left-most label), RFC 8461
section 4.2 (never the common name), RFC 7672 section 3.2.3 (common name only where there is no DNS name).
"""

import re

from scanner.model.certificate import Certificate

DNS_ID = re.compile(r"(\*\.(?=[^.]+\.))?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)
"""A name of letters, digits and hyphens (A-labels), perhaps below `*.`, which must have two labels behind it."""
DNS_ID_LETTERS = 255


def matches(pattern: str, host: str) -> bool:
    """Compare one presented name with one host name, without regard to case (RFC 9525 section 6.3)."""
    presented_name, host = pattern.lower(), host.lower().rstrip(".")
    if presented_name.startswith("*."):
        label, _, parent = host.partition(".")
        is_same = bool(label) and presented_name == f"*.{parent}"
    else:
        is_same = presented_name == host
    return (
        is_same and len(pattern) <= DNS_ID_LETTERS and DNS_ID.fullmatch(pattern) is not None
    )  # the dearest comes last


def certified(leaf: Certificate, host: str) -> bool | None:
    """Tell whether a DNS name of the certificate is the host's; None where its names cannot be read."""
    if is_unreadable(leaf):
        return None
    return any(matches(name, host) for name in leaf.dns_names)


def presented(leaf: Certificate) -> tuple[str, ...] | None:
    """List the DNS names, or the common name where there are none: the older rule that DANE-TA and Postfix keep."""
    if is_unreadable(leaf):
        return None
    return leaf.dns_names or ((leaf.common_name,) if leaf.common_name else ())


def is_unreadable(leaf: Certificate) -> bool:
    """Tell whether its names are not known."""
    return bool(leaf.unreadable) and not {"certificate", "dns_names"}.isdisjoint(leaf.unreadable)
