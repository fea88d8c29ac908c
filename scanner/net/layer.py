"""TLS as a layer of a connection: bytes of the wire in, what the peer said out, between two buffers of OpenSSL.

An event loop would make a second transport, a second protocol and buffers of a quarter of a megabyte for each
connection; a session that exchanges five lines needs none of them.

Touches: nothing itself; it is given what sends. Source: RFC 8446 sections 4 and 6.1 (close_notify).
"""

import asyncio
from collections.abc import Callable, Iterator

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.net.sockets import settle
from scanner.net.tls import Tls

KEPT_MOST_BYTES = 256 * 1024
"""More than OpenSSL takes of a whole handshake, the longest chain of certificates included."""
FLOOD = Fault(Stage.HANDSHAKE, Kind.NOT_TLS, Side.REMOTE, "a flood in the handshake")


class Layer:
    """One TLS connection. `shaken` is done when the handshake is: with None, with the fault that a deadline gave it, or
    with the exception that broke it.
    """

    def __init__(self, tls: Tls, send: Callable[[bytes], None], loop: asyncio.AbstractEventLoop) -> None:
        self.tls = tls
        self._send = send
        self._unsent = b""
        self.shaken: asyncio.Future[Fault | None] = loop.create_future()
        self.is_closed = False
        self._loop = loop
        self._moved: asyncio.Event | None = None
        self._kept = bytearray()
        self._end: tuple[Fault | None, Exception | None] | None = None

    def begin(self) -> None:
        """Send the ClientHello. Raises TlsError."""
        self._shake()

    async def shake_apart(self) -> None:
        """Shake hands in a thread, step by step: the loop goes on while a long key is worked out. Raises TlsError.

        Nothing else may touch TLS meanwhile. What comes in is kept, and so is the end of the connection or of our
        time, until everything that came before it was looked at.
        """
        moved = self._moved = asyncio.Event()
        while not self.shaken.done():
            moved.clear()
            end = self._end
            self.tls.receive(self.take_kept())
            if await self._loop.run_in_executor(None, self.tls.shake):
                settle(self.shaken, None)
                break
            self.flush()
            if end is not None:
                settle(self.shaken, *end)
            else:
                await moved.wait()
        self._moved = None

    def keeps(self, data: bytes) -> bool:
        """Keep bytes of the wire for later, where a thread is at work; a flood ends the handshake and is not kept."""
        if self._moved is None:
            return False
        if len(self._kept) + len(data) > KEPT_MOST_BYTES:
            self.break_off(None, FLOOD)
        else:
            self._kept += data
            self._moved.set()
        return True

    def take_kept(self) -> bytes:
        """Hand over what was kept."""
        kept = bytes(self._kept)
        self._kept.clear()
        return kept

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes of the wire, and give what the peer said. Raises TlsError for what is no TLS, and alerts."""
        self.tls.receive(data)
        if not self.shaken.done():
            self._shake()
        if self.shaken.done() and not self.is_closed:
            yield from self._said()

    def has_unsent(self) -> bool:
        """Tell whether TLS has something to say by itself: the end of the handshake, or an answer to the peer."""
        self._unsent += self.tls.take()
        return bool(self._unsent)

    def send(self, data: bytes) -> None:
        """Say something. Raises TlsError."""
        self.tls.say(data)
        self.flush()

    def break_off(self, error: Exception | None, fault: Fault | None = None) -> None:
        """End a handshake that is not over, with an exception or a fault; nothing where it is."""
        if self._moved is None:
            settle(self.shaken, fault, error)
        else:
            self._end = self._end or (fault, error)
            self._moved.set()

    def _shake(self) -> None:
        if self.tls.shake():
            settle(self.shaken, None)
        else:
            self.flush()

    def _said(self) -> Iterator[bytes]:
        """Everything that is whole. An empty one is the peer's farewell (RFC 8446 s6.1)."""
        while plain := self.tls.hear():
            yield plain
        self.is_closed = plain is not None

    def flush(self) -> None:
        """Send what TLS has to say by itself."""
        if self.has_unsent():
            unsent, self._unsent = self._unsent, b""
            self._send(unsent)
