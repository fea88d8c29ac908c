"""An event loop whose clock is a number: it jumps to the next timer when nobody has anything to do.

Hours of pacing pass in a second, and always in the same order. A call in a thread takes no time at all: the loop
stands still until it is back, so that no order depends on the machine. Where nothing is ready and no timer runs,
nothing will ever happen again: that is an error here, and a run that hangs in real life.
"""

import asyncio
import selectors
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import TypeVar, TypeVarTuple, Unpack

import anyio
from anyio import to_thread

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

START_S = 1000.0
REAL_S = 30.0
"""How long a call in a thread may take in real time."""


class Hung(RuntimeError):  # noqa: N818 - a state
    """Nothing is ready, no timer runs: everybody waits for somebody."""


class _NoFiles(selectors.SelectSelector):
    """Looks at no file. What was given is how far the clock may jump."""

    def __init__(self, pass_time: Callable[[float | None], None]) -> None:
        super().__init__()
        self._pass_time = pass_time

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._pass_time(timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """Asyncio's own loop on pretended time. `in_threads` tells how many calls are out."""

    def __init__(self) -> None:
        self._now_s = START_S
        self._from_threads: deque[asyncio.Handle] = deque()
        self._came = threading.Event()
        self.in_threads: Callable[[], int] = lambda: 0
        super().__init__(_NoFiles(self._pass_time))
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._now_s

    def stall(self, stalled_s: float) -> None:
        """Let time pass that nobody notices."""
        self._now_s += stalled_s

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._from_threads.append(handle)
        self._came.set()
        return handle

    def _pass_time(self, timeout: float | None) -> None:
        """Wait for threads in real time, or jump to the next timer in pretended time."""
        if timeout == 0:  # somebody is ready; what comes from threads waits, so that its place is always the same
            return
        while self.in_threads() and not self._from_threads:
            if not self._came.wait(REAL_S):
                raise Hung(f"a call in a thread took more than {REAL_S:g} s")
            self._came.clear()
        if self._from_threads:
            while self._from_threads:
                self.call_soon(self._from_threads.popleft()._run)
        elif timeout is None:
            raise Hung("everybody waits for somebody")
        else:
            self._now_s += timeout


def run_virtually(main: Callable[[VirtualLoop], Awaitable[T]]) -> T:
    """Run to the end in pretended time. Calls in threads go one after the other."""

    async def begun() -> T:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        threads = to_thread.current_default_thread_limiter()
        threads.total_tokens = 1
        loop.in_threads = lambda: threads.borrowed_tokens
        return await main(loop)

    return anyio.run(begun, backend="asyncio", backend_options={"loop_factory": VirtualLoop})
