"""One question about a host, many answers."""

from dataclasses import dataclass, field

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.net.remembering import ANSWER_BYTES, REMEMBERED_FOR_S, Remembering
from tests.unit.net.pretend import Time

FOUND = Answer("host", ("192.0.2.1",), "host", 300)


@dataclass
class Zone:
    """A resolver that writes down what it is asked. `answers` are used up one by one; each waits for the gate."""

    answers: list[Answer[str]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    gate: anyio.Event = field(default_factory=anyio.Event)
    name: str = "table"

    async def _ask(self, kind: str, name: str) -> Answer[str]:
        self.asked.append((kind, name))
        await self.gate.wait()
        return self.answers.pop(0) if self.answers else FOUND

    async def mx(self, domain: str) -> Answer[MxRecord]:
        await self._ask("MX", domain)
        return Answer(domain, (MxRecord(10, "host"),), domain)

    async def ipv4(self, host: str) -> Answer[str]:
        return await self._ask("A", host)

    async def ipv6(self, host: str) -> Answer[str]:
        return await self._ask("AAAA", host)

    async def cname(self, host: str) -> Answer[str]:
        return await self._ask("CNAME", host)

    async def txt(self, name: str) -> Answer[bytes]:
        await self._ask("TXT", name)
        return Answer(name, (b"v=STSv1",), name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        await self._ask("TLSA", name)
        return Answer(name, (TlsaRecord(3, 1, 1, bytes(32)),), name)


def at_once(*answers: Answer[str]) -> Zone:
    zone = Zone(list(answers))
    zone.gate.set()
    return zone


async def test_a_host_is_asked_about_once() -> None:
    zone = at_once()
    remembering = Remembering(zone, 100)
    for _ in range(3):
        assert (await remembering.ipv4("host")).records == ("192.0.2.1",)
        assert (await remembering.ipv6("host")) is FOUND
        assert (await remembering.cname("host")) is FOUND
        assert (await remembering.tlsa("_25._tcp.host")).records == (TlsaRecord(3, 1, 1, bytes(32)),)
    assert zone.asked == [("A", "host"), ("AAAA", "host"), ("CNAME", "host"), ("TLSA", "_25._tcp.host")]
    assert remembering.name == "table"


async def test_what_belongs_to_one_domain_is_asked_every_time() -> None:
    zone = at_once()
    remembering = Remembering(zone, 100)
    for _ in range(2):
        assert (await remembering.mx("domain")).records == (MxRecord(10, "host"),)
        assert (await remembering.txt("_mta-sts.domain")).records == (b"v=STSv1",)
    assert len(zone.asked) == 4


async def test_askers_side_by_side_share_one_question() -> None:
    zone = Zone()
    remembering = Remembering(zone, 100)
    answers: list[Answer[str]] = []

    async def ask() -> None:
        answers.append(await remembering.ipv4("host"))

    async with anyio.create_task_group() as tasks:
        for _ in range(50):
            tasks.start_soon(ask)
        await anyio.wait_all_tasks_blocked()
        zone.gate.set()
    assert answers == [FOUND] * 50
    assert zone.asked == [("A", "host")]


async def test_when_the_asker_is_cancelled_somebody_else_asks() -> None:
    zone = Zone()
    remembering = Remembering(zone, 100)
    answers: list[Answer[str]] = []

    async def first() -> None:
        await remembering.ipv4("host")

    async def other() -> None:
        answers.append(await remembering.ipv4("host"))

    async with anyio.create_task_group() as tasks, anyio.create_task_group() as doomed:
        doomed.start_soon(first)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(other)
        tasks.start_soon(other)
        await anyio.wait_all_tasks_blocked()
        doomed.cancel_scope.cancel()
        zone.gate.set()
    assert answers == [FOUND, FOUND]
    assert zone.asked == [("A", "host"), ("A", "host")]


@pytest.mark.parametrize("kind", [Kind.NXDOMAIN, Kind.NODATA])
async def test_that_there_is_none_is_an_answer(kind: Kind) -> None:
    """RFC 7672 section 2.1.1."""
    zone = at_once(Answer("host", fault=Fault(Stage.RESOLVE, kind)))
    remembering = Remembering(zone, 100)
    assert [(await remembering.ipv6("host")).fault for _ in range(2)] == [Fault(Stage.RESOLVE, kind)] * 2
    assert len(zone.asked) == 1


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Stage.RESOLVE, Kind.SERVFAIL),
        Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT),
        Fault(Stage.RESOLVE, Kind.DNS_REFUSED),
        Fault(Stage.RESOLVE, Kind.BOGUS),
        Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS),
        Fault(Stage.RESOLVE, Kind.NO_DESCRIPTORS, Side.OURS),
    ],
)
async def test_trouble_is_not_remembered(fault: Fault) -> None:
    remembering = Remembering(at_once(Answer("host", fault=fault)), 100)
    assert (await remembering.ipv4("host")).fault == fault
    assert await remembering.ipv4("host") == FOUND


async def test_after_an_hour_a_host_is_asked_again() -> None:
    time = Time()
    other = Answer("host", ("192.0.2.2",), "host")
    remembering = Remembering(at_once(FOUND, other), 100, time.clock_s)
    await remembering.ipv4("host")
    time.stall(REMEMBERED_FOR_S - 1)
    assert await remembering.ipv4("host") == FOUND
    time.stall(1)
    assert await remembering.ipv4("host") == other


async def test_the_host_longest_unasked_is_forgotten_first() -> None:
    zone = at_once()
    remembering = Remembering(zone, 2)
    for host in ("a", "b", "a", "c", "a", "b"):
        await remembering.ipv4(host)
    assert [name for _, name in zone.asked] == ["a", "b", "c", "b"]


async def test_an_answer_that_is_too_long_is_not_kept() -> None:
    huge = Answer("host", ("2001:db8::1",) * ANSWER_BYTES, "host")
    zone = at_once(huge, huge)
    remembering = Remembering(zone, 100)
    assert [await remembering.ipv6("host") for _ in range(2)] == [huge, huge]
    assert len(zone.asked) == 2
