"""Places for those who shake hands: many may wait, few may compute.

A handshake costs a millisecond of processor time and then waits for the peer. A place is therefore lent for a second:
who needs longer waits for its peer and not for us, and silent peers cannot hold every place.

Touches: clock. Source: docs/guarantees.md P5.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

LENT_S = 1.0


class Handshakes:
    """So many places, first come, first served. Make it inside a running event loop."""

    def __init__(self, at_once: int, lent_s: float = LENT_S) -> None:
        self._places = anyio.CapacityLimiter(at_once)
        self._lent_s = lent_s

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place and hold it, for as long as it is lent."""
        borrower = object()
        try:
            self._places.acquire_on_behalf_of_nowait(borrower)  # without a turn of the loop
        except anyio.WouldBlock:
            await self._places.acquire_on_behalf_of(borrower)
        lent = asyncio.get_running_loop().call_later(self._lent_s, self._take_back, borrower)
        try:
            yield
        finally:
            lent.cancel()
            self._take_back(borrower)

    def _take_back(self, borrower: object) -> None:
        with contextlib.suppress(RuntimeError):  # taken back already
            self._places.release_on_behalf_of(borrower)
