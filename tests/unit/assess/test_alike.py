"""Domains that differ in nothing but their names: judged once, and never otherwise than each alone."""

from collections.abc import Callable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.assess.alike import Alike, all_but_names
from scanner.assess.case import Case, Servers
from scanner.assess.judgement import Judge
from scanner.assess.trust import trust
from scanner.model.assessment import Assessment, Status
from scanner.model.fault import Kind, Stage
from scanner.model.policy import StsMode, TlsRpt
from scanner.model.record import Evidence
from scanner.model.route import Answer, MxRecord, Route, Validity
from scanner.model.session import Canary, Session
from scanner.model.target import TlsPolicy
from tests.unit.assess.evidence import (
    AT,
    DAY,
    DOMAIN,
    HELD,
    MX,
    NO_REPORTS,
    NXDOMAIN,
    SERVFAIL,
    authority,
    cut,
    encrypted,
    host,
    plain,
    policy,
    route,
    secured,
    seen,
    tlsa_of,
)

ANCHORS = trust("test", authority().root.pem)
AFRESH = Judge(ANCHORS)
OTHER = "other.test"
SECOND = timedelta(seconds=1)
MOMENT = timedelta(milliseconds=1)


def shared(session: Session) -> Session:
    return replace(session, shared=True)


def named(domain: str, way: Route) -> Route:
    """No certificate here names it, unless it is the usual one."""
    return replace(way, domain=domain)


GOOD = shared(encrypted())
SESSIONS = (
    GOOD,
    *(shared(encrypted(name)) for name in ("other name below", "wrong host", "long leaf", "for ever", "of old", "")),
    shared(plain()),
    shared(cut(Stage.GREETING, Kind.REPLY_421)),
    encrypted(),
)
HOSTS = (
    host(),
    host(status=Validity.SECURE),
    secured(tlsa_of("good")).hosts[0],
    secured(tlsa_of("good", usage=2, depth=1)).hosts[0],
    host(addresses=()),
    host("mx"),
)
ENDS = [end for held in (HELD, (AT - DAY, AT + 300 * DAY)) for end in held]
MOMENTS = [
    AT,
    AT + DAY,
    *(end + off for end in ENDS for off in (-14 * DAY, -MOMENT, 0 * DAY, MOMENT, SECOND, 2 * SECOND)),
]
DOMAINS = st.fixed_dictionaries(
    {
        "domain": st.sampled_from([DOMAIN, OTHER, "a.test", "test", "root"]),
        "hosts": st.lists(st.sampled_from(HOSTS), max_size=2),
        "sessions": st.lists(st.sampled_from(SESSIONS), max_size=2),
        "mx": st.sampled_from([{}, {}, {"status": Validity.SECURE}, {"fault": SERVFAIL}, {"null_mx": True}]),
        "policies": st.sampled_from(
            [{}, {}, {"mta_sts": policy()}, {"tls_rpt": TlsRpt(NO_REPORTS.txt, ("mailto:a",))}]
        ),
        "canaries": st.sampled_from([(), (), (Canary("mail", missing=3),)]),
        "at": st.sampled_from(MOMENTS),
        "demand": st.sampled_from([None, None, TlsPolicy.VERIFY]),
    }
)


def evidence(domain: str, hosts: list[Any], sessions: list[Session], mx: dict[str, Any], **published: Any) -> Evidence:
    """Everything shared is the very same value, as in a scan."""
    way = named(domain, route(*hosts, **mx))
    return replace(seen(*sessions, way=way, **published["policies"]), canaries=published["canaries"])


USUAL: dict[str, Any] = {"hosts": [HOSTS[0]], "mx": {}, "policies": {}, "canaries": (), "demand": None}
CERTIFIED = [SESSIONS[1]]


@given(st.lists(DOMAINS, min_size=2, max_size=8))
@example([USUAL | {"domain": name, "sessions": CERTIFIED, "at": AT} for name in (OTHER, DOMAIN, OTHER)])
@example([USUAL | {"domain": OTHER, "sessions": [GOOD], "at": at} for at in MOMENTS])
@example([USUAL | {"domain": OTHER, "sessions": [GOOD], "at": at} for at in reversed(MOMENTS)])
@example([USUAL | {"domain": name, "sessions": [GOOD], "at": AT, "mx": {"null_mx": True}} for name in (OTHER, DOMAIN)])
def test_domains_judged_together_are_judged_as_each_alone(asked: list[dict[str, Any]]) -> None:
    judge = Judge(ANCHORS, servers=Servers())
    for it in (*asked, *asked):
        demand, at = it["demand"], it["at"]
        one = evidence(**{key: part for key, part in it.items() if key not in {"demand", "at"}})
        assert judge(one, at, demand) == AFRESH(one, at, demand)


def test_two_domains_that_differ_in_name_and_time_to_live_have_one_judgement() -> None:
    judge, one = Judge(ANCHORS, servers=Servers()), seen(GOOD, way=named(OTHER, route(host())))
    first = judge(one, AT)
    way = replace(named("third.test", one.route), mx=replace(one.route.mx, name=OTHER, canonical_name=OTHER, ttl_s=5))
    reports = TlsRpt(Answer("_smtp._tls.third.test", fault=one.tls_rpt.txt.fault))
    assert judge(replace(one, route=way, tls_rpt=reports), AT + DAY) is first


PLAIN = named(OTHER, route(host()))


@pytest.mark.parametrize(
    ("way", "session", "at"),
    [
        (PLAIN, encrypted(), AT),
        (route(host()), GOOD, AT),
        (replace(PLAIN, null_mx=True), GOOD, AT),
        (named(OTHER, secured(tlsa_of("good", usage=2, depth=1))), GOOD, AT),
        (PLAIN, GOOD, HELD[1]),
    ],
    ids=["its own session", "a certificate that names it", "DNS decides", "a DANE trust anchor", "a date turns now"],
)
def test_who_may_be_told_from_others_by_name_or_moment_is_judged_afresh(
    way: Route, session: Session, at: datetime
) -> None:
    judge, one = Judge(ANCHORS, servers=Servers()), seen(session, way=way)
    first = judge(one, at)
    assert judge(one, at) == first
    assert judge(one, at) is not first


BASE = seen(GOOD)
ONE_HOST = BASE.route.hosts[0]


def each(of: str, whole: Callable[..., Evidence], **parts: Any) -> dict[str, Evidence]:
    """The usual evidence with one part changed, for each of these."""
    return {f"{of}.{name}": whole(**{name: part}) for name, part in parts.items()}


def way(**parts: Any) -> Evidence:
    return replace(BASE, route=replace(BASE.route, **parts))


CHANGED = (
    {"sessions": seen(shared(encrypted())), "canaries": replace(BASE, canaries=(Canary("mail", offered=1),))}
    | each("route", way, hosts=(host(),), mx_count=2, implicit=True, null_mx=True, resolver="another")
    | each(
        "host",
        lambda **parts: way(hosts=(replace(ONE_HOST, **parts),)),
        name="mx2.test",
        preference=11,
        ipv4=Answer(MX, ("192.0.2.1",)),
        ipv6=Answer(MX),
        tlsa=Answer(MX),
        tlsa_base="mx2.test",
        alias_validity=Validity.SECURE,
    )
    | each(
        "mx",
        lambda **parts: way(mx=replace(BASE.route.mx, **parts)),
        records=(MxRecord(11, MX),),
        validity=Validity.SECURE,
        fault=SERVFAIL,
    )
    | each(
        "mta_sts",
        lambda **parts: replace(BASE, mta_sts=replace(BASE.mta_sts, **parts)),
        txt=Answer("_mta-sts." + DOMAIN, (b"v=STSv1",)),
        id="1",
        fetch=policy().fetch,
        policy=policy(StsMode.TESTING).policy,
        defect="id",
    )
    | each(
        "tls_rpt",
        lambda **parts: replace(BASE, tls_rpt=replace(BASE.tls_rpt, **parts)),
        txt=Answer("_smtp._tls." + DOMAIN, fault=NXDOMAIN),
        rua=("mailto:a@b.test",),
        defect="rua",
    )
)
PARTS: dict[str, Any] = {
    "": BASE,
    "route": BASE.route,
    "host": ONE_HOST,
    "mta_sts": BASE.mta_sts,
    "tls_rpt": BASE.tls_rpt,
}
PIECES = {"route", "mta_sts", "tls_rpt", "route.mx", "route.domain"}
"""What stands in the table piece by piece, and the name of the domain."""


def test_every_part_of_the_evidence_stands_in_the_table() -> None:
    """A new field decides whether domains are alike, or is a name."""
    there = {f"{of}.{it.name}".lstrip(".") for of, part in PARTS.items() for it in fields(part)}
    assert there - PIECES == CHANGED.keys() - {"mx.records", "mx.validity", "mx.fault"}
    assert {it.name for it in fields(Answer)} == {"name", "records", "canonical_name", "ttl_s", "validity", "fault"}


@pytest.mark.parametrize("part", CHANGED)
def test_domains_are_not_alike_where_one_part_differs(part: str) -> None:
    assert all_but_names(CHANGED[part], None) != all_but_names(BASE, None)


def test_domains_are_not_alike_where_the_list_demands_more_of_one() -> None:
    assert all_but_names(BASE, None) != all_but_names(BASE, TlsPolicy.VERIFY)


def test_no_more_judgements_are_remembered_than_told() -> None:
    alike, judged = Alike(2), []

    def judge(one: Evidence, at: datetime, _policy: TlsPolicy | None) -> tuple[Case, Assessment]:
        judged.append(one.route.hosts[0].name)
        return Case(one, (), AFRESH.verifier, at), Assessment(status=Status.OK)

    domains = {name: seen(GOOD, way=route(host(name))) for name in ("a.test", "b.test", "c.test")}
    for name in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
        alike.judged(domains[name], AT, None, judge)
    assert judged == ["a.test", "b.test", "c.test", "b.test"]
