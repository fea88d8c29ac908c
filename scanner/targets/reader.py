"""The one stateful reader: from a stream to targets, a batch at a time.

It waits for the stream only when it has nothing to give, and holds one chunk of it at most.

Touches: nothing itself; the stream is the caller's.
"""

import hashlib
from collections import deque

from scanner.frames import CHUNK_BYTES
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.target import Target
from scanner.settings import Limits
from scanner.targets import domain_names, policies
from scanner.targets.first_line import Form, decide
from scanner.targets.lines import Lines
from scanner.targets.refusal import ListRefused, shortened
from scanner.targets.rows import Cells, Layout
from scanner.targets.streams import ByteStream, promptly

UTF8_BOM = b"\xef\xbb\xbf"
WIDE_BOMS = {
    b"\xff\xfe\0\0": "UTF-32LE",
    b"\0\0\xfe\xff": "UTF-32BE",
    b"\xff\xfe": "UTF-16LE",
    b"\xfe\xff": "UTF-16BE",
}
"""The longer first: UTF-32LE begins as UTF-16LE does."""


class TargetList:
    """A list, read once from front to back. `decision` says how it is read; `rows` counts targets given out.

    Called from one thread at a time. Creating it reads up to the first line that is neither blank nor comment, and
    raises ListRefused where the list cannot be read as a whole.
    """

    def __init__(self, stream: ByteStream, form: Form, limits: Limits) -> None:
        self.rows = 0
        self._read = promptly(stream)
        self._most = limits.list_line_bytes
        self._lines = Lines(self._most)
        self._waiting: deque[bytes] = deque()
        self._ended = False
        self._sha256 = hashlib.sha256()
        self._wait()
        self._layout: Layout = self._begin(self._waiting[0], form) if self._waiting else Cells("")
        self.decision = self._layout.decision if self._waiting else "empty"
        if self._layout.header:
            self._waiting.popleft()

    def batch(self, most: int = 64) -> list[Target]:
        """Give the next targets, at least one and at most `most`, as soon as there are any; none at the end.

        Raises ListRefused where the stream fails; whatever stood before was given out.
        """
        self._wait()
        count = min(most, len(self._waiting))
        return [self._next() for _ in range(count)]

    def digest(self) -> str:
        """SHA-256 of the bytes read so far, unpacked, in hex."""
        return self._sha256.hexdigest()

    def _begin(self, first: bytes, form: Form) -> Layout:
        refuse_wide(first)
        text = read_text(first, self._most)
        return decide(None if isinstance(text, Fault) else text, form)

    def _wait(self) -> None:
        while not self._waiting and not self._ended:
            chunk = self._read(CHUNK_BYTES)
            self._sha256.update(chunk)
            self._ended = not chunk
            lines = self._lines.feed(chunk) if chunk else [self._lines.finish()]
            self._waiting.extend(line for line in map(without_bom, lines) if says_something(line))

    def _next(self) -> Target:
        self.rows += 1
        return target(self.rows, self._waiting.popleft(), self._layout, self._most)


def target(n: int, line: bytes, layout: Layout, most: int) -> Target:
    """Read row `n`. Its fault says what is wrong with it, and `raw` then holds as much of the line as was read."""
    text = read_text(line, most)
    if isinstance(text, Fault):
        return Target(n, "", shortened(line.decode(errors="backslashreplace")), fault=text)
    row = layout.split(text)
    if isinstance(row, Fault):
        return Target(n, "", shortened(text), fault=row)
    name = domain_names.read(row.cell)
    policy = policies.read(row.policy)
    fault = name if isinstance(name, Fault) else policy
    if isinstance(fault, Fault):
        return Target(n, "", shortened(row.cell), row.others, fault)
    return Target(n, str(name), shortened(row.cell), row.others, policy=fault)


def read_text(line: bytes, most: int) -> str | Fault:
    """Decode a line; its fault is LINE_TOO_LONG, NUL_BYTE or BAD_ENCODING."""
    if len(line) > most:
        return Fault(Stage.INPUT, Kind.LINE_TOO_LONG, Side.INPUT, f"more than {most} bytes")
    if b"\0" in line:
        return Fault(Stage.INPUT, Kind.NUL_BYTE, Side.INPUT, f"at byte {line.index(0) + 1} of the line")
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        return Fault(Stage.INPUT, Kind.BAD_ENCODING, Side.INPUT, f"not UTF-8 at byte {error.start + 1} of the line")


def without_bom(line: bytes) -> bytes:
    """Any line may open with the mark: it stays behind where files were joined."""
    return line.removeprefix(UTF8_BOM)


def says_something(line: bytes) -> bool:
    """False for blank lines and comments."""
    text = line.lstrip()
    return bool(text) and not text.startswith(b"#")


def refuse_wide(first: bytes) -> None:
    """Refuse UTF-16 and UTF-32: half of their bytes are NUL, and every row would be bad."""
    encoding = next((name for mark, name in WIDE_BOMS.items() if first.startswith(mark)), None)
    if encoding:
        raise ListRefused(f"the list is {encoding}, not UTF-8: convert it with `iconv -f {encoding} -t UTF-8`")
