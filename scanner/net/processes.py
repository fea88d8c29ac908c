"""Sessions held by worker processes: what costs processor time, TLS above all, is shared out among cores.

Whatever decides stays here: this process takes the turn, checks the address, binds the source and connects, so that
every cap is as exact as with one process. The connection is then handed over to a worker (SCM_RIGHTS), the same one for
the same address, and what the session showed comes back. A worker that dies takes no row along: its sessions end with a
fault on our side, so that their rows are tried again, and another is started in its place.

Touches: network, processes, clock. Source: docs/adr/0007-processes.md.
"""

import asyncio
import contextlib
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import lru_cache, partial
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
import orjson

import scanner
from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.channel import Channel
from scanner.net.clock import Clock
from scanner.net.messages import Order, Received, read_seen, write_order
from scanner.net.seen import Seen, session_of
from scanner.net.smtp import CERTIFICATES_REMEMBERED
from scanner.net.sockets import connect
from scanner.protocols import certificate
from scanner.settings import Deadlines, Limits, Settings

RESTARTS_MOST = 5
"""In one run. What kills workers more often is the machine, or ours to repair."""
LOOKS_EVERY_S = 1.0
SILENT_LOOKS_MOST = 30
"""Looks, not seconds: a process that was stopped itself has not looked."""
LEAVES_WITHIN_S = 2.0
DIES_WITHIN_S = 0.2


@dataclass(slots=True)
class Told:
    """A session, and what is known of it so far."""

    endpoint: Endpoint
    source: Source
    hello: Hello
    seen: Seen


class Processes:
    """Implements survey.Prober with `count` worker processes: enter it inside the running loop, they end with it.

    Faults: those of SmtpProber; BUG on our side where a worker died, or none is left. `tell` hears of every death, in
    one line. Entering raises OSError where no process can be started.
    """

    def __init__(self, count: int, settings: Settings, clock: Clock, tell: Callable[[str], None]) -> None:
        self._settings = settings
        self._clock = clock
        self._tell = tell
        self._count = count
        self._read = lru_cache(CERTIFICATES_REMEMBERED)(certificate.read)
        self._workers: list[Worker] = []
        self._restarts = 0
        self._lost = ""
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as begun:
            begun.callback(self._leave)
            for index in range(self._count):
                self._workers.append(self._worker(index))
            begun.pop_all()
        self._look()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._leave()

    def lost(self) -> str:
        """Say why no session can be held any more; empty while they can."""
        return self._lost

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that work now."""
        return tuple(worker.child.pid for worker in self._workers)

    async def ready(self) -> None:
        """Wait until all of them work, or none can: a connection should not wait for its worker to wake up."""
        while not self._lost and (asleep := [worker for worker in self._workers if not worker.spoke.is_set()]):
            await asleep[0].spoke.wait()

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """One connection. Raises nothing for what a peer does; leaves no socket behind when cancelled."""
        observed_at = self._clock.now()
        told = Told(endpoint, source, hello, Seen(source.ehlo_name))
        if self._lost:
            told.seen.fault = Fault(Stage.CONNECT, Kind.BUG, Side.OURS, self._lost)
        else:
            await self._hold(told)
        return session_of(told, observed_at, follow_up)

    async def _hold(self, told: Told) -> None:
        """Connect here, and have the rest done."""
        deadlines, began_at_s = self._settings.deadlines, self._clock.monotonic_s()
        there, most_s = told.endpoint, min(deadlines.connect_s, deadlines.session_s)
        opened = await connect(there.address, there.port, told.source.address, self._settings.allow_networks, most_s)
        took_s = self._clock.monotonic_s() - began_at_s
        connecting = (Stage.CONNECT.word, round(took_s * 1000))
        if isinstance(opened, Fault):
            told.seen.fault = opened
        else:
            left_s = deadlines.session_s - took_s
            order = Order(there.server_name, told.hello, told.source.ehlo_name, left_s)
            told.seen = await self._worker_of(there.address).hold(order, opened)
            told.seen.ehlo_name = told.seen.ehlo_name or told.source.ehlo_name
        told.seen.times_ms.insert(0, connecting)

    def _worker_of(self, address: str) -> "Worker":
        """Of all sessions with an address: what it knows of certificates stays warm."""
        return self._workers[zlib.crc32(address.encode()) % len(self._workers)]

    def _worker(self, index: int) -> "Worker":
        ours, theirs = socket.socketpair()
        with theirs:
            child = started(theirs, self._settings.deadlines, self._settings.limits)
        return Worker(child, ours, self._read, partial(self._replace, index))

    def _replace(self, index: int) -> None:
        """Start another one in the place of one that died."""
        how = self._workers[index].how_it_ended
        self._restarts += 1
        try:
            if self._restarts > RESTARTS_MOST:
                self._lost = f"worker processes end again and again, the last one by {how}"
            else:
                self._workers[index] = self._worker(index)
                self._tell(f"a worker process ended by {how} and is started again; its rows are tried again")
        except OSError as error:
            self._lost = f"a worker process ended by {how} and cannot be started again: {error.strerror}"

    def _look(self) -> None:
        """Look after them, again and again."""
        self._timer = asyncio.get_running_loop().call_later(LOOKS_EVERY_S, self._look)
        for worker in self._workers:
            worker.look()

    def _leave(self) -> None:
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            end(worker.child, LEAVES_WITHIN_S)


class Worker:
    """One worker process, seen from here. `died` is called when it ended without being dismissed."""

    def __init__(
        self,
        child: subprocess.Popen[bytes],
        wire: socket.socket,
        read: Callable[[bytes], Certificate],
        died: Callable[[], None],
    ) -> None:
        self.child = child
        self.how_it_ended = ""
        self.spoke = anyio.Event()
        self._channel = Channel(wire, self._hear, self._bury)
        self._received = Received(read)
        self._died = died
        self._held: dict[int, asyncio.Future[Seen]] = {}
        self._numbers = count()
        self._silent_looks = 0

    async def hold(self, order: Order, opened: socket.socket) -> Seen:
        """Hand a connection over, and wait for what the session shows. Faults: BUG, where the worker dies."""
        if self.how_it_ended:
            opened.close()
            return self._cut()
        number = next(self._numbers)
        answer: asyncio.Future[Seen] = asyncio.get_running_loop().create_future()
        self._held[number] = answer
        self._channel.say(write_order(number, order), opened)
        try:
            return await answer
        finally:
            if self._held.pop(number, None) is not None:  # cancelled
                self._channel.say([number])

    def look(self) -> None:
        """Kill it where it gave no sign of life for long."""
        self._silent_looks += 1
        if self._silent_looks > SILENT_LOOKS_MOST:
            self.child.kill()

    def dismiss(self) -> None:
        """Let it go: it leaves when it notices, and asks nothing more."""
        self._channel.close()

    def _hear(self, messages: list[Any]) -> None:
        self.spoke.set()
        self._silent_looks = 0
        for number, told in filter(None, messages):
            seen = read_seen(told, self._received)
            answer = self._held.pop(number, None)
            if answer is not None and not answer.done():
                answer.set_result(seen)

    def _bury(self) -> None:
        """Its channel ended."""
        code = end(self.child, DIES_WITHIN_S)
        self.how_it_ended = f"signal {-code}" if code < 0 else f"exit code {code}"
        held, self._held = self._held, {}
        self._died()
        self.spoke.set()
        for answer in held.values():
            if not answer.done():
                answer.set_result(self._cut())

    def _cut(self) -> Seen:
        detail = f"a worker process ended by {self.how_it_ended}"
        return Seen("", Stage.CONNECT, fault=Fault(Stage.GREETING, Kind.BUG, Side.OURS, detail))


def started(wire: socket.socket, deadlines: Deadlines, limits: Limits) -> subprocess.Popen[bytes]:
    """Start a worker at the other end of this channel: our own interpreter and the code that we run ourselves, in a
    session of its own, which no signal of the terminal reaches. Raises OSError.
    """
    settings = orjson.dumps({"deadlines": asdict(deadlines), "limits": asdict(limits)}).decode()
    words = [sys.executable, "-m", "scanner.net.worker", settings]
    beside = Path(scanner.__file__).parents[1]
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        words, stdin=wire.fileno(), stdout=subprocess.DEVNULL, cwd=beside, start_new_session=True
    )


def end(child: subprocess.Popen[bytes], within_s: float) -> int:
    """Give it a moment to leave by itself, then kill it; return its code."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        child.wait(within_s)
    child.kill()
    return child.wait()
