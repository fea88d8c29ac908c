"""Ends a run that stands still: what it waits for will not come, and nobody may be there to see.

A callback that a library lost, a C call that does not come back, a bug of ours. Seen: a thread that had no memory to
begin, for whose first sign of life Python waits without end, and the event loop with it. Rows are out, and no question
is answered, no session begins or ends, no row is finished, for longer than any deadline allows. Such a run never ends
by itself, and its exit code never comes. It is asked to end, as by a second signal; where it cannot, the process ends
without it, which costs what `kill -9` costs: nothing that is in the file (docs/guarantees.md P1).

The one who looks is a thread: a timer of the event loop does not fire where the loop does not turn, and SIGALRM would
be handled between two lines of Python that may never be run. It counts looks and not seconds, so that a process that
was stopped, or a machine that slept, has missed one. It takes nothing for a standstill that has a right to wait:

1. for its turn, as long as the longest pause that the pace knows, where nobody holds a session;
2. for a dead resolver and a lost way out: the canary and the look at the routing table are signs of life;
3. for the list, where no row is out;
4. for whoever reads what we write, rows or words, and does not.

A C call that never gives back the interpreter stops this thread too. Only another process can see that: the service
manager is told that we live, where it asks for it.

Touches: threads, stderr, clock; the service manager's socket. Source: docs/guarantees.md P7, P8; sd_notify(3).
"""

import asyncio
import os
import select
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from scanner.cli.exits import Exit
from scanner.net import breaker, resolver
from scanner.pace import ADDRESS_SPREAD, SPACING
from scanner.settings import Deadlines, Pace

Row = TypeVar("Row")
Found = TypeVar("Found")

LOOKS_EVERY_S = 1.0
SLACK_S = 30.0
"""For a machine that is slow, beyond the longest that anything may take."""
LEAVES_WITHIN_LOOKS = 10
"""A run that is asked to end has so long; what it still does is cut a session off and write what is finished."""
BLIND_MOST = 60
"""Looks in a row for which there is no memory: nothing else in this process has any either."""
STDOUT, STDERR = 1, 2
ALIVE = b"WATCHDOG=1"


@dataclass(slots=True)
class Watch:
    """What is at work, and whether it moves. `signs` counts signs of life, `silent_most_s` tells for how long there may
    rightly be none, `readers` are descriptors that somebody reads. `rows` are being surveyed, `rows_over` were.
    """

    signs: Callable[[], int]
    silent_most_s: Callable[[], float]
    readers: tuple[int, ...] = (STDERR,)
    rows: int = 0
    rows_over: int = 0
    awaits_list: bool = True
    gave_up: bool = False
    silent_looks: int = 0
    _seen: int = -1

    @property
    def words(self) -> str:
        """How a run ended that stood still, for people."""
        return (
            f"the run stood still: nothing came in for {self.silent_most_s():.0f} s, longer than any deadline; "
            "what is written stays, and the same command goes on from there"
        )

    def surveying(self, survey: Callable[[Row], Awaitable[Found]]) -> Callable[[Row], Awaitable[Found]]:
        """Count the rows that are out."""

        async def of(target: Row) -> Found:
            self.rows += 1
            try:
                return await survey(target)
            finally:
                self.rows -= 1
                self.rows_over += 1

        return of

    def reading(self, batches: Callable[[], Sequence[Row]]) -> Callable[[], Sequence[Row]]:
        """Note while the list is waited for, in the thread that does."""

        def batch() -> Sequence[Row]:
            self.awaits_list = True
            try:
                return batches()
            finally:
                self.awaits_list = False

        return batch

    def look(self) -> None:
        """Look once."""
        signs = self.signs() + self.rows_over
        if signs != self._seen or self._may_wait():
            self._seen, self.silent_looks = signs, 0
        else:
            self.silent_looks += 1
            self.gave_up = self.gave_up or self.silent_looks * LOOKS_EVERY_S > self.silent_most_s()

    def _may_wait(self) -> bool:
        return (self.awaits_list and not self.rows) or not all(map(has_room, self.readers))


@dataclass(slots=True)
class Guard:
    """The thread. `ask_to_end` is called once, `leave` where that led to nothing; `tell` says that we live."""

    watch: Watch
    ask_to_end: Callable[[], object]
    leave: Callable[[], object]
    tell: Callable[[], object]
    over: threading.Lock = field(default_factory=threading.Lock)
    _looks_left: int = LEAVES_WITHIN_LOOKS
    _blind_looks: int = 0
    _has_asked: bool = False

    def stand(self) -> None:
        """Look again and again, until `over` can be taken."""
        while True:
            try:
                if self.over.acquire(True, LOOKS_EVERY_S):  # noqa: FBT003 - by name it would take memory
                    return
                self.step()
                self._blind_looks = 0
            except MemoryError:  # not even for a look; what follows here takes none
                time.sleep(LOOKS_EVERY_S)
                self._blind_looks += 1
                if self._blind_looks > BLIND_MOST:
                    self.leave()

    def step(self) -> None:
        """Look once, and do what follows."""
        if not self.watch.gave_up:
            self.watch.look()
        if not self.watch.gave_up:
            self.tell()
            return
        self._looks_left -= 1
        if self._looks_left < 0:
            self.leave()
        elif not self._has_asked:
            self._has_asked = True
            self.ask_to_end()


@contextmanager
def watched(watch: Watch, end: Callable[[], object], tell: Callable[[Exit, str], object]) -> Iterator[None]:
    """Watch what is done inside. `end` is called in the running loop and ends it; `tell` says the last line."""
    loop = asyncio.get_running_loop()

    def ask_to_end() -> None:
        with suppress(RuntimeError):  # the loop is closed, or out of memory
            loop.call_soon_threadsafe(end)

    with service_manager() as alive:
        guard = Guard(watch, ask_to_end, lambda: leave(watch, tell), alive)
        guard.over.acquire()
        thread = threading.Thread(target=guard.stand, name="standstill", daemon=True)
        thread.start()
        try:
            yield
        finally:
            guard.over.release()
            thread.join()


def leave(watch: Watch, tell: Callable[[Exit, str], object]) -> None:
    """End the process from beside its loop, with the last line if that can be said. Nothing is flushed."""
    try:
        if has_room(STDERR):
            tell(Exit.INTERNAL, watch.words)
    finally:
        os._exit(Exit.INTERNAL)


def has_room(descriptor: int) -> bool:
    """Tell whether it can be written to without waiting for its reader; one that is gone makes nobody wait."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return bool(poll.poll(0))


@contextmanager
def service_manager() -> Iterator[Callable[[], object]]:
    """Make what tells the service manager that we live, where it listens (sd_notify(3)); else what does nothing."""
    place = os.environ.get("NOTIFY_SOCKET", "")
    if not place:
        yield lambda: None
        return
    address = f"\0{place[1:]}" if place.startswith("@") else place
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.setblocking(False)  # noqa: FBT003 - its own signature

        def alive() -> None:
            with suppress(OSError):  # it is restarting, or busy: the next second will do
                told.sendto(ALIVE, address)

        yield alive


def longest_step_s(deadlines: Deadlines) -> float:
    """Within this time something comes to its end wherever a row is at work and does not wait for its turn."""
    looks_for_resolver_s = breaker.LONGEST_PAUSE_S + resolver.CANARY_S
    session_s = deadlines.session_s + deadlines.quit_s
    return max(session_s, deadlines.policy_s, deadlines.dns_s, looks_for_resolver_s) + SLACK_S


def longest_pause_s(pace: Pace) -> float:
    """Within this time some gate opens, where every session waits for its turn and nobody holds one."""
    own = [each.rate_per_s for each in pace.sources if each.rate_per_s]
    rates = (pace.prefix_per_s, pace.provider_per_s, pace.source_per_s, pace.run_per_s, *own)
    slowest_s = max(pace.address_interval_s, pace.backoff_s, pace.backoff_most_s, *(1 / rate for rate in rates))
    return slowest_s * SPACING * (1 + ADDRESS_SPREAD)
