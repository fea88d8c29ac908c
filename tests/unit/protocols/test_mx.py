"""RFC 5321 section 5.1, RFC 7505, and which source visits which endpoint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Stage
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Role, Source
from scanner.protocols.mx import endpoints, is_host_name, order, sources
from scanner.settings import Limits, Settings, SourceUse

RECORDS = st.lists(st.builds(MxRecord, st.integers(0, 65535), st.sampled_from(["", "a.test", "B.test", "c.test."])))


def host(name: str, ipv4: tuple[str, ...], ipv6: tuple[str, ...] = (), *, secure: bool = False) -> MxHost:
    """One host, with a secure TLSA RRset or with none."""
    status = Validity.SECURE if secure else Validity.INDETERMINATE
    tlsa = Answer("x", (TlsaRecord(3, 1, 1, bytes(32)),) if secure else (), validity=status)
    return MxHost(name, 10, Answer(name, ipv4), Answer(name, ipv6), tlsa, "base.test")


def route(*hosts: MxHost) -> Route:
    """A route over these hosts."""
    return Route("example.test", Answer("example.test"), hosts)


@pytest.mark.parametrize(
    ("kind", "implicit"),
    [(Kind.NODATA, True), (Kind.NXDOMAIN, False), (Kind.SERVFAIL, False), (Kind.DNS_TIMEOUT, False)],
)
def test_rfc_5321_s5_1_only_an_empty_answer_makes_the_domain_its_own_host(kind: Kind, *, implicit: bool) -> None:
    answer: Answer[MxRecord] = Answer("example.test", fault=Fault(Stage.RESOLVE, kind))
    assert order("example.test", answer, 0, 20).implicit is implicit


def test_rfc_7505_s3_a_null_mx_stands_alone() -> None:
    alone = order("d.test", Answer("d.test", (MxRecord(0, ""),)), 0, 20)
    beside = order("d.test", Answer("d.test", (MxRecord(0, ""), MxRecord(5, "a.test"))), 0, 20)
    assert alone.null_mx
    assert not beside.null_mx
    assert beside.hosts == ((5, "a.test"),)


@given(RECORDS, st.integers(0, 99))
def test_hosts_come_by_preference_once_each_and_in_the_same_order_for_the_same_seed(
    records: list[MxRecord], seed: int
) -> None:
    answer = Answer("d.test", tuple(records))
    first = order("d.test", answer, seed, 20)
    assert [preference for preference, _ in first.hosts] == sorted(preference for preference, _ in first.hosts)
    assert len(set(first.hosts)) == len(first.hosts)
    assert first == order("d.test", Answer("d.test", tuple(reversed(records))), seed, 20)


def test_a_cap_takes_both_families_in_turn() -> None:
    found = endpoints(route(host("mx.test", ("192.0.2.1", "192.0.2.2", "192.0.2.3"), ("2001:db8::1",))), 25, Limits())
    assert [endpoint.address for endpoint in found] == ["192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"]


def test_rfc_7672_s8_1_the_sni_is_the_tlsa_base_domain_under_dane() -> None:
    found = endpoints(route(host("mx.test", ("192.0.2.1",), secure=True), host("b.test", ("192.0.2.2",))), 25, Limits())
    assert [endpoint.server_name for endpoint in found] == ["base.test", "b.test"]


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("mx.test", True),
        ("_a.test", True),
        ("a b.test", False),
        ("-a.test", False),
        ("192.0.2.1", False),
        ("", False),
        ("\u017f.test", False),
    ],
)
def test_only_host_names_are_sent_as_sni(name: str, *, fits: bool) -> None:
    assert is_host_name(name) is fits


def test_a_source_visits_only_its_own_address_family() -> None:
    settings = Settings(sources=(Source("four", "192.0.2.9"), Source("six", "2001:db8::9")), source_use=SourceUse.EACH)
    six = Endpoint("mx.test", "2001:db8::1", 25, "mx.test")
    assert [source.name for source in sources(six, 0, settings)] == ["six"]


def test_without_a_source_of_the_family_the_first_is_named_so_that_its_session_can_say_so() -> None:
    settings = Settings(sources=(Source("four", "192.0.2.9"),))
    assert sources(Endpoint("mx.test", "2001:db8::1", 25, ""), 0, settings)[0].name == "four"


SHARING = tuple(Source(name, f"198.51.100.{number}") for number, name in enumerate("abc", 1))
PEERS = [Endpoint("mx.test", f"192.0.2.{number}", 25, "mx.test") for number in range(64)]


def test_a_lost_source_is_replaced_and_the_others_keep_their_peers() -> None:
    settings = Settings(sources=SHARING)
    before = [sources(peer, 0, settings)[0].name for peer in PEERS]
    after = [sources(peer, 0, settings, {("a", 4)})[0].name for peer in PEERS]
    assert set(before) == set("abc")
    assert {now for was, now in zip(before, after, strict=True) if was == "a"} == set("bc")
    assert all(was == now for was, now in zip(before, after, strict=True) if was != "a")


@pytest.mark.parametrize(
    ("others", "lost"),
    [
        ((), {("mail", 4)}),
        ((Source("other", "198.51.100.2"),), {("mail", 6)}),
        ((Source("other", "198.51.100.2"),), {("mail", 4), ("other", 4)}),
        ((Source("six", "2001:db8::9"),), {("mail", 4)}),
        ((Source("witness", "198.51.100.2", role=Role.WITNESS),), {("mail", 4)}),
    ],
)
def test_nobody_takes_the_place_of_a_source_who_could_not_say_the_same(
    others: tuple[Source, ...], lost: set[tuple[str, int]]
) -> None:
    settings = Settings(sources=(Source("mail", "198.51.100.1"), *others))
    assert [sources(peer, 0, settings, lost) for peer in PEERS] == [sources(peer, 0, settings) for peer in PEERS]


def test_where_sources_are_compared_none_takes_the_place_of_another() -> None:
    settings = Settings(sources=SHARING, source_use=SourceUse.EACH)
    assert sources(PEERS[0], 0, settings, {("a", 4)}) == SHARING
