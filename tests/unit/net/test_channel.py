import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from scanner.net.channel import DESCRIPTORS_OF_A_FRAME, HEAD, Channel

PATIENCE_S = 30


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops."""
    return "asyncio", {"use_uvloop": request.param}


@dataclass
class End:
    """What one end heard."""

    messages: list[Any] = field(default_factory=list)
    ended: anyio.Event = field(default_factory=anyio.Event)
    came: anyio.Event = field(default_factory=anyio.Event)

    def hear(self, messages: list[Any]) -> None:
        self.messages += messages
        self.came.set()

    async def has(self, count: int) -> None:
        with anyio.fail_after(PATIENCE_S):
            while len(self.messages) < count:
                self.came = anyio.Event()
                await self.came.wait()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


def channel(wire: socket.socket) -> tuple[Channel, End]:
    end = End()
    return Channel(wire, end.hear, end.ended.set), end


async def test_messages_come_in_order_and_as_they_were(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    here, _ = channel(pair[0])
    there, end = channel(pair[1])
    with closing(here), closing(there):
        for number in range(1000):
            here.say([number, "ä\x00\ud7ff"])
        await end.has(1000)
    assert end.messages == [[number, "ä\x00\ud7ff"] for number in range(1000)]


async def test_a_full_socket_delays_and_loses_nothing(pair: tuple[socket.socket, socket.socket]) -> None:
    here, _ = channel(pair[0])
    with closing(here):
        for _ in range(8):
            here.say("x" * 300_000)
        await asyncio.sleep(0.1)
        assert here.is_waiting
        there, end = channel(pair[1])
        with closing(there):
            await end.has(8)
        assert not here.is_waiting
    assert [len(each) for each in end.messages] == [300_000] * 8


async def test_connections_go_with_their_messages_and_are_closed_here(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    count = 3 * DESCRIPTORS_OF_A_FRAME + 1
    files = [socket.socketpair() for _ in range(count)]
    here, _ = channel(pair[0])
    there, end = channel(pair[1])
    with closing(here), closing(there):
        for number, (kept, handed) in enumerate(files):
            kept.send(b"%d" % number)
            here.say([number, "x" * 2000], handed)
        await end.has(count)
        heard = [int(os.read(descriptor, 10)) for descriptor in there.descriptors]
    assert [number for number, _ in end.messages] == heard == list(range(count))
    assert {handed.fileno() for _, handed in files} == {-1}
    assert all(kept.recv(1) == b"" for kept, _ in files)  # nobody holds the other end any more
    for kept, _ in files:
        kept.close()


async def test_what_has_not_left_is_closed_with_the_channel(pair: tuple[socket.socket, socket.socket]) -> None:
    kept, handed = socket.socketpair()
    here, _ = channel(pair[0])
    here.say(["never"], handed)
    here.close()
    with kept:
        assert kept.recv(1) == b""
    late_kept, late = socket.socketpair()
    here.say(["too late"], late)
    with late_kept:
        assert late_kept.recv(1) == b""


async def test_the_end_of_the_other_end_is_noticed(pair: tuple[socket.socket, socket.socket]) -> None:
    here, end = channel(pair[0])
    pair[1].close()
    with anyio.fail_after(PATIENCE_S):
        await end.ended.wait()
    here.say(["to nobody"])


@pytest.mark.parametrize("body", [b"{", b"\xff", b"7"], ids=["half", "no text", "no messages"])
async def test_an_end_that_makes_no_sense_is_left(pair: tuple[socket.socket, socket.socket], body: bytes) -> None:
    raised: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: raised.append(context))
    _, end = channel(pair[0])
    pair[1].send(HEAD.pack(len(body)) + body)
    with anyio.fail_after(PATIENCE_S):
        await end.ended.wait()
    assert len(raised) == 1
