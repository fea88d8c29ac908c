"""Does DANE hold: are MX, address and TLSA records secure together, and does every server match?

Touches: nothing. Source: RFC 7672 sections 2.1, 2.2 and 3, RFC 7671 sections 5 and 9, RFC 6698 section 2.1.
"""

from collections.abc import Iterator
from enum import StrEnum

from scanner.assess import starttls
from scanner.assess.case import Case, View, has_no_address, is_bogus, once
from scanner.assess.findings import found
from scanner.assess.folding import fold
from scanner.assess.names import matches, presented
from scanner.assess.webpki import Problem, chain_of, date_problems, dates, trust_problems, use_problems
from scanner.model.assessment import Finding, Verdict
from scanner.model.certificate import Certificate
from scanner.model.fault import Kind
from scanner.model.route import MxHost, TlsaRecord, Validity
from scanner.protocols import certificate, tlsa
from scanner.protocols.tlsa import NO_RECORDS

TA, EE = 2, 3


class Standing(StrEnum):
    """What DNS says about DANE at one MX host, before any server is asked."""

    NONE = "none"
    INSECURE = "insecure"
    UNKNOWN = "unknown"
    BOGUS = "bogus"
    LOOKUP_FAILED = "lookup_failed"
    UNUSABLE = "unusable"
    USABLE = "usable"


MX_STATUS = {
    Validity.SECURE: Verdict.PASS,
    Validity.INSECURE: Verdict.PARTIAL,
    Validity.INDETERMINATE: Verdict.UNKNOWN,
    Validity.BOGUS: Verdict.FAIL,
}
"""The best that the security of the MX records allows: insecure ones give some protection and no secure delivery."""
STANDING_VERDICT = {
    Standing.NONE: Verdict.ABSENT,
    Standing.INSECURE: Verdict.ABSENT,
    Standing.UNKNOWN: Verdict.UNKNOWN,
    Standing.LOOKUP_FAILED: Verdict.UNKNOWN,
    Standing.BOGUS: Verdict.FAIL,
    Standing.UNUSABLE: Verdict.FAIL,
}
STANDING_FINDING = {
    Standing.INSECURE: "tlsa-insecure",
    Standing.UNKNOWN: "dnssec-unknown",
    Standing.BOGUS: "dnssec-invalid",
    Standing.LOOKUP_FAILED: "dns-lookup-failed",
    Standing.UNUSABLE: "tlsa-invalid",
}


def axis(case: Case) -> Verdict:
    """Fold over the hosts. An MX lookup that is bogus fails, one that failed otherwise is not known."""
    if case.receives_no_mail:
        return Verdict.NOT_APPLICABLE
    fault = case.routing_fault
    if fault is not None:
        return Verdict.FAIL if fault.kind is Kind.BOGUS else Verdict.UNKNOWN
    verdicts = [of_host(case, host) for host in case.route.hosts if not has_no_address(host)]
    return fold(verdicts) if verdicts else Verdict.UNKNOWN


def of_host(case: Case, host: MxHost) -> Verdict:
    """One MX host, as a sender that has DANE would treat it."""
    standing = standing_of(case, host)
    if standing is not Standing.USABLE:
        return STANDING_VERDICT[standing]
    ceiling = MX_STATUS[case.route.mx.validity]
    seen = fold(of_view(case, host, view) for view in case.of(host))
    if seen is Verdict.NOT_APPLICABLE:
        return Verdict.UNKNOWN
    return ceiling if seen is Verdict.PASS else fold((seen, ceiling))


def of_view(case: Case, host: MxHost, view: View) -> Verdict:
    """RFC 7672 s2.2: TLS and a match are a must. STARTTLS that is missing fails, unlike anywhere else."""
    offered = starttls.of_view(view)
    if offered is Verdict.ABSENT:
        return Verdict.FAIL
    if view.encrypted is None:
        return offered
    told = problems(case, host, view)
    if any(problem.is_certain for problem in told):
        return Verdict.FAIL
    return Verdict.UNKNOWN if told else offered


@once
def standing_of(_case: Case, host: MxHost) -> Standing:
    """RFC 7672 s2.1 and s2.2, guarded exits in their order."""
    fault = host.tlsa.fault
    if is_bogus(host):
        return Standing.BOGUS
    if (fault is not None and fault.kind not in NO_RECORDS) or not host.addresses:
        return Standing.LOOKUP_FAILED  # RFC 7672 s2.1.2: not "no TLSA"; nobody asked where the addresses are not known
    if not host.tlsa.records:
        return Standing.NONE
    held = {host.tlsa.validity, _addresses(host)}
    if Validity.INSECURE in held:
        return Standing.INSECURE
    if held != {Validity.SECURE}:
        return Standing.UNKNOWN
    return Standing.USABLE if tlsa.strongest(host.tlsa.records) else Standing.UNUSABLE


@once
def problems(case: Case, host: MxHost, view: View) -> tuple[Problem, ...]:
    """Why no TLSA record accepts the chain; nothing where one does. RFC 7671 s9: only the strongest digests count."""
    return problems_with(case, host, view, tlsa.strongest(host.tlsa.records))


def problems_with(case: Case, host: MxHost, view: View, records: tuple[TlsaRecord, ...]) -> tuple[Problem, ...]:
    """Why none of these records accepts the chain; nothing where one does."""
    chain = chain_of(view)
    if not chain:
        return (Problem("anonymous-tls", ""),)
    best: tuple[Problem, ...] | None = None
    for record in records:
        told = _ee(record, chain) if record.usage == EE else _ta(case, host, record, chain)
        if not told:
            return ()
        if best is None or best[0].type == "tlsa-invalid":
            best = told
    is_certain = view.asked_for(host.tlsa_base)
    return tuple(Problem(it.type, it.detail, is_certain and it.is_certain) for it in best or ())


def findings(case: Case) -> Iterator[Finding]:
    """What is wrong with DANE, and whose mail is stuck."""
    fault = case.routing_fault
    if fault is not None and fault.kind is Kind.BOGUS:
        yield found("dnssec-invalid", detail="MX")
    for host in () if case.receives_no_mail else case.route.hosts:
        if has_no_address(host):
            continue
        standing = standing_of(case, host)
        if standing in STANDING_FINDING:
            yield found(STANDING_FINDING[standing], host.name, detail=f"_25._tcp.{host.tlsa_base} TLSA")
        if standing in {Standing.USABLE, Standing.UNUSABLE}:
            yield from _of_servers(case, host, standing)


def _of_servers(case: Case, host: MxHost, standing: Standing) -> Iterator[Finding]:
    if case.route.mx.validity is Validity.INSECURE:
        yield found("mx-insecure", host.name)
    for view in case.of(host):
        chain = chain_of(view)
        if starttls.of_view(view) in {Verdict.ABSENT, Verdict.FAIL}:
            yield view.finding("dane-required")
        elif chain and standing is Standing.USABLE:
            told = problems(case, host, view)
            yield from (view.finding(problem.type, problem.detail) for problem in told)
            is_expired = chain[0].not_after_at is not None and case.at > chain[0].not_after_at
            if not told and is_expired:
                yield view.finding("dane-ee-expired")


def _addresses(host: MxHost) -> Validity:
    """RFC 7672 s2.2.2: an insecure address is no bar where the host's own CNAME is secure."""
    status = tlsa.validity(host.ipv4, host.ipv6)
    is_saved = status is Validity.INSECURE and host.alias_validity is Validity.SECURE
    return Validity.SECURE if is_saved else status


def _ee(record: TlsaRecord, chain: tuple[Certificate, ...]) -> tuple[Problem, ...]:
    """RFC 7672 s3.1.1: the leaf only; names and dates are not looked at."""
    return () if tlsa.matches(record, chain[0]) else (Problem("tlsa-invalid", _shown(record)),)


def _ta(case: Case, host: MxHost, record: TlsaRecord, chain: tuple[Certificate, ...]) -> tuple[Problem, ...]:
    """RFC 7672 s3.1.2: a chain to the anchor that the server sent, or that the record holds whole; dates, purpose and
    names as anywhere else.
    """
    anchor = next((it for it in chain[1:] if tlsa.matches(record, it)), None)
    if anchor is None and (record.selector, record.matching_type) == (0, 0):
        anchor = certificate.read(record.association)
    if anchor is None:
        return (Problem("tlsa-invalid", _shown(record)),)
    return (
        *trust_problems(case.verifier.anchored(anchor, chain, case.at)),
        *date_problems(chain[0], dates(chain[0], case.at)),
        *use_problems(chain),
        *_ta_names(case, host, chain[0]),
    )


def _ta_names(case: Case, host: MxHost, leaf: Certificate) -> Iterator[Problem]:
    """RFC 7672 s3.2.2: the base domain, and the next-hop domain where the MX records are secure."""
    names = presented(leaf)
    hosts = {host.tlsa_base, case.route.domain} if case.route.mx.validity is Validity.SECURE else {host.tlsa_base}
    if names is None:
        yield Problem("validation-failure", "names cannot be read", is_certain=False)
    elif not any(matches(name, each) for name in names for each in hosts):
        yield Problem("certificate-host-mismatch", ", ".join(names[:5]))


def _shown(record: TlsaRecord) -> str:
    return f"{record.usage} {record.selector} {record.matching_type} {record.association.hex()[:16]} does not match"
