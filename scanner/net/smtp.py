"""One SMTP session, step by step, as far as it goes: connect, greeting, EHLO, STARTTLS, handshake, EHLO, QUIT.

1. The greeting is awaited whole: postscreen sends `220-` at once and bans those who talk before `220 `.
2. EHLO always; HELO only where EHLO was refused for good (RFC 5321 section 3.2). No EHLO after a bad greeting.
3. STARTTLS always, once, advertised or not: a 220 without an advertisement means that something hides it.
4. What came in plain behind the 220 is kept as evidence and discarded (RFC 3207 section 4.2).
5. EHLO again: with TLS 1.3 a server refuses our missing client certificate only now.
6. QUIT where the peer still listens, then hang up without waiting for its farewell.

No mail is ever begun. Each step returns the next one or the fault that ended the session.

Touches: network, clock. Source: RFC 5321 sections 3.1, 3.2, 4.1.1.1, 4.1.1.10, 4.1.3; RFC 3207 section 4.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import lru_cache

from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Handshake, Hello, Oddity, Reply, Session, Source
from scanner.net import tls
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.seen import Seen, session_of
from scanner.net.sockets import blame, connect
from scanner.net.tap import SURPLUS_KEPT_BYTES, Answered, Ask, Tap
from scanner.protocols import certificate, ehlo
from scanner.protocols.replies import text_of
from scanner.settings import Deadlines, Limits, Network

CERTIFICATES_REMEMBERED = 4096
CERTIFICATE_REMEMBERED_BYTES = 16 * 1024
DETAIL_LETTERS = 500

_REFUSALS = {4: Kind.REPLY_4XX, 5: Kind.REPLY_5XX}
_POLITE = frozenset({Kind.REPLY_4XX, Kind.REPLY_5XX})


@dataclass(frozen=True, slots=True)
class Tools:
    """What every session of one prober shares."""

    deadlines: Deadlines
    limits: Limits
    allow: tuple[Network, ...]
    clock: Clock
    context: Callable[[Hello], tls.Context]
    remembered: Callable[[bytes], Certificate]
    handshakes: Handshakes | None


class SmtpProber:
    """Implements survey.Prober. Contexts are built once, certificates seen often parsed once, handshakes limited."""

    def __init__(
        self,
        deadlines: Deadlines,
        limits: Limits,
        allow: tuple[Network, ...],
        clock: Clock,
        handshakes: Handshakes | None = None,
    ) -> None:
        remembered = lru_cache(CERTIFICATES_REMEMBERED)(certificate.read)
        context = lru_cache(len(Hello))(tls.context)
        self._tools = Tools(deadlines, limits, allow, clock, context, remembered, handshakes)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """One connection. Raises nothing for what a peer does; leaves no socket behind when cancelled."""
        observed_at = self._tools.clock.now()
        talk = Talk(self._tools, endpoint, source, hello)
        try:
            await talk.hold()
        finally:
            talk.hang_up()
        return session_of(talk, observed_at, follow_up)


class Talk:
    """One session being held. `seen` is what it showed so far."""

    def __init__(self, tools: Tools, endpoint: Endpoint, source: Source, hello: Hello) -> None:
        self.endpoint, self.source, self.hello = endpoint, source, hello
        self.seen = Seen(source.ehlo_name)
        self._tools = tools
        self._ends_at_s = tools.clock.monotonic_s() + tools.deadlines.session_s
        self._socket: socket.socket | None = None
        self._tap = Tap(asyncio.get_running_loop(), self._ask(Stage.GREETING, b"", tools.deadlines.greeting_s))

    async def hold(self, stage: Stage | None = Stage.CONNECT) -> None:
        """Step after step, from this one until there is no next one."""
        while stage is not None:
            if stage is Stage.HANDSHAKE and self._tools.handshakes is not None:
                stage = await self._shake_hands_in_turn(self._tools.handshakes)
            else:
                stage = await self._take(stage)

    def hang_up(self) -> None:
        """Drop the connection at once, whatever it is doing."""
        if self._tap.transport is not None:
            self._tap.abort()
        elif self._socket is not None:
            with contextlib.suppress(OSError, RuntimeError):  # the loop may be closing it already
                self._socket.close()

    async def connect(self) -> Fault | Stage:
        """TCP, from the source asked for."""
        here, there = self.source.address, self.endpoint
        deadline_s = self._left_s(self._tools.deadlines.connect_s)
        opened = await connect(there.address, there.port, here, self._tools.allow, deadline_s)
        return opened if isinstance(opened, Fault) else await self.adopt(opened)

    async def adopt(self, opened: socket.socket) -> Fault | Stage:
        """Talk over a connection that is there, whoever made it."""
        self._socket = opened
        try:
            self.seen.ehlo_name = self.seen.ehlo_name or _literal(opened.getsockname()[0])
            await asyncio.get_running_loop().create_connection(lambda: self._tap, sock=opened)
        except OSError as error:
            return blame(error, Stage.CONNECT)
        self.seen.stage = Stage.CONNECT
        return Stage.GREETING

    async def greeting(self) -> Fault | Stage:
        """RFC 5321 s3.1."""
        answered = await self._tap.ask(self._ask(Stage.GREETING, b"", self._tools.deadlines.greeting_s))
        self.seen.greeting = answered.reply
        fault = self._settle(answered, Stage.GREETING)
        return fault or Stage.EHLO

    async def introduce(self) -> Fault | Stage:
        """RFC 5321 s3.2: EHLO, and HELO where that is refused for good."""
        answered = await self._tap.ask(self._hello(Stage.EHLO, b"EHLO"))
        self.seen.ehlo = answered.reply
        fault = self._settle(answered, Stage.EHLO)
        if fault is not None:
            return await self._introduce_plainly(fault) if fault.kind is Kind.REPLY_5XX else fault
        self.seen.note(*ehlo.oddities(_known(self.seen.greeting), _known(answered.reply)))
        return Stage.STARTTLS

    async def starttls(self) -> Fault | Stage:
        """RFC 3207 s4. A refusal is a fault only where the server had promised; 421 always ends the session."""
        is_advertised = ehlo.offers_starttls(_known(self.seen.ehlo))
        answered = await self._tap.ask(self._ask(Stage.STARTTLS, b"STARTTLS", self._tools.deadlines.starttls_s))
        self.seen.starttls = answered.reply
        is_ready = answered.fault is None and _known(answered.reply).code == 220
        fault = self._settle(answered, Stage.STARTTLS, Oddity.PLAINTEXT_AFTER_STARTTLS if is_ready else None)
        if fault is not None:
            is_evidence = not is_advertised and answered.fault is None and fault.kind in _POLITE
            return Stage.DONE if is_evidence else fault
        if not is_advertised:
            self.seen.note(Oddity.STARTTLS_UNADVERTISED)
        return Stage.HANDSHAKE

    async def shake_hands(self) -> Fault | Stage:
        """RFC 8446, verifying nothing."""
        hello = self.hello
        name = None if hello is Hello.WIDE else tls.sni(self.endpoint.server_name)
        deadline_s = self._left_s(self._tools.deadlines.handshake_s)
        context, is_long = self._tools.context(hello), hello in tls.LONG
        fault = await self._tap.upgrade(context, name, deadline_s, is_long=is_long)
        if fault is not None:
            return fault
        handshake = self._handshake(name or "")
        self.seen.handshake, self.seen.stage = handshake, Stage.HANDSHAKE
        if not handshake.chain:
            self.seen.note(Oddity.NO_CERTIFICATE)
        return Stage.EHLO_TLS

    async def introduce_again(self) -> Fault | Stage:
        """RFC 3207 s4.2: everything learned in plain is forgotten."""
        answered = await self._tap.ask(self._hello(Stage.EHLO_TLS, b"EHLO"))
        self.seen.ehlo_tls = answered.reply
        fault = self._settle(answered, Stage.EHLO_TLS)
        if fault is not None:
            return fault
        if ehlo.offers_starttls(_known(answered.reply)):
            self.seen.note(Oddity.STARTTLS_AGAIN)
        return Stage.DONE

    async def leave(self) -> None:
        """RFC 5321 s4.1.1.10. Whatever is answered changes nothing."""
        await self._tap.ask(self._ask(Stage.DONE, b"QUIT", self._tools.deadlines.quit_s))
        if self.seen.stage is Stage.EHLO_TLS:
            self.seen.stage = Stage.DONE

    async def _take(self, stage: Stage) -> Stage | None:
        """One step, its time, and the next one. After a refusal we still say goodbye."""
        began_at_s = self._tools.clock.monotonic_s()
        outcome = await STEPS[stage](self)
        took_ms = round((self._tools.clock.monotonic_s() - began_at_s) * 1000)
        self.seen.times_ms.append((stage.word, took_ms))
        if isinstance(outcome, Fault):
            self.seen.fault = outcome
            return Stage.DONE if outcome.kind in _POLITE else None
        return outcome

    async def _shake_hands_in_turn(self, handshakes: Handshakes) -> Stage | None:
        """Wait until there is room for a handshake. That is our time, not the peer's: its deadlines move along."""
        asked_at_s = self._tools.clock.monotonic_s()
        async with handshakes.place():
            self._ends_at_s += self._tools.clock.monotonic_s() - asked_at_s
            return await self._take(Stage.HANDSHAKE)

    async def _introduce_plainly(self, refused: Fault) -> Fault | Stage:
        answered = await self._tap.ask(self._hello(Stage.EHLO, b"HELO"))
        self.seen.helo = answered.reply
        if self._settle(answered, Stage.EHLO) is not None:
            return refused
        self.seen.note(Oddity.HELO_ONLY)
        return Stage.DONE

    def _settle(self, answered: Answered, stage: Stage, surplus: Oddity | None = None) -> Fault | None:
        """Note what was odd; the stage is completed, or here is why not."""
        self.seen.note(*answered.oddities)
        if answered.surplus:
            self.seen.note(surplus or Oddity.UNSOLICITED)
            self.seen.unsolicited = (self.seen.unsolicited + answered.surplus)[:SURPLUS_KEPT_BYTES]
        fault = answered.fault or _refusal(_known(answered.reply), stage)
        if fault is None:
            self.seen.stage = stage
        return fault

    def _handshake(self, server_name: str) -> Handshake:
        seen = self._tap.tls
        chain = seen.chain
        kept = tuple(self._certificate(der) for der in chain[: self._tools.limits.certificates_kept])
        return Handshake(seen.version, seen.cipher, seen.group, server_name, kept, len(chain))

    def _certificate(self, der: bytes) -> Certificate:
        """Parse once what is seen often; huge ones are rare and not kept."""
        is_huge = len(der) > CERTIFICATE_REMEMBERED_BYTES
        return certificate.read(der) if is_huge else self._tools.remembered(der)

    def _hello(self, stage: Stage, verb: bytes) -> Ask:
        command = verb + b" " + self.seen.ehlo_name.encode()
        return self._ask(stage, command, self._tools.deadlines.ehlo_s, skips_greeting=verb == b"EHLO")

    def _ask(self, stage: Stage, command: bytes, deadline_s: float, *, skips_greeting: bool = False) -> Ask:
        limits = self._tools.limits
        most_bytes = limits.greeting_bytes if stage is Stage.GREETING else limits.reply_bytes
        return Ask(stage, command, self._left_s(deadline_s), most_bytes, limits.reply_lines, skips_greeting)

    def _left_s(self, deadline_s: float) -> float:
        """Keep the deadline of a step within that of the session."""
        return max(0.001, min(deadline_s, self._ends_at_s - self._tools.clock.monotonic_s()))


Step = Callable[[Talk], Awaitable[Fault | Stage | None]]
STEPS: dict[Stage, Step] = {
    Stage.CONNECT: Talk.connect,
    Stage.GREETING: Talk.greeting,
    Stage.EHLO: Talk.introduce,
    Stage.STARTTLS: Talk.starttls,
    Stage.HANDSHAKE: Talk.shake_hands,
    Stage.EHLO_TLS: Talk.introduce_again,
    Stage.DONE: Talk.leave,
}
"""Who does what; each names its successor."""


def _refusal(reply: Reply, stage: Stage) -> Fault | None:
    """Say what a reply means that is not the one hoped for (RFC 5321 s4.2.1)."""
    if reply.code == 220 or (reply.is_positive and stage is not Stage.STARTTLS):
        return None
    kind = Kind.REPLY_421 if reply.code == 421 else _REFUSALS.get(reply.code // 100, Kind.DESYNC)
    detail = b" ".join(text_of(line) for line in reply.lines).decode("utf-8", "backslashreplace")
    return Fault(stage, kind, Side.REMOTE, detail[:DETAIL_LETTERS], reply.code)


def _literal(address: str) -> str:
    """Our address as a name for EHLO, where we have none (RFC 5321 s4.1.3)."""
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _known(reply: Reply | None) -> Reply:
    """Take the reply of a step that went well; code 0 where there is none."""
    return reply or Reply(0, ())
