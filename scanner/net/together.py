"""A Prober whose sessions come back in groups, so that what follows is done while it is hot.

Judging a row and writing it takes a quarter of a millisecond where another row was judged just before, and twice that
where the handshake of somebody else came between and took the caches of the processor. So a session that is over waits
a moment for some more, and they go on one behind the other. Its times were taken before that, its places are free, and
where nobody else is under way it waits for nobody.

Touches: clock. Source: docs/performance.md (what was gained by measuring).
"""

import asyncio

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.sockets import settle
from scanner.survey import Prober

GROUP = 32
"""Sessions that go on at once: more gains nothing, and would hold up everybody else."""
WAIT_S = 0.05
"""The longest that one waits for company."""


class Together:
    """Implements survey.Prober over another. Faults: those of the inner one."""

    def __init__(self, inner: Prober, wait_s: float = WAIT_S) -> None:
        self._inner = inner
        self._wait_s = wait_s
        self._under_way = 0
        self._over: list[asyncio.Future[None]] = []
        self._timer: asyncio.TimerHandle | None = None

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session, and give it back with others."""
        self._under_way += 1
        try:
            session = await self._inner.converse(endpoint, source, hello, follow_up)
        finally:
            self._under_way -= 1
        await self._company()
        return session

    async def _company(self) -> None:
        loop = asyncio.get_running_loop()
        called = loop.create_future()
        self._over.append(called)
        if len(self._over) >= GROUP or not self._under_way:
            self._call()
        elif self._timer is None:
            self._timer = loop.call_later(self._wait_s, self._call)
        await called

    def _call(self) -> None:
        """All go on; who was cancelled meanwhile is gone already."""
        if self._timer is not None:
            self._timer.cancel()
        over, self._over, self._timer = self._over, [], None
        for called in over:
            settle(called, None)
