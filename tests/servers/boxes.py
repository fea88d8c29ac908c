"""What stands between a client and a mail server, or in its place: each box listens on an address of its own.

A box passes bytes on to a real server, from the address of the client that called it, so that the server's own opinion
of that client still counts. To the clients it is told of it does something more: overwrite the keyword, take it away,
hang up, call from one address for all, or never get to the point. Runs as a process of its own:
`python -m tests.servers.boxes JSON`.
"""

import contextlib
import json
import socket
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import cycle

import anyio
from anyio.abc import ByteReceiveStream, ByteStream, SocketAttribute, SocketListener, SocketStream

PORT = 25
CHUNK_BYTES = 65536
STUTTER_S = 0.1
STUTTERED_BYTES = 20
SPAMD = b"220 mx.founding.test ESMTP spamd IP-based SPAM blocker\r\n"
WASTING = {
    b"EHLO": b"250 Hello, spam sender. Pleased to be wasting your time.\r\n",
    b"QUIT": b"221 mx.founding.test\r\n",
}
LATER = b"451 Temporary failure, please try again later.\r\n"
Rewrite = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Box:
    """`backends` are called in turn; `acts` say what is done to whom, by client address, `*` for everybody else."""

    address: str
    backends: tuple[str, ...]
    acts: Mapping[str, str]

    def act(self, client: str) -> str:
        """What is done to this client."""
        return self.acts.get(client) or self.acts.get("*", "pass")


def mangled(heard: bytes) -> bytes:
    """As a Cisco ASA does that inspects ESMTP: the keyword is overwritten, and so is the command."""
    return heard.replace(b"250-STARTTLS\r\n", b"250-XXXXXXXA\r\n").replace(b"STARTTLS\r\n", b"XXXXXXXX\r\n")


def masked(heard: bytes) -> bytes:
    """The same, and the greeting is masked too."""
    if heard.startswith(b"220 mx"):
        return b"220 " + b"*" * (len(heard) - 6) + b"\r\n"
    return mangled(heard)


def stripped(heard: bytes) -> bytes:
    """The keyword is taken away, and the command is not."""
    return heard.replace(b"250-STARTTLS\r\n", b"")


REWRITES: dict[str, Rewrite] = {"mangle": mangled, "mask": masked, "strip": stripped, "pass": bytes, "nat": bytes}
HUNG_UP = anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream, OSError
NAT_FROM = "198.51.100.14"


async def serve(box: Box) -> None:
    """Listen for as long as this process lives."""
    backends = cycle(box.backends or ("",))

    async def answer(client: SocketStream) -> None:
        address = str(client.extra(SocketAttribute.remote_address)[0])
        backend = next(backends)
        async with client:
            try:
                await ACTS.get(box.act(address), relay)(client, address, backend, box.act(address))
            except* HUNG_UP:
                pass  # and so do we

    listener = await SocketListener.from_socket(listening(box.address))
    await listener.serve(answer)


def listening(address: str) -> socket.socket:
    """No name is looked up: where there is loopback only, the library finds no family of addresses that is in use."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, PORT))
    made.listen()
    made.settimeout(0)
    return made


async def called(backend: str, here: str) -> SocketStream:
    """Call a server from this address."""
    made = socket.socket()
    made.settimeout(0)
    made.bind((here, 0))
    with contextlib.suppress(BlockingIOError):
        made.connect((backend, PORT))
    await anyio.wait_writable(made)
    return await SocketStream.from_socket(made)


async def relay(client: ByteStream, address: str, backend: str, act: str) -> None:
    """Pass everything on, both ways, until one side closes."""
    here = NAT_FROM if act == "nat" else address
    rewrite = REWRITES[act]
    async with await called(backend, here) as server, anyio.create_task_group() as ways:

        async def one_way(come_from: ByteReceiveStream, go_to: ByteStream) -> None:
            async for heard in come_from:
                await go_to.send(rewrite(heard))
            ways.cancel_scope.cancel()

        ways.start_soon(one_way, client, server)
        ways.start_soon(one_way, server, client)


async def hang_up(client: ByteStream, address: str, backend: str, act: str) -> None:
    """Not a word."""


async def waste(client: ByteStream, address: str, backend: str, act: str) -> None:
    """As OpenBSD's spamd: the greeting comes letter by letter at first, and nothing ever comes of the rest."""
    for place in range(STUTTERED_BYTES):
        await client.send(SPAMD[place : place + 1])
        await anyio.sleep(STUTTER_S)
    await client.send(SPAMD[STUTTERED_BYTES:])
    while heard := await client.receive(CHUNK_BYTES):
        await client.send(WASTING.get(heard[:4].upper(), LATER))


ACTS = {"close": hang_up, "tarpit": waste}


async def main(boxes: tuple[Box, ...]) -> None:
    """All at once."""
    async with anyio.create_task_group() as group:
        for box in boxes:
            group.start_soon(serve, box)


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    anyio.run(main, tuple(Box(it["address"], tuple(it["backends"]), it["acts"]) for it in told))
