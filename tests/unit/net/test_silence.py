"""P7: that nobody answers is a fact about us where the canaries do not either, and never a verdict."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Hello, Reply, Session, Source
from scanner.net.canaries import Canaries
from scanner.net.silence import ADDRESSES_MOST, BELIEVED_FOR_S, Silence
from scanner.protocols.exclusions import NONE
from scanner.settings import Settings

MAIL = Source("mail", "198.51.100.1")
CANARY = "203.0.113.1"
TIMEOUT = Fault(Stage.CONNECT, Kind.TIMEOUT, Side.REMOTE, "no answer in 15 s")
UNREACHABLE = Fault(Stage.CONNECT, Kind.UNREACHABLE, Side.REMOTE, "a router on the way refused")
REFUSED = Fault(Stage.CONNECT, Kind.REFUSED, Side.REMOTE, "refused")
SLOW = Fault(Stage.GREETING, Kind.TIMEOUT, Side.REMOTE, "no greeting")


class Names:
    """One canary, and its address."""

    name = "pretended"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Answer(domain, (MxRecord(10, "mx.canary.test"),))

    async def ipv4(self, host: str) -> Answer[str]:
        return Answer(host, (CANARY,))

    async def ipv6(self, host: str) -> Answer[str]:
        return Answer(host)

    async def cname(self, host: str) -> Answer[str]:
        return Answer(host)

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return Answer(name)


@dataclass
class World:
    """Peers of which nobody answers, and a canary that does when it is said so."""

    is_open: bool = False
    canaries: tuple[str, ...] = ("canary.test",)
    peers_say: Fault | None = TIMEOUT
    now_s: float = 0.0
    visits: int = 0
    told: list[str] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)
    on_pause: Callable[[], None] = lambda: None
    silence: Silence = field(init=False)

    def __post_init__(self) -> None:
        canaries = Canaries(Names(), self, NONE, Settings((MAIL,), canaries=self.canaries))
        self.silence = Silence(self, canaries, self.told.append, lambda: self.now_s, self.sleep)

    async def sleep(self, delay_s: float) -> None:
        self.pauses.append(delay_s)
        self.on_pause()
        await anyio.lowlevel.checkpoint()

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        is_canary = endpoint.address == CANARY
        self.visits += is_canary
        fault = (None if self.is_open else TIMEOUT) if is_canary else self.peers_say
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name="c.test",
            observed_at=datetime(2026, 11, 25, tzinfo=UTC),
            stage=Stage.DONE if fault is None else Stage(max(fault.stage - 1, Stage.RESOLVE)),
            greeting=None if fault else Reply(220, (b"220 hi",)),
            ehlo=None if fault else Reply(250, (b"250-mx", b"250 STARTTLS")),
            fault=fault,
        )

    async def knocked(self, times: int, first: int = 0) -> None:
        for number in range(first, first + times):
            endpoint = Endpoint("mx.test", f"192.0.2.{number}", 25, "mx.test")
            await self.silence.converse(endpoint, MAIL, Hello.USUAL)

    @property
    def is_deaf(self) -> bool:
        return self.silence.no_way_out("192.0.2.1", MAIL.address) is not None

    async def watched(self, until: Callable[[], bool]) -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(self.silence.watch)
            with anyio.fail_after(30):
                while not until():  # noqa: ASYNC110 - it is the world of this test
                    await anyio.sleep(0.001)
            group.cancel_scope.cancel()


@pytest.mark.parametrize("fault", [TIMEOUT, UNREACHABLE])
async def test_where_the_canaries_do_not_answer_either_our_way_out_is_lost(fault: Fault) -> None:
    world = World(peers_say=fault)
    await world.knocked(ADDRESSES_MOST)
    assert world.is_deaf  # until the canaries have spoken nobody is judged
    await world.watched(lambda: len(world.pauses) > 2)
    assert world.is_deaf
    assert world.silence.no_way_out("2001:db8::1", MAIL.address) is None
    assert world.silence.no_way_out("192.0.2.1", "198.51.100.2") is None
    assert world.pauses[:3] == [1.0, 2.0, 4.0]


async def test_one_canary_that_is_seen_again_opens_the_way() -> None:
    world = World()

    def opens() -> None:
        assert world.is_deaf
        world.is_open = True

    world.on_pause = opens
    await world.knocked(ADDRESSES_MOST)
    await world.watched(lambda: world.visits == 2 and not world.is_deaf)


async def test_a_list_of_dead_servers_is_no_trouble_of_ours_and_asked_about_once_in_a_while() -> None:
    world = World(is_open=True)
    await world.knocked(ADDRESSES_MOST)
    await world.watched(lambda: world.visits == 1 and not world.is_deaf)
    await world.knocked(3 * ADDRESSES_MOST, first=100)
    assert not world.is_deaf
    assert world.visits == 1
    world.now_s = BELIEVED_FOR_S
    await world.knocked(ADDRESSES_MOST)
    await world.watched(lambda: world.visits == 2 and not world.is_deaf)


@pytest.mark.parametrize("answer", [None, REFUSED, SLOW])
async def test_one_peer_that_answers_ends_a_silence(answer: Fault | None) -> None:
    world = World(canaries=())
    for _ in range(3):
        world.peers_say = TIMEOUT
        await world.knocked(ADDRESSES_MOST - 1)
        world.peers_say = answer
        await world.knocked(1)
    assert world.told == []


async def test_one_dead_host_under_many_names_is_no_silence() -> None:
    world = World(canaries=())
    for _ in range(2 * ADDRESSES_MOST):
        await world.knocked(1)
    assert world.told == []


async def test_without_canaries_it_is_told_once_and_nobody_is_kept_waiting() -> None:
    world = World(canaries=())
    await world.knocked(3 * ADDRESSES_MOST)
    assert world.told == [
        "source mail: nobody at 40 addresses answered over IPv4; is port 25 open outward? (--canary would tell)"
    ]
    assert not world.is_deaf
