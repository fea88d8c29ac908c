"""Files of rows and certificates, plain or packed, as commands read them.

Rows that are read once are unpacked on the way. What is read here and there (certificates, rows by domain) needs
places to go back to: a packed file is unpacked first into a temporary one, which has no name and ends with the command.

Touches: files, standard input for `-`. Source: docs/record.md (streams).
"""

import contextlib
import sys
import tempfile
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from scanner import targets
from scanner.cli.exits import Exit, Refused
from scanner.frames import PACKINGS, packing_of
from scanner.parts import LINE_BYTES
from scanner.settings import Limits

CHUNK_BYTES = 64 * 1024
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
    if not stream.seekable() or not targets.is_packed(stream.peek(4)[:4]):
        return stream
    stream.close()
    return unpacked(path)


def found(path: str) -> BufferedReader:
    """Open what is there. Raises Refused."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise Refused(Exit.USAGE, f"{path}: {error.strerror}") from None


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
