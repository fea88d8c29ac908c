"""What many rows have in common, written once and read once: the same server, certificate, or predictions.

Touches: nothing. Source: docs/performance.md (what was gained by measuring).
"""

from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, Generic, TypeVar, TypeVarTuple

import orjson

from scanner.jsonl.caps import FULL, Pen

T = TypeVar("T")
Given = TypeVarTuple("Given")

PIECE_BYTES = 16 * 1024
"""What is longer is rare, and not worth its room: a row may be one piece of 256 KiB, and no other row like it."""


class Same:
    """These very values, as a key. To compare them word by word would cost more than to write them."""

    __slots__ = ("ids", "these")

    def __init__(self, *these: object) -> None:
        self.these = these  # kept, so that nothing else can take their place
        self.ids = tuple(map(id, these))

    def __hash__(self) -> int:
        return hash(self.ids)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Same) and other.ids == self.ids


def written_once(kept: int) -> Callable[[Callable[[Pen, *Given], object]], Callable[[Pen, *Given], object]]:
    """Keep the JSON of the last `kept` values, told by identity, while nothing has to be left out for want of room."""

    def decorated(write: Callable[[Pen, *Given], object]) -> Callable[[Pen, *Given], object]:
        @lru_cache(kept)
        def piece(same: Same) -> tuple[orjson.Fragment, bool]:
            pen, given = Pen(FULL), same.these
            return orjson.Fragment(orjson.dumps(write(pen, *given), option=orjson.OPT_STRICT_INTEGER)), pen.cut  # type: ignore[arg-type]

        @wraps(write)
        def written(pen: Pen, *given: *Given) -> object:
            if pen.caps is not FULL:
                return write(pen, *given)
            fragment, is_cut = piece(Same(*given))
            pen.cut = pen.cut or is_cut
            return fragment

        return written

    return decorated


class ReadOnce(Generic[T]):
    """The last `kept` values that were read, each by the JSON of all that it was read from.

    JSON tells 1 from 1.0 and from true, which Python takes for equal, and it tells every value apart that a reader
    could: so whatever stands in a row, it is read as if it stood there alone.
    """

    __slots__ = ("_kept", "_known")

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._known: OrderedDict[bytes, T] = OrderedDict()

    def __call__(self, part: Any, read: Callable[[Any], T]) -> T:
        """Read a piece of a row, or find what was read of the same. What `read` raises is not remembered."""
        try:
            key = orjson.dumps(part)
        except TypeError:  # so deep that nobody could write it again
            return read(part)
        known = self._known.get(key)
        if known is not None:
            self._known.move_to_end(key)
            return known
        value = read(part)
        if len(key) <= PIECE_BYTES:
            self._known[key] = value
            if len(self._known) > self._kept:
                self._known.popitem(last=False)
        return value
