"""DANE, row by row of RFC 7672."""

from dataclasses import replace

import pytest

from scanner.model.assessment import Verdict
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.route import Answer, Route, TlsaRecord, Validity
from scanner.model.session import Session
from tests.unit.assess.evidence import (
    MX,
    SERVFAIL,
    authority,
    cut,
    encrypted,
    host,
    judged,
    plain,
    route,
    secured,
    tlsa_of,
    types,
)

P, F, A, U, H = Verdict.PASS, Verdict.FAIL, Verdict.ABSENT, Verdict.UNKNOWN, Verdict.PARTIAL
SECURE, INSECURE, BOGUS = Validity.SECURE, Validity.INSECURE, Validity.BOGUS
WRONG = TlsaRecord(3, 1, 1, bytes(32))
SHORT = TlsaRecord(3, 1, 1, bytes(31))
PKIX = TlsaRecord(1, 1, 1, bytes(32))


def with_fault(kind: Kind, status: Validity = SECURE) -> Route:
    answer: Answer[TlsaRecord] = Answer(f"_25._tcp.{MX}", fault=Fault(Stage.RESOLVE, kind))
    return route(replace(host(status=status), tlsa=answer), status=status)


@pytest.mark.parametrize(
    ("chain", "records", "verdict"),
    [
        ("good", (tlsa_of("good"),), P),
        ("good", (tlsa_of("good", 3, 0, 1),), P),
        ("good", (tlsa_of("good", 3, 0, 0),), P),
        ("good", (tlsa_of("good", 3, 1, 2),), P),
        ("expired", (tlsa_of("expired"),), P),
        ("wrong host", (tlsa_of("wrong host"),), P),
        ("self-signed", (tlsa_of("self-signed"),), P),
        ("good", (WRONG,), F),
        ("good", (WRONG, tlsa_of("good")), P),
        ("good", (tlsa_of("good"), TlsaRecord(3, 1, 2, bytes(64))), F),
        ("good", (PKIX, tlsa_of("good")), P),
        ("good", (PKIX,), F),
        ("good", (SHORT,), F),
        ("good", (tlsa_of("good", 2, 0, 1, depth=1),), P),
        ("good", (tlsa_of("good", 2, 1, 1, depth=1),), P),
        ("with root", (tlsa_of("with root", 2, 0, 1, depth=2),), P),
        ("good", (tlsa_of("with root", 2, 0, 1, depth=2),), F),
        ("good", (tlsa_of("with root", 2, 0, 0, depth=2),), P),
        ("untrusted ca", (tlsa_of("untrusted ca", 2, 0, 1, depth=1),), P),
        ("wrong host", (tlsa_of("wrong host", 2, 0, 1, depth=1),), F),
        ("expired", (tlsa_of("expired", 2, 0, 1, depth=1),), F),
        ("cn only", (tlsa_of("cn only", 2, 0, 1, depth=1),), P),
        ("other name below", (tlsa_of("other name below", 2, 0, 1, depth=1),), P),
        ("expired", (WRONG, tlsa_of("expired", 2, 0, 1, depth=1)), F),
        ("", (tlsa_of("good"),), F),
    ],
)
def test_rfc_7672_s3_what_a_record_demands_of_a_chain(
    chain: str, records: tuple[TlsaRecord, ...], verdict: Verdict
) -> None:
    assert judged(encrypted(chain), way=secured(*records)).dane is verdict


@pytest.mark.parametrize(
    ("way", "verdict", "found"),
    [
        (route(host()), A, None),
        (route(host(status=SECURE), status=SECURE), A, None),
        (secured(tlsa_of("good"), mx_status=INSECURE), H, "mx-insecure"),
        (secured(WRONG, mx_status=INSECURE), F, "tlsa-invalid"),
        (secured(tlsa_of("good"), mx_status=Validity.INDETERMINATE), U, None),
        (route(host(tlsa=(tlsa_of("good"),))), U, "dnssec-unknown"),
        (route(host(tlsa=(tlsa_of("good"),), status=INSECURE), status=SECURE), A, "tlsa-insecure"),
        (
            route(host(tlsa=(tlsa_of("good"),), status=INSECURE, alias_validity=SECURE), status=SECURE),
            A,
            "tlsa-insecure",
        ),
        (route(host(tlsa=(tlsa_of("good"),), status=BOGUS), status=SECURE), F, "dnssec-invalid"),
        (with_fault(Kind.SERVFAIL), U, "dns-lookup-failed"),
        (with_fault(Kind.DNS_TIMEOUT), U, "dns-lookup-failed"),
        (with_fault(Kind.NOTIMP), U, "dns-lookup-failed"),
        (with_fault(Kind.BOGUS), F, "dnssec-invalid"),
        (with_fault(Kind.NXDOMAIN), A, None),
        (with_fault(Kind.NXDOMAIN, INSECURE), A, None),
    ],
)
def test_rfc_7672_s2_1_what_dns_must_be_before_records_count(way: Route, verdict: Verdict, found: str | None) -> None:
    assessment = judged(encrypted(), way=way)
    assert assessment.dane is verdict
    assert next(iter(types(assessment)), None) == found


def test_rfc_7672_s2_1_3_a_secure_alias_saves_an_insecure_address() -> None:
    made = host(tlsa=(tlsa_of("good"),), status=SECURE)
    insecure = replace(made, ipv4=replace(made.ipv4, validity=INSECURE))
    assert judged(encrypted(), way=route(insecure, status=SECURE)).dane is A
    assert judged(encrypted(), way=route(replace(insecure, alias_validity=SECURE), status=SECURE)).dane is P


@pytest.mark.parametrize(
    ("session", "verdict", "first"),
    [
        (plain(), F, "dane-required"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), F, "dane-required"),
        (cut(Stage.GREETING, Kind.REPLY_5XX), U, "smtp-session-rejected"),
        (cut(Stage.CONNECT, Kind.TIMEOUT), U, "mx-unreachable"),
        (encrypted("wrong host", inherited=True), U, "certificate-host-mismatch"),
    ],
)
def test_rfc_7672_s2_2_tlsa_without_starttls_stops_every_honest_sender(
    session: Session, verdict: Verdict, first: str
) -> None:
    usage = 2 if session.inherited else 3
    record = tlsa_of("wrong host", 2, 0, 1, depth=1) if usage == 2 else tlsa_of("good")
    assessment = judged(session, way=secured(record))
    assert assessment.dane is verdict
    assert types(assessment)[0] == first


def test_an_expired_certificate_under_dane_ee_is_told_to_be_at_risk() -> None:
    assert "dane-ee-expired" in types(judged(encrypted("expired"), way=secured(tlsa_of("expired"))))


@pytest.mark.parametrize(("kind", "verdict"), [(Kind.BOGUS, F), (Kind.SERVFAIL, U), (Kind.DNS_TIMEOUT, U)])
def test_rfc_7672_s2_1_2_a_failed_mx_lookup_is_no_absence(kind: Kind, verdict: Verdict) -> None:
    assessment = judged(way=route(fault=Fault(Stage.RESOLVE, kind), records=()))
    assert assessment.dane is verdict
    assert assessment.starttls is U


def test_a_host_whose_addresses_are_not_known_is_not_without_dane() -> None:
    made = host(addresses=())
    unknown = replace(made, ipv4=replace(made.ipv4, fault=SERVFAIL))
    assert judged(way=route(unknown)).dane is U


def test_one_of_two_hosts_with_dane_is_partial() -> None:
    other = host("other.example.test", 20, ("192.0.2.2",), status=SECURE)
    way = route(host(tlsa=(tlsa_of("good"),), status=SECURE), other, status=SECURE)
    sessions = (encrypted(), encrypted(mx="other.example.test", address="192.0.2.2"))
    assert judged(*sessions, way=way).dane is H
    assert authority().chain("good")
