"""MTA-STS and TLS-RPT: what is published, and whether it holds."""

from dataclasses import replace

import pytest

from scanner.model.assessment import Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, TlsRpt
from scanner.model.session import Session
from tests.unit.assess.evidence import (
    NO_POLICY,
    NO_REPORTS,
    SERVFAIL,
    cut,
    encrypted,
    host,
    judged,
    plain,
    policy,
    route,
    types,
)

P, F, A, U, H = Verdict.PASS, Verdict.FAIL, Verdict.ABSENT, Verdict.UNKNOWN, Verdict.PARTIAL


def unfetched(kind: Kind, code: int | None = None, side: Side = Side.REMOTE) -> MtaSts:
    fetch = PolicyFetch(fault=Fault(Stage.POLICY, kind, side, "", code))
    return replace(NO_POLICY, id="1", fetch=fetch, defect="fetch")


@pytest.mark.parametrize(
    ("published", "verdict", "found"),
    [
        (NO_POLICY, A, []),
        (policy(), P, []),
        (policy(StsMode.TESTING), H, ["sts-testing"]),
        (policy(StsMode.NONE), A, []),
        (policy(StsMode.ENFORCE, "*.example.test"), P, []),
        (policy(StsMode.ENFORCE, "other.test"), F, ["sts-mx-mismatch"]),
        (replace(NO_POLICY, defect="several_records"), F, ["sts-policy-invalid"]),
        (replace(NO_POLICY, id="1", fetch=PolicyFetch(), defect="mode"), F, ["sts-policy-invalid"]),
        (replace(NO_POLICY, txt=replace(NO_POLICY.txt, fault=SERVFAIL)), U, ["dns-lookup-failed"]),
        (unfetched(Kind.CERTIFICATE), F, ["sts-webpki-invalid"]),
        (unfetched(Kind.HTTP_STATUS, 404), F, ["sts-policy-fetch-error"]),
        (unfetched(Kind.HTTP_STATUS, 301), F, ["sts-policy-fetch-error"]),
        (unfetched(Kind.HTTP_STATUS, 503), U, ["sts-policy-fetch-error"]),
        (unfetched(Kind.NXDOMAIN), F, ["sts-policy-fetch-error"]),
        (unfetched(Kind.TIMEOUT), U, ["sts-policy-fetch-error"]),
        (unfetched(Kind.SERVFAIL), U, ["sts-policy-fetch-error"]),
        (unfetched(Kind.NO_ROUTE, side=Side.OURS), U, ["sts-policy-fetch-error"]),
    ],
)
def test_rfc_8461_s3_what_is_published(published: MtaSts, verdict: Verdict, found: list[str]) -> None:
    assessment = judged(encrypted(), mta_sts=published)
    assert assessment.mta_sts is verdict
    assert types(assessment) == found


@pytest.mark.parametrize(
    ("session", "verdict", "first"),
    [
        (encrypted("wrong host"), F, "certificate-host-mismatch"),
        (encrypted("cn only"), F, "certificate-host-mismatch"),
        (encrypted("expired"), F, "certificate-expired"),
        (encrypted("self-signed"), F, "certificate-not-trusted"),
        (plain(), F, "sts-required"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), F, "sts-required"),
        (cut(Stage.GREETING, Kind.REPLY_421), U, "smtp-session-rejected"),
        (cut(Stage.CONNECT, Kind.TIMEOUT), U, "mx-unreachable"),
    ],
)
def test_rfc_8461_s4_what_an_enforced_policy_demands(session: Session, verdict: Verdict, first: str) -> None:
    assessment = judged(session, mta_sts=policy())
    assert assessment.mta_sts is verdict
    assert types(assessment)[0] == first


def test_rfc_8461_s5_testing_never_fails() -> None:
    assert judged(plain(), mta_sts=policy(StsMode.TESTING)).mta_sts is H


def test_every_mx_host_must_meet_the_policy() -> None:
    way = route(host(), host("mx2.example.test", 20, ("192.0.2.2",)))
    sessions = (encrypted(), encrypted("wildcard", mx="mx2.example.test", address="192.0.2.2"))
    assert judged(*sessions, way=way, mta_sts=policy()).mta_sts is F
    assert judged(*sessions, way=way, mta_sts=policy(StsMode.ENFORCE, "*.example.test")).mta_sts is P
    assert judged(sessions[0], way=way, mta_sts=policy(StsMode.ENFORCE, "*.example.test")).mta_sts is U


@pytest.mark.parametrize(
    ("reports", "verdict", "found"),
    [
        (NO_REPORTS, A, []),
        (replace(NO_REPORTS, rua=("mailto:tls@example.test",)), P, []),
        (replace(NO_REPORTS, defect="bad_rua"), F, ["tlsrpt-invalid"]),
        (replace(NO_REPORTS, txt=replace(NO_REPORTS.txt, fault=SERVFAIL)), U, []),
    ],
)
def test_rfc_8460_s3_reports_are_asked_for_or_not(reports: TlsRpt, verdict: Verdict, found: list[str]) -> None:
    assessment = judged(encrypted(), tls_rpt=reports)
    assert assessment.tls_rpt is verdict
    assert types(assessment) == found
