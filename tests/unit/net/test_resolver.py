import resource
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pycares
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord, Validity
from scanner.net import resolver as tested
from scanner.net.answers import RECORDS_MOST, server_address
from scanner.net.resolver import AiodnsResolver
from tests.unit.net import scripted_dns as play

MANY = [f"many.test. 60 IN MX {n % 50} mx{n}.with-a-rather-long-name.many.test." for n in range(2200)]
CHAIN_OF_3 = ["www.test. 300 IN CNAME a.test.", "a.test. 200 IN CNAME b.test.", "b.test. 100 IN A 192.0.2.1"]
LONG_CHAIN = [f"c{n}.test. 60 IN CNAME c{n + 1}.test." for n in range(12)]

PATIENCE_S = 20.0
"""Nothing of the scripted server takes that long: a loaded machine must not look like a silent resolver."""

ZONE: dict[tuple[str, str], play.Act] = {
    ("ok.test", "A"): play.records("ok.test. 60 IN A 192.0.2.1", "ok.test. 60 IN A 192.0.2.2"),
    ("ok.test", "AAAA"): play.records("ok.test. 60 IN AAAA 2001:db8::1"),
    ("ok.test", "MX"): play.records("ok.test. 60 IN MX 10 MX.ok.test.", "ok.test. 30 IN MX 20 mx2.ok.test."),
    ("null.test", "MX"): play.records("null.test. 60 IN MX 0 ."),
    ("odd.test", "MX"): play.records(
        r"odd.test. 60 IN MX 1 sp\032ace.test.", r"odd.test. 60 IN MX 1 caf\195\169.test."
    ),
    ("many.test", "MX"): play.records(*MANY),
    ("nxdomain.test", "A"): play.rcode("NXDOMAIN"),
    ("nodata.test", "A"): play.nothing(),
    ("servfail.test", "A"): play.rcode("SERVFAIL"),
    ("refused.test", "A"): play.rcode("REFUSED"),
    ("notimp.test", "A"): play.rcode("NOTIMP"),
    ("formerr.test", "A"): play.rcode("FORMERR"),
    ("yxdomain.test", "A"): play.rcode("YXDOMAIN"),
    ("silence.test", "A"): play.silence,
    ("garbage.test", "A"): play.garbage,
    ("wrong-id.test", "A"): play.wrong_id,
    ("www.test", "A"): play.records(*CHAIN_OF_3),
    ("www.test", "CNAME"): play.records(CHAIN_OF_3[0]),
    ("alias.test", "A"): play.records("alias.test. 60 IN CNAME Nothing.test."),
    ("loop.test", "A"): play.records("loop.test. 60 IN CNAME loop.test."),
    ("c0.test", "A"): play.records(*LONG_CHAIN, "c12.test. 60 IN A 192.0.2.1"),
    ("txt.test", "TXT"): play.records('txt.test. 60 IN TXT "v=STSv1; " "id=\\255\\000;"', 'txt.test. 60 IN TXT "b"'),
    ("_25._tcp.mx.test", "TLSA"): play.records("_25._tcp.mx.test. 60 IN TLSA 3 1 1 " + "ab" * 32),
    ("1.2.0.192.in-addr.arpa", "PTR"): play.records("1.2.0.192.in-addr.arpa. 60 IN PTR mail.test."),
    ("rotten.test", "A"): play.after(1, play.silence, play.records("rotten.test. 60 IN A 192.0.2.9")),
}


async def asked(name: str, kind: str = "ipv4", deadline_s: float = PATIENCE_S) -> Answer[Any]:
    """Ask the scripted server one question."""
    with play.answering(ZONE) as server:
        async with AiodnsResolver((server.place,), deadline_s) as resolver:
            ask: Callable[[str], Awaitable[Answer[Any]]] = getattr(resolver, kind)
            return await ask(name)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("nxdomain.test", Kind.NXDOMAIN),
        ("nodata.test", Kind.NODATA),
        ("servfail.test", Kind.SERVFAIL),
        ("refused.test", Kind.DNS_REFUSED),
        ("notimp.test", Kind.NOTIMP),
        ("formerr.test", Kind.FORMERR),
        ("yxdomain.test", Kind.DNS_MALFORMED),
        ("garbage.test", Kind.DNS_MALFORMED),
        ("loop.test", Kind.DNS_MALFORMED),
        ("c0.test", Kind.DNS_MALFORMED),
        ("alias.test", Kind.NODATA),
        ("silence.test", Kind.DNS_TIMEOUT),
        ("wrong-id.test", Kind.DNS_TIMEOUT),
    ],
)
async def test_every_way_to_have_no_answer_keeps_its_name(name: str, kind: Kind) -> None:
    answer = await asked(name, deadline_s=0.5 if kind is Kind.DNS_TIMEOUT else PATIENCE_S)
    assert answer.records == ()
    assert answer.fault is not None
    assert (answer.fault.stage, answer.fault.kind, answer.fault.side) == (Stage.RESOLVE, kind, Side.REMOTE)
    assert answer.validity is Validity.INDETERMINATE


@pytest.mark.parametrize(
    ("name", "kind", "found"),
    [
        ("ok.test", "ipv4", ("192.0.2.1", "192.0.2.2")),
        ("OK.test.", "ipv4", ("192.0.2.1", "192.0.2.2")),
        ("ok.test", "ipv6", ("2001:db8::1",)),
        ("ok.test", "mx", (MxRecord(10, "MX.ok.test"), MxRecord(20, "mx2.ok.test"))),
        ("null.test", "mx", (MxRecord(0, ""),)),
        ("www.test", "ipv4", ("192.0.2.1",)),
        ("www.test", "cname", ("a.test",)),
        ("txt.test", "txt", (b"v=STSv1; id=\xff\x00;", b"b")),
        ("_25._tcp.mx.test", "tlsa", (TlsaRecord(3, 1, 1, b"\xab" * 32),)),
        ("192.0.2.1", "ptr", ("mail.test",)),
    ],
)
async def test_records_come_back_as_published(name: str, kind: str, found: tuple[Any, ...]) -> None:
    answer = await asked(name, kind)
    assert answer.fault is None
    assert answer.records == found


async def test_a_chain_of_aliases_gives_the_canonical_name_and_the_smallest_ttl() -> None:
    answer = await asked("www.test")
    assert (answer.canonical_name, answer.ttl_s) == ("b.test", 100)


async def test_a_name_without_alias_is_its_own_canonical_name() -> None:
    assert (await asked("ok.test")).canonical_name == "ok.test"
    assert (await asked("nodata.test")).canonical_name == "nodata.test"


async def test_rfc_2308_an_alias_without_records_is_no_data_and_says_where_it_led() -> None:
    assert (await asked("alias.test")).canonical_name == "nothing.test"


async def test_a_long_answer_is_fetched_by_tcp_and_capped() -> None:
    answer = await asked("many.test", "mx")
    assert answer.fault is None
    assert len(answer.records) == RECORDS_MOST


async def test_odd_labels_come_back_escaped_and_are_never_asked_for() -> None:
    with play.answering(ZONE) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver:
            exchanges = [record.exchange for record in (await resolver.mx("odd.test")).records]
            faults = [(await resolver.ipv4(exchange)).fault for exchange in exchanges]
    assert exchanges == ["sp ace.test", r"caf\195\169.test"]
    assert [fault and fault.kind for fault in faults] == [Kind.DNS_MALFORMED] * 2
    assert server.names("A") == []


@pytest.mark.parametrize(
    "name",
    [
        "ok\0.test",
        "",
        "a..b",
        "x" * 64 + ".test",
        ".".join(["a" * 60] * 5),
        r"a\.b.test",
        "café.test",
        "ok .test",
        ".a",
    ],
)
async def test_rfc_1035_s2_3_4_a_name_that_dns_cannot_carry_never_reaches_the_library(name: str) -> None:
    with play.answering({}, play.records("ok. 60 IN A 192.0.2.1")) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver:
            answer = await resolver.ipv4(name)
    assert answer.fault is not None
    assert answer.fault.kind is Kind.DNS_MALFORMED
    assert server.asked == []


async def test_a_resolver_that_says_servfail_is_taken_at_its_word() -> None:
    with play.answering(ZONE) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver:
            await resolver.ipv4("servfail.test")
    assert server.names("A") == ["servfail.test"]


async def test_a_lost_packet_is_sent_again() -> None:
    assert (await asked("rotten.test")).records == ("192.0.2.9",)


async def test_the_second_server_answers_where_the_first_is_dead_or_silent() -> None:
    with play.answering({}) as silent, play.answering(ZONE) as server:
        for first in (play.dead_place(), silent.place):
            async with AiodnsResolver((first, server.place), PATIENCE_S) as resolver:
                assert (await resolver.ipv4("ok.test")).records == ("192.0.2.1", "192.0.2.2")
                assert resolver.name == f"{first}, {server.place}"


async def test_a_dead_resolver_is_our_own_fault() -> None:
    async with AiodnsResolver((play.dead_place(), play.dead_place()), PATIENCE_S) as resolver:
        fault = (await resolver.mx("ok.test")).fault
        assert fault is not None
        assert (fault.kind, fault.side) == (Kind.RESOLVER_DOWN, Side.OURS)
        assert await resolver.canary() == fault


async def test_a_closed_resolver_is_our_own_fault() -> None:
    with play.answering({}) as server:
        resolver = AiodnsResolver((server.place,), PATIENCE_S)
        answers: list[Answer[str]] = []

        async def ask() -> None:
            answers.append(await resolver.ipv4("ok.test"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            await resolver.close()
        answers.append(await resolver.ipv4("ok.test"))
    assert [answer.fault and answer.fault.kind for answer in answers] == [Kind.RESOLVER_DOWN] * 2


async def test_no_descriptors_left_is_not_a_dead_resolver() -> None:
    with play.answering(ZONE) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver:
            await resolver.canary()  # the server is up
            soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
            try:
                answer, canary = await resolver.ipv4("ok.test"), await resolver.canary()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            again = await resolver.ipv4("ok.test")
    for fault in (answer.fault, canary):
        assert fault is not None
        assert (fault.kind, fault.side) == (Kind.NO_DESCRIPTORS, Side.OURS)
    assert again.records == ("192.0.2.1", "192.0.2.2")


async def test_a_canary_is_never_answered_from_a_cache() -> None:
    with play.answering({(".", "NS"): play.records(". 3600 IN NS a.test.")}) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver:
            assert [await resolver.canary(), await resolver.canary()] == [None, None]
    assert server.names("NS") == [".", "."]


async def test_a_worn_channel_is_replaced_and_loses_no_query_in_flight() -> None:
    found, others_are_done = play.records("slow.test. 60 IN A 192.0.2.7"), threading.Event()
    zone = {("slow.test", "A"): lambda question: found(question) if others_are_done.is_set() else None}
    answers: list[Answer[str]] = []
    with play.answering(zone, lambda question: play.records(f"{question.name}. 60 IN A 192.0.2.1")(question)) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S, recycle_after=50) as resolver:

            async def ask_slowly() -> None:
                answers.append(await resolver.ipv4("slow.test"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask_slowly)
                await anyio.wait_all_tasks_blocked()
                for n in range(120):
                    assert (await resolver.ipv4(f"n{n}.test")).records == ("192.0.2.1",)
                assert resolver.channels == 2  # the first waits for its last query, the second is closed
                others_are_done.set()
            assert resolver.channels == 1
    assert answers[0].records == ("192.0.2.7",)


async def test_cancellation_passes() -> None:
    with play.answering({}) as server:
        async with AiodnsResolver((server.place,), 60) as resolver:
            with anyio.move_on_after(0.05) as scope:
                await resolver.mx("ok.test")
    assert scope.cancelled_caught


async def test_no_server_named_means_those_of_the_system() -> None:
    async with AiodnsResolver((), 1) as resolver:
        assert resolver.name


@pytest.mark.parametrize(
    ("server", "place"),
    [
        ("192.0.2.1", ("192.0.2.1", 53)),
        ("192.0.2.1:5353", ("192.0.2.1", 5353)),
        ("2001:db8::1", ("2001:db8::1", 53)),
        ("[2001:db8::1]", ("2001:db8::1", 53)),
        ("[2001:db8::1]:5353", ("2001:db8::1", 5353)),
    ],
)
def test_a_server_is_an_address_with_or_without_a_port(server: str, place: tuple[str, int]) -> None:
    assert server_address(server) == place


@pytest.mark.parametrize(
    "server", ["", "ns.test", "ns.test:53", "192.0.2.1:0", "192.0.2.1:99999", "192.0.2.1:x", "::1]:53", "[::1:53"]
)
def test_anything_else_is_no_server(server: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        server_address(server)


def test_every_error_of_the_library_is_known_or_our_bug() -> None:
    unknown = set(pycares.errno.errorcode) - set(tested.FAULTS)
    assert {pycares.errno.errorcode[number] for number in unknown} == {
        "ARES_SUCCESS",
        "ARES_EBADFAMILY",
        "ARES_EOF",
        "ARES_EFILE",
        "ARES_EBADSTR",
        "ARES_EBADFLAGS",
        "ARES_ENONAME",
        "ARES_EBADHINTS",
        "ARES_ENOTINITIALIZED",
        "ARES_ELOADIPHLPAPI",
        "ARES_EADDRGETNETWORKPARAMS",
        "ARES_ESERVICE",
    }


def test_no_trouble_of_ours_is_blamed_on_a_domain() -> None:
    assert all(
        Fault(Stage.RESOLVE, kind, side).leaves_row_undone for kind, side in tested.FAULTS.values() if side is Side.OURS
    )


async def test_a_reply_that_makes_no_sense_spoils_no_other_name() -> None:
    """c-ares ends every query of a socket on which one reply was garbage."""
    answers: dict[str, Answer[str]] = {}

    async def ask(resolver: AiodnsResolver, name: str) -> None:
        answers[name] = await resolver.ipv4(name)

    good = [f"good{n}.test" for n in range(40)]
    zone = {(name, "A"): play.records(f"{name}. 60 IN A 192.0.2.1") for name in good}
    bad = [f"bad{n}.test" for n in range(20)]
    with play.answering(zone, otherwise=play.garbage) as server:
        async with AiodnsResolver((server.place,), PATIENCE_S) as resolver, anyio.create_task_group() as group:
            for name in (name for pair in zip(bad * 2, good, strict=True) for name in pair):
                group.start_soon(ask, resolver, name)
    assert {answers[name].records for name in good} == {("192.0.2.1",)}
    faults = {answers[name].fault for name in bad}
    assert {fault.kind for fault in faults if fault} == {Kind.DNS_MALFORMED}
