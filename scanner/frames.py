"""Compressed frames: zstd frames and gzip members, each whole by itself, one behind the other a valid file.

A frame of ours holds whole lines, at most `FRAME_BYTES` of them or one that is longer, and a checksum: it decodes to
exactly what was packed, or not at all. What claims to be more is damage, and is never unpacked further.

Touches: nothing (bytes in, bytes out). Source: RFC 1952 (gzip), RFC 8878 (zstd; section 3.1.1.1.2 recommends windows of
at most 8 MiB).
"""

import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_WINDOW_LOG = 23
"""8 MiB: what RFC 8878 asks every decoder to support, and no more."""
FRAME_BYTES = 256 * 1024
"""Plain text of one frame. A quarter of it costs a third of the ratio, four times as much gains a third of it."""
FRAME_MOST_BYTES = FRAME_BYTES + (1 << 20)
"""What a frame of ours may unpack to: the longest line there may be is longer than FRAME_BYTES."""
CHUNK_BYTES = 32 * 1024
Unpacked = tuple[int, bytes]
"""Where a frame ends in its file, and what it holds."""

UNPACKING = (zlib.error, zstd.ZstdError, EOFError)
"""What unpacking raises for bytes that are damaged or cut off."""


class Damaged(Exception):  # noqa: N818 - a finding about a file
    """Here is no frame of ours."""


class CutOff(Exception):  # noqa: N818 - a finding about a file
    """Here is the beginning of a frame, and the end of the file."""


class Unpacker(Protocol):
    """One gzip member or zstd frame, in the shape of Python's decompressors."""

    @property
    def eof(self) -> bool:
        """True once the member or frame is complete."""

    @property
    def unused_data(self) -> bytes:
        """What followed its end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Unpack, and keep what does not fit for the next call."""


class Gzip:
    """One gzip member."""

    def __init__(self) -> None:
        self._inside = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        """As in Unpacker."""
        return self._inside.eof

    @property
    def unused_data(self) -> bytes:
        """As in Unpacker."""
        return self._inside.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """As in Unpacker."""
        return self._inside.decompress(self._inside.unconsumed_tail + data, max_length)


def zstd_frame() -> Unpacker:
    """One zstd frame; a wider window is an error, because it would be allocated."""
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG})


def zstd_packed(plain: bytes) -> bytes:
    """One frame at the usual level, with the checksum that the format makes optional (RFC 8878 section 3.1.1)."""
    return zstd.compress(plain, options={zstd.CompressionParameter.checksum_flag: 1})


def gzip_packed(plain: bytes) -> bytes:
    """One member at the usual level."""
    return zlib.compress(plain, wbits=31)


@dataclass(frozen=True, slots=True)
class Packing:
    """How frames are made, and read. `ending` is that of the file's name."""

    name: str
    ending: str
    pack: Callable[[bytes], bytes]
    unpacker: Callable[[], Unpacker]


GZIP = Packing("gzip", ".gz", gzip_packed, Gzip)
ZSTD = Packing("zstd", ".zst", zstd_packed, zstd_frame)
PACKINGS = {each.ending: each for each in (GZIP, ZSTD)}


def packing_of(path: Path) -> Packing | None:
    """What the name of a file asks for; None for plain."""
    return PACKINGS.get(path.suffix.lower())


def packed(lines: bytes, packing: Packing) -> bytes:
    """Whole lines as frames; no lines are one empty frame, because readers refuse an empty file."""
    return b"".join(map(packing.pack, pieces(lines))) or packing.pack(b"")


def pieces(lines: bytes) -> Iterator[bytes]:
    """Divide whole lines into pieces of whole lines, each of FRAME_BYTES at most or one line."""
    start = 0
    while start < len(lines):
        end = lines.rfind(b"\n", start, start + FRAME_BYTES) + 1 or lines.find(b"\n", start) + 1
        yield lines[start:end]
        start = end


def unpacked(read: Callable[[int], bytes], packing: Packing) -> Iterator[Unpacked]:
    """Whole frames, one after the other, as long as they are ours. Raises Damaged and CutOff where the next is not."""
    end, rest = 0, b""
    while rest := rest or read(CHUNK_BYTES):
        inside, plain, size = packing.unpacker(), b"", 0
        while not inside.eof:
            if not (rest := rest or read(CHUNK_BYTES)):
                raise CutOff("it is cut off")
            plain += _some(inside, rest, FRAME_MOST_BYTES + 1 - len(plain))
            size, rest = size + len(rest), b""
            if len(plain) > FRAME_MOST_BYTES:
                raise Damaged("a frame is larger than any of ours")
        rest = inside.unused_data
        end += size - len(rest)
        if not plain.endswith(b"\n") and plain:
            raise Damaged("a frame ends within a line")
        yield end, plain


def _some(inside: Unpacker, data: bytes, most: int) -> bytes:
    try:
        return inside.decompress(data, most)
    except UNPACKING as error:
        raise Damaged(str(error)) from None
