"""P7: what breaks inside us while a peer talks is not what the peer said."""

import asyncio

import pytest

from scanner.model.fault import Kind, Side, Stage
from scanner.net.tap import Ask, Tap
from scanner.net.tls import reason_of, tls_fault

GREETING = Ask(Stage.GREETING, b"", 5.0, 8192, 256)


@pytest.mark.parametrize(
    ("reason", "kind", "side"),
    [
        (MemoryError(), Kind.NO_BUFFERS, Side.OURS),
        (ZeroDivisionError("x"), Kind.BUG, Side.OURS),
        (ConnectionResetError(), Kind.CLOSED, Side.REMOTE),
        (None, Kind.CLOSED, Side.REMOTE),
    ],
    ids=repr,
)
async def test_an_exception_of_ours_that_ends_a_connection_is_ours(
    reason: Exception | None, kind: Kind, side: Side
) -> None:
    """An event loop that meets an exception in a callback drops the connection with it."""
    tap = Tap(asyncio.get_running_loop(), GREETING)
    tap.connection_made(asyncio.Transport())
    asyncio.get_running_loop().call_soon(tap.connection_lost, reason)
    fault = (await tap.ask(GREETING)).fault
    assert fault is not None
    assert (fault.stage, fault.kind, fault.side) == (Stage.GREETING, kind, side)


def test_a_tls_library_without_memory_says_nothing_about_the_peer() -> None:
    fault = tls_fault(reason_of("malloc failure"), Stage.HANDSHAKE)
    assert (fault.kind, fault.side) == (Kind.NO_BUFFERS, Side.OURS)
    assert fault.leaves_row_undone
