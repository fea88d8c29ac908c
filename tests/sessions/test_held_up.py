"""P7: a loop of ours that was held up. What came in meanwhile counts, whichever timer is due when it goes on."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Hello
from scanner.net import tls
from scanner.net.resolver import AiodnsResolver
from scanner.net.sockets import connect
from scanner.net.tap import Ask, Tap
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import LOOPBACK, PATIENT, ending, knock
from tests.unit.net import scripted_dns

PATIENCE_S = 20
BRIEF_S = 0.05
HELD_UP_S = 0.2
"""Longer than BRIEF_S, so that every such deadline is over when the loop goes on."""
GREETING = Ask(Stage.GREETING, b"", BRIEF_S, 1024, 16)


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they differ in what they do first when they go on."""
    return "asyncio", {"use_uvloop": request.param}


class Neighbour(asyncio.Protocol):
    """Somebody else's session, whose work takes long."""

    def __init__(self, work: Callable[[], object]) -> None:
        self.work = work

    def data_received(self, data: bytes) -> None:
        self.work()


@contextlib.asynccontextmanager
async def held_up(until: Callable[[], object]) -> AsyncIterator[None]:
    """Let the loop stand still when it looks at its sockets next, until this returns."""
    ours, theirs = pair()
    with theirs:
        transport, _ = await asyncio.get_running_loop().create_connection(lambda: Neighbour(until), sock=ours)
        theirs.sendall(b".")
        yield
        transport.abort()
        await asyncio.sleep(0)


def pair() -> tuple[socket.socket, socket.socket]:
    """Both ends of a connection, ours first."""
    with socket.create_server((play.HOST, 0)) as listener:
        ours = socket.create_connection(listener.getsockname())
        ours.settimeout(0)
        theirs = listener.accept()[0]
        theirs.settimeout(PATIENCE_S)
        return ours, theirs


def stand_still() -> None:
    """Let every deadline pass."""
    time.sleep(HELD_UP_S)


LAST_WORDS: list[tuple[str, tuple[play.Act, ...], Stage, Kind, int | None]] = [
    ("nothing, and a reset", (play.reset,), Stage.GREETING, Kind.RESET, 104),
    ("421, and a reset", (play.say(b"421 4.7.0 too many\r\n"), play.reset), Stage.GREETING, Kind.REPLY_421, 421),
    ("554, and a reset", (play.say(b"554 5.7.1 blocked\r\n"), play.reset), Stage.GREETING, Kind.REPLY_5XX, 554),
    ("half a greeting, and a reset", (play.say(b"220-mx\r\n"), play.reset), Stage.GREETING, Kind.RESET, 104),
    ("a greeting, and a reset", (play.say(b"220 mx\r\n"), play.reset), Stage.EHLO, Kind.RESET, 104),
    ("nothing, and closed", (), Stage.GREETING, Kind.CLOSED, None),
    ("421, and closed", (play.say(b"421 4.7.0 too many\r\n"),), Stage.GREETING, Kind.REPLY_421, 421),
]


@pytest.mark.parametrize(
    ("script", "stage", "kind", "code"), [row[1:] for row in LAST_WORDS], ids=[row[0] for row in LAST_WORDS]
)
async def test_the_last_words_of_a_peer_are_heard_however_late_we_look(
    script: tuple[play.Act, ...], stage: Stage, kind: Kind, code: int | None
) -> None:
    with play.serving(*script) as server:
        async with held_up(lambda: server.ended.wait(PATIENCE_S)):
            session = await knock(server.port)
    assert ending(session) == (Stage(stage - 1), stage, kind, code)
    assert session.fault is not None
    assert session.fault.side is Side.REMOTE


async def test_a_connection_that_is_there_when_its_deadline_is_over_is_used() -> None:
    with play.serving(play.say(b"554 blocked\r\n"), play.hear) as server:
        async with held_up(stand_still):
            session = await knock(server.port, deadlines=replace(PATIENT, connect_s=BRIEF_S))
    assert ending(session) == (Stage.CONNECT, Stage.GREETING, Kind.REPLY_5XX, 554)


async def test_a_connection_that_nobody_takes_is_late_all_the_same() -> None:
    with socket.create_server((play.HOST, 0), backlog=0) as listener, socket.create_connection(listener.getsockname()):
        async with held_up(stand_still):
            fault = await connect(play.HOST, listener.getsockname()[1], "", LOOPBACK, BRIEF_S)
    assert isinstance(fault, Fault)
    assert (fault.stage, fault.kind, fault.side) == (Stage.CONNECT, Kind.TIMEOUT, Side.REMOTE)


@dataclass(frozen=True)
class Line:
    """A connection: our end, and the peer's, which the test plays by hand."""

    tap: Tap
    peer: socket.socket


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    """A connection on which nothing was said."""
    loop = asyncio.get_running_loop()
    ours, theirs = pair()
    with theirs:
        tap = Tap(loop, GREETING)
        await loop.create_connection(lambda: tap, sock=ours)
        yield Line(tap, theirs)
        tap.abort()
        await asyncio.sleep(0)


async def test_a_reply_that_is_there_when_its_deadline_is_over_counts(line: Line) -> None:
    def greet() -> None:
        line.peer.sendall(b"220 mx\r\n")
        stand_still()

    async with held_up(greet):
        answered = await line.tap.ask(GREETING)
    assert answered.fault is None
    assert answered.reply is not None
    assert answered.reply.code == 220


async def test_half_a_reply_that_is_there_when_its_deadline_is_over_is_kept(line: Line) -> None:
    def begin() -> None:
        line.peer.sendall(b"220-mx\r\n")
        stand_still()

    async with held_up(begin):
        answered = await line.tap.ask(GREETING)
    assert answered.fault is not None
    assert answered.fault.kind is Kind.TIMEOUT
    assert answered.reply is not None
    assert answered.reply.lines == (b"220-mx",)


async def test_a_handshake_that_is_there_when_its_deadline_is_over_counts(line: Line, tmp_path: Path) -> None:
    server = play.in_memory(play.self_signed(tmp_path)[0])

    def answer() -> None:
        line.peer.sendall(server.answer(line.peer.recv(4096)))
        stand_still()

    async with held_up(answer):
        assert await line.tap.upgrade(tls.context(Hello.USUAL), None, BRIEF_S) is None


async def test_an_answer_of_dns_that_is_there_when_its_deadline_is_over_counts() -> None:
    answers: list[bytes] = []

    def noted(question: scripted_dns.Question) -> bytes | None:
        answers.append(scripted_dns.records("a.test. 60 IN A 192.0.2.1")(question) or b"")
        return answers[-1]

    def stand_still_until_answered() -> None:
        ends_at_s = time.monotonic() + PATIENCE_S
        while not answers and time.monotonic() < ends_at_s:
            time.sleep(BRIEF_S)
        stand_still()

    with scripted_dns.answering({("a.test", "A"): noted}) as server:
        async with AiodnsResolver((server.place,), BRIEF_S) as resolver, held_up(stand_still_until_answered):
            answer = await resolver.ipv4("a.test")
    assert answer.records == ("192.0.2.1",)
