"""The lab's resolver on one address, UDP and TCP, with the faults that happen on the wire.

Answers are remembered by question: a hundred thousand domains ask for the same few hosts.

Touches: network. Source: RFC 1035 section 4.2, RFC 6891 section 6.2, RFC 7766.
"""

import asyncio
import contextlib
import socket
import struct
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from scanner.lab.zone import Zone

REMEMBERED = 4096
PLAIN_BYTES = 512
GARBAGE = b"\xff" * 40
TCP_IDLE_S = 10.0
PORT_TRIES = 20
DATAGRAMS_A_TURN = 256
RECEIVED_BYTES = 4 * 1024 * 1024


class Answers:
    """From the bytes of a question to those of the answer; empty for silence."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._remembered = lru_cache(REMEMBERED)(self._answer)

    def over_udp(self, question: bytes) -> bytes:
        """At most one datagram."""
        return self._with_id(question, self._remembered(question[2:], is_udp=True))

    def over_tcp(self, question: bytes) -> bytes:
        """Whole, without its length."""
        return self._with_id(question, self._remembered(question[2:], is_udp=False))

    @staticmethod
    def _with_id(question: bytes, answer: bytes) -> bytes:
        """The answer is remembered with the difference that its id shall make."""
        if len(answer) < 2:
            return b""
        wanted, difference = struct.unpack("!H", question[:2])[0], struct.unpack("!H", answer[:2])[0]
        return struct.pack("!H", wanted ^ difference) + answer[2:]

    def _answer(self, rest: bytes, *, is_udp: bool) -> bytes:
        try:
            query = dns.message.from_wire(b"\0\0" + rest)
        except (dns.exception.DNSException, ValueError):
            return b""
        if not query.question or query.flags & dns.flags.QR:
            return b""
        word = self._zone.fault(query.question[0])
        if word == "silence":
            return b""
        if word == "garbage":
            return b"\0\0" + GARBAGE
        if word == "loop":
            return _pointing_to_itself(query)
        answer = self._whole(query, is_cut=is_udp and word == "truncate", is_udp=is_udp)
        return (b"\x55\x55" + answer[2:]) if word == "wrong_id" else answer

    def _whole(self, query: dns.message.Message, *, is_cut: bool, is_udp: bool) -> bytes:
        response = self._zone.answer(query)
        most_bytes = max(PLAIN_BYTES, query.payload) if is_udp else 65535
        if not is_cut:
            with contextlib.suppress(dns.exception.TooBig):
                return bytes(response.to_wire(max_size=most_bytes) or b"")
        for section in (response.answer, response.authority, response.additional):
            section.clear()
        response.flags |= dns.flags.TC
        return bytes(response.to_wire(max_size=most_bytes) or b"")


def _pointing_to_itself(query: dns.message.Message) -> bytes:
    """An answer whose owner name is a pointer to that pointer (RFC 1035 s4.1.4)."""
    question = bytes(dns.message.make_response(query).to_wire() or b"")[12:]
    question = question[: len(query.question[0].name.to_wire() or b"") + 4]
    header = struct.pack("!HHHHHH", 0, 0x8180, 1, 1, 0, 0)
    pointer = struct.pack("!H", 0xC000 | (len(header) + len(question)))
    return header + question + pointer + struct.pack("!HHIH", 15, 1, 60, 4) + b"\0\n" + pointer


def _answer_datagrams(udp: socket.socket, answers: Answers) -> None:
    """Answer what waits, many at a time: one a turn of the loop would lose a burst of questions."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(DATAGRAMS_A_TURN):
            question, client = udp.recvfrom(65535)
            answer = answers.over_udp(question)
            if answer:
                udp.sendto(answer, client)


async def open_resolver(address: str, zone: Zone, stack: contextlib.AsyncExitStack) -> int:
    """Serve on a port that is free for UDP and TCP, and return it. Raises OSError where there is none."""
    answers = Answers(zone)
    udp, tcp = _pair(address, stack)
    loop = asyncio.get_running_loop()
    loop.add_reader(udp, _answer_datagrams, udp, answers)
    stack.callback(loop.remove_reader, udp)

    async def receive(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, TimeoutError, asyncio.CancelledError):
            async with asyncio.timeout(TCP_IDLE_S):
                await _converse(answers, reader, writer)
        writer.close()

    await stack.enter_async_context(await asyncio.start_server(receive, sock=tcp))
    return int(tcp.getsockname()[1])


async def _converse(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Question after question on one TCP connection (RFC 1035 s4.2.2)."""
    while True:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        answer = answers.over_tcp(await reader.readexactly(length))
        if answer:
            writer.write(struct.pack("!H", len(answer)) + answer)
            await writer.drain()


def _pair(address: str, stack: contextlib.AsyncExitStack) -> tuple[socket.socket, socket.socket]:
    for tries_left in reversed(range(PORT_TRIES)):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        udp.setblocking(False)  # noqa: FBT003 - its own signature
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
        stack.callback(udp.close)
        stack.callback(tcp.close)
        try:
            udp.bind((address, 0))
            tcp.bind((address, udp.getsockname()[1]))
        except OSError:
            if not tries_left:
                raise
        else:
            return udp, tcp
    raise AssertionError
