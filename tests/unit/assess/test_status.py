"""Whether a row was concluded, and on whose side it hangs if not."""

from dataclasses import replace

import pytest

from scanner.model.assessment import Status, Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import MxRecord, Route
from scanner.model.session import Session
from tests.unit.assess.evidence import (
    DOMAIN,
    NODATA,
    NXDOMAIN,
    SERVFAIL,
    cut,
    encrypted,
    host,
    judged,
    plain,
    route,
    types,
)

OK, REMOTE, UNCLEAR = Status.OK, Status.REMOTE_FAULT, Status.INCONCLUSIVE
NOT_APPLICABLE = Verdict.NOT_APPLICABLE
NULL_MX = route(records=(MxRecord(0, ""),), null_mx=True)
NO_MAIL = route(host(DOMAIN, 0, ()), records=(), fault=NODATA, implicit=True)


@pytest.mark.parametrize(
    ("session", "status"),
    [
        (encrypted(), OK),
        (plain(), OK),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), OK),
        (cut(Stage.GREETING, Kind.REPLY_5XX), REMOTE),
        (cut(Stage.EHLO, Kind.REPLY_5XX), REMOTE),
        (cut(Stage.CONNECT, Kind.REFUSED), REMOTE),
        (cut(Stage.CONNECT, Kind.UNREACHABLE), REMOTE),
        (cut(Stage.CONNECT, Kind.REFUSED_ADDRESS), REMOTE),
        (cut(Stage.GREETING, Kind.MALFORMED), REMOTE),
        (cut(Stage.EHLO, Kind.TOO_LONG), REMOTE),
        (cut(Stage.EHLO, Kind.DESYNC), REMOTE),
        (cut(Stage.GREETING, Kind.CLOSED), REMOTE),
        (cut(Stage.EHLO, Kind.RESET), REMOTE),
        (cut(Stage.HANDSHAKE, Kind.CLOSED), UNCLEAR),
        (cut(Stage.CONNECT, Kind.TIMEOUT), UNCLEAR),
        (cut(Stage.GREETING, Kind.REPLY_4XX), UNCLEAR),
        (cut(Stage.GREETING, Kind.REPLY_421), UNCLEAR),
        (cut(Stage.STARTTLS, Kind.REPLY_4XX), UNCLEAR),
        (cut(Stage.CONNECT, Kind.PARKED), UNCLEAR),
        (cut(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS), UNCLEAR),
        (cut(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT), Status.EXCLUDED),
    ],
)
def test_a_session_decides_on_whose_side_it_hangs(session: Session, status: Status) -> None:
    assert judged(session).status is status


@pytest.mark.parametrize(
    ("way", "status", "starttls", "first"),
    [
        (NULL_MX, OK, NOT_APPLICABLE, None),
        (NO_MAIL, OK, NOT_APPLICABLE, None),
        (route(fault=NXDOMAIN, records=()), REMOTE, NOT_APPLICABLE, "domain-not-found"),
        (route(fault=SERVFAIL, records=()), UNCLEAR, Verdict.UNKNOWN, "dns-lookup-failed"),
        (route(fault=Fault(Stage.RESOLVE, Kind.DNS_REFUSED), records=()), REMOTE, Verdict.UNKNOWN, "dns-lookup-failed"),
        (route(fault=Fault(Stage.RESOLVE, Kind.BOGUS), records=()), REMOTE, Verdict.UNKNOWN, "dnssec-invalid"),
        (route(host(addresses=())), REMOTE, Verdict.UNKNOWN, "mx-without-address"),
        (route(records=(MxRecord(10, ""),)), REMOTE, Verdict.UNKNOWN, "null-mx-malformed"),
        (route(host("192.0.2.1", addresses=())), REMOTE, Verdict.UNKNOWN, "mx-is-address"),
        (route(host()), UNCLEAR, Verdict.UNKNOWN, None),
    ],
)
def test_dns_alone_may_decide(way: Route, status: Status, starttls: Verdict, first: str | None) -> None:
    assessment = judged(way=way)
    assert (assessment.status, assessment.starttls) == (status, starttls)
    assert next(iter(types(assessment)), None) == first


def test_a_domain_without_mail_has_nothing_to_judge() -> None:
    for way in (NULL_MX, NO_MAIL, route(fault=NXDOMAIN, records=())):
        made = judged(way=way)
        assert {made.webpki, made.dane, made.mta_sts, made.tls_rpt} == {NOT_APPLICABLE}


def test_addresses_that_could_not_be_looked_up_are_unclear() -> None:
    made = host(addresses=())
    assessment = judged(way=route(replace(made, ipv4=replace(made.ipv4, fault=SERVFAIL))))
    assert (assessment.status, assessment.starttls) == (UNCLEAR, Verdict.UNKNOWN)


def test_what_may_pass_wins_over_what_lasts() -> None:
    lasting = cut(Stage.GREETING, Kind.REPLY_5XX)
    passing = cut(Stage.CONNECT, Kind.TIMEOUT, address="192.0.2.2")
    way = route(host(addresses=("192.0.2.1", "192.0.2.2")))
    assert judged(lasting, passing, way=way).status is UNCLEAR


def test_a_host_that_surely_has_no_address_does_not_count_beside_one_that_has() -> None:
    way = route(host(), host("dead.example.test", 20, ()))
    assessment = judged(encrypted(), way=way)
    assert (assessment.status, assessment.starttls) == (OK, Verdict.PASS)
    assert types(assessment) == ["mx-without-address"]


def test_a_null_mx_beside_others_is_told() -> None:
    way = route(host(), records=(MxRecord(0, ""), MxRecord(10, "mx.example.test")))
    assert types(judged(encrypted(), way=way)) == ["null-mx-not-alone"]
