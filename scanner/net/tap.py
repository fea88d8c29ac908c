"""aiosmtplib's protocol with our own reader in it: bytes as on the wire, and no stray byte ever answers a command.

The library pairs commands with replies, tracks the loss of the connection and survives both event loops. What it does
not do for a scanner: keep raw lines, bound the work of parsing, and report what nobody asked for. Two things are done
here for their cost, over a million sessions: a deadline is one timer, and TLS is a layer of this protocol instead of a
second transport with a protocol and buffers of its own.

Touches: network. Source: RFC 5321 section 4.2; RFC 3207 section 4.2 (what came before TLS is discarded). Private
names used are pinned by tests/sessions/test_tap.py.
"""

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import cast

from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError, SMTPServerDisconnected
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Oddity, Reply
from scanner.net.layer import Layer
from scanner.net.sockets import blame, call_late, settle
from scanner.net.tls import Context, Tls, TlsError, tls_fault
from scanner.protocols.replies import ReplyReader

SURPLUS_KEPT_BYTES = 1024
SURPLUS_MOST_BYTES = 64 * 1024
LATE_GREETING = 220

_USUAL = re.compile(rb"([2-5][0-9][0-9])(?:-[ -~]{0,506}\r\n\1)*(?: [ -~]{0,506})?\r\n")
"""A whole reply with nothing odd in it: what ReplyReader would make of it can be seen at a glance."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One command and what its answer may cost. An empty command waits for the greeting.

    `skips_greeting`: a lone 220 is then a second greeting that came late, and not the answer.
    """

    stage: Stage
    command: bytes
    deadline_s: float
    max_bytes: int
    max_lines: int
    skips_greeting: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply, or the fault with what came of it (code 0; None where nothing came)."""

    reply: Reply | None
    fault: Fault | None = None
    oddities: tuple[Oddity, ...] = ()
    surplus: bytes = b""


class Tap(SMTPProtocol):
    """One connection. Ask, then ask again; `abort` always."""

    def __init__(self, loop: asyncio.AbstractEventLoop, greeting: Ask) -> None:
        super().__init__(loop=loop)
        self._asked = greeting
        self._reader = ReplyReader(greeting.max_bytes, greeting.max_lines)
        self._is_fresh = True
        self._usual: Reply | None = None
        self._layer: Layer | None = None
        self._surplus = bytearray()
        self._surplus_bytes = 0
        self._lost_to: Exception | None = None
        self._saw_late_greeting = False

    @property
    def tls(self) -> Tls:
        """What the handshake led to. Raises AssertionError before it."""
        if self._layer is None:
            raise AssertionError("there was no handshake")
        return self._layer.tls

    def data_received(self, data: bytes) -> None:
        """Take what comes, through TLS where we are that far."""
        if self._layer is None:
            self._hear(data)
            return
        if self._layer.keeps(data):
            return
        try:
            for plain in self._layer.feed(data):
                self._hear(plain)
        except TlsError as error:
            self._lost_to = self._lost_to or error
            self._layer.break_off(error)
            self.abort()
        else:
            if self._layer.is_closed:
                self.eof_received()
                self.abort()
            elif self._layer.has_unsent():  # behind whoever waits for this: what is said next goes in the same packet
                self._loop.call_soon(self._send_rest)

    def write(self, data: bytes) -> None:
        """Send, through TLS where we are that far."""
        if self._layer is None or not self.is_connected:
            super().write(data)
        else:
            self._layer.send(data)

    def _send_rest(self) -> None:
        """Send what TLS has to say by itself, where nothing was said meanwhile."""
        if self._layer is not None and self.is_connected:
            self._layer.flush()

    def eof_received(self) -> bool:
        """Note the end, also where it comes in the middle of a handshake."""
        if self._layer is not None:
            self._layer.break_off(ConnectionResetError())
        return super().eof_received()

    def _hear(self, data: bytes) -> None:
        """Feed the reader while an answer is awaited; everything else is surplus."""
        waiter = self._response_waiter
        if waiter is None or waiter.done() or not self._response_pending:
            self._keep_surplus(data)
            return
        self._usual, self._is_fresh = self._at_a_glance(data) if self._is_fresh else None, False
        if self._usual is not None:
            waiter.set_result(SMTPResponse(self._usual.code, ""))
            return
        self._reader.feed(data)
        while self._asked.skips_greeting and self._is_late_greeting():
            self._skip_reply()
        if self._reader.fault_kind is not None:
            self._set_response_exception(waiter, SMTPException("no reply"))
        elif self._reader.reply is not None:
            waiter.set_result(SMTPResponse(self._reader.reply.code, ""))

    def connection_lost(self, exc: Exception | None) -> None:
        """Keep the reason: the library forgets it when nobody waits."""
        self._lost_to = self._lost_to or exc
        if self._layer is not None:
            self._layer.break_off(exc or ConnectionResetError())
        super().connection_lost(exc)

    async def read_response(self, timeout: float | None = None) -> SMTPResponse:  # noqa: ASYNC109 - the library's own
        """As the library does, with one timer for a deadline. Raises SMTPReadTimeoutError, SMTPServerDisconnected."""
        waiter = self._response_waiter
        if waiter is None:
            raise SMTPServerDisconnected("Connection lost")
        self._response_pending = True
        timer = call_late(timeout or 0.0, _give_up, waiter)
        try:
            with contextlib.suppress(SMTPException):
                await waiter
            await asyncio.sleep(0)  # what was sent right behind the reply must not answer the next command
            return waiter.result()
        finally:
            timer.cancel()
            self._response_pending = False
            self._response_waiter = None if self.transport is None else self._loop.create_future()

    async def ask(self, asked: Ask) -> Answered:
        """Send the command and wait for its whole reply. Nothing is raised for what the peer does."""
        fault: Fault | None = None
        if asked.command:
            self._asked, self._saw_late_greeting = asked, False
            self._reader, self._usual, self._is_fresh = ReplyReader(asked.max_bytes, asked.max_lines), None, True
        try:
            if asked.command:
                await self.execute_command(asked.command, timeout=asked.deadline_s)
            else:
                await self.read_response(timeout=asked.deadline_s)
        except (SMTPException, TlsError, OSError) as error:
            await self._end_told()
            fault = self._fault(error)
        return self._answered(fault)

    async def upgrade(
        self, context: Context, server_name: str | None, deadline_s: float, *, is_long: bool = False
    ) -> Fault | None:
        """Shake hands (RFC 3207 s4.2); `is_long` may take much work. The stage of a fault is HANDSHAKE."""
        if self._is_flooded:  # we hung up
            return Fault(Stage.HANDSHAKE, Kind.NOT_TLS, Side.REMOTE, "a flood in plain")
        if not self.is_connected:
            await self._end_told()
            return self._loss(Stage.HANDSHAKE, self._lost_to)
        plain = cast("asyncio.WriteTransport", self.transport)
        late = Fault(Stage.HANDSHAKE, Kind.TIMEOUT, Side.REMOTE, f"no handshake in {deadline_s:g} s")
        layer = Layer(Tls(context, server_name), plain.write, self._loop)
        timer = call_late(deadline_s, layer.break_off, None, late)
        self._layer = layer
        try:
            if is_long:
                await layer.shake_apart()
                self.data_received(layer.take_kept())
            else:
                layer.begin()
            return await layer.shaken
        except (TlsError, OSError) as error:
            return self._loss(Stage.HANDSHAKE, error)
        finally:
            timer.cancel()

    def abort(self) -> None:
        """Let go of the socket without a farewell: a hostile peer would hold it."""
        if self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).abort()

    async def _end_told(self) -> None:
        """Wait for the turn in which the loop says how a connection ended that it knows to be over."""
        if self.transport is not None and self.transport.is_closing():
            await asyncio.sleep(0)

    def _at_a_glance(self, data: bytes) -> Reply | None:
        """The reply, where it is all of `data`, the first that came, and as most replies are."""
        if len(data) > self._asked.max_bytes or not _USUAL.fullmatch(data):
            return None
        lines = tuple(data[:-2].split(b"\r\n"))
        code = int(lines[0][:3])
        is_late = self._asked.skips_greeting and code == LATE_GREETING
        return None if is_late or len(lines) > self._asked.max_lines else Reply(code, lines)

    def _answered(self, fault: Fault | None) -> Answered:
        if self._usual is not None and fault is None and not self._surplus:
            return Answered(self._usual)
        reader = self._reader
        self._surplus += reader.leftover
        surplus, oddities = bytes(self._surplus[:SURPLUS_KEPT_BYTES]), reader.oddities
        self._surplus.clear()
        if fault is None:
            return Answered(self._usual or reader.reply, None, oddities, surplus)
        partial = self._usual or reader.reply or reader.partial
        return Answered(partial if partial.lines else None, fault, oddities, surplus)

    def _fault(self, error: Exception) -> Fault:
        """Why there is no reply: what the reader says goes before how the connection ended."""
        self._reader.end()
        stage, kind = self._asked.stage, self._reader.fault_kind
        if kind is not None:
            return Fault(stage, kind, Side.REMOTE, "no SMTP reply")
        if self._is_flooded:  # we hung up
            return Fault(stage, Kind.TOO_LONG, Side.REMOTE, "a flood that nobody asked for")
        if self._saw_late_greeting:
            return Fault(stage, Kind.DESYNC, Side.REMOTE, "a second greeting and no answer", LATE_GREETING)
        if isinstance(error, SMTPReadTimeoutError):
            return Fault(stage, Kind.TIMEOUT, Side.REMOTE, f"no whole reply in {self._asked.deadline_s:g} s")
        return self._loss(stage, error.__cause__ or self._lost_to or error)

    def _loss(self, stage: Stage, reason: BaseException | None) -> Fault:
        """How the connection ended. Event loops raise a bare ConnectionError, without errno, for a plain end."""
        if isinstance(reason, TlsError):
            return tls_fault(str(reason), stage)
        if isinstance(reason, OSError) and reason.errno is not None:
            return blame(reason, stage)
        if isinstance(reason, MemoryError):
            return Fault(stage, Kind.NO_BUFFERS, Side.OURS, "no memory")
        if reason is not None and not isinstance(reason, OSError | SMTPException):  # our own callback broke
            return Fault(stage, Kind.BUG, Side.OURS, f"{type(reason).__name__}: {reason}")
        return Fault(stage, Kind.CLOSED, Side.REMOTE, "the peer closed the connection")

    @property
    def _is_flooded(self) -> bool:
        return self._surplus_bytes > SURPLUS_MOST_BYTES

    def _is_late_greeting(self) -> bool:
        reply = self._reader.reply
        return reply is not None and reply.code == LATE_GREETING and len(reply.lines) == 1

    def _skip_reply(self) -> None:
        """Put a second greeting aside and read on with what came behind it."""
        self._saw_late_greeting = True
        rest = self._reader.leftover
        self._keep_surplus(b"".join(line + b"\r\n" for line in (self._reader.reply or self._reader.partial).lines))
        self._reader = ReplyReader(self._asked.max_bytes, self._asked.max_lines)
        self._reader.feed(rest)

    def _keep_surplus(self, data: bytes) -> None:
        """Keep a little, read on a while, and hang up on a flood."""
        self._surplus_bytes += len(data)
        self._surplus += data[: SURPLUS_KEPT_BYTES - len(self._surplus)]
        if self._is_flooded:
            self.abort()


def _give_up(waiter: asyncio.Future[SMTPResponse]) -> None:
    settle(waiter, None, SMTPReadTimeoutError("no whole reply in time"))
