"""Reading one SMTP reply from bytes as they arrive, tolerant of what is on the wire and never reading a byte twice.

A line without a code is kept and skipped, as Postfix does; the last line decides the code. Bytes behind the last line
are left over: they belong to nobody's question and must never answer the next one.

Touches: nothing. Source: RFC 5321 sections 4.2, 4.2.1 and 4.5.3.1.5.
"""

import re

from scanner.model.fault import Kind
from scanner.model.session import Oddity, Reply

LEFTOVER_BYTES = 16 * 1024
LINE_BYTES = 512  # RFC 5321 s4.5.3.1.5, with the code and CRLF

_CODED = re.compile(rb"([2-5][0-9][0-9])(?:[ -]|\Z)")  # RFC 5321 s4.2; int() would take "2_0" and "+22"


def code_of(line: bytes) -> int | None:
    """Read the reply code of a line, None where it has none."""
    found = _CODED.match(line)
    return int(found[1]) if found else None


def text_of(line: bytes) -> bytes:
    """Cut off the code of a coded line."""
    return line[4:]


def coded_lines(reply: Reply) -> tuple[bytes, ...]:
    """Keep the lines that count: those with a code."""
    return tuple(line for line in reply.lines if code_of(line) is not None)


class ReplyReader:
    """One reply in the making. `reply` is set once it is complete, `fault_kind` once it cannot become one."""

    def __init__(self, max_bytes: int, max_lines: int) -> None:
        self._bytes_left = max_bytes
        self._max_lines = max_lines
        self._lines: list[bytes] = []
        self._open_line = bytearray()
        self._codes: set[int] = set()
        self._oddities: dict[Oddity, None] = {}
        self._leftover = bytearray()
        self.reply: Reply | None = None
        self.fault_kind: Kind | None = None

    def feed(self, data: bytes) -> None:
        """Take what arrived; look only at that."""
        start = 0
        while self.reply is None and self.fault_kind is None and start < len(data):
            end = data.find(b"\n", start)
            self._take(data[start : len(data) if end < 0 else end + 1])
            start = len(data) if end < 0 else end + 1
        room = LEFTOVER_BYTES - len(self._leftover)
        self._leftover += data[start : start + room]

    def end(self) -> None:
        """No more will come: what came and is no reply, not even the beginning of one, is malformed."""
        came = bool(self._lines or self._open_line)
        if came and self.reply is None and self.fault_kind is None and not self._codes and not self._opens_reply():
            self.fault_kind = Kind.MALFORMED

    @property
    def partial(self) -> Reply:
        """What came so far, for a reply that was cut short."""
        rest = (bytes(self._open_line),) if self._open_line else ()
        return Reply(0, (*self._lines, *rest))

    @property
    def oddities(self) -> tuple[Oddity, ...]:
        """What was unusual, in order of appearance."""
        return tuple(self._oddities)

    @property
    def leftover(self) -> bytes:
        """What came behind the last line, capped."""
        return bytes(self._leftover)

    def _take(self, piece: bytes) -> None:
        """Add a piece of one line, perhaps its end."""
        if len(piece) > self._bytes_left:
            piece = piece[: self._bytes_left]
            self.fault_kind = Kind.TOO_LONG
        self._bytes_left -= len(piece)
        self._open_line += piece
        if self.fault_kind is None and piece.endswith(b"\n"):
            self._close_line()

    def _close_line(self) -> None:
        raw = bytes(self._open_line)
        self._open_line.clear()
        line = raw.removesuffix(b"\n").removesuffix(b"\r")
        self._note_bytes(raw, line)
        self._lines.append(line)
        code = code_of(line)
        if code is None:
            self._note(Oddity.JUNK_LINE)
        else:
            self._note_code(code)
        if code is not None and line[3:4] != b"-":
            self.reply = Reply(code, tuple(self._lines))
        elif len(self._lines) >= self._max_lines:
            self.fault_kind = Kind.TOO_LONG

    def _note_code(self, code: int) -> None:
        self._codes.add(code)
        if len(self._codes) > 1:  # RFC 5321 s4.2.1: the same code on every line
            self._note(Oddity.MIXED_CODES)

    def _note_bytes(self, raw: bytes, line: bytes) -> None:
        """Note what RFC 5321 s2.3.8 and s2.4 forbid on the wire."""
        found = (
            (Oddity.BARE_LF, not raw.endswith(b"\r\n")),
            (Oddity.BARE_CR, b"\r" in line),
            (Oddity.NUL, b"\0" in line),
            (Oddity.EIGHT_BIT, not line.isascii()),
            (Oddity.LONG_LINE, len(raw) > LINE_BYTES),
        )
        for oddity, there in found:
            if there:
                self._note(oddity)

    def _note(self, oddity: Oddity) -> None:
        self._oddities[oddity] = None

    def _opens_reply(self) -> bool:
        """Whether the unfinished line may still become a coded one."""
        head = bytes(self._open_line[:4])
        return bool(head) and code_of(head + b"200"[len(head) :]) is not None
