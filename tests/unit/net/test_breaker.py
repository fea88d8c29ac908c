"""The story of an outage, in pretended time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import anyio.lowlevel

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.net.breaker import LONGEST_PAUSE_S, Breaking

DOWN = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS)
TIMEOUT = Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT)
SERVFAIL = Fault(Stage.RESOLVE, Kind.SERVFAIL)
NXDOMAIN = Fault(Stage.RESOLVE, Kind.NXDOMAIN)
ALIVE: Callable[[float], bool] = lambda _: True  # noqa: E731 - a row of a table


@dataclass
class World:
    """A resolver that is alive at some times, asked in pretended time; `faults` are those of single domains."""

    is_alive: Callable[[float], bool] = ALIVE
    when_dead: Fault = DOWN
    faults: dict[str, Fault] = field(default_factory=dict)
    name: str = "table"
    now_s: float = 0.0
    asked: list[tuple[float, str]] = field(default_factory=list)
    canaries_at_s: list[float] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)

    def breaking(self, patience_s: float = 600.0) -> Breaking:
        return Breaking(self, self.canary, patience_s, lambda: self.now_s, self.sleep)

    async def sleep(self, pause_s: float) -> None:
        self.slept_s.append(pause_s)
        self.now_s += pause_s
        await anyio.lowlevel.checkpoint()

    async def canary(self) -> Fault | None:
        self.canaries_at_s.append(self.now_s)
        await anyio.lowlevel.checkpoint()
        return None if self.is_alive(self.now_s) else self.when_dead

    def _fault(self, name: str) -> Fault | None:
        self.asked.append((self.now_s, name))
        return self.faults.get(name) if self.is_alive(self.now_s) else self.when_dead

    async def mx(self, domain: str) -> Answer[MxRecord]:
        await anyio.lowlevel.checkpoint()
        return Answer(domain, fault=self._fault(domain))

    async def ipv4(self, host: str) -> Answer[str]:
        return Answer(host, ("192.0.2.1",), fault=self._fault(host))

    async def ipv6(self, host: str) -> Answer[str]:
        return Answer(host, fault=self._fault(host))

    async def cname(self, host: str) -> Answer[str]:
        return Answer(host, fault=self._fault(host))

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(name, fault=self._fault(name))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return Answer(name, fault=self._fault(name))


async def asked_at_once(breaking: Breaking, count: int) -> list[Answer[MxRecord]]:
    """Ask many questions side by side."""
    answers: list[Answer[MxRecord]] = []

    async def ask(name: str) -> None:
        answers.append(await breaking.mx(name))

    async with anyio.create_task_group() as tasks:
        for n in range(count):
            tasks.start_soon(ask, f"n{n}")
    return answers


async def test_a_living_resolver_is_asked_and_no_canary_sent() -> None:
    world = World(faults={"gone": NXDOMAIN})
    breaking = world.breaking()
    assert (await breaking.ipv4("host")).records == ("192.0.2.1",)
    for ask in (breaking.mx, breaking.ipv6, breaking.cname, breaking.txt, breaking.tlsa):
        assert (await ask("gone")).fault == NXDOMAIN
    assert world.canaries_at_s == []
    assert breaking.name == "table"


async def test_an_outage_costs_no_row() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    answers = await asked_at_once(world.breaking(), 50)
    assert [answer.fault for answer in answers] == [None] * 50


async def test_no_query_is_sent_while_the_breaker_is_open() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    breaking = world.breaking()
    await asked_at_once(breaking, 50)
    assert {at_s for at_s, _ in world.asked if at_s < 100} == {0.0}
    assert len([at_s for at_s, _ in world.asked if at_s < 100]) == 50  # those that met the outage, once each
    assert not breaking.is_open


async def test_one_canary_asks_with_growing_pauses() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    await asked_at_once(world.breaking(), 50)
    assert world.slept_s == [0.5, 1, 2, 4, 8, 16, LONGEST_PAUSE_S, LONGEST_PAUSE_S, LONGEST_PAUSE_S]
    assert len(world.canaries_at_s) == 1 + len(world.slept_s)


async def test_a_silent_resolver_is_found_out_by_its_canary() -> None:
    world = World(is_alive=lambda now_s: now_s >= 10, when_dead=TIMEOUT)
    answer = await world.breaking().mx("host")
    assert answer.fault is None
    assert [name for _, name in world.asked] == ["host", "host"]


async def test_a_dead_domain_is_not_a_dead_resolver() -> None:
    world = World(faults={"slow": TIMEOUT, "broken": SERVFAIL})
    breaking = world.breaking()
    assert (await breaking.mx("slow")).fault == TIMEOUT
    assert (await breaking.mx("broken")).fault == SERVFAIL
    assert len(world.canaries_at_s) == 1  # its word still counts
    assert world.slept_s == []


async def test_who_has_waited_long_enough_gets_a_fault_of_ours() -> None:
    world = World(is_alive=lambda _: False)
    answers = await asked_at_once(world.breaking(patience_s=60), 20)
    faults = [answer.fault for answer in answers]
    assert all(fault is not None and fault.leaves_row_undone for fault in faults)
    assert world.now_s == 60


async def test_a_later_query_waits_for_the_canary_before_it_is_sent() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    breaking = world.breaking(patience_s=10)
    await breaking.mx("first")
    assert breaking.is_open
    await breaking.mx("second")
    assert [name for _, name in world.asked] == ["first"]


async def test_a_cancelled_canary_leaves_its_turn_to_the_next() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    answers: list[Answer[MxRecord]] = []
    never = anyio.Event()

    async def hang(_: float) -> None:
        await never.wait()

    async def first() -> None:
        await breaking.mx("first")

    async def second() -> None:
        answers.append(await breaking.mx("second"))

    breaking = Breaking(world, world.canary, 600, lambda: world.now_s, hang)
    async with anyio.create_task_group() as tasks, anyio.create_task_group() as doomed:
        doomed.start_soon(first)
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        breaking.sleep = world.sleep
        doomed.cancel_scope.cancel()
    assert [answer.fault for answer in answers] == [None]


async def test_a_canary_that_cannot_be_sent_holds_the_queries_back() -> None:
    full = Fault(Stage.RESOLVE, Kind.NO_DESCRIPTORS, Side.OURS)
    world = World(is_alive=lambda now_s: now_s >= 1, when_dead=full, faults={"slow": TIMEOUT})
    breaking = world.breaking()
    assert (await breaking.mx("host")).fault == full  # ours: the row stays undone by itself
    assert not breaking.is_open


async def test_only_so_many_questions_are_out_at_once() -> None:
    world, out, most = World(), 0, 0
    gate = anyio.Event()

    async def slow(domain: str) -> Answer[MxRecord]:
        nonlocal out, most
        out += 1
        most = max(most, out)
        await gate.wait()
        out -= 1
        return Answer(domain)

    world.mx = slow  # type: ignore[method-assign]
    breaking = Breaking(world, world.canary, 600, at_once=10)
    async with anyio.create_task_group() as tasks:
        for n in range(50):
            tasks.start_soon(breaking.mx, f"n{n}")
        await anyio.wait_all_tasks_blocked()
        assert out == 10
        gate.set()
    assert (out, most) == (0, 10)


async def test_standing_in_line_takes_nothing_from_the_patience() -> None:
    world = World(faults={"second": TIMEOUT})
    gate = anyio.Event()

    async def slow(host: str) -> Answer[str]:
        await gate.wait()
        world.now_s += 1000
        return Answer(host)

    world.ipv4 = slow  # type: ignore[method-assign]
    breaking = Breaking(world, world.canary, 10, lambda: world.now_s, world.sleep, at_once=1)
    answers: list[Answer[MxRecord]] = []

    async def second() -> None:
        answers.append(await breaking.mx("second"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(breaking.ipv4, "first")
        await anyio.wait_all_tasks_blocked()
        tasks.start_soon(second)
        await anyio.wait_all_tasks_blocked()
        gate.set()
    assert [answer.fault for answer in answers] == [TIMEOUT]  # its own, not that of a dead resolver


async def test_who_stood_in_line_when_it_died_waits_until_it_lives() -> None:
    world = World(is_alive=lambda now_s: now_s >= 100)
    breaking = Breaking(world, world.canary, 600, lambda: world.now_s, world.sleep, at_once=1)
    answers = await asked_at_once(breaking, 20)
    assert [answer.fault for answer in answers] == [None] * 20
    assert len([at_s for at_s, _ in world.asked if at_s < 100]) <= 2  # the second may go while the canary flies


async def test_an_outage_that_ended_before_its_first_time_out_costs_no_row() -> None:
    """Nobody saw it: the canary is asked when the resolver lives again."""
    world = World()
    slow = SlowWorld(world, is_alive=lambda now_s: now_s >= 14)
    breaking = Breaking(slow, world.canary, 600.0, lambda: world.now_s, world.sleep)
    assert (await breaking.ipv4("host")).fault is None
    assert world.now_s == 15
    assert len(world.canaries_at_s) == 1


async def test_a_domain_that_times_out_twice_is_believed_in_a_quiet_run() -> None:
    world = World()
    slow = SlowWorld(world, is_alive=lambda _: False)
    answer = await Breaking(slow, world.canary, 600.0, lambda: world.now_s, world.sleep).ipv4("host")
    assert answer.fault == TIMEOUT
    assert world.now_s == 30


async def test_a_domain_that_times_out_while_others_get_answers_is_asked_once() -> None:
    world = World()
    slow = SlowWorld(world, is_alive=lambda _: False)
    breaking = Breaking(slow, world.canary, 600.0, lambda: world.now_s, world.sleep)
    await breaking.txt("another")
    world.now_s = 1.0
    slow.meanwhile = lambda: breaking.txt("another")
    assert (await breaking.ipv4("host")).fault == TIMEOUT
    assert world.now_s == 16


async def test_a_name_that_a_living_resolver_hangs_up_on_does_not_make_the_resolver_dead() -> None:
    world = World(faults={"cut": DOWN})
    breaking = world.breaking()
    answer = await breaking.mx("cut")
    assert answer.fault is not None
    assert (answer.fault.kind, answer.fault.side) == (Kind.DNS_TIMEOUT, Side.REMOTE)
    assert [name for _, name in world.asked] == ["cut", "cut"]
    assert (await breaking.mx("other")).fault is None


@dataclass
class SlowWorld:
    """Its A records come from a domain that takes 15 s where it is dead; all else is answered by `world` at once."""

    world: World
    is_alive: Callable[[float], bool]
    meanwhile: Callable[[], Awaitable[object]] | None = None
    name: str = "table"

    async def ipv4(self, host: str) -> Answer[str]:
        if self.is_alive(self.world.now_s):
            return await self.world.ipv4(host)
        for _ in range(15):
            self.world.now_s += 1
            if self.meanwhile is not None:
                await self.meanwhile()
        return Answer(host, fault=TIMEOUT)

    def __getattr__(self, question: str) -> Any:
        return getattr(self.world, question)
