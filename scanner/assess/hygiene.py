"""What is poor and still works. These findings never change a verdict, nor what happens to mail.

Checks are those of Internet.nl (NCSC-NL guidelines for TLS, 2025-05) and of the RFCs as far as one session, DNS and the
policies show them; what the RFCs call sufficient is not told.

Touches: nothing. Source: RFC 8996 (TLS 1.0 and 1.1), RFC 9325 sections 4.1, 4.2 and 4.5; section 5.2 says why to refuse
old TLS would be worse. RFC 7671 section 8.1, RFC 7672 section 3.1.3.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache

from scanner.assess import chains, dane, deeper, tls_rpt
from scanner.assess.case import Case, View, once
from scanner.assess.dane import EE, TA, Standing
from scanner.assess.findings import found
from scanner.model.assessment import Finding, Verdict
from scanner.model.policy import StsMode
from scanner.model.route import MxHost, TlsaRecord
from scanner.model.session import Handshake
from scanner.protocols import tlsa
from scanner.protocols.suites import Weakness, weaknesses

OLD_VERSIONS = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
IN_USE = {
    Weakness.BROKEN: "weak-cipher",
    Weakness.NULL: "weak-cipher",
    Weakness.STATIC_RSA: "no-forward-secrecy",
    Weakness.FINITE_FIELD: "finite-field-dh",
    Weakness.NO_AEAD: "no-aead",
}
"""`anonymous-tls` is not here: it decides whether a sender can authenticate, and is told with STARTTLS."""
LEAST_GROUP_BITS = 224
PKIX_USAGES = frozenset({0, 1})
_BITS = re.compile(r"\d+")


def findings(case: Case) -> Iterator[Finding]:
    """Look at DNS, at the policies, and at every handshake."""
    if not case.receives_no_mail:
        yield from _of_route(case)
        yield from _of_reports(case)
    for view in case.views:
        yield from _of_server(view)
        yield from chains.findings(case, view)
    yield from deeper.findings(case)


def _of_route(case: Case) -> Iterator[Finding]:
    """An MX host named twice is tried twice, and twice as often."""
    records = case.route.mx.records
    names = Counter(record.exchange.lower().rstrip(".") for record in records) if len(records) > 1 else {}
    yield from (found("mx-duplicate", name) for name, times in names.items() if times > 1)
    for host in case.route.hosts:
        yield from _of_tlsa(case, host)


def _of_tlsa(case: Case, host: MxHost) -> Iterator[Finding]:
    if not host.tlsa.records:
        return
    usages = {record.usage for record in host.tlsa.records}
    if usages & PKIX_USAGES:
        yield found("tlsa-pkix", host.name, detail=f"usage {min(usages)}")
    if dane.standing_of(case, host) is Standing.USABLE and not can_roll_over(host.tlsa.records):
        yield found("dane-no-rollover", host.name)


def can_roll_over(records: tuple[TlsaRecord, ...]) -> bool:
    """RFC 7671 s8.1: the key of today and the next one, or the key of today and its issuer's, as Internet.nl asks."""
    usages = Counter(record.usage for record in records if tlsa.usable(record))
    return usages[EE] > 1 or (usages[EE] == 1 and usages[TA] > 0)


def _of_reports(case: Case) -> Iterator[Finding]:
    """Who promises TLS wants to hear when it fails."""
    policy = case.evidence.mta_sts.policy
    is_promised = policy is not None and policy.mode is not StsMode.NONE
    is_promised = is_promised or any(dane.standing_of(case, host) is Standing.USABLE for host in case.route.hosts)
    if is_promised and tls_rpt.axis(case) is Verdict.ABSENT:
        yield found("tlsrpt-missing")


@once
def _of_server(view: View) -> tuple[Finding, ...]:
    handshake = None if view.encrypted is None else view.encrypted.handshake
    return () if handshake is None else tuple(_of_handshake(view, handshake))


def _of_handshake(view: View, handshake: Handshake) -> Iterator[Finding]:
    if handshake.version in OLD_VERSIONS:
        yield view.finding("only-old-tls", handshake.version)
    for weakness in weaknesses(handshake.cipher):
        if weakness in IN_USE:
            yield view.finding(IN_USE[weakness], handshake.cipher)
    if is_short(handshake.group):
        yield view.finding("weak-group", handshake.group or "")


@lru_cache(64)
def is_short(group: str | None) -> bool:
    """RFC 9325 s4.5, by the number in the name of a key exchange group, where the TLS library tells one."""
    bits = _BITS.search(group or "")
    return bits is not None and int(bits[0]) < LEAST_GROUP_BITS
