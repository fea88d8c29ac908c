"""Foreign text for a terminal or a letter: escaped, cut, and broken into lines that fit.

`scanner.text` makes visible what a terminal would obey. A page goes further: whatever Python does not call printable is
an escape too, and nothing is longer than its cap.

Touches: nothing. Source: none.
"""

import textwrap
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from scanner import text
from scanner.explain.styles import Line, Style

T = TypeVar("T")
WIDTH = 80
NAME_LETTERS = 255
WORDS_LETTERS = 400
CUT = " ..."


def shown(words: str, most: int = WORDS_LETTERS) -> str:
    """Show text of a peer, a list or a library, at most so many letters (and the mark that it was cut)."""
    return _cut(_printable(text.from_str(words[: most + 1])), most)


def shown_bytes(raw: bytes, most: int = WORDS_LETTERS) -> str:
    """Show bytes of a peer."""
    return _cut(_printable(text.from_bytes(raw[: most + 4])), most)


def ascii_only(words: str) -> str:
    """Escape what is not ASCII, for a letter that must pass any mail system."""
    return "".join(letter if letter.isascii() else f"\\u{{{ord(letter):04x}}}" for letter in words)


def at(moment: datetime) -> str:
    """An instant in UTC, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def wrapped(words: str, indent: str = "", hanging: str | None = None, width: int = WIDTH) -> Iterator[str]:
    """Break a paragraph into lines; names and addresses are not broken where they fit."""
    later = indent if hanging is None else hanging
    yield from textwrap.wrap(
        words, width, initial_indent=indent, subsequent_indent=later, break_on_hyphens=False, drop_whitespace=True
    )


def paragraph(
    words: str, indent: str = "", hanging: str | None = None, style: Style = Style.PLAIN, *, width: int = WIDTH
) -> Iterator[Line]:
    """As `wrapped`, in lines of a page."""
    return (Line(each, style) for each in wrapped(words, indent, hanging, width))


def title(words: str) -> Iterator[Line]:
    """Begin a section."""
    yield Line()
    yield Line(words, Style.TITLE)


def first(items: Sequence[T], most: int) -> tuple[Sequence[T], int]:
    """The first few, and how many are left out."""
    return items[:most], max(0, len(items) - most)


def place(mx: str, address: str) -> str:
    """A server as Postfix writes it."""
    name = shown(mx, NAME_LETTERS)
    return f"{name}[{shown(address, NAME_LETTERS)}]" if address else name


def sender(name: str, address: str) -> str:
    """One of our sources: its address, and its name where it has one of its own."""
    name, address = shown(name, NAME_LETTERS), shown(address, NAME_LETTERS)
    return f"{name} ({address})" if name and address else name or address or "this machine"


def _printable(words: str) -> str:
    if words.isprintable():
        return words
    return "".join(letter if letter.isprintable() else f"\\u{{{ord(letter):04x}}}" for letter in words)


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[:most] + CUT
