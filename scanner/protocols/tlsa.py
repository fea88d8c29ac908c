"""Which TLSA records apply to an MX host, and which certificate they match.

Touches: nothing. Source: RFC 6698 section 2.1, RFC 7671 sections 5 and 9, RFC 7672 sections 2.2 and 3.1.
"""

import hashlib

from scanner.model.certificate import Certificate
from scanner.model.fault import Kind
from scanner.model.route import Answer, Route, TlsaRecord, Validity

NO_RECORDS = frozenset({Kind.NXDOMAIN, Kind.NODATA})
"""Answers, not errors (RFC 7672 s2.1.1)."""
DIGEST_BYTES = {1: 32, 2: 64}
DIGEST_NAMES = {1: "sha256", 2: "sha512"}


def matters(route: Route) -> bool:
    """Tell whether DNSSEC decides anything here: a host has TLSA records, or trouble when asked for them.

    SERVFAIL is how a validating resolver shows a bogus RRset (RFC 4035 section 5.5), so it is looked into as well.
    """
    looked_up = [route.mx.fault, *(answer.fault for host in route.hosts for answer in (host.ipv4, host.ipv6))]
    is_suspect = any(fault is not None and fault.kind is Kind.SERVFAIL for fault in looked_up)
    return is_suspect or any(settles(host.tlsa) for host in route.hosts)


def settles(answer: Answer[TlsaRecord]) -> bool:
    """Tell whether this base domain ends the search. An error does: it must not read as "no TLSA" (RFC 7672 s2.1.2)."""
    return bool(answer.records) or (answer.fault is not None and answer.fault.kind not in NO_RECORDS)


def expanded(name: str, ipv4: Answer[str], ipv6: Answer[str]) -> str:
    """Name the end of the host's CNAME chain, the host itself where there is none."""
    return next((answer.canonical_name for answer in (ipv4, ipv6) if answer.records and answer.canonical_name), name)


def validity(ipv4: Answer[str], ipv6: Answer[str]) -> Validity:
    """Take the weaker security status of the address RRsets that exist."""
    held = {answer.validity for answer in (ipv4, ipv6) if answer.records}
    ranked = (Validity.BOGUS, Validity.INDETERMINATE, Validity.INSECURE, Validity.SECURE)
    return next((status for status in ranked if status in held), Validity.INDETERMINATE)


def needs_alias_status(name: str, ipv4: Answer[str], ipv6: Answer[str]) -> bool:
    """Tell whether the security of the host's own CNAME must be asked for (RFC 7672 section 2.1.3)."""
    return expanded(name, ipv4, ipv6) != name and validity(ipv4, ipv6) is Validity.INSECURE


def base_domains(name: str, ipv4: Answer[str], ipv6: Answer[str], alias: Validity) -> tuple[str, ...]:
    """List the TLSA base domains in the order of RFC 7672 section 2.2.2: the expanded name first, then the original.

    Insecure addresses leave none (SHOULD NOT query), unless the host's own CNAME is secure: then the original only.
    """
    if not (ipv4.records or ipv6.records):
        return ()
    target = expanded(name, ipv4, ipv6)
    if validity(ipv4, ipv6) is Validity.INSECURE:
        return (name,) if target != name and alias is Validity.SECURE else ()
    return (target, name) if target != name else (name,)


def usable(record: TlsaRecord) -> bool:
    """RFC 7672 section 3.1: usages 2 and 3, known selector and matching type, digest of the right length."""
    if record.usage not in {2, 3} or record.selector not in {0, 1} or record.matching_type not in {0, 1, 2}:
        return False
    return len(record.association) == DIGEST_BYTES.get(record.matching_type, len(record.association) or -1)


def strongest(records: tuple[TlsaRecord, ...]) -> tuple[TlsaRecord, ...]:
    """Digest agility, RFC 7671 section 9: per usage and selector, full data plus the strongest digest only."""
    best: dict[tuple[int, int], int] = {}
    for record in filter(usable, records):
        key = (record.usage, record.selector)
        best[key] = max(best.get(key, 0), record.matching_type)
    return tuple(
        record for record in filter(usable, records) if record.matching_type in {0, best[record.usage, record.selector]}
    )


def matches(record: TlsaRecord, certificate: Certificate) -> bool:
    """Compare one record with one certificate (RFC 6698 section 2.1)."""
    selected = certificate.spki if record.selector == 1 else certificate.der
    if not selected or record.matching_type not in {0, 1, 2}:
        return False
    if record.matching_type == 0:
        return selected == record.association
    return hashlib.new(DIGEST_NAMES[record.matching_type], selected).digest() == record.association
