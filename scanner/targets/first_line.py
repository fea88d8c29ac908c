"""Where in a row the domain stands: decided once, on the first line, and applied to every line.

The rules, in this order:

1. A line that opens with `{` makes the list JSON Lines. The key is `--column`, else the first of `KNOWN` in the first
   object, else `domain`.
2. The delimiter is `--delimiter`, else the one of `DELIMITERS` that stands most often outside quotes in the first line.
   Without any, the list is one name per line.
3. `--column NAME`: the first line is a header and has that cell. `--column N` (from 1): the first line is a header
   when its Nth cell has neither dot nor colon and no cell is a number.
4. Otherwise a first line that holds one of `KNOWN` is a header, and the earliest of `KNOWN` is the column. If the same
   line also holds a domain, it could be either, and the list is refused.
5. Otherwise there is no header. One cell: that is the column. Several (`1,example.org`): the only cell that is a
   domain. None or two: the list is refused. In each case `--column` settles it.
6. The policy is where `--policy-column` says, by name or number (in JSON Lines: the key); else in the column of a
   header that is called exactly `tls_policy`, and under that key in JSON Lines.

Touches: nothing.
"""

import csv
import re
from collections import Counter
from dataclasses import dataclass

from scanner.targets import domain_names, policies
from scanner.targets.refusal import ListRefused, quoted, shortened
from scanner.targets.rows import DELIMITERS, Cells, Layout, Objects, loaded, split

KNOWN = (
    "domain",
    "domains",
    "domain_name",
    "domainname",
    "fqdn",
    "hostname",
    "host",
    "name",
    "url",
    "email",
    "site",
    "target",
)
"""Names of a column that holds domains, the surest first; capitals do not matter."""
WORDS = {"\\t": "\t", "tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
"""What a shell user may write for a delimiter that is hard to type."""
POSITION = re.compile(r"[0-9]{1,6}")
HEADING = re.compile(r"[^.:\u3002\uff0e\uff61]+")
"""A cell that can be neither a domain nor an address: no dot of any script, no colon."""


@dataclass(frozen=True, slots=True)
class Form:
    """How the list is written, as far as the user said so; empty means: find out."""

    column: str = ""
    delimiter: str = ""
    policy: str = ""


def decide(first: str | None, form: Form) -> Layout:
    """Choose the layout from the first line; None where that line cannot be read. Raises ListRefused."""
    delimiter = WORDS.get(form.delimiter, form.delimiter)
    if len(delimiter) > 1 or delimiter in {'"', "\r", "\n", "\0"}:
        raise ListRefused(f"--delimiter {quoted((form.delimiter,))} is not one character that can separate cells")
    if first is None:
        return decide_unread(delimiter, form)
    if first.lstrip().startswith("{") and not delimiter:
        return decide_objects(first, form.column, form.policy)
    return decide_cells(first, delimiter or sniffed(first), form)


def decide_unread(delimiter: str, form: Form) -> Layout:
    """The first line is a bad row. What was asked for is kept, and one name per line is all that may be assumed."""
    named = [word for word in (form.column, form.policy) if word]
    if form.column and all(POSITION.fullmatch(word) and int(word) for word in named):
        return Cells(delimiter, int(form.column) - 1, policy_at=int(form.policy) - 1 if form.policy else None)
    if named or delimiter:
        raise ListRefused("the first line cannot be read, so no column is known: mend it or give --column N")
    return Cells("")


def decide_objects(first: str, column: str, policy: str) -> Layout:
    """Rules 1 and 6."""
    found = loaded(first)
    if found is None:
        if first.strip() == "{":
            raise ListRefused("the list is JSON, but not one object per line: convert it with `jq -c`")
        return Objects(column or KNOWN[0], policy_key=policy)
    key = column or next((key for word in KNOWN for key in found if key.casefold() == word), KNOWN[0])
    for wanted, option in ((key, "--column"), (policy or key, "--policy-column")):
        if wanted not in found:
            has = quoted(tuple(found))
            raise ListRefused(f"no key {quoted((wanted,))} in the first object; it has {has}: use {option}")
    refuse_one_for_both(key, policy)
    return Objects(key, policy_key=policy or (policies.KEY if policies.KEY in found else ""))


def decide_cells(first: str, delimiter: str, form: Form) -> Layout:
    """Rules 3 to 6."""
    column = form.column
    try:
        cells = tuple(cell.strip() for cell in split(first, delimiter))
    except csv.Error:
        return decide_unread(delimiter, form)
    if POSITION.fullmatch(column):
        at, header = by_position(cells, int(column))
    elif column:
        at, header = by_name(cells, column), True
    else:
        at, header = by_itself(cells)
    if header and not POSITION.fullmatch(column):
        refuse_duplicates(cells)
    policy_at = policy_by(cells, form.policy, is_header=header)
    refuse_one_for_both(at, policy_at)
    return Cells(delimiter, at, unique(cells) if header else (), header, policy_at)


def policy_by(cells: tuple[str, ...], policy: str, *, is_header: bool) -> int | None:
    """Rule 6: the index of the policy's column, if there is one."""
    if POSITION.fullmatch(policy):
        return by_position(cells, int(policy), "--policy-column")[0]
    if policy and not is_header:
        raise ListRefused(f"no header, so no column {quoted((policy,))}: choose by number with --policy-column N")
    if policy:
        return by_name(cells, policy, "--policy-column")
    return cells.index(policies.KEY) if is_header and policies.KEY in cells else None


def refuse_one_for_both(domain: object, policy: object) -> None:
    """Refuse one column for both: a domain is no policy."""
    if domain == policy:
        raise ListRefused("--policy-column: this column holds the domains")


def by_position(cells: tuple[str, ...], position: int, option: str = "--column") -> tuple[int, bool]:
    """Rule 3 for a number: the index, and whether the first line is a header."""
    if not 1 <= position <= len(cells):
        raise ListRefused(f"{option} {position}: the first line has {len(cells)} columns, {quoted(cells)}")
    heading = HEADING.fullmatch(cells[position - 1]) is not None
    return position - 1, heading and not any(map(str.isdigit, cells))


def by_name(cells: tuple[str, ...], column: str, option: str = "--column") -> int:
    """Rule 3 for a name: as written, else with other capitals."""
    folded = [cell.casefold() for cell in cells]
    if column in cells:
        return cells.index(column)
    if column.strip().casefold() in folded:
        return folded.index(column.strip().casefold())
    raise ListRefused(f"no column {quoted((column,))}; the first line has {quoted(cells)}: use {option}")


def by_itself(cells: tuple[str, ...]) -> tuple[int, bool]:
    """Rules 4 and 5."""
    folded = [cell.casefold() for cell in cells]
    known = [folded.index(word) for word in KNOWN if word in folded]
    names = [index for index, cell in enumerate(cells) if is_name(cell)]
    if known and not names:
        return known[0], True
    if len(cells) == 1 or (len(names) == 1 and not known):
        return (names or [0])[0], False
    raise ListRefused(
        f"which column holds the domains? The first line has {quoted(cells)}: say it with --column NAME|N"
    )


def is_name(cell: str) -> bool:
    """Tell whether a cell could be scanned as it is."""
    return isinstance(domain_names.read(cell), str)


def refuse_duplicates(cells: tuple[str, ...]) -> None:
    """Two columns of one name: neither is the right one. Capitals do not distinguish."""
    counts = Counter(cell.casefold() for cell in cells if cell)
    twice = tuple(name for name, count in counts.items() if count > 1)
    if twice:
        raise ListRefused(f"the header names {quoted(twice)} twice: rename one, or choose by number with --column N")


def unique(cells: tuple[str, ...]) -> tuple[str, ...]:
    """Names for the columns, each once; an empty or repeated one gets its number."""
    names: dict[str, None] = {}
    for number, cell in enumerate(cells, 1):
        name = shortened(cell or f"column_{number}")
        while name in names:
            name = f"column_{number}" if name == cell else f"{name}_"
        names[name] = None
    return tuple(names)


def sniffed(first: str) -> str:
    """Rule 2: the most frequent delimiter outside quotes, in doubt the one DELIMITERS names first."""
    outside = re.sub(r'"[^"]*"', "", first)
    best = max(DELIMITERS, key=outside.count)
    return best if best in outside else ""
