"""Two files of rows, joined by domain: what each domain was and is, the later file from front to back.

Touches: files. Source: docs/record.md (what changed).
"""

import contextlib
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO

from scanner import jsonl
from scanner.cli.diff.changes import Difference, difference, gone
from scanner.cli.diff.facts import Facts, facts_of
from scanner.cli.exits import Exit, Refused
from scanner.cli.packed import opened
from scanner.cli.rowfile import Index, surveyed
from scanner.parts import LINE_BYTES


@dataclass(frozen=True, slots=True)
class Rows:
    """One file. `offsets` are those of rows with a domain; `left_out` counts the others. `found` remembers, in a byte
    each, which of them were asked for.
    """

    path: str
    stream: BinaryIO
    index: Index
    offsets: Sequence[int]
    left_out: Counter[str]
    found: bytearray

    def not_found(self) -> Iterator[Facts]:
        """Give the first row of every domain that nobody asked for, in the order of the file. Raises Refused."""
        for place, offset in enumerate(self.offsets):
            if not self.found[place]:
                row = self.at(offset)
                if self.index.first(row.domain) == offset:
                    yield row

    def find(self, domain: str) -> Facts | None:
        """Read the first row of a domain, if there is one. Raises Refused."""
        offset = self.index.first(domain)
        if offset is None:
            return None
        row = self.at(offset)
        if row.domain != domain:
            return None  # of 2^64 digests two are equal
        self.found[bisect_left(self.offsets, offset)] = True
        return row

    def at(self, offset: int) -> Facts:
        """Read the row that begins here. Raises Refused."""
        self.stream.seek(offset)
        try:
            return read(self.stream.readline(LINE_BYTES))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise Refused(Exit.USAGE, f"{self.path}, byte {offset}: {type(error).__name__}: {error}") from None


def read(line: bytes) -> Facts:
    """Read one row. Raises ValueError, TypeError, KeyError or AttributeError for what is none of this version."""
    return facts_of(jsonl.parsed(line))


@contextlib.contextmanager
def reading(path: str) -> Iterator[Rows]:
    """Open a file of rows. Raises Refused."""
    with opened(path) as stream:
        if not stream.seekable():
            raise Refused(Exit.USAGE, f"{path}: not a file that can be read twice")
        index, offsets, left_out = surveyed(path, stream, nameless)
        yield Rows(path, stream, index, offsets, left_out, bytearray(len(offsets)))


def nameless(row: Mapping[str, Any]) -> str:
    """Why a row cannot be found again in another file; empty where it can."""
    return "" if isinstance(row["domain"], str) else "without a domain"


def differences(was: Rows, now: Rows) -> Iterator[Difference]:
    """Give every domain once: those of the later file, then those that it does not have any more."""
    for row in now.not_found():
        yield difference(was.find(row.domain), row)
    yield from map(gone, was.not_found())
