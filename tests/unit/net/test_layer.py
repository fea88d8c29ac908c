"""A handshake that is worked out in a thread comes to what it would come to in the loop, and the loop goes on."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import anyio
import pytest
from anyio import to_thread

from scanner.model.fault import Fault, Kind, Stage
from scanner.model.session import Hello
from scanner.net import tls
from scanner.net.layer import FLOOD, KEPT_MOST_BYTES, Layer
from scanner.net.tls import Tls, TlsError

LATE = Fault(Stage.HANDSHAKE, Kind.TIMEOUT)
LOST = ConnectionResetError()
WAITS_S = 30.0


@dataclass
class Steps:
    """A handshake of `most` steps; the first one takes until `go` is set."""

    most: int
    error: Exception | None = None
    go: threading.Event = field(default_factory=threading.Event)
    begun: threading.Event = field(default_factory=threading.Event)
    times: int = 0
    received: bytes = b""

    def shake(self) -> bool:
        self.begun.set()
        assert self.go.wait(WAITS_S)
        self.times += 1
        if self.error is not None:
            raise self.error
        return self.times >= self.most

    def receive(self, data: bytes) -> None:
        self.received += data

    def take(self) -> bytes:
        return b""


async def shaken(steps: Steps, *events: Callable[[Layer], object]) -> Fault | None:
    """Shake hands; let these events happen, in this order, while the first step is at work."""
    sent: list[bytes] = []
    layer = Layer(cast("Tls", steps), sent.append, asyncio.get_running_loop())
    async with anyio.create_task_group() as group:
        group.start_soon(layer.shake_apart)
        await to_thread.run_sync(steps.begun.wait, WAITS_S)  # the loop goes on, or nobody would set what follows
        for event in events:
            event(layer)
        steps.go.set()
    return await layer.shaken


def comes(layer: Layer) -> None:
    assert layer.keeps(b"bytes")


def time_is_over(layer: Layer) -> None:
    layer.break_off(None, LATE)


def connection_is_lost(layer: Layer) -> None:
    layer.break_off(LOST)


async def test_what_comes_in_meanwhile_is_kept_for_the_next_step() -> None:
    steps = Steps(2)
    assert await shaken(steps, comes) is None
    assert (steps.times, steps.received) == (2, b"bytes")


@pytest.mark.parametrize("end", [time_is_over, connection_is_lost])
async def test_a_handshake_that_is_done_when_the_end_is_noticed_is_done(end: Callable[[Layer], object]) -> None:
    """It was our own work that took so long."""
    assert await shaken(Steps(1), end) is None


@pytest.mark.parametrize("end", [time_is_over, connection_is_lost])
async def test_what_came_before_the_end_counts(end: Callable[[Layer], object]) -> None:
    """A server sends its alert and hangs up."""
    assert await shaken(Steps(2), comes, end) is None


async def test_time_that_is_over_ends_a_handshake_whose_peer_says_no_more() -> None:
    assert await shaken(Steps(9), time_is_over) == LATE
    assert await shaken(Steps(9), comes, time_is_over, connection_is_lost) == LATE


async def test_a_connection_that_is_lost_ends_it_too() -> None:
    with pytest.raises(ConnectionResetError):
        await shaken(Steps(9), connection_is_lost)


async def test_a_flood_ends_it_and_is_not_kept() -> None:
    """It may last as long as a step of ours does."""

    def flood(layer: Layer) -> None:
        for _ in range(100):
            assert layer.keeps(bytes(KEPT_MOST_BYTES // 8))
        assert len(layer.take_kept()) <= KEPT_MOST_BYTES

    assert await shaken(Steps(9), flood) == FLOOD


async def test_what_breaks_it_is_raised() -> None:
    with pytest.raises(ExceptionGroup) as raised:
        await shaken(Steps(9, TlsError("alert")))
    assert raised.group_contains(TlsError)


async def test_bytes_are_kept_only_while_a_thread_is_at_work() -> None:
    layer = Layer(Tls(tls.context(Hello.USUAL), None), lambda _: None, asyncio.get_running_loop())
    assert not layer.keeps(b"bytes")
    assert layer.take_kept() == b""
