"""How well the presented chain is made: keys, signatures, dates, order. Whether it is trusted is asked in webpki.

Touches: nothing. Source: RFC 8446 section 4.4.2 (order; the root may be left out), RFC 9325 section 4.5 (keys and
hashes), RFC 7672 section 3.1.2 (with DANE-TA the anchor must be sent).
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from scanner.assess.case import Case, View, once
from scanner.assess.dane import TA
from scanner.assess.trust import BEGINNING, Answer
from scanner.assess.webpki import chain_of, trust_answer
from scanner.model.assessment import Finding
from scanner.model.certificate import Certificate

LEAST_BITS = {"rsa": 2048, "dsa": 2048, "ec": 224}
WEAK_HASHES = frozenset({"md2", "md4", "md5", "sha1", "sha224"})
NO_ISSUER = frozenset({20, 21})
"""X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY and _VERIFY_LEAF_SIGNATURE."""
SOON = timedelta(days=14)
PART_LEFT = 4
"""Or a quarter of its life, for certificates that live for days."""
NEVER = BEGINNING, BEGINNING


class Lasting(NamedTuple):
    """What depends neither on the day nor on what the domain publishes; `root` is told where nobody needs it.

    The leaf ends soon after `after`, and until `until`.
    """

    findings: tuple[Finding, ...]
    root: Finding | None
    after: datetime
    until: datetime


def findings(case: Case, view: View) -> Iterator[Finding]:
    """Everything about one chain."""
    chain = chain_of(view)
    if chain:
        told = _lasting(view, trust_answer(case, view))
        yield from told.findings
        if told.after < case.at <= told.until:
            yield view.finding("certificate-ends-soon", f"on {chain[0].not_after_at:%Y-%m-%d}")
        if told.root is not None and not _needs_anchor(case, view):
            yield told.root


@once
def _lasting(view: View, answer: Answer) -> Lasting:
    chain = chain_of(view)
    of_each = [finding for certificate in chain for finding in _of_certificate(view, certificate)]
    signed = [view.finding("self-signed", chain[0].subject)] if chain[0].self_issued else []
    roots = [view.finding("root-sent", it.subject) for it in chain[1:] if it.self_issued]
    return Lasting((*of_each, *signed, *_of_order(view, answer)), roots[0] if roots else None, *last_days(chain[0]))


def _of_certificate(view: View, it: Certificate) -> Iterator[Finding]:
    """RFC 9325 s4.5. Nobody verifies the signature that a certificate gave itself."""
    least_bits = LEAST_BITS.get(it.key_type)
    if least_bits is not None and it.key_bits is not None and it.key_bits < least_bits:
        yield view.finding("weak-key", f"{it.key_type} {it.key_bits} bits: {it.subject}")
    if it.signature_hash in WEAK_HASHES and not it.self_issued:
        yield view.finding("weak-signature", f"{it.signature_hash}: {it.subject}")


def last_days(leaf: Certificate) -> tuple[datetime, datetime]:
    """When somebody who renews in time has done so, and when it is too late, which is told elsewhere."""
    begin, end = leaf.not_before_at, leaf.not_after_at
    if begin is None or end is None or end < begin:
        return NEVER
    return end - min(SOON, (end - begin) / PART_LEFT), end


def _of_order(view: View, answer: Answer) -> Iterator[Finding]:
    """RFC 8446 s4.4.2."""
    chain, fault = chain_of(view), answer.fault
    strays = [upper.subject for lower, upper in pairwise(chain) if upper.subject != lower.issuer]
    if strays:
        yield view.finding("chain-disordered", strays[0])
    if len(chain) == 1 and not chain[0].self_issued and fault is not None and fault.code in NO_ISSUER:
        yield view.finding("no-intermediate", chain[0].issuer)


def _needs_anchor(case: Case, view: View) -> bool:
    """RFC 7672 s3.1.2."""
    asked = [host for host in case.route.hosts if host.tlsa.records and host.name == view.mx]
    return any(record.usage == TA for host in asked for record in host.tlsa.records)
