"""How much of everything fits into one row, and what is left out first where a row would grow too large.

Touches: nothing. Source: docs/record.md (caps).
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import astuple, dataclass, replace
from functools import cache
from typing import TypeVar

from scanner.text import from_bytes as show_bytes
from scanner.text import from_str as show
from scanner.text import is_plain

T = TypeVar("T")

ROW_BYTES = 256 * 1024
"""No row is longer, final newline included."""
SPARE_BYTES = 1024
"""Left free when a row is written, so that another judgement of the same evidence still fits."""
HEAD_LETTERS = 255
"""Of the names in the head, which are never cut further: a domain has 253."""


@dataclass(frozen=True, slots=True)
class Caps:
    """The most of everything. `line_bytes` and `reply_lines` are for SMTP replies, `record_bytes` for data of DNS
    records, `body_bytes` for a policy file, `names` for a leaf certificate, `letters` for any text, `predictions` for
    all models from all sources together, `items` for any other list.
    """

    reply_lines: int = 256
    line_bytes: int = 16 * 1024
    record_bytes: int = 4 * 1024
    body_bytes: int = 1024
    names: int = 32
    letters: int = 4 * 1024
    items: int = 256
    sessions: int = 512
    predictions: int = 512


FULL = Caps()
SHORT_REPLIES = replace(FULL, reply_lines=8, line_bytes=256)
FIRST_LINES = replace(SHORT_REPLIES, reply_lines=1, line_bytes=128)
SHORT_TEXTS = replace(FIRST_LINES, names=4, letters=256, body_bytes=256, record_bytes=256)
SHORT_LISTS = replace(SHORT_TEXTS, items=32, sessions=64, predictions=32)


def ladder() -> Iterator[Caps]:
    """From whole to nothing: replies first, then long texts, then lists; after that half of everything, and again."""
    yield from (FULL, SHORT_REPLIES, FIRST_LINES, SHORT_TEXTS)
    caps = SHORT_LISTS
    while any(astuple(caps)):
        yield caps
        caps = Caps(*(most // 2 for most in astuple(caps)))
    yield caps


class Pen:
    """Writes foreign text and lists within caps. `cut` tells whether anything was left out."""

    __slots__ = ("caps", "cut", "letters")

    def __init__(self, caps: Caps) -> None:
        self.caps = caps
        self.cut = False
        self.letters = caps.letters

    def text(self, words: str) -> str:
        """Show text. Most of it is plain and short: a hundred words of a row are looked at right here."""
        if words.isascii() and words.isprintable() and "\\" not in words and len(words) <= self.letters:
            return words
        if len(words) > self.letters:
            self.cut = True
            words = words[: self.letters]
        return show(words)

    def texts(self, *words: str) -> Callable[[str], str]:
        """As `text`, for all of these: one look tells whether any of them has to be looked at."""
        together = "".join(words)
        return str if len(together) <= self.letters and is_plain(together) else self.text

    def text_if_any(self, words: str) -> str | None:
        """Show text; empty means that there is none."""
        return self.text(words) if words else None

    def raw(self, raw: bytes, most_bytes: int) -> str:
        """Show bytes."""
        if len(raw) > most_bytes:
            self.cut = True
            raw = raw[:most_bytes]
        return show_bytes(raw)

    def raws(self, raw: Sequence[bytes], most_bytes: int) -> Callable[[bytes], str]:
        """As `raw`, for all of these: one look tells whether any of them has to be looked at."""
        together = b"".join(raw)
        if len(together) <= most_bytes and together.isascii() and is_plain(together.decode("ascii")):
            return bytes.decode
        return lambda line: self.raw(line, most_bytes)

    def hex(self, raw: bytes) -> str:
        """Show data of a DNS record that is no text."""
        if len(raw) > self.caps.record_bytes:
            self.cut = True
            raw = raw[: self.caps.record_bytes]
        return raw.hex()

    def first(self, items: Sequence[T], most: int) -> Sequence[T]:
        """Keep the first few."""
        if len(items) <= most:
            return items
        self.cut = True
        return items[:most]

    def listed(self, key: str, items: Sequence[T], write: Callable[[T], object], most: int) -> dict[str, object]:
        """Write a list, with how many there are and whether some are missing beside it."""
        count, truncated = _beside(key)
        if not items:
            return {key: [], count: 0, truncated: False}
        kept = self.first(items, most)
        return {key: [write(item) for item in kept], count: len(items), truncated: len(kept) < len(items)}


@cache
def _beside(key: str) -> tuple[str, str]:
    """Name what stands beside a list, once for each list that rows have."""
    return f"{key}_count", f"{key}_truncated"
