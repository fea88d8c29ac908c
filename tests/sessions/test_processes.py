"""Sessions in worker processes: the same as at home, and what becomes of them when processes die."""

import contextlib
import os
import random
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import anyio
import orjson
import pytest

from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.paced import Hours, Paced
from scanner.net.processes import RESTARTS_MOST, Processes
from scanner.pace import Cap
from scanner.settings import Deadlines, Settings
from tests.pace import test_pace as at_the_peer
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, GREETING, LOOPBACK, OFFER, PATIENT, READY, ending, prober
from tests.sessions.test_smtp import EHLOS, GREETINGS, STARTTLS
from tests.sessions.test_smtp_tls import HANDSHAKES

ROOT = Path(__file__).parents[2]
PATIENCE_S = 40
SOURCE = Source("here", "127.0.0.2", "scan.example.test")
NAMELESS = Source("nameless", "127.0.0.3")
SOON = Deadlines(greeting_s=3, ehlo_s=3, starttls_s=3, handshake_s=3, session_s=20, quit_s=3)
"""For peers that fall silent; what they do before that takes them no time."""
HOSTILE = bytes(range(256)).replace(b"\n", b"").replace(b"\r", b"")
TIMED = {"one byte at a time, for ever"}
"""Where the clock decides: how much came until the deadline."""
Script = tuple[play.Act, ...]


def settings(deadlines: Deadlines = PATIENT) -> Settings:
    return Settings(sources=(SOURCE,), deadlines=deadlines, allow_networks=LOOPBACK)


@contextlib.asynccontextmanager
async def working(count: int, deadlines: Deadlines = PATIENT) -> AsyncIterator[tuple[Processes, list[str]]]:
    """Workers that are awake, and what is told of them."""
    told: list[str] = []
    with Processes(count, settings(deadlines), Clock(), told.append) as workers:
        await workers.ready()
        yield workers, told


def endpoint(server: play.Server) -> Endpoint:
    return Endpoint(play.NAME, play.HOST, server.port, play.NAME + ".")


def without_times(session: Session) -> Session:
    """No two sessions take the same time."""
    times = tuple((stage, 0) for stage, _ in session.times_ms)
    return replace(session, observed_at=Clock().now().min, times_ms=times)


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - another process or thread makes it true
            await anyio.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether a process ended; who should have waited for it may be gone too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's TLS, as good as it gets."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(play.self_signed(tmp_path_factory.mktemp("pki"))[0])
    return made


def stories(context: ssl.SSLContext) -> Iterator[tuple[str, Script, Kind | None]]:
    """What a peer may do, and how it ends."""
    secure = (*READY, play.encrypt(context), play.hear)
    yield "good", (*secure, play.say(b"250-mx\r\n250 SIZE\r\n"), *BYE), None
    greeting = (play.say(b"220-" + HOSTILE + b"\r\n220 \xff\r\n"), play.hear)
    yield "bytes", (*greeting, *OFFER, play.say(b"502 " + HOSTILE + b"\r\n"), *BYE), Kind.REPLY_5XX
    yield "bytes inside TLS", (*secure, play.say(b"550 " + HOSTILE + b"\r\n"), *BYE), Kind.REPLY_5XX
    yield "plain text", (*READY[:-1], play.say(b"220 go\r\n\xff\x00\r\n"), play.encrypt(context), *BYE), None
    for name, script, kind, _ in GREETINGS:
        if name in TIMED:
            continue
        yield f"greeting: {name}", script, kind
    for name, script, kind, _ in EHLOS:
        yield f"EHLO: {name}", (*GREETING, *script), kind
    for name, script, kind, _ in STARTTLS:
        yield f"STARTTLS: {name}", (*GREETING, *OFFER, *script), kind
    for name, script, kind, _ in HANDSHAKES:
        first = () if script[0] is play.hold else (play.hear_hello,)
        yield f"handshake: {name}", (*READY, *first, *script), kind


async def test_a_session_is_the_same_in_a_worker_and_at_home(context: ssl.SSLContext) -> None:
    differences: dict[str, tuple[Session, Session]] = {}
    endings: dict[str, Kind | None] = {}
    async with working(2) as (patient, _), working(2, SOON) as (hasty, _), anyio.create_task_group() as group:

        async def compare(name: str, script: Script, kind: Kind | None, source: Source) -> None:
            is_silent = kind in {Kind.TIMEOUT, Kind.MALFORMED, Kind.DESYNC}
            workers, deadlines = (hasty, SOON) if is_silent else (patient, PATIENT)
            with play.serving(*script) as server:
                there = await workers.converse(endpoint(server), source, Hello.USUAL)
                here = await prober(deadlines).converse(endpoint(server), source, Hello.USUAL)
            endings[name] = None if there.fault is None else there.fault.kind
            if without_times(there) != without_times(here):
                differences[name] = there, here

        for number, (name, script, kind) in enumerate(stories(context)):
            group.start_soon(compare, name, script, kind, (SOURCE, NAMELESS)[number % 2])
    assert endings == {name: kind for name, _, kind in stories(context)}
    assert differences == {}


async def test_where_no_connection_comes_about_no_worker_is_asked() -> None:
    with play.serving() as server:
        closed = endpoint(server)
    async with working(1) as (workers, _):
        for there in (closed, replace(closed, address="192.0.2.1"), replace(closed, address="::1")):
            session = await workers.converse(there, SOURCE, Hello.USUAL, 3)
            alike = await prober().converse(there, SOURCE, Hello.USUAL, 3)
            assert without_times(session) == without_times(alike)
            assert session.stage is Stage.RESOLVE


async def test_a_worker_that_is_killed_takes_no_session_along(context: ssl.SSLContext) -> None:
    good = (*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), *BYE)
    async with working(1) as (workers, told):
        sessions: list[Session] = []
        with play.serving(*GREETING, play.hold) as server, play.serving(*good) as other:
            async with anyio.create_task_group() as group:

                async def knock() -> None:
                    sessions.append(await workers.converse(endpoint(server), SOURCE, Hello.USUAL))

                for _ in range(3):
                    group.start_soon(knock)
                await until(lambda: len(server.heard) == 3)
                os.kill(workers.pids[0], signal.SIGKILL)
            again = await workers.converse(endpoint(other), SOURCE, Hello.USUAL)
    faults = [session.fault for session in sessions]
    assert [(fault.kind, fault.side, fault.leaves_row_undone) for fault in faults if fault] == [
        (Kind.BUG, Side.OURS, True)
    ] * 3
    assert ending(again) == (Stage.DONE, None, None, None)
    assert told == ["a worker process ended by signal 9 and is started again; its rows are tried again"]


async def test_workers_that_die_again_and_again_are_given_up_and_nobody_is_knocked_at() -> None:
    async with working(1) as (workers, told):
        with play.serving(*GREETING) as server:
            killed: set[int] = set()
            while not workers.lost():
                await until(lambda: workers.lost() or workers.pids[0] not in killed)
                killed.add(workers.pids[0])
                with contextlib.suppress(ProcessLookupError):
                    os.kill(workers.pids[0], signal.SIGKILL)
                await anyio.sleep(0.01)
            session = await workers.converse(endpoint(server), SOURCE, Hello.USUAL)
            assert not server.ended.is_set()
    assert session.fault is not None
    assert (session.fault.kind, session.fault.side) == (Kind.BUG, Side.OURS)
    assert workers.lost() == "worker processes end again and again, the last one by signal 9"
    assert (len(killed), len(told)) == (RESTARTS_MOST + 1, RESTARTS_MOST)


async def test_who_is_not_wanted_any_more_is_hung_up_on() -> None:
    async with working(1) as (workers, _):
        with play.serving(*GREETING, play.hold) as server:
            async with anyio.create_task_group() as group:
                group.start_soon(workers.converse, endpoint(server), SOURCE, Hello.USUAL)
                await until(lambda: server.heard)
                group.cancel_scope.cancel()
            await until(server.ended.is_set)
        with play.serving(play.say(b"554 no\r\n"), *BYE) as other:
            session = await workers.converse(endpoint(other), SOURCE, Hello.USUAL)
    assert ending(session) == (Stage.CONNECT, Stage.GREETING, Kind.REPLY_5XX, 554)


async def test_a_worker_that_stood_still_blames_nobody() -> None:
    async with working(1, replace(PATIENT, ehlo_s=2.0)) as (workers, _):
        sessions: list[Session] = []
        with play.serving(*GREETING, play.hold) as server:
            async with anyio.create_task_group() as group:

                async def knock() -> None:
                    sessions.append(await workers.converse(endpoint(server), SOURCE, Hello.USUAL))

                group.start_soon(knock)
                await until(lambda: server.heard)
                os.kill(workers.pids[0], signal.SIGSTOP)
                await anyio.sleep(4)
                os.kill(workers.pids[0], signal.SIGCONT)
    assert ending(sessions[0]) == (Stage.GREETING, Stage.EHLO, Kind.STALLED, None)


async def test_a_worker_that_gives_no_sign_of_life_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.net.processes.SILENT_LOOKS_MOST", 3)
    async with working(1) as (workers, told):
        with play.serving(*GREETING, play.hold) as server:
            os.kill(workers.pids[0], signal.SIGSTOP)
            session = await workers.converse(endpoint(server), SOURCE, Hello.USUAL)
    assert session.fault is not None
    assert (session.fault.kind, session.fault.side) == (Kind.BUG, Side.OURS)
    assert len(told) == 1


async def test_signals_that_ask_to_stop_are_for_the_parent() -> None:
    async with working(2) as (workers, told):
        for pid in workers.pids:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                os.kill(pid, number)
        with play.serving(play.say(b"554 no\r\n"), *BYE) as server:
            session = await workers.converse(endpoint(server), SOURCE, Hello.USUAL)
        pids = workers.pids
        assert os.getpgid(pids[0]) != os.getpgid(0)
    assert ending(session) == (Stage.CONNECT, Stage.GREETING, Kind.REPLY_5XX, 554)
    assert told == []
    assert all(map(is_gone, pids))


PARENT = """
import anyio, sys, orjson
from tests.sessions.test_processes import working

async def main():
    async with working(2) as (workers, _):
        sys.stdout.buffer.write(orjson.dumps(workers.pids) + b"\\n")
        sys.stdout.buffer.flush()
        await anyio.sleep_forever()

anyio.run(main, backend="asyncio", backend_options={"use_uvloop": True})
"""


def test_workers_leave_when_their_parent_is_gone() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pids = orjson.loads(parent.stdout.readline())
        assert len(pids) == 2
        parent.kill()
    gives_up_at_s = time.monotonic() + PATIENCE_S
    while not all(map(is_gone, pids)):
        assert time.monotonic() < gives_up_at_s
        time.sleep(0.05)


@pytest.mark.timeout(120)
async def test_every_cap_holds_as_the_peer_counts_it() -> None:
    """As tests/pace, with what connects in one process and what talks in two others."""
    count, sessions = 300, list[Session]()
    limits = replace(Settings(sources=()).limits, open_sessions=at_the_peer.OPEN_SESSIONS)
    with at_the_peer.listening() as peers:
        async with working(2, Deadlines()) as (workers, _):
            clock = Clock()
            paced = Paced(workers, at_the_peer.CAPS, limits, lambda name: name.partition(".")[2], Hours(clock))
            wishes = iter(at_the_peer.shuffled(count, random.Random(5)))

            async def work() -> None:
                for number in wishes:
                    there = at_the_peer.host(number % at_the_peer.HOSTS, peers.port)
                    source = at_the_peer.SOURCES[number // at_the_peer.HOSTS % 2]
                    sessions.append(await paced.converse(there, source, Hello.USUAL))

            async with anyio.create_task_group() as group:
                for _ in range(100):
                    group.start_soon(work)
        broken = at_the_peer.violations(peers)
        counted = len(peers.at_s[Cap.RUN, "", ""])
    assert {session.fault for session in sessions} == {None}
    assert (len(sessions), counted) == (count, count)
    assert broken == []
