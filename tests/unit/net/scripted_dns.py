"""A real DNS server on loopback, UDP and TCP, that answers from a table of acts, in a thread of its own."""

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import dns.edns
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Question:
    """One query as it came in."""

    message: dns.message.Message
    by_tcp: bool

    @property
    def name(self) -> str:
        return self.message.question[0].name.to_text(omit_final_dot=True)

    @property
    def kind(self) -> str:
        return dns.rdatatype.to_text(self.message.question[0].rdtype)


Act = Callable[[Question], bytes | None]


def records(*lines: str, ad: bool = False, rcode: str = "NOERROR") -> Act:
    """Answer with these records, each in one line as in a zone file: owner, TTL, class, type, data."""

    def act(question: Question) -> bytes:
        response = dns.message.make_response(question.message)
        response.set_rcode(dns.rcode.from_text(rcode))
        response.flags |= dns.flags.RA | (dns.flags.AD if ad else 0)
        for line in lines:
            owner, ttl, _, kind, data = line.split(" ", 4)
            response.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
        size = 65535 if question.by_tcp else 1232
        try:
            return response.to_wire(max_size=size)
        except dns.exception.TooBig:
            response.answer.clear()
            response.flags |= dns.flags.TC
            return response.to_wire()

    return act


def nothing(*, ad: bool = False) -> Act:
    """NODATA."""
    return records(ad=ad)


def rcode(name: str, *, ad: bool = False) -> Act:
    """An empty answer with this RCODE."""
    return records(ad=ad, rcode=name)


def explained(code: int, text: str) -> Act:
    """SERVFAIL with an extended error (RFC 8914)."""

    def act(question: Question) -> bytes:
        response = dns.message.make_response(question.message)
        response.set_rcode(dns.rcode.SERVFAIL)
        response.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(dns.edns.EDECode(code), text)])
        return response.to_wire()

    return act


def silence(_: Question) -> None:
    """Say nothing."""


def garbage(question: Question) -> bytes:
    """The right id and nothing that makes sense after the header."""
    wire = question.message.to_wire()
    return wire[:2] + b"\x81\x80\x00\x01\x00\x05\x00\x00\x00\x00" + b"\xff" * 20


def wrong_id(question: Question) -> bytes:
    """A good answer to another question's id."""
    wire = bytearray(records(f"{question.name}. 60 IN A 192.0.2.66")(question) or b"")
    wire[0] ^= 0xFF
    return bytes(wire)


def unless_checking_is_disabled(checked: Act, unchecked: Act) -> Act:
    """Answer by whether the CD bit is set."""
    return lambda question: (unchecked if question.message.flags & dns.flags.CD else checked)(question)


def after(count: int, first: Act, then: Act) -> Act:
    """Answer so often one way, then the other."""
    seen: list[None] = []

    def act(question: Question) -> bytes | None:
        seen.append(None)
        return (first if len(seen) <= count else then)(question)

    return act


@dataclass
class Server:
    """Where it listens, and what it was asked."""

    port: int
    asked: list[Question] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"{HOST}:{self.port}"

    def names(self, kind: str) -> list[str]:
        return [question.name for question in self.asked if question.kind == kind]


@contextlib.contextmanager
def answering(zone: Mapping[tuple[str, str], Act], otherwise: Act = silence) -> Iterator[Server]:
    """Serve a table of (name without final dot, type) to act; `.` is the root."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((HOST, 0)))
        datagrams = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        datagrams.bind(listener.getsockname())
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        stack.enter_context(theirs)
        server = Server(listener.getsockname()[1])

        def answer(wire: bytes, *, by_tcp: bool) -> bytes | None:
            question = Question(dns.message.from_wire(wire), by_tcp)
            server.asked.append(question)
            return zone.get((question.name.lower(), question.kind), otherwise)(question)

        serve = threading.Thread(target=_serve, args=(listener, datagrams, theirs, answer))
        serve.start()
        try:
            yield server
        finally:
            ours.sendall(b".")
            serve.join()


def _serve(
    listener: socket.socket, datagrams: socket.socket, stop: socket.socket, answer: Callable[..., bytes | None]
) -> None:
    with selectors.DefaultSelector() as selector:
        for each in (listener, datagrams, stop):
            selector.register(each, selectors.EVENT_READ)
        while True:
            ready = {key.fileobj for key, _ in selector.select()}
            if stop in ready:
                return
            with contextlib.suppress(OSError):
                if datagrams in ready:
                    wire, there = datagrams.recvfrom(65535)
                    said = answer(wire, by_tcp=False)
                    if said is not None:
                        datagrams.sendto(said, there)
                if listener in ready:
                    _converse(listener.accept()[0], answer)


def _converse(wire: socket.socket, answer: Callable[..., bytes | None]) -> None:
    """One question by TCP."""
    with wire:
        wire.settimeout(5)
        size = int.from_bytes(_exactly(wire, 2), "big")
        said = answer(_exactly(wire, size), by_tcp=True)
        if said is not None:
            wire.sendall(len(said).to_bytes(2, "big") + said)


def _exactly(wire: socket.socket, size: int) -> bytes:
    found = b""
    while len(found) < size:
        more = wire.recv(size - len(found))
        if not more:
            raise ConnectionError("the scanner left")
        found += more
    return found


def dead_place() -> str:
    """An address where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind((HOST, 0))
        return f"{HOST}:{opened.getsockname()[1]}"
