"""What we use of aiosmtplib beyond its promise; an upgrade that changes it fails here first."""

import asyncio
import inspect
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from aiosmtplib.protocol import SMTPProtocol

from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello
from scanner.net import tls
from scanner.net.tap import Ask, Tap
from tests.sessions import scripted_smtp as play

GREETING = Ask(Stage.GREETING, b"", 1.0, 1024, 16)
EHLO = Ask(Stage.EHLO_TLS, b"EHLO a", 0.2, 1024, 16)


@dataclass
class Wire(asyncio.Transport):
    """A transport that keeps what is sent, packet by packet."""

    sent: list[bytes] = field(default_factory=list)
    is_shut: bool = False

    def get_extra_info(self, name: str, default: object = None) -> object:
        return default

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_shut
        self.sent.append(bytes(data))

    def is_closing(self) -> bool:
        return self.is_shut

    def abort(self) -> None:
        self.is_shut = True


@dataclass
class Line:
    """Our end of a connection over that wire, and a server of TLS at the other."""

    server: play.TlsInMemory
    tap: Tap
    wire: Wire = field(default_factory=Wire)

    def __post_init__(self) -> None:
        self.tap.connection_made(self.wire)

    async def answer(self) -> None:
        """Take the ClientHello and send everything that follows it."""
        await anyio.lowlevel.checkpoint()
        self.tap.data_received(self.server.answer(self.wire.sent[0]))


@pytest.fixture
async def line(tmp_path: Path) -> Line:
    """A line that nothing was said on."""
    return Line(play.in_memory(play.self_signed(tmp_path)[0]), Tap(asyncio.get_running_loop(), GREETING))


async def test_the_end_of_the_handshake_and_the_next_command_are_one_packet(line: Line) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(line.answer)
        assert await line.tap.upgrade(tls.context(Hello.USUAL), None, 20) is None
        await line.tap.ask(EHLO)
    _, packet = line.wire.sent
    line.server.answer(packet)
    assert line.server.tls.read(100) == b"EHLO a\r\n"


async def test_the_end_of_the_handshake_is_sent_where_nothing_is_said_after_it(line: Line) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(line.answer)
        assert await line.tap.upgrade(tls.context(Hello.USUAL), None, 20) is None
    await anyio.lowlevel.checkpoint()
    line.server.answer(line.wire.sent[1])
    assert line.server.tls.version() == "TLSv1.3"


async def test_nothing_is_sent_where_we_hung_up_right_after_the_handshake(line: Line) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(line.answer)
        assert await line.tap.upgrade(tls.context(Hello.USUAL), None, 20) is None
        line.tap.abort()
    await anyio.lowlevel.checkpoint()
    assert len(line.wire.sent) == 1


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
    fault = await tap.upgrade(tls.context(Hello.USUAL), None, 0.1)
    assert fault is not None
    assert (fault.stage, fault.kind) == (Stage.HANDSHAKE, Kind.NOT_TLS)
