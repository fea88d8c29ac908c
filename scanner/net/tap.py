"""aiosmtplib's protocol with our own reader in it: bytes as on the wire, and no stray byte ever answers a command.

The library pairs commands with replies, tracks the loss of the connection and survives both event loops. What it does
not do for a scanner: keep raw lines, bound the work of parsing, and report what nobody asked for.

Touches: network. Source: RFC 5321 section 4.2; RFC 3207 section 4.2 (what came before TLS is discarded). Private
names used are pinned by tests/unit/net/test_tap.py.
"""

import asyncio
import ssl
from dataclasses import dataclass
from typing import cast

import anyio
from aiosmtplib.errors import SMTPException, SMTPReadTimeoutError
from aiosmtplib.protocol import SMTPProtocol
from aiosmtplib.response import SMTPResponse

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Oddity, Reply
from scanner.net.sockets import blame
from scanner.net.tls import tls_fault
from scanner.protocols.replies import ReplyReader

SURPLUS_KEPT_BYTES = 1024
SURPLUS_MOST_BYTES = 64 * 1024
LATE_GREETING = 220


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
        self._surplus = bytearray()
        self._surplus_bytes = 0
        self._lost_to: Exception | None = None
        self._saw_late_greeting = False

    def data_received(self, data: bytes) -> None:
        """Feed the reader while an answer is awaited; everything else is surplus."""
        waiter = self._response_waiter
        if waiter is None or waiter.done() or not self._response_pending:
            self._keep_surplus(data)
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
        super().connection_lost(exc)

    async def ask(self, asked: Ask) -> Answered:
        """Send the command and wait for its whole reply. Nothing is raised for what the peer does."""
        fault: Fault | None = None
        if asked.command:
            self._asked, self._saw_late_greeting = asked, False
            self._reader = ReplyReader(asked.max_bytes, asked.max_lines)
        try:
            if asked.command:
                await self.execute_command(asked.command, timeout=asked.deadline_s)
            else:
                await self.read_response(timeout=asked.deadline_s)
        except (SMTPException, OSError) as error:
            fault = self._fault(error)
        return self._answered(fault)

    async def upgrade(self, context: ssl.SSLContext, server_name: str | None, deadline_s: float) -> Fault | None:
        """Shake hands (RFC 3207 s4.2). The stage of a fault is HANDSHAKE."""
        fault: Fault | None = Fault(Stage.HANDSHAKE, Kind.TIMEOUT, Side.REMOTE, f"no handshake in {deadline_s:g} s")
        plain = cast("asyncio.WriteTransport | None", self.transport)
        if plain is None or plain.is_closing():
            return self._loss(Stage.HANDSHAKE, self._lost_to)
        try:
            with anyio.move_on_after(deadline_s):
                self.transport = await self._loop.start_tls(
                    plain, self, context, server_hostname=server_name, ssl_handshake_timeout=deadline_s + 5
                )
                self._over_ssl = True
                fault = None
        except OSError as error:
            fault = self._loss(Stage.HANDSHAKE, error)
        return fault

    def abort(self) -> None:
        """Let go of the socket without a farewell: a hostile peer would hold it."""
        if self.transport is not None:
            cast("asyncio.WriteTransport", self.transport).abort()

    def _answered(self, fault: Fault | None) -> Answered:
        reader = self._reader
        self._surplus += reader.leftover
        surplus, oddities = bytes(self._surplus[:SURPLUS_KEPT_BYTES]), reader.oddities
        self._surplus.clear()
        if fault is None:
            return Answered(reader.reply, None, oddities, surplus)
        partial = reader.reply or reader.partial
        return Answered(partial if partial.lines else None, fault, oddities, surplus)

    def _fault(self, error: Exception) -> Fault:
        """Why there is no reply: what the reader says goes before how the connection ended."""
        self._reader.end()
        stage, kind = self._asked.stage, self._reader.fault_kind
        if kind is not None:
            return Fault(stage, kind, Side.REMOTE, "no SMTP reply")
        if self._saw_late_greeting:
            return Fault(stage, Kind.DESYNC, Side.REMOTE, "a second greeting and no answer", LATE_GREETING)
        if isinstance(error, SMTPReadTimeoutError):
            return Fault(stage, Kind.TIMEOUT, Side.REMOTE, f"no whole reply in {self._asked.deadline_s:g} s")
        return self._loss(stage, error.__cause__ or self._lost_to)

    def _loss(self, stage: Stage, reason: BaseException | None) -> Fault:
        """How the connection ended. Event loops raise a bare ConnectionError, without errno, for a plain end."""
        if isinstance(reason, ssl.SSLError):
            return tls_fault(reason, stage)
        if isinstance(reason, OSError) and reason.errno is not None:
            return blame(reason, stage)
        return Fault(stage, Kind.CLOSED, Side.REMOTE, "the peer closed the connection")

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
        if self._surplus_bytes > SURPLUS_MOST_BYTES:
            self.abort()
