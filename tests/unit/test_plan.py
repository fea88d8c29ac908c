import dataclasses
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxHost, MxRecord, Route, TlsaRecord
from scanner.model.session import Source
from scanner.model.target import Target
from scanner.pace import Cap, Feedback, Granted, Ledger, Wait, knock
from scanner.plan import SESSION_S, Bound, Census, Rules, at_address, bounds, outcome, output_bytes, steady
from scanner.protocols import exclusions
from scanner.protocols.deep import SESSIONS_MOST
from scanner.settings import Limits, Pace, Settings, SourceUse

ONE, OTHER, SIX = Source("one", "193.0.0.9"), Source("other", "193.0.0.10"), Source("six", "2a00:1450::9")
SETTINGS = Settings(sources=(ONE,))


def fault(kind: Kind) -> Fault:
    return Fault(Stage.RESOLVE, kind, Side.OURS if kind is Kind.RESOLVER_DOWN else Side.REMOTE)


def nothing(name: str, kind: Kind = Kind.NODATA) -> Answer[str]:
    return Answer(name, fault=fault(kind))


def host(name: str, *addresses: str, kind: Kind = Kind.NODATA) -> MxHost:
    four = tuple(each for each in addresses if ":" not in each)
    six = tuple(each for each in addresses if ":" in each)
    ipv4, ipv6 = (Answer(name, found) if found else nothing(name, kind) for found in (four, six))
    tlsa: Answer[TlsaRecord] = Answer(name, fault=fault(Kind.NODATA))
    return MxHost(name, 10, ipv4, ipv6, tlsa, name)


def route(domain: str, *hosts: MxHost) -> Route:
    records = tuple(MxRecord(each.preference, each.name) for each in hosts)
    return Route(domain, Answer(domain, records), hosts, len(hosts))


def implicit(domain: str, *addresses: str, kind: Kind = Kind.NODATA) -> Route:
    answer: Answer[MxRecord] = Answer(domain, fault=fault(Kind.NODATA))
    return Route(domain, answer, (host(domain, *addresses, kind=kind),), implicit=True)


def failed(kind: Kind) -> Route:
    return Route("a.example", Answer("a.example", fault=fault(kind)))


def operator(name: str) -> str:
    return ".".join(name.split(".")[-2:])


def census(
    routes: Sequence[Route], settings: Settings = SETTINGS, excluded: str = "", *, is_shared: bool = True
) -> Census:
    found = Census(Rules(settings, exclusions.read(excluded), operator, is_shared))
    for each in routes:
        found.add_route(each)
    return found


MAIL = host("mx.big.example", "151.101.0.1")
THREE = [route("a.example", MAIL), route("b.example", MAIL), route("c.example", host("mx.c.example", "151.101.0.1"))]


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (route("a.example", MAIL), "mail"),
        (implicit("a.example", "151.101.0.1"), "implicit"),
        (Route("a.example", Answer("a.example", (MxRecord(0, ""),)), mx_count=1, null_mx=True), "null_mx"),
        (implicit("a.example"), "no_mail"),
        (implicit("a.example", kind=Kind.SERVFAIL), "unresolved"),
        (failed(Kind.NXDOMAIN), "no_such_domain"),
        (failed(Kind.SERVFAIL), "unresolved"),
        (failed(Kind.DNS_TIMEOUT), "unresolved"),
        (failed(Kind.RESOLVER_DOWN), "unresolved"),
        (route("a.example", host("mx.a.example")), "no_address"),
        (route("a.example", host("mx.a.example", kind=Kind.DNS_TIMEOUT)), "unresolved"),
        (route("a.example", host("mx.a.example", kind=Kind.SERVFAIL), MAIL), "mail"),
    ],
)
def test_a_route_has_one_outcome(found: Route, name: str) -> None:
    assert outcome(found) == name
    assert census([found]).outcomes == {name: 1}


def test_rows_are_bad_or_excluded_or_looked_up() -> None:
    found = Census(Rules(SETTINGS, exclusions.read("example.net"), operator))
    rows = [
        Target(1, "a.example"),
        Target(2, "", fault=Fault(Stage.INPUT, Kind.BAD_ROW, Side.INPUT)),
        Target(3, "b.example.net"),
        Target(4, "a.example"),
    ]
    assert [found.add_row(row) for row in rows] == [True, False, False, True]
    assert (found.rows, found.bad, found.excluded, found.duplicates) == (4, 1, 1, 1)


def test_a_session_is_held_once_for_each_address_and_server_name() -> None:
    found = census(THREE)
    assert (found.sessions, found.visits, found.endpoints, found.hosts) == (2, 3, 1, 2)


def test_without_sharing_every_domain_has_its_own() -> None:
    found = census(THREE, is_shared=False)
    assert (found.sessions, found.visits, found.endpoints) == (3, 3, 1)


def test_names_beyond_the_cap_of_an_address_share_what_is_there() -> None:
    settings = dataclasses.replace(SETTINGS, limits=Limits(names_per_address=2))
    found = census([route(f"{n}.example", host(f"mx{n}.example", "151.101.0.1")) for n in range(5)], settings)
    assert (found.sessions, found.visits) == (2, 5)


def test_each_source_knocks_everywhere_that_its_family_reaches() -> None:
    settings = Settings(sources=(ONE, OTHER, SIX), source_use=SourceUse.EACH)
    found = census([route("a.example", host("mx.a.example", "151.101.0.1", "2a04:4e42::1"))], settings)
    assert found.sources == {"one": 1, "other": 1, "six": 1}


def test_a_load_that_is_spread_is_held_once() -> None:
    settings = Settings(sources=(ONE, OTHER), source_use=SourceUse.SPREAD)
    routes = [route(f"{n}.example", host(f"mx{n}.example", f"151.101.0.{n}")) for n in range(40)]
    found = census(routes, settings)
    assert found.sessions == 40
    assert set(found.sources) == {"one", "other"}


def test_what_is_not_visited_is_counted_apart() -> None:
    addresses = ("127.0.0.1", "151.101.0.1", "151.101.7.7", "2a04:4e42::1")
    found = census([route("a.example", host("mx.a.example", *addresses))], excluded="151.101.7.0/24")
    assert (found.special, found.left_alone, found.no_family, found.sessions) == (1, 1, 1, 1)


def test_the_largest_providers_come_first_with_the_sessions_of_all_sources() -> None:
    settings = Settings(sources=(ONE, OTHER), source_use=SourceUse.EACH)
    hosts = [
        ("mx1.big.example", "151.101.0.1"),
        ("mx2.big.example", "151.101.0.2"),
        ("mx.small.example", "151.101.1.1"),
    ]
    found = census([route(f"{address}.example", host(name, address)) for name, address in hosts], settings)
    assert found.top_providers(1) == [("big.example", 4)]
    assert found.top_providers(9) == [("big.example", 4), ("small.example", 2)]


def test_deep_asks_at_most_so_much_of_each_address() -> None:
    assert census(THREE).deep_most == 0
    assert census(THREE, dataclasses.replace(SETTINGS, deep=True)).deep_most == SESSIONS_MOST


def test_the_slowest_cap_comes_first_and_is_named() -> None:
    routes = [route(f"{n}.example", host(f"mx{n}.big.example", f"151.101.{n}.1")) for n in range(101)]
    found = bounds(census(routes))
    assert (found[0].cap, found[0].name, found[0].sessions, found[0].per_s) == (Cap.PROVIDER, "big.example", 101, 2.0)
    assert found[0].least_s == pytest.approx(51.0)
    assert [bound.least_s for bound in found] == sorted((bound.least_s for bound in found), reverse=True)


def test_a_source_with_its_own_pace_is_bound_by_it() -> None:
    slow = dataclasses.replace(OTHER, rate_per_s=0.1)
    settings = Settings(sources=(ONE, slow), source_use=SourceUse.EACH)
    found = bounds(census(THREE, settings))
    assert [(bound.name, bound.per_s) for bound in found if bound.cap is Cap.SOURCE] == [("other", 0.1), ("one", 50.0)]


def test_places_make_the_likely_duration_longer_than_the_rate_alone() -> None:
    bound = steady(Cap.PROVIDER, "big.example", 1000, per_s=100.0, places=10)
    assert bound.least_s < 11
    assert bound.likely_s == pytest.approx(1000 * SESSION_S / 10)


def test_nothing_to_visit_binds_nothing() -> None:
    assert bounds(census([implicit("a.example")])) == []


def test_an_output_grows_with_its_rows_and_sessions() -> None:
    assert 0 < output_bytes(1, 0, 0) < output_bytes(1, 1, 1) < output_bytes(1, 2, 1)


def held_at_the_pace(pace: Pace, sessions: int) -> float:
    """Walk one address through the ledger of a scan, every answer clean and at once."""
    ledger, now_s = Ledger(pace, Limits(), lambda: 0.0), 0.0
    wish = knock(ONE.address, "151.101.0.1", "big.example")
    for _ in range(sessions):
        while isinstance(answer := ledger.ask(now_s, wish), Wait):
            now_s = answer.until_s
        assert isinstance(answer, Granted)
        ledger.report(now_s, answer, Feedback.CLEAN)
    return now_s


@given(st.integers(1, 60))
def test_the_least_time_at_an_address_is_what_the_ledger_of_a_scan_takes(sessions: int) -> None:
    pace = Pace()
    bound: Bound = at_address("151.101.0.1", sessions, pace)
    slowest_s = max(bound.least_s, steady(Cap.PREFIX, "", sessions, pace.prefix_per_s, 1).least_s)
    taken_s = held_at_the_pace(pace, sessions)
    assert bound.least_s <= taken_s + 1e-6
    assert taken_s <= slowest_s + sessions * 0.03
