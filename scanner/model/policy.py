"""What a domain publishes about transport security beside its MX: MTA-STS and TLS-RPT.

Touches: nothing. Source: RFC 8461 sections 3.1-3.3, RFC 8460 section 3.
"""

from dataclasses import dataclass
from enum import StrEnum

from scanner.model.fault import Fault
from scanner.model.route import Answer


class StsMode(StrEnum):
    """RFC 8461 section 5."""

    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """A well-formed policy file, RFC 8461 section 3.2."""

    mode: StsMode
    max_age_s: int
    mx: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyFetch:
    """One HTTPS GET of the policy file. `body` is what arrived with status 200, at most 64 KiB.

    Faults: stage POLICY; DNS and connection kinds, `certificate`, `http_status`, `content_encoded`, `too_long`.
    """

    address: str = ""
    status: int | None = None
    media_type: str = ""
    body: bytes = b""
    fault: Fault | None = None


@dataclass(frozen=True, slots=True)
class MtaSts:
    """`txt` is the answer at `_mta-sts.<domain>`; `id` is set when exactly one valid record remains.

    `defect` says in one word why a TXT record or policy that is there does not count. `fetch` is None when there was
    no reason to ask. `policy` is None unless all is valid.
    """

    txt: Answer[bytes]
    id: str = ""
    fetch: PolicyFetch | None = None
    policy: StsPolicy | None = None
    defect: str = ""


@dataclass(frozen=True, slots=True)
class TlsRpt:
    """`txt` is the answer at `_smtp._tls.<domain>`; `rua` the report addresses of the one valid record."""

    txt: Answer[bytes]
    rua: tuple[str, ...] = ()
    defect: str = ""
