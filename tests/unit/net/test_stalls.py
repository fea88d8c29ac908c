"""P7: a deadline that passed while we stood still is no verdict about a peer."""

import asyncio
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.stalls import AwakeFetcher, AwakeProber, AwakeResolver, Stalls

ENDPOINT = Endpoint("mx.test", "192.0.2.1", 25, "mx.test")
SOURCE = Source("mail")
TIMEOUT = Fault(Stage.GREETING, Kind.TIMEOUT, Side.REMOTE, "no greeting in 60 s")
RESET = Fault(Stage.GREETING, Kind.RESET)


@dataclass
class Pretended:
    """A clock, and a peer that takes its time while ticks come as said."""

    fault: Fault | None
    ticks_s: tuple[float, ...]
    now_s: float = 100.0
    stalls: Stalls = field(init=False)

    def __post_init__(self) -> None:
        self.stalls = Stalls(lambda: self.now_s)

    def pass_time(self) -> None:
        for step_s in self.ticks_s[:-1]:
            self.now_s += step_s
            self.stalls.tick()
        self.now_s += self.ticks_s[-1]

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        await anyio.sleep(0.01)  # callbacks have their turn
        self.pass_time()
        at = datetime(2026, 11, 24, tzinfo=UTC)
        seen = Session(endpoint=endpoint, source=source.name, source_address="", ehlo_name="c.test", observed_at=at)
        return replace(seen, fault=self.fault)

    async def fetch(self, domain: str) -> PolicyFetch:
        self.pass_time()
        return PolicyFetch(fault=self.fault)


STORIES = [
    ("time passed evenly", TIMEOUT, (0.25,) * 40 + (0.1,), False),
    ("we were stopped, and a tick noticed", TIMEOUT, (0.25, 5.0, 0.25, 0.25, 0.1), True),
    ("we were stopped, and the session's timer fired before the tick", TIMEOUT, (0.25, 5.0), True),
    ("the loop was a little late", TIMEOUT, (0.9, 0.9, 0.9), False),
    ("we were stopped, but the peer did speak", RESET, (0.25, 5.0), False),
    ("we were stopped, and all went well", None, (0.25, 5.0), False),
]


@pytest.mark.parametrize(("fault", "ticks_s", "is_ours"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
async def test_only_a_time_out_that_met_a_stall_is_ours(
    fault: Fault | None, ticks_s: tuple[float, ...], *, is_ours: bool
) -> None:
    world = Pretended(fault, ticks_s)
    session = await AwakeProber(world, world.stalls).converse(ENDPOINT, SOURCE, Hello.USUAL)
    fetched = await AwakeFetcher(replace(world), Stalls(lambda: 0.0)).fetch("d.test")
    assert fetched.fault == fault
    if not is_ours:
        assert session.fault == fault
        return
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind, session.fault.side) == (Stage.GREETING, Kind.STALLED, Side.OURS)
    assert session.fault.leaves_row_undone


async def test_a_policy_that_was_not_fetched_while_we_stood_still_is_tried_again() -> None:
    world = Pretended(TIMEOUT, (0.25, 5.0))
    fetched = await AwakeFetcher(world, world.stalls).fetch("d.test")
    assert fetched.fault is not None
    assert fetched.fault.leaves_row_undone


@pytest.mark.parametrize(("error", "is_ours"), [(MemoryError(), True), (None, False)], ids=repr)
async def test_what_was_lost_in_a_callback_for_want_of_memory_makes_a_time_out_ours(
    error: Exception | None, *, is_ours: bool
) -> None:
    """What had come in is gone, and the deadline passes though the peer did speak."""
    world, loop = Pretended(TIMEOUT, (0.25,) * 8), asyncio.get_running_loop()

    def broken() -> None:
        if error is not None:
            raise error

    async with anyio.create_task_group() as group:
        group.start_soon(world.stalls.watch)
        await anyio.lowlevel.checkpoint()
        loop.call_soon(broken)
        session = await AwakeProber(world, world.stalls).converse(ENDPOINT, SOURCE, Hello.USUAL)
        group.cancel_scope.cancel()
    loop.set_exception_handler(None)
    assert session.fault is not None
    assert (session.fault.side is Side.OURS) is is_ours


async def test_what_else_breaks_in_a_callback_is_told_as_ever() -> None:
    world, told = Pretended(None, (0.25,)), list[dict[str, object]]()

    class Loop(asyncio.SelectorEventLoop):
        def default_exception_handler(self, context: dict[str, object]) -> None:
            told.append(context)

    began_at_s = world.now_s
    others: list[dict[str, object]] = [{"exception": ValueError()}, {"message": "something"}]
    with closing(Loop()) as loop:
        for other in others:
            world.stalls.hear(loop, other)
    assert told == others
    assert not world.stalls.since(began_at_s)


async def test_a_stall_before_the_session_began_is_forgotten() -> None:
    world = Pretended(TIMEOUT, (0.25, 5.0))
    world.pass_time()
    world.stalls.tick()
    world.now_s += 0.1
    world.ticks_s = (0.25,) * 8
    session = await AwakeProber(world, world.stalls).converse(ENDPOINT, SOURCE, Hello.USUAL)
    assert session.fault == TIMEOUT


async def test_a_session_gives_a_sign_of_life_when_it_begins_and_when_it_is_over() -> None:
    """One that takes long is told from one that does not begin."""
    world = Pretended(None, (0.25,))
    signs: list[int] = []

    class Peer:
        async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
            signs.append(world.stalls.signs)
            return await world.converse(endpoint, source, hello, follow_up)

    await AwakeProber(Peer(), world.stalls).converse(ENDPOINT, SOURCE, Hello.USUAL)
    assert [*signs, world.stalls.signs] == [1, 2]


async def test_a_policy_that_was_fetched_is_a_sign_of_life() -> None:
    world = Pretended(TIMEOUT, (0.25,))
    await AwakeFetcher(world, world.stalls).fetch("d.test")
    assert world.stalls.signs == 1


class Answering:
    """A resolver that answers everything, each with its type, and is dead."""

    name = "192.0.2.53"

    async def canary(self) -> Fault | None:
        return TIMEOUT

    def __getattr__(self, kind: str) -> Any:
        async def asked(name: str) -> Answer[str]:
            return Answer(name, (kind,))

        return asked


@pytest.mark.parametrize("kind", ["mx", "ipv4", "ipv6", "cname", "txt", "tlsa"])
async def test_every_answer_is_a_sign_of_life_and_passed_on(kind: str) -> None:
    stalls = Stalls(lambda: 0.0)
    awake = AwakeResolver(Answering(), stalls)
    assert await getattr(awake, kind)("d.test") == Answer("d.test", (kind,))
    assert (stalls.signs, awake.name) == (1, "192.0.2.53")


async def test_who_asks_whether_the_resolver_lives_gives_a_sign_of_life() -> None:
    """Rows that wait for a dead one do not stand still."""
    stalls = Stalls(lambda: 0.0)
    assert await AwakeResolver(Answering(), stalls).canary() == TIMEOUT
    assert stalls.signs == 1
