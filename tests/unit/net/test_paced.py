"""A prober that waits its turn, in pretended time."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Reply, Session, Source
from scanner.net.clock import Clock
from scanner.net.paced import Hours, Paced
from scanner.settings import STANDARD, Limits, Pace
from tests.unit.net.pretend import Time, settle

MAIL = Source("mail", "203.0.113.1", "scan.test")
MX = Endpoint("mx.example.test", "192.0.2.1", 25, "mx.example.test")
GREETING = Reply(220, (b"220 mx",))


@dataclass
class Peer:
    """A prober whose sessions take a second; it writes down when each began."""

    time: Time
    greeting: Reply = GREETING
    began: list[tuple[float, Endpoint]] = field(default_factory=list)
    breaks: bool = False

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.began.append((self.time.now_s - 1000.0, endpoint))
        await self.time.sleep(1)
        if self.breaks:
            raise RuntimeError("our bug")
        refused = Fault(Stage.GREETING, Kind.REPLY_421, Side.REMOTE, "busy", self.greeting.code)
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name=source.ehlo_name,
            observed_at=Clock().now(),
            hello=hello,
            greeting=self.greeting,
            fault=refused if self.greeting.code > 400 else None,
        )

    @property
    def at_s(self) -> list[float]:
        return [at_s for at_s, _ in self.began]


def paced(peer: Peer, pace: Pace = STANDARD, provider: Callable[[str], str | None] = lambda host: None) -> Paced:
    hours = Hours(Clock(monotonic_s=peer.time.clock_s), peer.time.later, seed=1)
    return Paced(peer, pace, Limits(), provider, hours)


def host(number: int) -> Endpoint:
    return Endpoint(f"mx{number}.test", f"10.{number >> 8}.{number & 255}.1", 25, f"mx{number}.test")


async def test_a_second_session_with_an_address_waits_for_its_interval() -> None:
    time = Time()
    peer = Peer(time)
    prober = paced(peer)
    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
        await time.flow()
    assert len(peer.began) == 2
    assert 30 <= peer.at_s[1] - peer.at_s[0] <= 42


async def test_a_parked_knock_sends_nothing_and_says_why() -> None:
    time = Time()
    peer = Peer(time, greeting=Reply(554, (b"554 blocked using a list",)))
    prober = paced(peer)
    said: list[Session] = []

    async def knock() -> None:
        said.append(await prober.converse(MX, MAIL, Hello.WIDE))

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(knock)
        await time.flow()
    parked = said[-1]
    assert len(peer.began) == 1
    assert parked.fault == Fault(Stage.CONNECT, Kind.PARKED, Side.REMOTE, "554 busy")
    assert (parked.endpoint, parked.source, parked.hello, parked.stage) == (MX, "mail", Hello.WIDE, Stage.RESOLVE)
    assert prober.figures().parked == (("203.0.113.1", MX.mx, "554 busy"),)


async def test_the_provider_is_what_the_given_function_says() -> None:
    time = Time()
    peer = Peer(time, greeting=Reply(554, (b"554 spamhaus",)))
    prober = paced(peer, provider=lambda _: "example.test")
    async with anyio.create_task_group() as group:
        group.start_soon(prober.converse, host(1), MAIL, Hello.USUAL)
        await time.flow()
        group.start_soon(prober.converse, host(2), MAIL, Hello.USUAL)
        await time.flow()
    assert len(peer.began) == 1


async def test_a_waiter_that_is_cancelled_gives_its_place_to_the_next() -> None:
    time = Time()
    peer = Peer(time)
    prober = paced(peer)
    async with anyio.create_task_group() as group:
        group.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
        await settle()
        with anyio.CancelScope() as impatient:
            async with anyio.create_task_group() as crowd:
                for _ in range(20):
                    crowd.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
                await settle()
                assert prober.waiting == 20
                impatient.cancel()
        group.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
        await time.flow()
    assert len(peer.began) == 2
    assert peer.at_s[1] < 43
    assert prober.waiting == 0


async def test_a_session_that_is_cancelled_frees_its_place() -> None:
    time = Time()
    peer = Peer(time)
    prober = paced(peer)
    async with anyio.create_task_group() as group:
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as crowd:
                crowd.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
                await settle()
                scope.cancel()
        group.start_soon(prober.converse, MX, MAIL, Hello.USUAL)
        await time.flow()
    assert len(peer.began) == 2


async def test_a_bug_inside_passes_and_frees_its_place() -> None:
    time = Time()
    peer = Peer(time, breaks=True)
    prober = paced(peer)

    async def knock() -> None:
        with pytest.raises(RuntimeError):
            await prober.converse(MX, MAIL, Hello.USUAL)

    async with anyio.create_task_group() as group:
        for _ in range(2):
            group.start_soon(knock)
        await time.flow()
    assert len(peer.began) == 2


async def test_five_thousand_wait_at_once_and_each_is_woken_once() -> None:
    """Nobody polls: what is put off grows with the connections made, not with those who wait."""
    time = Time()
    peer = Peer(time)
    prober = paced(peer)
    async with anyio.create_task_group() as group:
        for number in range(5000):
            group.start_soon(prober.converse, host(number), MAIL, Hello.USUAL)
        await settle()
        assert prober.waiting > 4900
        await time.flow(time.now_s + 10)
        assert 450 < len(peer.began) <= 500
        assert time.put_off < 4 * len(peer.began)
        group.cancel_scope.cancel()
    assert prober.waiting == 0


async def test_with_random_cancellations_everybody_else_goes() -> None:
    time, draw = Time(), random.Random(4)
    peer = Peer(time)
    prober = paced(peer)
    served: set[int] = set()
    scopes = [anyio.CancelScope() for _ in range(300)]

    async def knock(number: int) -> None:
        with scopes[number]:
            await prober.converse(host(number % 40), MAIL, Hello.USUAL)
            served.add(number)

    async with anyio.create_task_group() as group:
        for number in range(300):
            group.start_soon(knock, number)
        await time.flow(time.now_s + 20)
        for number in draw.sample(range(300), 100):
            scopes[number].cancel()
            await time.flow(time.now_s + draw.random())
        await time.flow()
    assert served | {number for number, scope in enumerate(scopes) if scope.cancel_called} == set(range(300))
    assert prober.waiting == 0


async def test_the_figures_count_connections_by_source() -> None:
    time = Time()
    peer = Peer(time)
    prober = paced(peer)
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(prober.converse, host(number), MAIL, Hello.USUAL)
        await time.flow()
    assert prober.figures().connections == (("203.0.113.1", 3),)
    assert dict(prober.figures().highest_per_s)["source"] <= STANDARD.source_per_s


async def test_every_source_keeps_its_own_rate() -> None:
    time = Time()
    peer = Peer(time)
    slow, usual = replace(MAIL, rate_per_s=1.0), Source("witness", "203.0.113.2", "scan.test")
    prober = paced(peer, replace(STANDARD, sources=(slow, usual)))
    async with anyio.create_task_group() as group:
        for number in range(20):
            group.start_soon(prober.converse, host(number), slow, Hello.USUAL)
            group.start_soon(prober.converse, host(number), usual, Hello.USUAL)
        await time.flow()
    assert prober.figures().connections == (("203.0.113.1", 20), ("203.0.113.2", 20))
    last_of_slow = peer.at_s[-1]
    assert 19 <= last_of_slow <= 21
    assert len([at_s for at_s in peer.at_s if at_s < 1]) >= 20
