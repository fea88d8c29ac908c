"""The event loop of a command: asyncio under uvloop, which takes over SIGINT in order.

Touches: signals. Source: docs/architecture.md.
"""

import gc
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

from scanner.cli.interruption import leave_it_to_the_loop

Given = TypeVarTuple("Given")
Found = TypeVar("Found")


YOUNG_MOST = 20_000
"""Python looks for young objects that hold each other after 700 of them, ten times in a row's life: none here do."""


def collect_seldom() -> None:
    """Let the cyclic collector of this process look for garbage less often."""
    gc.set_threshold(YOUNG_MOST)


def in_loop(work: Callable[[*Given], Awaitable[Found]], *given: *Given) -> Found:
    """Work in an event loop to the end. Raises KeyboardInterrupt, also for one that was dropped before."""
    leave_it_to_the_loop()
    collect_seldom()
    return anyio.run(work, *given, backend="asyncio", backend_options={"use_uvloop": True})
