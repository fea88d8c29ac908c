"""One connection of the lab: bytes in, bytes out, TLS when the play says so, and an end in every case.

TLS runs over memory buffers, so that an alert is sent before the connection ends.

Touches: network, threads (where a key takes long). Source: RFC 8446 section 4.1, RFC 793 section 3.5 (FIN and RST).
"""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from scanner.lab.identities import is_slow
from scanner.lab.script import Act, Acts, Close, Drip, Encrypt, Flood, Hear, Hold, Pause, Reset, Say, Trap

LIFE_S = 60.0
"""No connection of the lab lives longer: longer than a client waits for any one reply, on a loaded machine too."""
READ_BYTES = 64 * 1024
LINE_BYTES = 4096

Contexts = Callable[[str, str], ssl.SSLContext]


class Wire:
    """One accepted connection. `words` are put in for the placeholders of what is said."""

    def __init__(
        self,
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        contexts: Contexts,
        words: dict[bytes, bytes],
    ) -> None:
        self._reader, self._writer = streams
        self._contexts = contexts
        self._words = words
        self._pending = bytearray()
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls: ssl.SSLObject | None = None

    @property
    def is_secure(self) -> bool:
        """Whether a handshake is behind us."""
        return self._tls is not None

    async def line(self) -> bytes:
        """The next line, without its end. EOFError where the peer has left or will not come to an end."""
        while b"\n" not in self._pending:
            if len(self._pending) > LINE_BYTES:
                raise EOFError
            self._pending += await self.read()
        found, _, rest = bytes(self._pending).partition(b"\n")
        self._pending[:] = rest
        return found.rstrip(b"\r")

    async def read(self) -> bytes:
        """What comes next; never empty."""
        if self._tls is not None:
            return await self._through_tls(lambda tls: tls.read(READ_BYTES))
        return await self._receive()

    async def send(self, data: bytes) -> None:
        """Send it, encrypted where we are."""
        if self._tls is not None:
            self._tls.write(data)
            data = self._outgoing.read()
        self._writer.write(data)
        await self._writer.drain()

    async def encrypt(self, context: ssl.SSLContext, *, is_slow: bool = False) -> None:
        """Be the server of a handshake. An alert of ours goes out before the connection ends.

        What is slow is worked out in a thread, without the interpreter: no other peer becomes late by it.
        """
        self._pending.clear()  # RFC 3207 s4.2: nothing said in plain counts any longer
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        await self._through_tls(lambda tls: tls.do_handshake(), is_slow=is_slow)
        self._writer.write(self._outgoing.read())

    async def perform(self, acts: Acts) -> None:
        """Act after act; EOFError where one ends the connection."""
        for act in acts:
            await PERFORM[type(act)](self, act)

    async def say(self, act: Say) -> None:
        """Send, with words put in."""
        data = act.data
        for placeholder, word in self._words.items():
            data = data.replace(placeholder, word)
        await self.send(data)

    async def drip(self, act: Drip) -> None:
        """Byte after byte."""
        data = act.data
        for placeholder, word in self._words.items():
            data = data.replace(placeholder, word)
        while True:
            for byte in data:
                await self.send(bytes([byte]))
                await asyncio.sleep(act.pause_s)
            if not act.endless:
                return

    async def trap(self, act: Trap) -> None:
        """Catch who talks too early."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(act.seconds):
                self._pending += await self.read()
        if self._pending:
            await self.perform(act.caught)

    async def hold(self) -> None:
        """Be silent until the peer leaves."""
        while True:
            await self.read()

    async def flood(self, act: Flood) -> None:
        """As much as the peer will take."""
        for _ in range(act.most_bytes // len(act.data)):
            await self.send(act.data)

    def close(self) -> None:
        """FIN, once all is sent."""
        with contextlib.suppress(OSError):
            self._writer.close()

    def reset(self) -> None:
        """RST: what is unsent is lost."""
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self._writer.transport.abort()

    async def end(self, act: Close | Reset) -> None:
        """Let go on purpose."""
        if isinstance(act, Reset):
            self.reset()
        raise EOFError

    def context(self, act: Encrypt) -> ssl.SSLContext:
        """The TLS server that an act asks for."""
        return self._contexts(act.identity, act.manner)

    async def _receive(self) -> bytes:
        data = await self._reader.read(READ_BYTES)
        if not data:
            raise EOFError
        return data

    async def _through_tls(self, step: Callable[[ssl.SSLObject], Any], *, is_slow: bool = False) -> bytes:
        """Take one step of TLS, with as many turns of the wire as it needs."""
        tls = self._tls
        while tls is not None:
            try:
                done = await asyncio.to_thread(step, tls) if is_slow else step(tls)
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._receive())
            except ssl.SSLError as error:
                await self._flush()
                raise EOFError from error
            else:
                if done == b"":
                    break
                return bytes(done or b"")
        raise EOFError

    async def _flush(self) -> None:
        self._writer.write(self._outgoing.read())
        await self._writer.drain()


PERFORM: dict[type[Act], Callable[[Wire, Any], Awaitable[Any]]] = {
    Say: Wire.say,
    Drip: Wire.drip,
    Pause: lambda _, act: asyncio.sleep(act.seconds),
    Hear: lambda wire, _: wire.read(),
    Trap: Wire.trap,
    Encrypt: lambda wire, act: wire.encrypt(wire.context(act), is_slow=is_slow(act.identity, act.manner)),
    Close: Wire.end,
    Reset: Wire.end,
    Hold: lambda wire, _: wire.hold(),
    Flood: Wire.flood,
}


async def attend(wire: Wire, part: Callable[[Wire], Awaitable[None]]) -> None:
    """Hold one connection to its end, whoever ends it, within LIFE_S."""
    try:
        async with asyncio.timeout(LIFE_S):
            await part(wire)
    except TimeoutError:
        wire.reset()  # a peer that reads nothing would keep an unsent flood here
    except asyncio.CancelledError:
        wire.reset()  # the lab closes; passed on, Python 3.11 would print it for every connection
    except (OSError, EOFError):
        pass  # the peer has left, or the play is over
    finally:
        wire.close()
