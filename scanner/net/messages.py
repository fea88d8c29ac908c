"""What a worker process is asked to do, and what it saw, as JSON can carry it: exactly, whatever a peer sent.

Bytes travel as the text whose letters have their values, text beyond ASCII as its UTF-8 bytes do (lone surrogates
included). A certificate is told whole once, then by its digest, as long as both ends remember it: they forget alike.

Touches: nothing. Source: none.
"""

import hashlib
from base64 import b64decode, b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Handshake, Hello, Oddity, Reply
from scanner.net.seen import Seen
from scanner.net.smtp import CERTIFICATE_REMEMBERED_BYTES, CERTIFICATES_REMEMBERED

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Order:
    """A session to hold over a connection that is there, in at most `left_s` seconds."""

    server_name: str
    hello: Hello
    ehlo_name: str
    left_s: float


@dataclass(slots=True)
class Sent:
    """The certificates that this end has told, the oldest first; `most` of them, none that is huge."""

    most: int = CERTIFICATES_REMEMBERED
    _known: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def write(self, it: Certificate) -> object:
        """Tell its digest where the other end knows it, else all of it."""
        if it.sha256 in self._known:
            return it.sha256
        remember(self._known, it.sha256, None, (len(it.der), self.most))
        return [b64encode(it.der).decode()]


@dataclass(slots=True)
class Received:
    """The certificates that the other end has told. `read` makes one of its DER."""

    read: Callable[[bytes], Certificate]
    most: int = CERTIFICATES_REMEMBERED
    _known: OrderedDict[str, Certificate] = field(default_factory=OrderedDict)

    def certificate(self, told: Any) -> Certificate:
        """Undo `Sent.write`."""
        if isinstance(told, str):
            return self._known[told]
        der = b64decode(told[0])
        it = self.read(der)
        remember(self._known, it.sha256, it, (len(der), self.most))
        return it


def remember(known: OrderedDict[str, T], sha256: str, value: T, size_and_most: tuple[int, int]) -> None:
    """Keep it, and forget the oldest beyond so many. The same certificates lead to the same at both ends."""
    size, most = size_and_most
    if size <= CERTIFICATE_REMEMBERED_BYTES:
        known[sha256] = value
        if len(known) > most:
            known.popitem(last=False)


def unread(der: bytes) -> Certificate:
    """A certificate for a worker, who only passes it on: nobody there asks what it says."""
    return Certificate(hashlib.sha256(der).hexdigest(), der)


def write_order(number: int, order: Order) -> list[object]:
    """Write an order, by its number."""
    return [number, _letters(order.server_name), order.hello, _letters(order.ehlo_name), order.left_s]


def read_order(told: Sequence[Any]) -> Order:
    """Undo `write_order`, without the number."""
    server_name, hello, ehlo_name, left_s = told
    return Order(_words(server_name), Hello(hello), _words(ehlo_name), left_s)


def write_seen(seen: Seen, sent: Sent) -> list[object]:
    """Write what a session showed."""
    return [
        _letters(seen.ehlo_name),
        seen.stage,
        [_reply(each) for each in (seen.greeting, seen.ehlo, seen.helo, seen.starttls, seen.ehlo_tls)],
        _handshake(seen.handshake, sent),
        _fault(seen.fault),
        seen.unsolicited.decode("latin-1"),
        list(seen.oddities),
        seen.times_ms,
    ]


def read_seen(told: Sequence[Any], received: Received) -> Seen:
    """Undo `write_seen`."""
    ehlo_name, stage, replies, handshake, fault, unsolicited, oddities, times_ms = told
    greeting, ehlo, helo, starttls, ehlo_tls = map(_read_reply, replies)
    return Seen(
        ehlo_name=_words(ehlo_name),
        stage=Stage(stage),
        greeting=greeting,
        ehlo=ehlo,
        helo=helo,
        starttls=starttls,
        handshake=_read_handshake(handshake, received),
        ehlo_tls=ehlo_tls,
        fault=_read_fault(fault),
        unsolicited=unsolicited.encode("latin-1"),
        oddities=dict.fromkeys(map(Oddity, oddities)),
        times_ms=[(stage, took_ms) for stage, took_ms in times_ms],
    )


def _letters(words: str) -> str:
    return words if words.isascii() else words.encode("utf-8", "surrogatepass").decode("latin-1")


def _words(letters: str) -> str:
    return letters if letters.isascii() else letters.encode("latin-1").decode("utf-8", "surrogatepass")


def _reply(reply: Reply | None) -> object:
    return None if reply is None else [reply.code, [line.decode("latin-1") for line in reply.lines]]


def _read_reply(told: Any) -> Reply | None:
    return None if told is None else Reply(told[0], tuple([line.encode("latin-1") for line in told[1]]))


def _fault(fault: Fault | None) -> object:
    return None if fault is None else [fault.stage, fault.kind, fault.side, _letters(fault.detail), fault.code]


def _read_fault(told: Any) -> Fault | None:
    if told is None:
        return None
    stage, kind, side, detail, code = told
    return Fault(Stage(stage), Kind(kind), Side(side), _words(detail), code)


def _handshake(it: Handshake | None, sent: Sent) -> object:
    if it is None:
        return None
    group = None if it.group is None else _letters(it.group)
    said = [_letters(it.version), _letters(it.cipher), group, _letters(it.server_name)]
    return [*said, [sent.write(each) for each in it.chain], it.chain_count]


def _read_handshake(told: Any, received: Received) -> Handshake | None:
    if told is None:
        return None
    version, cipher, group, server_name, chain, chain_count = told
    group = None if group is None else _words(group)
    kept = _all_of(chain, received)
    return Handshake(_words(version), _words(cipher), group, _words(server_name), kept, chain_count)


def _all_of(chain: Iterable[Any], received: Received) -> tuple[Certificate, ...]:
    return tuple([received.certificate(each) for each in chain])
