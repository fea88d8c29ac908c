"""The lab's resolver on one address, UDP and TCP, with the faults that happen on the wire.

Answers are remembered by question: a hundred thousand domains ask for the same few hosts.

Touches: network. Source: RFC 1035 section 4.2, RFC 6891 section 6.2, RFC 7766.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from functools import lru_cache

import dns.exception
import dns.flags
import dns.message
import dns.rcode

from scanner.lab.zone import Zone

REMEMBERED = 4096
PLAIN_BYTES = 512
GARBAGE = b"\0\0" + b"\xff" * 40
WRONG_IDS = {"wrong_id": (b"\x55\x55",), "wrong_ids": tuple(b"\x55" + bytes([number]) for number in range(100))}
"""By how much the id of an answer differs from that of the question."""
TCP_IDLE_S = 20.0
PORT_TRIES = 20
DATAGRAMS_A_TURN = 256
RECEIVED_BYTES = 4 * 1024 * 1024


class Answers:
    """From the bytes of a question to those of the answers; none is silence."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._remembered = lru_cache(REMEMBERED)(self._answer)

    def over_udp(self, question: bytes) -> list[bytes]:
        """Datagrams, seldom more than one."""
        return [self._with_id(question, answer) for answer in self._remembered(question[2:], is_udp=True)]

    def over_tcp(self, question: bytes) -> list[bytes]:
        """Whole messages, without their length."""
        return [self._with_id(question, answer) for answer in self._remembered(question[2:], is_udp=False)]

    @staticmethod
    def _with_id(question: bytes, answer: bytes) -> bytes:
        """The answer is remembered with the difference that its id shall make."""
        wanted, difference = struct.unpack("!H", question[:2])[0], struct.unpack("!H", answer[:2])[0]
        return struct.pack("!H", wanted ^ difference) + answer[2:]

    def _answer(self, rest: bytes, *, is_udp: bool) -> tuple[bytes, ...]:
        try:
            query = dns.message.from_wire(b"\0\0" + rest)
        except (dns.exception.DNSException, ValueError):
            return ()
        if not query.question or query.flags & dns.flags.QR:
            return ()
        word = self._zone.fault(query.question[0])
        odd = ODD.get(word if is_udp else f"{word} by tcp")
        if odd is not None:
            return odd(query)
        answer = self._whole(query, is_cut=is_udp and word.startswith("truncate"), is_udp=is_udp)
        return tuple(difference + answer[2:] for difference in WRONG_IDS.get(word, (b"\0\0",)))

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


ODD: dict[str, Callable[[dns.message.Message], tuple[bytes, ...]]] = {
    "silence": lambda _: (),
    "silence by tcp": lambda _: (),
    "garbage": lambda _: (GARBAGE,),
    "garbage by tcp": lambda _: (GARBAGE,),
    "loop": lambda query: (_pointing_to_itself(query),),
    "loop by tcp": lambda query: (_pointing_to_itself(query),),
    "truncate_stall by tcp": lambda _: (),
    "truncate_closed by tcp": lambda _: (b"\0\0",),
    "truncate_garbage by tcp": lambda _: (GARBAGE * 1500,),
}
"""Answers that are no messages, by the word of the table."""


def _answer_datagrams(udp: socket.socket, answers: Answers) -> None:
    """Answer what waits, many at a time: one a turn of the loop would lose a burst of questions."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(DATAGRAMS_A_TURN):
            question, client = udp.recvfrom(65535)
            for answer in answers.over_udp(question):
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

    stack.callback((await asyncio.start_server(receive, sock=tcp)).close)
    return int(tcp.getsockname()[1])


async def _converse(answers: Answers, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Question after question on one TCP connection (RFC 1035 s4.2.2)."""
    while True:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
        for answer in answers.over_tcp(await reader.readexactly(length)):
            if len(answer) <= 2:
                return  # nothing but an id: hang up
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
