"""A file of rows, read by domain: only where each row begins is kept in memory.

A row costs 25 bytes here (a million: 25 MB), and some 170 while the file is indexed; a certificate costs some 200. The
file is read once for the index, and a row is read again when it is asked for, or when nobody asked for it.

Touches: files. Source: docs/record.md.
"""

import contextlib
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

from scanner import jsonl
from scanner.cli.assess import CertificateFile, indexed
from scanner.cli.exits import Exit, Refused
from scanner.cli.packed import CHUNK_BYTES, beside, opened
from scanner.jsonl.values import read_flag, read_text_if_any, read_version
from scanner.model.record import Evidence, Record
from scanner.parts import LINE_BYTES

KEY_BYTES = OFFSET_BYTES = 8
"""Of 2^64 digests two are equal by chance once in thirty million lists of a million domains."""
ENTRY_BYTES = KEY_BYTES + OFFSET_BYTES
REFUSING = (ValueError, TypeError, KeyError, AttributeError)
"""What is raised for what is no row."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Index:
    """Digest of the domain and offset of its row, sorted, packed into one piece."""

    entries: bytes

    def first(self, domain: str) -> int | None:
        """Find where the first row of a domain begins, if there is one."""
        key = digest(domain)
        place = bisect_left(range(len(self.entries) // ENTRY_BYTES), key, key=self._key)
        entry = self.entries[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
        return int.from_bytes(entry[KEY_BYTES:], "big") if entry[:KEY_BYTES] == key else None

    def _key(self, place: int) -> bytes:
        return self.entries[place * ENTRY_BYTES : place * ENTRY_BYTES + KEY_BYTES]


@dataclass(frozen=True, slots=True)
class Head:
    """What of a row decides whether it is read again; `domain` is empty where it has none."""

    domain: str
    has_route: bool
    is_truncated: bool


@dataclass(frozen=True, slots=True)
class Rows(Generic[T]):
    """The rows of one file, each read by `read`, with its domain. `offsets` are those that are not left out, in order;
    `left_out` counts the others. `found` remembers, in a byte each, which of them were asked for.
    """

    path: str
    stream: BinaryIO
    read: Callable[[bytes], tuple[str, T]]
    index: Index
    offsets: Sequence[int]
    left_out: Counter[str]
    found: bytearray

    def not_found(self) -> Iterator[tuple[str, T]]:
        """Give the first row of every domain that nobody asked for, in the order of the file. Raises Refused."""
        for place, offset in enumerate(self.offsets):
            if not self.found[place]:
                domain, row = self.at(offset)
                if self.index.first(domain) == offset:
                    yield domain, row

    def find(self, domain: str) -> T | None:
        """Read the first row of a domain, if there is one. Raises Refused."""
        offset = self.index.first(domain)
        if offset is None:
            return None
        found, row = self.at(offset)
        if found != domain:
            return None  # of 2^64 digests two are equal
        self.found[bisect_left(self.offsets, offset)] = True
        return row

    def at(self, offset: int) -> tuple[str, T]:
        """Read the row that begins here. Raises Refused."""
        self.stream.seek(offset)
        try:
            return self.read(self.stream.readline(LINE_BYTES))
        except REFUSING as error:
            raise Refused(Exit.USAGE, f"{place_of(self.path, self.stream, offset)}: {no_row(error)}") from None


Judged = tuple[Record, Evidence]


@contextlib.contextmanager
def reading(path: str) -> Iterator[Rows[Judged]]:
    """Open a file of rows that can be judged, and the certificates beside it, if there are any. Raises Refused."""
    with contextlib.ExitStack() as held:
        ders: Mapping[str, bytes] = {}
        if Path(place := beside(path)).exists():
            beside_it = held.enter_context(opened(place))
            ders = CertificateFile(beside_it, indexed(beside_it, place))
        certificates = jsonl.Certificates(ders)

        def read(line: bytes) -> tuple[str, Judged]:
            record = jsonl.decode(line, certificates)
            if record.evidence is None:
                raise ValueError("it changed while it was read")
            return record.target.domain, (record, record.evidence)

        yield held.enter_context(rows(path, read, unfit))


@contextlib.contextmanager
def rows(path: str, read: Callable[[bytes], tuple[str, T]], why_left_out: Callable[[Head], str]) -> Iterator[Rows[T]]:
    """Open a file of rows, and find where each begins. Raises Refused."""
    with opened(path) as stream:
        if not stream.seekable():
            raise Refused(Exit.USAGE, f"{path}: not a file that can be read twice")
        index, offsets, left_out = surveyed(path, stream, why_left_out)
        yield Rows(path, stream, read, index, offsets, left_out, bytearray(len(offsets)))


def surveyed(
    path: str, stream: BinaryIO, why_left_out: Callable[[Head], str]
) -> tuple[Index, Sequence[int], Counter[str]]:
    """Find every row that is not left out, in two orders, and count the others by why. Raises Refused."""
    entries: list[bytes] = []
    offsets, left_out, offset = array("Q"), Counter[str](), 0
    for number, line in enumerate(iter(lambda: stream.readline(LINE_BYTES), b""), 1):
        row = head(line, f"{path}, line {number}")
        if why := why_left_out(row):
            left_out[why] += 1
        else:
            offsets.append(offset)
            entries.append(digest(row.domain) + offset.to_bytes(OFFSET_BYTES, "big"))
        offset += len(line)
    return packed(entries, left_out), offsets, left_out


def head(line: bytes, place: str) -> Head:
    """Read a row as far as this index needs it. Raises Refused."""
    try:
        row = jsonl.parsed(line)
        read_version(row["schema"])
        return Head(read_text_if_any(row["domain"]), row["route"] is not None, read_flag(row["truncated"]))
    except REFUSING as error:
        raise Refused(Exit.USAGE, f"{place}: {no_row(error)}") from None


def no_row(error: Exception) -> str:
    """Say in one line what is wrong with a row. What only Python could say is told with its kind."""
    return str(error) if type(error) is ValueError else f"not a row: {type(error).__name__}: {error}"


def place_of(path: str, stream: BinaryIO, offset: int) -> str:
    """Name the line that begins at this offset. To count lines again costs nothing until there is one to be named."""
    stream.seek(0)
    lines = 1
    while chunk := stream.read(min(CHUNK_BYTES, offset)):
        lines, offset = lines + chunk.count(b"\n"), offset - len(chunk)
    return f"{path}, line {lines}"


def unfit(row: Head) -> str:
    """Why a row cannot be judged; empty where it can."""
    if not (row.has_route and row.domain):
        return "without evidence"
    return "truncated" if row.is_truncated else ""


def packed(entries: list[bytes], left_out: Counter[str]) -> Index:
    """Sort, and count rows whose domain has an earlier one."""
    entries.sort()
    before = b""
    for entry in entries:
        left_out["repeated"] += entry[:KEY_BYTES] == before
        before = entry[:KEY_BYTES]
    return Index(b"".join(entries))


def digest(domain: str) -> bytes:
    """Shorten a domain to its key."""
    return blake2b(domain.encode("utf-8", "surrogatepass"), digest_size=KEY_BYTES).digest()
