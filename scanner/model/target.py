"""One row of the input list.

Touches: nothing. Source: RFC 5321 section 2.3.5 (domain), RFC 5890 (A-label).
"""

from dataclasses import dataclass
from enum import StrEnum

from scanner.model.fault import Fault


class TlsPolicy(StrEnum):
    """What the list demands of mail to this partner: any TLS, a certificate that verifies for the MX host, DANE."""

    NONE = "none"
    MUST_TLS = "must-tls"
    VERIFY = "verify"
    DANE = "dane"


@dataclass(frozen=True, slots=True)
class Target:
    """Row `n` (from 1, header, comments and blank lines not counted) asks about `domain`.

    `domain` is the A-label form, lower case, without final dot; empty when `fault` says why there is none. `raw` is
    the cell as read. `columns` are the other cells, passed through to the record. `policy` is None where nothing is
    demanded nor excused.
    """

    n: int
    domain: str
    raw: str = ""
    columns: tuple[tuple[str, str], ...] = ()
    fault: Fault | None = None
    policy: TlsPolicy | None = None
