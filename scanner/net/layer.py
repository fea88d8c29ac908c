"""TLS as a layer of a connection: bytes of the wire in, what the peer said out, between two buffers of OpenSSL.

An event loop would make a second transport, a second protocol and buffers of a quarter of a megabyte for each
connection; a session that exchanges five lines needs none of them.

Touches: nothing itself; it is given what sends. Source: RFC 8446 sections 4 and 6.1 (close_notify).
"""

import asyncio
import ssl
from collections.abc import Callable, Iterator

from scanner.model.fault import Fault
from scanner.net.sockets import settle

PIECE_BYTES = 16 * 1024  # RFC 8446 s5.1: no record holds more


class Layer:
    """One TLS connection. `shaken` is done when the handshake is: with None, with the fault that a deadline gave it, or
    with the exception that broke it.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        server_name: str | None,
        send: Callable[[bytes], None],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._send = send
        name = None if server_name is None else server_name.encode("ascii")  # text would pass through the IDNA codec
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.shaken: asyncio.Future[Fault | None] = loop.create_future()
        self.is_closed = False

    def begin(self) -> None:
        """Send the ClientHello. Raises ssl.SSLError."""
        self._shake()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes of the wire, and give what the peer said. Raises ssl.SSLError for what is no TLS, and alerts."""
        self._incoming.write(data)
        if not self.shaken.done():
            self._shake()
        if self.shaken.done() and not self.is_closed:
            yield from self._said()

    @property
    def has_unsent(self) -> bool:
        """Whether TLS has something to say by itself: the end of the handshake, or an answer to what the peer sent."""
        return self._outgoing.pending > 0

    def send(self, data: bytes) -> None:
        """Say something. Raises ssl.SSLError."""
        self.tls.write(data)
        self.flush()

    def break_off(self, error: Exception) -> None:
        """End a handshake that is not over; nothing where it is."""
        settle(self.shaken, None, error)

    def _shake(self) -> None:
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            self.flush()
        else:
            settle(self.shaken, None)

    def _said(self) -> Iterator[bytes]:
        """Everything that is whole. An empty read is the peer's farewell (RFC 8446 s6.1)."""
        try:
            while plain := self.tls.read(PIECE_BYTES):
                yield plain
            self.is_closed = True
        except ssl.SSLWantReadError:
            return

    def flush(self) -> None:
        """Send what TLS has to say by itself."""
        if self._outgoing.pending:
            self._send(self._outgoing.read())
