"""What a session costs without a scanner around it: a loop by hand, and aiosmtplib as it comes.

`floor` is as little as Python can do: epoll, `ssl.MemoryBIO`, no event loop, no futures, no record. `plain` is what the
README of aiosmtplib shows, under uvloop. Both do what a scanner has to do on the wire: connect, greeting, EHLO,
STARTTLS, verified handshake, EHLO, QUIT; and nothing with what they hear.

Touches: network (loopback). Source: none.
"""

import asyncio
import errno
import select
import socket
import ssl
from collections.abc import Iterator

import aiosmtplib

from benchmarks.fleet import ORIGIN, Fleet, address

NAME = b"scanner.fleet.test"
EHLO_LINE = b"EHLO " + NAME + b"\r\n"
TIMEOUT_S = 60.0


def verifying(fleet: Fleet) -> ssl.SSLContext:
    """One context for all, with the root of the fleet and nothing else in it."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.load_verify_locations(fleet.ca_file)
    return made


class Caller:
    """One session of the floor: a socket, two buffers, and the lines still to say."""

    __slots__ = ("context", "incoming", "outgoing", "script", "sock", "step", "tls")

    def __init__(self, number: int, port: int, context: ssl.SSLContext) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.context = context
        self.step = 0
        self.tls: ssl.SSLObject | None = None
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        code = self.sock.connect_ex((address(number), port))
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")

    def heard(self) -> bool:
        """Take what has come, say the next line; True at the end."""
        data = self.sock.recv(16_384)
        if not data:
            raise ConnectionError("closed early")
        if self.tls is None:
            return self._said(data)
        self.incoming.write(data)
        return self._secure(self.tls)

    def _said(self, line: bytes) -> bool:
        """Each reply is one segment here; a loop that could not rely on that would cost a little more."""
        if line[:3] not in (b"220", b"250"):
            raise ConnectionError("refused")
        self.step += 1
        if self.step == 1:
            self.sock.send(EHLO_LINE)
        elif self.step == 2:
            self.sock.send(b"STARTTLS\r\n")
        else:
            self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_hostname=f"mx.{ORIGIN}")
            self._secure(self.tls)
        return False

    def _secure(self, tls: ssl.SSLObject) -> bool:
        try:
            if self.step == 3:
                tls.do_handshake()
                self.step = 4
                tls.write(EHLO_LINE)
            else:
                tls.read(16_384)
                self.step += 1
                if self.step == 6:
                    return True
                tls.write(b"QUIT\r\n")
        except ssl.SSLWantReadError:
            pass
        if self.outgoing.pending:
            self.sock.send(self.outgoing.read())
        return False


def floor(fleet: Fleet, numbers: range, at_once: int) -> int:
    """Hold a session with each of these servers; return how many came to their end."""
    poll, callers, context = select.epoll(), dict[int, Caller](), verifying(fleet)
    todo, ended = iter(numbers), 0
    _call(todo, at_once, (fleet.port, context), callers, poll)
    while callers:
        for number, _ in poll.poll():
            caller = callers[number]
            if caller.heard():
                ended += 1
                del callers[number]
                caller.sock.close()
                _call(todo, 1, (fleet.port, context), callers, poll)
    poll.close()
    return ended


def _call(
    todo: Iterator[int], most: int, to: tuple[int, ssl.SSLContext], callers: dict[int, Caller], poll: select.epoll
) -> None:
    for _, number in zip(range(most), todo, strict=False):  # in this order: nothing of `todo` is lost
        caller = Caller(number, *to)
        callers[caller.sock.fileno()] = caller
        poll.register(caller.sock, select.EPOLLIN)


async def plain(fleet: Fleet, numbers: range, at_once: int) -> int:
    """The same with aiosmtplib: its own timeouts, nothing of ours."""
    context, todo, ended = verifying(fleet), iter(numbers), 0

    async def work() -> None:
        nonlocal ended
        for number in todo:
            smtp = aiosmtplib.SMTP(
                hostname=address(number),
                port=fleet.port,
                local_hostname=NAME.decode(),
                timeout=TIMEOUT_S,
                start_tls=False,
            )
            await smtp.connect()
            await smtp.ehlo()
            await smtp.starttls(tls_context=context, server_hostname=f"mx.{ORIGIN}")
            await smtp.ehlo()
            await smtp.quit()
            ended += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(work())
    return ended
