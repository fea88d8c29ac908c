"""What many rows have in common, written once: the same server, the same certificate, the same predictions.

Touches: nothing. Source: docs/performance.md (what was gained by measuring).
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import TypeVarTuple

import orjson

from scanner.jsonl.caps import FULL, Pen

Given = TypeVarTuple("Given")


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
