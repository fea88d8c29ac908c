"""What something costs this process: wall time, processor time, the longest breath of the event loop, memory, files.

The loop is measured by the processor time that its thread uses between two ticks. A machine that gives its time to
others makes a tick late, but does not make the thread work: so a busy neighbour is not taken for a loop held up.
"""

import contextlib
import os
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import anyio

TICK_S = 0.005
LOOK_EVERY_S = 0.1
SETTLES_WITHIN_S = 3.0
RESET_PEAK = "5"


@dataclass(slots=True)
class Watched:
    """Seconds and megabytes. `longest_s` is the most that the loop's thread worked without a turn for others."""

    wall_s: float = 0.0
    cpu_s: float = 0.0
    longest_s: float = 0.0
    descriptors_most: int = 0
    descriptors_left: int = 0
    grown_mb: float = 0.0
    peak_mb: float = 0.0


@contextlib.asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    """Watch what is done inside; all figures are there afterwards."""
    seen, before, resident_mb = Watched(), descriptors(), memory_mb("VmRSS")
    forget_peak()
    began_at_s, began_cpu_s = time.monotonic(), time.process_time()
    async with anyio.create_task_group() as group:
        group.start_soon(tick, seen)
        group.start_soon(look, seen)
        yield seen
        seen.wall_s = time.monotonic() - began_at_s
        seen.cpu_s = time.process_time() - began_cpu_s
        group.cancel_scope.cancel()
    await settled(before)
    seen.descriptors_left = descriptors() - before
    seen.peak_mb = memory_mb("VmHWM")
    seen.grown_mb = seen.peak_mb - resident_mb


async def tick(seen: Watched) -> None:
    """Note how much the thread works between two turns."""
    before_s = time.thread_time()
    while True:
        await anyio.sleep(TICK_S)
        now_s = time.thread_time()
        seen.longest_s = max(seen.longest_s, now_s - before_s)
        before_s = now_s


async def look(seen: Watched) -> None:
    """Count descriptors now and then."""
    while True:
        seen.descriptors_most = max(seen.descriptors_most, descriptors())
        await anyio.sleep(LOOK_EVERY_S)


async def settled(before: int) -> None:
    """Give the loop a moment to close what was let go."""
    with anyio.move_on_after(SETTLES_WITHIN_S):
        while descriptors() > before:  # noqa: ASYNC110 - the kernel tells nobody
            await anyio.sleep(0.01)


def descriptors() -> int:
    """How many are open. Of /dev/null every loop of libuv may hold one, from its first connection on."""
    return sum(target != os.devnull for target in map(leads_to, os.listdir("/proc/self/fd")))  # noqa: PTH208 - often


def leads_to(descriptor: str) -> str:
    """What a descriptor stands for; /dev/null for that of the listing itself, which is closed already."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - often
    except OSError:
        return os.devnull


def memory_mb(what: str) -> float:
    """A line of proc(5) status, resident memory or its peak."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[what].split()[0]) / 1024


def forget_peak() -> None:
    """Let the peak begin anew (proc(5), clear_refs); where that is not allowed it stays, and is too high."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text(RESET_PEAK)
