"""What we use of aiosmtplib beyond its promise; an upgrade that changes it fails here first."""

import asyncio
import inspect
import ssl

from aiosmtplib.protocol import SMTPProtocol

from scanner.model.fault import Kind, Stage
from scanner.net.tap import Ask, Tap

GREETING = Ask(Stage.GREETING, b"", 1.0, 1024, 16)


async def test_the_private_names_are_still_there() -> None:
    fresh = SMTPProtocol(asyncio.get_running_loop())
    assert fresh._response_waiter is None
    assert fresh._response_pending is False
    assert fresh._over_ssl is False
    assert fresh._loop is asyncio.get_running_loop()
    assert callable(fresh._set_response_exception)


def test_the_methods_take_what_we_give() -> None:
    assert "timeout" in inspect.signature(SMTPProtocol.execute_command).parameters
    assert "timeout" in inspect.signature(SMTPProtocol.read_response).parameters
    assert list(inspect.signature(SMTPProtocol.connection_lost).parameters) == ["self", "exc"]


async def test_bytes_that_nobody_awaits_are_kept_within_bounds() -> None:
    tap = Tap(asyncio.get_running_loop(), GREETING)
    for _ in range(100):
        tap.data_received(b"x" * 1000)
    answered = await tap.ask(Ask(Stage.EHLO, b"EHLO a", 0.1, 1024, 16))
    assert answered.surplus == b"x" * 1024
    assert answered.fault is not None
    assert answered.fault.kind is Kind.TOO_LONG


async def test_a_flood_before_the_handshake_is_no_tls() -> None:
    tap = Tap(asyncio.get_running_loop(), GREETING)
    tap.data_received(b"x" * 100_000)
    fault = await tap.upgrade(ssl.create_default_context(), None, 0.1)
    assert fault is not None
    assert (fault.stage, fault.kind) == (Stage.HANDSHAKE, Kind.NOT_TLS)
