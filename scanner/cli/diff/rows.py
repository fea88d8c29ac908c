"""Two files of rows, joined by domain: what each domain was and is, the later file from front to back.

Touches: files. Source: docs/record.md (what changed).
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager

from scanner import jsonl
from scanner.cli import rowfile
from scanner.cli.diff.changes import Difference, difference, gone
from scanner.cli.diff.facts import Facts, facts_of
from scanner.cli.rowfile import Head, Rows


def read(line: bytes) -> Facts:
    """Read one row. Raises ValueError, TypeError, KeyError or AttributeError for what is none of this version."""
    return facts_of(jsonl.parsed(line))


def reading(path: str) -> AbstractContextManager[Rows[Facts]]:
    """Open a file of rows. Raises Refused."""

    def named(line: bytes) -> tuple[str, Facts]:
        facts = read(line)
        return facts.domain, facts

    return rowfile.rows(path, named, nameless)


def nameless(row: Head) -> str:
    """Why a row cannot be found again in another file; empty where it can."""
    return "" if row.domain else "without a domain"


def differences(was: Rows[Facts], now: Rows[Facts]) -> Iterator[Difference]:
    """Give every domain once: those of the later file, then those that it does not have any more."""
    for domain, facts in now.not_found():
        yield difference(was.find(domain), facts)
    yield from (gone(facts) for _, facts in was.not_found())
