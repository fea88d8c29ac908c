"""MX hosts and addresses against our sources: who is shown STARTTLS, at a glance.

One sign a visit; a server that was visited again has one more, in the order of the visits.

Touches: nothing. Source: docs/explain.md (matrix).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from scanner.assess import sources, starttls
from scanner.assess.case import View, views
from scanner.explain.shown import NAME_LETTERS, first, shown, title
from scanner.explain.styles import Line, Style
from scanner.model.assessment import Verdict
from scanner.model.record import Evidence
from scanner.model.session import Session

SIGN_OF = {
    Verdict.PASS: "Y",
    Verdict.PARTIAL: "Y",
    Verdict.ABSENT: "-",
    Verdict.FAIL: "!",
    Verdict.UNKNOWN: "?",
    Verdict.NOT_APPLICABLE: "?",
}
NOT_VISITED = "."
LEGEND = {
    "Y": "TLS works",
    "-": "not offered",
    "!": "offered, and it fails",
    "?": "cannot be told",
    NOT_VISITED: "not visited",
}
ROWS_MOST, COLUMNS_MOST, VISITS_MOST = 24, 6, 8
COLUMN_MOST = 39
"""As wide as the longest IPv6 address."""


@dataclass(frozen=True, slots=True)
class Row:
    """One address of one MX host, with a cell for each source. An empty address: DNS had none."""

    preference: int | None
    mx: str
    address: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Matrix:
    """`sources` are names and addresses, mail sources first. Peer text is raw here; `lines` escapes it."""

    sources: tuple[tuple[str, str], ...]
    rows: tuple[Row, ...]


def matrix(evidence: Evidence) -> Matrix:
    """Sort the sessions into a table."""
    seen = {(it.mx, it.address, it.source): it for it in views(evidence.sessions, sources.distorted(evidence))}
    columns = _sources(evidence.sessions)
    rows = tuple(
        Row(preference, mx, address, tuple(cell(seen.get((mx, address, name))) for name, _ in columns))
        for preference, mx, address in _places(evidence)
    )
    return Matrix(columns, rows)


def cell(view: View | None) -> str:
    """One sign for each visit."""
    if view is None:
        return NOT_VISITED
    if starttls.is_lost_by_us(view):
        return SIGN_OF[Verdict.UNKNOWN]
    signs = "".join(SIGN_OF[starttls.of_visit(visit)] for visit in starttls.visits(view))
    return signs[:VISITS_MOST]


def lines(table: Matrix) -> Iterator[Line]:
    """Show the table with its legend; nothing where nobody was visited."""
    if not table.sources or not table.rows:
        return
    columns, columns_left = first(table.sources, COLUMNS_MOST)
    heads = [[shown(word, COLUMN_MOST - 4) for word in column] for column in columns]
    widths = [max(*map(len, head), VISITS_MOST) for head in heads]
    rows, rows_left = first(table.rows, ROWS_MOST)
    left = [f"{_preference(row)}{shown(row.mx, NAME_LETTERS)}" for row in rows]
    margin = min(48, max(len(each) for each in [*left, *(f"     {row.address}" for row in rows)]) + 2)
    yield from title("STARTTLS, by who asks")
    for words in zip(*heads, strict=True):
        if any(words):
            yield _line(" " * margin, words, widths)
    host = ""
    for row, name in zip(rows, left, strict=True):
        if name != host:
            yield Line(name)
        host = name
        address = shown(row.address, NAME_LETTERS) or "(no address)"
        yield _line(f"     {address}".ljust(margin), row.cells, widths, _style(row))
    yield from _rest(rows_left, columns_left)
    yield Line(_legend(table), Style.FAINT)


def interest(row: Row) -> int:
    """The more a row has to tell, the lower: first where sources disagree, then what is not well, then the rest."""
    told = set("".join(row.cells)) - {NOT_VISITED}
    return 0 if len(told) > 1 else 1 if told != {"Y"} else 2


def _style(row: Row) -> Style:
    return (Style.BAD, Style.DOUBT, Style.GOOD)[interest(row)]


def _line(head: str, words: tuple[str, ...], widths: list[int], style: Style = Style.PLAIN) -> Line:
    cells = "  ".join(word.ljust(width) for word, width in zip(words, widths, strict=False))
    return Line(f"{head}{cells}".rstrip(), style)


def _preference(row: Row) -> str:
    return "     " if row.preference is None else f"{row.preference:<5}"


def _rest(rows: int, columns: int) -> Iterator[Line]:
    if rows:
        yield Line(f"     ... {rows} more addresses", Style.FAINT)
    if columns:
        yield Line(f"     ... {columns} more sources", Style.FAINT)


def _legend(table: Matrix) -> str:
    used = set("".join(each for row in table.rows for each in row.cells))
    told = "   ".join(f"{sign} {words}" for sign, words in LEGEND.items() if sign in used)
    repeated = "   (one sign a visit)" if any(len(each) > 1 for row in table.rows for each in row.cells) else ""
    return f"     {told}{repeated}"


def _sources(sessions: tuple[Session, ...]) -> tuple[tuple[str, str], ...]:
    """Names with an address each, mail sources first, in the order in which they were used."""
    ordered = sorted(sessions, key=lambda it: it.role)  # `mail` goes before `witness`
    found: dict[str, str] = {}
    for session in ordered:
        if not session.hello.is_deep:
            found[session.source] = found.get(session.source) or session.source_address
    return tuple(found.items())


def _places(evidence: Evidence) -> list[tuple[int | None, str, str]]:
    """Every address that DNS or a session names, in the order of delivery; a host without any once."""
    places: dict[tuple[str, str], int | None] = {}
    for host in evidence.route.hosts:
        for address in host.addresses or ("",):
            places.setdefault((host.name, address), host.preference)
    for session in evidence.sessions:
        places.setdefault((session.endpoint.mx, session.endpoint.address), None)
    return [(preference, mx, address) for (mx, address), preference in places.items()]
