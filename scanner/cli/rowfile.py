"""A file of rows, read by domain: only where each row begins is kept in memory.

A row costs 24 bytes here (a million: 24 MB), and some 170 while the file is indexed; a certificate costs some 200. The
file is read once for the index, and a row is read again when it is asked for; a packed file is unpacked before.

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
from typing import Any, BinaryIO

import orjson

from scanner import jsonl, text
from scanner.cli.assess import CertificateFile, indexed
from scanner.cli.exits import Exit, Refused
from scanner.cli.packed import beside, opened
from scanner.model.record import Evidence, Record
from scanner.parts import LINE_BYTES

KEY_BYTES = OFFSET_BYTES = 8
"""Of 2^64 digests two are equal by chance once in thirty million lists of a million domains."""
ENTRY_BYTES = KEY_BYTES + OFFSET_BYTES


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
class RowFile:
    """The rows of one file. `offsets` are those that can be judged, in order; `left_out` counts the others."""

    path: str
    stream: BinaryIO
    certificates: jsonl.Certificates
    index: Index
    offsets: Sequence[int]
    left_out: Counter[str]
    has_certificates: bool

    def __contains__(self, domain: str) -> bool:
        return self.index.first(domain) is not None

    def __iter__(self) -> Iterator[tuple[Record, Evidence]]:
        """Give the first row of every domain, in the order of the file. Raises Refused."""
        for offset in self.offsets:
            found = self.at(offset)
            if self.index.first(found[0].target.domain) == offset:
                yield found

    def find(self, domain: str) -> tuple[Record, Evidence] | None:
        """Read the first row of a domain, if there is one. Raises Refused."""
        offset = self.index.first(domain)
        found = None if offset is None else self.at(offset)
        return found if found is not None and found[0].target.domain == domain else None

    def at(self, offset: int) -> tuple[Record, Evidence]:
        """Read the row that begins here. Raises Refused."""
        self.stream.seek(offset)
        try:
            record = jsonl.decode(self.stream.readline(LINE_BYTES), self.certificates)
        except ValueError as error:
            raise Refused(Exit.USAGE, f"{self.path}, byte {offset}: {error}") from None
        if record.evidence is None:
            raise Refused(Exit.USAGE, f"{self.path}, byte {offset}: it changed while it was read")
        return record, record.evidence


@contextlib.contextmanager
def reading(path: str) -> Iterator[RowFile]:
    """Open a file of rows and the certificates beside it, where there are any. Raises Refused."""
    with contextlib.ExitStack() as held:
        stream = held.enter_context(opened(path))
        if not stream.seekable():
            raise Refused(Exit.USAGE, f"{path}: not a file that can be read twice")
        ders: Mapping[str, bytes] = {}
        if has_certificates := Path(place := beside(path)).exists():
            beside_it = held.enter_context(opened(place))
            ders = CertificateFile(beside_it, indexed(beside_it, place))
        index, offsets, left_out = surveyed(path, stream, unfit)
        yield RowFile(path, stream, jsonl.Certificates(ders), index, offsets, left_out, has_certificates)


def surveyed(
    path: str, stream: BinaryIO, why_left_out: Callable[[Mapping[str, Any]], str]
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
            entries.append(digest(text.to_str(row["domain"])) + offset.to_bytes(OFFSET_BYTES, "big"))
        offset += len(line)
    return packed(entries, left_out), offsets, left_out


def head(line: bytes, place: str) -> dict[str, Any]:
    """Read a row as far as this index needs it. Raises Refused."""
    try:
        row = orjson.loads(line)
        return {"domain": row["domain"], "route": row["route"] is not None, "truncated": row["truncated"]}
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(Exit.USAGE, f"{place}: no row: {type(error).__name__}: {error}") from None


def unfit(row: Mapping[str, Any]) -> str:
    """Why a row cannot be judged; empty where it can."""
    if not row["route"] or not isinstance(row["domain"], str):
        return "without evidence"
    return "truncated" if row["truncated"] else ""


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
