"""Files of rows and certificates, plain or packed, as commands read them.

Rows that are read once are unpacked on the way. What is read here and there (certificates, rows by domain) needs
places to go back to. A packed file of ours has short frames, and those that are asked for are unpacked again. One that
another program packed may be a single long frame: it is unpacked first into a temporary file, which has no name and
ends with the command.

Touches: files, standard input for `-`. Source: docs/record.md (streams).
"""

import contextlib
import sys
import tempfile
from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, Self, cast

from scanner import frames, targets
from scanner.cli.exits import Exit, Refused
from scanner.frames import FRAME_MOST_BYTES, PACKINGS, UNPACKING, Packing, packing_of
from scanner.parts import LINE_BYTES
from scanner.settings import Limits
from scanner.targets.streams import told_by

CHUNK_BYTES = 64 * 1024
FRAMES_KEPT = 128
"""Some 32 MB for each file: two nights finish the rows of one list in nearly the same order, some thousands apart."""
ROWS = Limits(list_expansion=2000)
"""Rows of one list are alike, and shrink to a thirtieth or less: what is refused in a list may be in order here, and
does no harm in memory, because one line is held at a time.
"""


def beside(path: str) -> str:
    """Name the certificates of a file of rows: those that are there, packed or not, else plain ones."""
    rows = Path(path)
    stem = path if packing_of(rows) is None else str(rows.with_suffix(""))
    names = [f"{path}.certificates.jsonl", *(f"{stem}.certificates.jsonl{ending}" for ending in ("", *PACKINGS))]
    return next((each for each in names if Path(each).exists()), names[0])


def opened(path: str) -> BinaryIO:
    """Open a file in which places can be gone back to, unpacked if need be. Raises Refused."""
    stream = found(path)
    packing = told_by(stream.peek(4)[:4]) if stream.seekable() else None
    if packing is None:
        return stream
    if packing_of(Path(path)) in {None, packing} and (of_ours := framed(path, stream, packing)):
        return of_ours
    stream.close()
    return unpacked(path)


def found(path: str) -> BufferedReader:
    """Open what is there. Raises Refused."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise Refused(Exit.USAGE, f"{path}: {error.strerror}") from None


@dataclass(slots=True)
class Frames:
    """A packed file, read like the plain one that it holds: a BinaryIO as far as files of rows need one.

    `begins` and `plain_begins` say where each frame begins, packed and unpacked, and where the last one ends. No line
    goes over the end of a frame. Raises Refused where the file is not any more what it was.
    """

    path: str
    file: BinaryIO
    packing: Packing
    begins: Sequence[int]
    plain_begins: Sequence[int]
    _at: int = 0
    _kept: OrderedDict[int, bytes] = field(default_factory=OrderedDict)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.file.close()

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def seekable(self) -> bool:
        """Always."""
        return True

    def seek(self, offset: int) -> int:
        """Go to a place, counted from the beginning."""
        self._at = offset
        return offset

    def readline(self, most: int = LINE_BYTES) -> bytes:
        """Read the rest of a line; nothing at the end."""
        plain, inside = self._here()
        return self._taken(plain[inside : min(plain.find(b"\n", inside) + 1, inside + most)])

    def read(self, most: int) -> bytes:
        """Read what is left of a frame, or less; nothing at the end."""
        plain, inside = self._here()
        return self._taken(plain[inside : inside + most])

    def _taken(self, piece: bytes) -> bytes:
        self._at += len(piece)
        return piece

    def _here(self) -> tuple[bytes, int]:
        """Give the frame of the place where we are, and how far in it that is."""
        if self._at >= self.plain_begins[-1]:
            return b"", 0
        number = bisect_right(self.plain_begins, self._at) - 1
        return self._frame(number), self._at - self.plain_begins[number]

    def _frame(self, number: int) -> bytes:
        if number not in self._kept:
            self._kept[number] = self._read(number)
            if len(self._kept) > FRAMES_KEPT:
                self._kept.popitem(last=False)
        self._kept.move_to_end(number)
        return self._kept[number]

    def _read(self, number: int) -> bytes:
        begin, end = self.begins[number : number + 2]
        self.file.seek(begin)
        with contextlib.suppress(*UNPACKING):
            plain = self.packing.unpacker().decompress(self.file.read(end - begin), FRAME_MOST_BYTES)
            if len(plain) == self.plain_begins[number + 1] - self.plain_begins[number]:
                return plain
        raise Refused(Exit.USAGE, f"{self.path}: it changed while it was read")


def framed(path: str, file: BinaryIO, packing: Packing) -> BinaryIO | None:
    """Find the frames of a file of ours; None where they are not."""
    begins, plain_begins = array("Q", [0]), array("Q", [0])
    try:
        for end, plain in frames.unpacked(file.read, packing):
            begins.append(end)
            plain_begins.append(plain_begins[-1] + len(plain))
    except (frames.Damaged, frames.CutOff):
        return None
    return cast(BinaryIO, Frames(path, file, packing, begins, plain_begins))


def unpacked(path: str) -> BinaryIO:
    """Unpack into a temporary file. Raises Refused."""
    with contextlib.ExitStack() as held:
        try:
            room = held.enter_context(tempfile.TemporaryFile())
            with reading(path) as stream:
                while chunk := stream.read(CHUNK_BYTES):
                    room.write(chunk)
            room.seek(0)
        except OSError as error:
            where = tempfile.gettempdir()
            raise Refused(Exit.OUTPUT, f"{path}: unpacking it into {where} (TMPDIR): {error.strerror}") from None
        held.pop_all()
        return cast(BinaryIO, room)


@contextlib.contextmanager
def reading(path: str) -> Iterator[targets.ByteStream]:
    """Read a file from front to back, unpacked. Raises Refused."""
    try:
        with targets.opened(path, sys.stdin.buffer, ROWS) as stream:
            yield stream
    except targets.ListRefused as refused:
        raise Refused(Exit.USAGE, str(refused) if path in str(refused) else f"{path}: {refused}") from None


def lines(path: str) -> Iterator[bytes]:
    """Read a file line by line, unpacked, without line ends. Raises Refused."""
    with reading(path) as stream:
        yield from split(stream)


def split(stream: targets.ByteStream) -> Iterator[bytes]:
    """Split into lines. What is longer than any row is no row, and all but its last piece is dropped."""
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        rest = rest if len(rest) <= LINE_BYTES else b""
    yield from (rest,) if rest else ()
