"""SMTP servers: one listener per address, all on one port, each playing its host's play.

Touches: network. Source: RFC 5321 sections 3 and 4.
"""

import asyncio
import contextlib
import ipaddress
import itertools
import socket
from collections.abc import Iterator

from scanner.lab.script import Host
from scanner.lab.wire import Contexts, Wire, attend

PORT_TRIES = 50
BACKLOG = 2048


class Stage:
    """One host at one address, ready to receive its audience."""

    def __init__(self, host: Host, contexts: Contexts) -> None:
        self._host = host
        self._contexts = contexts
        self._visits = itertools.count()

    async def receive(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Play to one client."""
        client = writer.get_extra_info("peername")[0]
        words = {b"{host}": self._host.name.encode(), b"{client}": f"[{client}]".encode()}
        play = self._host.play_for(client, next(self._visits))

        async def dialogue(wire: Wire) -> None:
            await wire.perform(play.opening)
            while True:
                verb = (await wire.line()).partition(b" ")[0].upper()
                await wire.perform(play.answer(verb, is_secure=wire.is_secure))

        await attend(Wire((reader, writer), self._contexts, words), dialogue)


def bind(addresses: list[str], stack: contextlib.ExitStack) -> dict[str, socket.socket]:
    """Take one port that is free on every address; what never listens is taken too, so that nobody else does.

    Raises OSError where there is no such port.
    """
    for last_try in (*[False] * (PORT_TRIES - 1), True):
        with contextlib.ExitStack() as taken:
            try:
                bound = dict(_bound(addresses, taken))
            except OSError:
                if last_try:
                    raise
                continue
            stack.push(taken.pop_all())
            return bound
    raise AssertionError


def _bound(addresses: list[str], stack: contextlib.ExitStack) -> Iterator[tuple[str, socket.socket]]:
    port = 0
    for address in addresses:
        family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
        one = stack.enter_context(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))  # named: no delays
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.bind((address, port))
        port = one.getsockname()[1]
        yield address, one


def fill_backlog(listening: socket.socket, stack: contextlib.ExitStack) -> None:
    """Listen without ever accepting, and fill the queue: further SYNs are dropped, so that connecting times out."""
    listening.listen(0)
    for _ in range(3):
        filler = stack.enter_context(socket.socket(listening.family, socket.SOCK_STREAM))
        filler.setblocking(False)  # noqa: FBT003 - its own signature
        with contextlib.suppress(BlockingIOError):
            filler.connect(listening.getsockname()[:2])


async def open_stages(
    bound: dict[str, socket.socket], cast: dict[str, Host], contexts: Contexts, stack: contextlib.AsyncExitStack
) -> None:
    """Open every host at its address, in the way its `presence` says."""
    fillers = stack.enter_context(contextlib.ExitStack())
    for address, host in cast.items():
        if host.presence == "backlog":
            fill_backlog(bound[address], fillers)
        elif host.presence == "listens":
            stage = Stage(host, contexts)
            server = await asyncio.start_server(stage.receive, sock=bound[address], backlog=BACKLOG)
            stack.callback(server.close)  # waiting until it is closed would mean, since Python 3.12, for every client
