"""One line to its cells: the one with the domain, and the others with their names.

A row never spans lines, other than in RFC 4180: an unclosed quote costs its own line and no other.

Touches: nothing. Source: RFC 4180 section 2, RFC 8259.
"""

import csv
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

import orjson

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.targets import policies
from scanner.targets.refusal import quoted, shortened

DELIMITERS = {",": "comma-separated", ";": "semicolon-separated", "\t": "tab-separated", "|": "bar-separated"}
COLUMNS_MOST = 64
"""Other cells passed through with a row; a last column `columns_left_out` counts the rest."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cell with the domain, as written, the other cells with their names, and the one that says the policy."""

    cell: str
    others: tuple[tuple[str, str], ...] = ()
    policy: str = ""


class Layout(Protocol):
    """How the lines of one list are read."""

    @property
    def header(self) -> bool:
        """True where the first line names the columns and is no row."""

    @property
    def decision(self) -> str:
        """What was decided, in words for the user."""

    def split(self, text: str) -> Row | Fault:
        """One line; its fault is BAD_ROW or MISSING_COLUMN."""


@dataclass(frozen=True, slots=True)
class Cells:
    """Delimited columns, the domain at index `at` (from 0), the policy at `policy_at` where there is one. Without a
    delimiter a line is one cell.
    """

    delimiter: str
    at: int = 0
    names: tuple[str, ...] = ()
    header: bool = False
    policy_at: int | None = None

    @property
    def decision(self) -> str:
        """As in Layout."""
        if not self.delimiter:
            return f"one name per line, {'header' if self.header else 'no header'}"
        form = DELIMITERS.get(self.delimiter, f"separated by {self.delimiter!r}")
        policy = "" if self.policy_at is None else f", policy in column {self._shown(self.policy_at)}"
        where = f"{'header' if self.header else 'no header'}, column {self._shown(self.at)}{policy}"
        return f"{form}, {where}{left_out(len(self.names) - 1)}"

    def split(self, text: str) -> Row | Fault:
        """As in Layout."""
        try:
            cells = split(text, self.delimiter)
        except csv.Error as error:
            return flaw(Kind.BAD_ROW, f"quotes do not match: {error}")
        if len(cells) <= self.at:
            return flaw(Kind.MISSING_COLUMN, f"{len(cells)} cells; the domain should be in number {self.at + 1}")
        others = [(self.name(i), cell) for i, cell in enumerate(cells) if i != self.at]
        at = self.policy_at
        return Row(cells[self.at], capped(others), "" if at is None or at >= len(cells) else cells[at])

    def _shown(self, index: int) -> str:
        return quoted(self.names[index : index + 1]) if self.header else str(index + 1)

    def name(self, index: int) -> str:
        """The header's name of a column, else its number, from 1."""
        return self.names[index] if index < len(self.names) else f"column_{index + 1}"


@dataclass(frozen=True, slots=True)
class Objects:
    """JSON Lines: one object per line, the domain under `key`, the policy under `policy_key`, else `policies.KEY`."""

    key: str
    header: bool = False
    policy_key: str = ""

    @property
    def decision(self) -> str:
        """As in Layout."""
        policy = f", policy under {quoted((self.policy_key,))}" if self.policy_key else ""
        return f"JSON Lines, key {quoted((self.key,))}{policy}"

    def split(self, text: str) -> Row | Fault:
        """As in Layout."""
        found = loaded(text)
        if found is None:
            return flaw(Kind.BAD_ROW, "not one JSON object")
        cell = found.pop(self.key, None)
        if not isinstance(cell, str):
            return flaw(Kind.MISSING_COLUMN, f"no text under the key {quoted((self.key,))}")
        policy = found.get(self.policy_key or policies.KEY)
        try:
            return Row(cell, capped([(key, written(value)) for key, value in found.items()]), written(policy))
        except orjson.JSONEncodeError:
            return flaw(Kind.BAD_ROW, "nested too deep")


def split(text: str, delimiter: str) -> list[str]:
    """The cells of one line. Raises csv.Error where its quotes do not match."""
    if delimiter:
        spaced = delimiter != " "
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=spaced, strict=True), [])
    if text.count('"') % 2:
        raise csv.Error("unexpected end of data")
    return [text]


def loaded(text: str) -> dict[str, object] | None:
    """The JSON object in a line, if there is just that."""
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def written(value: object) -> str:
    """A JSON value as the text of a cell: text as it is, null empty, the rest as JSON. Raises JSONEncodeError."""
    if isinstance(value, str):
        return value
    return "" if value is None else orjson.dumps(value).decode()


def capped(others: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """At most COLUMNS_MOST cells of at most `TEXT_MOST` characters, and a word about the rest."""
    kept = [(shortened(name), shortened(cell)) for name, cell in islice(others, COLUMNS_MOST)]
    rest = len(others) - len(kept)
    return (*kept, ("columns_left_out", str(rest))) if rest else tuple(kept)


def left_out(others: int) -> str:
    """The words of a decision about columns that are not passed through."""
    return f", only {COLUMNS_MOST} of {others} other columns kept" if others > COLUMNS_MOST else ""


def flaw(kind: Kind, detail: str) -> Fault:
    """A fault of one row."""
    return Fault(Stage.INPUT, kind, Side.INPUT, detail)
