"""One row of the input list.

Touches: nothing. Source: RFC 5321 section 2.3.5 (domain), RFC 5890 (A-label).
"""

from dataclasses import dataclass

from scanner.model.fault import Fault


@dataclass(frozen=True, slots=True)
class Target:
    """Row `n` (from 1, header, comments and blank lines not counted) asks about `domain`.

    `domain` is the A-label form, lower case, without final dot; empty when `fault` says why there is none. `raw` is
    the cell as read. `columns` are the other cells, passed through to the record.
    """

    n: int
    domain: str
    raw: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
