"""Does the domain ask for reports of failed TLS?

Touches: nothing. Source: RFC 8460 section 3.
"""

from collections.abc import Iterator

from scanner.assess.case import Case
from scanner.assess.findings import found
from scanner.model.assessment import Finding, Verdict
from scanner.protocols.tlsa import NO_RECORDS


def axis(case: Case) -> Verdict:
    """One valid record, none, a broken one, or DNS trouble."""
    reports = case.evidence.tls_rpt
    if case.receives_no_mail:
        return Verdict.NOT_APPLICABLE
    if reports.txt.fault is not None and reports.txt.fault.kind not in NO_RECORDS:
        return Verdict.UNKNOWN
    if reports.defect:
        return Verdict.FAIL
    return Verdict.PASS if reports.rua else Verdict.ABSENT


def findings(case: Case) -> Iterator[Finding]:
    """A record that is there and does not count."""
    if axis(case) is Verdict.FAIL:
        yield found("tlsrpt-invalid", detail=case.evidence.tls_rpt.defect)
