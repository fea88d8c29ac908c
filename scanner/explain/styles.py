"""A line with its weight, and how a terminal shows it. Without colours the text is the same, to the letter.

Touches: nothing. Source: ECMA-48 section 8.3.117 (SGR); no-color.org (NO_COLOR).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Style(StrEnum):
    """What a line is to the reader; the value is what the terminal is told (select graphic rendition)."""

    PLAIN = ""
    TITLE = "1"
    GOOD = "1;32"
    BAD = "1;31"
    DOUBT = "1;33"
    FAINT = "2"


@dataclass(frozen=True, slots=True)
class Line:
    """One line without its end: printable characters only, whatever a peer sent."""

    text: str = ""
    style: Style = Style.PLAIN


def rendered(lines: Iterable[Line], *, is_coloured: bool = False) -> str:
    """Join lines to a text that ends with a line end."""
    return "".join(f"{_coloured(line) if is_coloured and line.style else line.text}\n" for line in lines)


def wants_colour(*, is_terminal: bool, environment: Mapping[str, str]) -> bool:
    """Tell whether to colour: on a terminal that can, unless NO_COLOR is set to anything."""
    return is_terminal and not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def _coloured(line: Line) -> str:
    return f"\x1b[{line.style}m{line.text}\x1b[0m" if line.text else ""
