"""The bytes of a list, unpacked on the way: plain, gzip or zstd, from a file or standard input.

What a stream holds is told by its first bytes, on standard input as in files; a name `.gz` or `.zst` that its bytes
belie is refused. Several gzip members or zstd frames in a row are one list. A stream that is cut off, damaged, or
swells beyond all lists ends in ListRefused when the reading comes to that point: rows before it are good.

Touches: files. Source: RFC 1952 (gzip), RFC 8878 (zstd).
"""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol, Self, cast

from scanner.frames import CHUNK_BYTES, GZIP, UNPACKING, ZSTD, Packing, Unpacker, packing_of
from scanner.settings import Limits
from scanner.targets.refusal import ListRefused, quoted

TRUSTED_BYTES = 16 * 1024 * 1024
"""Unpacked bytes before `Limits.list_expansion` is judged: a short list of one repeated line is no attack."""
STANDARD = Limits()
GZIP_MAGIC = b"\x1f\x8b"
ZSTD_MAGIC = (b"\x28\xb5\x2f\xfd", *(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60)))
"""A frame, and the sixteen kinds of skippable frame (RFC 8878 section 3.1.2), with which pzstd begins."""
STRANGERS = {
    b"PK\x03\x04": "a zip archive or spreadsheet: unpack it (`unzip -p`) or save it as CSV",
    b"\xfd7zX": "xz: unpack it with `xz -dc`",
    b"BZh": "bzip2: unpack it with `bzip2 -dc`",
    b"PAR1": "Parquet: export it as CSV",
    b"SQLi": "an SQLite database: export it as CSV",
    b"%PDF": "a PDF: export it as text",
}
"""What is no list, and what to do about it."""


class ByteStream(Protocol):
    """What a list is read from. `read` may give fewer bytes than asked for, and gives none only at the end.

    As a context it closes at the end. Every binary file of Python is one.
    """

    def read(self, most: int, /) -> bytes:
        """Give the next bytes."""

    def close(self) -> None:
        """Let go of the file."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None, /
    ) -> None: ...


class Begun:
    """A stream of which the first bytes were looked at already."""

    def __init__(self, head: bytes, rest: ByteStream) -> None:
        self._head = head
        self._rest = rest
        self._read = promptly(rest)

    def read(self, most: int, /) -> bytes:
        """As in ByteStream."""
        if not self._head:
            return self._read(most)
        given, self._head = self._head[:most], self._head[most:]
        return given

    def close(self) -> None:
        """As in ByteStream."""
        self._rest.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


class Unpacked:
    """Members or frames one after the other. `read` raises ListRefused for what is cut off, damaged, or a bomb."""

    def __init__(self, packed: ByteStream, member: Callable[[], Unpacker], expansion: int) -> None:
        self._packed = packed
        self._member = member
        self._expansion = expansion
        self._inside = member()
        self._rest = b""
        self._more_inside = False
        self._bytes_in = self._bytes_out = 0

    def read(self, most: int, /) -> bytes:
        """As in ByteStream."""
        try:
            given = self._unpack(most)
        except UNPACKING as error:
            raise ListRefused(
                f"it is compressed and cannot be unpacked, {error}: test it with gzip -t or zstd -t"
            ) from None
        self._bytes_out += len(given)
        if self._bytes_out > max(TRUSTED_BYTES, self._expansion * self._bytes_in):
            raise ListRefused(f"it unpacks to more than {self._expansion} times its size: unpack it yourself")
        return given

    def close(self) -> None:
        """As in ByteStream."""
        self._packed.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def _unpack(self, most: int) -> bytes:
        while not self._inside.eof or self._next_member():
            given = self._inside.decompress(b"" if self._more_inside else self._take(), most)
            self._more_inside = len(given) == most
            if given:
                return given
        return b""

    def _take(self) -> bytes:
        data, self._rest = self._rest or self._fetch(), b""
        if not data:
            raise EOFError("it is cut off")
        return data

    def _fetch(self) -> bytes:
        data = self._packed.read(CHUNK_BYTES)
        self._bytes_in += len(data)
        return data

    def _next_member(self) -> bool:
        """Tell whether another one follows. Zeros between them are padding, as of tapes."""
        follows = self._inside.unused_data
        while not (follows := follows.lstrip(b"\0")):
            if not (follows := self._fetch()):
                return False
        self._inside, self._rest, self._more_inside = self._member(), follows, False
        return True


def opened(path: str, stdin: BinaryIO, limits: Limits = STANDARD) -> ByteStream:
    """Open the list at `path`, `-` being standard input. Raises ListRefused where there is no list to read."""
    stream = standard_input(stdin) if path == "-" else file(path)
    try:
        return unpacked(stream, path, limits)
    except ListRefused:
        stream.close()
        raise


def file(path: str) -> ByteStream:
    """Open a file unbuffered; a pipe or device will do."""
    try:
        return cast(ByteStream, Path(path).open("rb", buffering=0))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ListRefused(f"cannot read {quoted((path,))}: {reason}") from None


def standard_input(stdin: BinaryIO) -> ByteStream:
    """Take standard input below its buffer: a thread that waits in there would hold a lock that the exit needs."""
    with contextlib.suppress(OSError, ValueError):
        os.set_blocking(stdin.fileno(), True)
    return cast(ByteStream, getattr(stdin, "raw", stdin))


def unpacked(stream: ByteStream, path: str, limits: Limits) -> ByteStream:
    """Look at the first bytes, and unpack what they say."""
    head = first_bytes(promptly(stream))
    for magic, what in STRANGERS.items():
        if head.startswith(magic):
            raise ListRefused(f"{quoted((path,))} is no list but {what}")
    begun = Begun(head, stream)
    packing = told_by(head)
    named = packing_of(Path(path))
    if named is not None and named is not packing:
        raise ListRefused(
            f"{quoted((path,))} is not {named.name} inside, whatever its name says: rename or pack it again"
        )
    return begun if packing is None else Unpacked(begun, packing.unpacker, limits.list_expansion)


def told_by(head: bytes) -> Packing | None:
    """Find out what the first four bytes are the beginning of; None for plain."""
    return GZIP if head.startswith(GZIP_MAGIC) else ZSTD if head.startswith(ZSTD_MAGIC) else None


def is_packed(head: bytes) -> bool:
    """Tell by its first four bytes whether a file would be unpacked."""
    return told_by(head) is not None


def first_bytes(read: Callable[[int], bytes]) -> bytes:
    """Four bytes, enough for every magic number; fewer at the end, or where a line ends before."""
    head = b""
    while len(head) < 4 and b"\n" not in head and (more := read(4 - len(head))):
        head += more
    return head


def promptly(stream: ByteStream) -> Callable[[int], bytes]:
    """Find the way to read what is there, without waiting until as much is there as was asked for."""
    read = cast(Callable[[int], bytes | None], getattr(stream, "read1", stream.read))

    def checked(most: int) -> bytes:
        try:
            given = read(most)
        except (OSError, ValueError) as error:
            raise ListRefused(f"reading the list failed: {error}") from None
        if given is None:  # a pipe that another process made non-blocking: silence is not the end
            raise ListRefused("standard input does not wait for data: another process set it non-blocking")
        return given

    return checked
