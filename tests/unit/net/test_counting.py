"""How many sessions wait, told from outside and inside of what makes them wait."""

import anyio
import pytest

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.counting import Counting, waiting

ENDPOINT, SOURCE = Endpoint("mx.test", "192.0.2.1", 25, "mx.test"), Source("here")


class Queue:
    """Lets in one when somebody rings."""

    def __init__(self, inner: Counting) -> None:
        self.inner = inner
        self.bell = anyio.Event()

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        await self.bell.wait()
        return await self.inner.converse(endpoint, source, hello, follow_up)


class Endless:
    """Holds every session for ever."""

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        await anyio.sleep_forever()
        raise AssertionError


class Broken:
    """Has a bug."""

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        raise ZeroDivisionError


async def test_those_between_two_counters_wait() -> None:
    held = Counting(Endless())
    queue = Queue(held)
    asked = Counting(queue)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(asked.converse, ENDPOINT, SOURCE, Hello.USUAL)
        await anyio.wait_all_tasks_blocked()
        assert (asked.inside, waiting(asked, held)) == (3, 3)
        queue.bell.set()
        await anyio.wait_all_tasks_blocked()
        assert (held.inside, waiting(asked, held)) == (3, 0)
        group.cancel_scope.cancel()
    assert (asked.inside, held.inside) == (0, 0)


async def test_who_breaks_is_counted_no_longer() -> None:
    counting = Counting(Broken())
    with pytest.raises(ZeroDivisionError):
        await counting.converse(ENDPOINT, SOURCE, Hello.USUAL)
    assert counting.inside == 0
