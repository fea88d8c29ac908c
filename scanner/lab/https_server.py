"""HTTPS servers of MTA-STS policies: one address, the policy chosen by the name that the client asks for in TLS.

Touches: network. Source: RFC 8461 section 3.3, RFC 6066 section 3, RFC 9112 section 2.
"""

import asyncio
import contextlib
import socket
import ssl

from scanner.lab.scenario import PolicyHost
from scanner.lab.script import Close, Say
from scanner.lab.wire import Contexts, Wire, attend

NOT_FOUND = (Say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"), Close())
PATH = b"GET /.well-known/mta-sts.txt "


class PolicyServer:
    """All policy hosts of the lab."""

    def __init__(self, policies: dict[str, PolicyHost], contexts: Contexts) -> None:
        self._policies = policies
        self._contexts = contexts

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request."""
        await attend(Wire((reader, writer), self._contexts, {}), self._serve)

    async def _serve(self, wire: Wire) -> None:
        asked: list[str] = []
        await wire.encrypt(self._choosing(asked))
        request = await wire.line()
        while await wire.line():
            pass
        policy = self._policies.get("".join(asked[-1:]))
        await wire.perform(policy.acts if policy is not None and request.startswith(PATH) else NOT_FOUND)

    def _choosing(self, asked: list[str]) -> ssl.SSLContext:
        """A context of its own, because the callback must tell this connection's name."""
        usual = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)

        def choose(tls: ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
            asked.append((name or "").lower())
            policy = self._policies.get(asked[-1])
            tls.context = self._contexts(policy.identity if policy is not None else "good", "modern")

        usual.sni_callback = choose
        return usual


async def open_policies(listening: socket.socket, server: PolicyServer, stack: contextlib.AsyncExitStack) -> None:
    """Serve until the stack closes."""
    stack.callback((await asyncio.start_server(server.receive, sock=listening, backlog=256)).close)
