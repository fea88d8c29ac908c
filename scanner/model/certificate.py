"""One X.509 certificate as a peer presented it: its bytes, and the facts read from them.

Touches: nothing. Source: RFC 5280 section 4, RFC 6698 section 2.1 (digests).
"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Certificate:
    """`sha256` (lower-case hex, of the DER) is its name everywhere. A field that cannot be read is None or empty and
    listed in `unreadable`: hostile certificates are evidence too.
    """

    sha256: str
    der: bytes
    subject: str = ""
    issuer: str = ""
    serial: str = ""
    common_name: str = ""
    dns_names: tuple[str, ...] = ()
    not_before_at: datetime | None = None
    not_after_at: datetime | None = None
    key_type: str = ""
    key_bits: int | None = None
    signature_hash: str = ""
    spki: bytes = b""
    self_issued: bool = False
    server_auth: bool = True
    unreadable: tuple[str, ...] = ()
