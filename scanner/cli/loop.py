"""The event loop of a command: asyncio under uvloop, which takes over SIGINT in order.

Touches: signals. Source: docs/architecture.md.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import anyio

from scanner.cli.interruption import leave_it_to_the_loop
from scanner.net.garbage import collect_seldom

Given = TypeVarTuple("Given")
Found = TypeVar("Found")


def in_loop(work: Callable[[*Given], Awaitable[Found]], *given: *Given) -> Found:
    """Work in an event loop to the end. Raises KeyboardInterrupt, also for one that was dropped before."""
    leave_it_to_the_loop()
    collect_seldom()
    return anyio.run(work, *given, backend="asyncio", backend_options={"use_uvloop": True})
