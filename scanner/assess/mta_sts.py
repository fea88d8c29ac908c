"""Does the domain's MTA-STS policy hold: published well, enforced, and met by every MX host?

Touches: nothing. Source: RFC 8461 sections 3.1 to 3.3, 4.1, 4.2 and 5.
"""

from collections.abc import Iterator

from scanner.assess import starttls, webpki
from scanner.assess.case import Case
from scanner.assess.findings import found
from scanner.assess.folding import fold
from scanner.model.assessment import Finding, Verdict
from scanner.model.fault import Fault, Kind, Side
from scanner.model.policy import StsMode, StsPolicy
from scanner.model.route import MxHost
from scanner.protocols.mta_sts import covers
from scanner.protocols.tlsa import NO_RECORDS

DAY_S = 86_400
HTTP_PASSING = frozenset({408, 425, 429}) | frozenset(range(500, 600))
LASTING = frozenset(
    {
        Kind.NXDOMAIN,
        Kind.NODATA,
        Kind.REFUSED,
        Kind.REFUSED_ADDRESS,
        Kind.CERTIFICATE,
        Kind.HTTP_STATUS,
        Kind.CONTENT_ENCODED,
        Kind.TOO_LONG,
        Kind.MALFORMED,
        Kind.NOT_TLS,
        Kind.TLS_ALERT,
        Kind.TLS_FAILED,
    }
)
"""Faults of a fetch that say: this policy cannot be had. All others may pass."""


def axis(case: Case) -> Verdict:
    """No record is absent, a broken one fails; an enforced policy passes where every MX host meets it."""
    if case.receives_no_mail:
        return Verdict.NOT_APPLICABLE
    policy = case.evidence.mta_sts.policy
    if policy is None:
        return _without_policy(case)
    if policy.mode is not StsMode.ENFORCE:
        return Verdict.ABSENT if policy.mode is StsMode.NONE else Verdict.PARTIAL
    hosts = fold(_of_host(case, policy, host) for host in case.route.hosts)
    return Verdict.UNKNOWN if hosts is Verdict.NOT_APPLICABLE else hosts


def findings(case: Case) -> Iterator[Finding]:
    """What is wrong with the policy, and which hosts do not meet it."""
    policies = case.evidence.mta_sts
    if policies.policy is not None:
        yield from _of_policy(case, policies.policy)
    elif case.receives_no_mail:
        return
    elif policies.fetch is not None and policies.fetch.fault is not None:
        yield _of_fetch(policies.fetch.fault)
    elif policies.defect:
        yield found("sts-policy-invalid", detail=policies.defect)
    elif _without_policy(case) is Verdict.UNKNOWN:
        yield found("dns-lookup-failed", detail="_mta-sts TXT")


def enforced(case: Case) -> StsPolicy | None:
    """Take the policy that honest senders enforce, if there is one (RFC 8461 section 5)."""
    policy = case.evidence.mta_sts.policy
    return policy if policy is not None and policy.mode is StsMode.ENFORCE else None


def _without_policy(case: Case) -> Verdict:
    """RFC 8461 s3.1, s3.3."""
    policies = case.evidence.mta_sts
    fault = policies.txt.fault
    if fault is not None and fault.kind not in NO_RECORDS:
        return Verdict.UNKNOWN
    if policies.fetch is not None and policies.fetch.fault is not None:
        return Verdict.FAIL if is_lasting(policies.fetch.fault) else Verdict.UNKNOWN
    if policies.defect:
        return Verdict.FAIL
    return Verdict.UNKNOWN if policies.id else Verdict.ABSENT


def is_lasting(fault: Fault) -> bool:
    """Whether this policy cannot be had tomorrow either."""
    is_busy = fault.kind is Kind.HTTP_STATUS and fault.code in HTTP_PASSING
    return fault.side is Side.REMOTE and fault.kind in LASTING and not is_busy


def _of_host(case: Case, policy: StsPolicy, host: MxHost) -> Verdict:
    """RFC 8461 s4.1, s4.2. STARTTLS that is missing fails as well: honest senders skip the host."""
    if not covers(policy, host.name):
        return Verdict.FAIL
    verdicts = [webpki.of_view(case, view) for view in case.of(host)]
    if any(missing is host for missing in starttls.unseen(case)):
        verdicts.append(Verdict.UNKNOWN)
    return fold(Verdict.FAIL if verdict in {Verdict.ABSENT, Verdict.PARTIAL} else verdict for verdict in verdicts)


def _of_policy(case: Case, policy: StsPolicy) -> Iterator[Finding]:
    if policy.mode is StsMode.TESTING:
        yield found("sts-testing")
    if policy.mode is not StsMode.NONE and policy.max_age_s < DAY_S:
        yield found("sts-short-age", detail=f"max_age {policy.max_age_s} s")
    if policy.mode is not StsMode.ENFORCE or case.receives_no_mail:
        return
    for host in case.route.hosts:
        if not covers(policy, host.name):
            yield found("sts-mx-mismatch", host.name, detail=", ".join(policy.mx[:5]))
        for view in case.of(host):
            if starttls.of_view(view) in {Verdict.ABSENT, Verdict.FAIL}:
                yield view.finding("sts-required")


def _of_fetch(fault: Fault) -> Finding:
    name = "sts-webpki-invalid" if fault.kind is Kind.CERTIFICATE else "sts-policy-fetch-error"
    code = "" if fault.code is None else f" {fault.code}"
    return found(name, detail=f"{fault.kind.value}{code}: {fault.detail}".removesuffix(": "))
