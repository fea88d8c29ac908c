"""One SMTP connection from one of our addresses, as it was on the wire. Facts only.

Touches: nothing. Source: RFC 5321 sections 3.1, 3.2, 4.1.1.1, 4.2; RFC 3207 section 4; RFC 8446.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Stage
from scanner.model.route import Endpoint


class Role(StrEnum):
    """`mail` is the sender whose fate we predict; a `witness` only looks."""

    MAIL = "mail"
    WITNESS = "witness"


@dataclass(frozen=True, slots=True)
class Source:
    """One of our addresses. An empty `address` lets the kernel choose; then either family may be used.

    `rate_per_s` (new connections) and `open_most` (sessions at a time) are its own pace; None: that of the run.
    """

    name: str
    address: str = ""
    ehlo_name: str = ""
    role: Role = Role.MAIL
    rate_per_s: float | None = None
    open_most: int | None = None


class Hello(StrEnum):
    """What our ClientHello offers: `usual` (SNI, TLS 1.0 to 1.3, ECDHE and static RSA), or `wide` (also DHE and
    anonymous suites, no SNI), sent on a second connection where the first failed and it can decide something.

    The others are what no sender sends: each offers one version, or TLS 1.0 to 1.2 with one kind of suite, to learn
    whether the server would take it (`--deep`). No verdict rests on them.
    """

    USUAL = "usual"
    WIDE = "wide"
    ONLY_TLS_1_3 = "only_tls_1_3"
    ONLY_TLS_1_2 = "only_tls_1_2"
    ONLY_TLS_1_1 = "only_tls_1_1"
    ONLY_TLS_1_0 = "only_tls_1_0"
    ONLY_STATIC_RSA = "only_static_rsa"
    ONLY_FINITE_FIELD = "only_finite_field"
    ONLY_CBC = "only_cbc"
    ONLY_ANONYMOUS = "only_anonymous"
    ONLY_NULL = "only_null"

    @property
    def is_deep(self) -> bool:
        """Whether it asks what a server would take, instead of what it takes from a sender."""
        return self not in {Hello.USUAL, Hello.WIDE}


class Oddity(StrEnum):
    """Things on the wire that RFC 5321 or RFC 3207 do not foresee, and that some sender will stumble over."""

    PLAINTEXT_AFTER_STARTTLS = "plaintext_after_starttls"
    UNSOLICITED = "unsolicited"
    MIXED_CODES = "mixed_codes"
    JUNK_LINE = "junk_line"
    BARE_LF = "bare_lf"
    BARE_CR = "bare_cr"
    NUL = "nul"
    EIGHT_BIT = "eight_bit"
    LONG_LINE = "long_line"
    STARTTLS_MISPLACED = "starttls_misplaced"
    STARTTLS_MANGLED = "starttls_mangled"
    STARTTLS_LOWER_CASE = "starttls_lower_case"
    STARTTLS_PARAMETER = "starttls_parameter"
    STARTTLS_UNADVERTISED = "starttls_unadvertised"
    STARTTLS_AGAIN = "starttls_again"
    BANNER_MASKED = "banner_masked"
    HELO_ONLY = "helo_only"
    NO_CERTIFICATE = "no_certificate"


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply: the code of its last line and every line as received, without line end.

    `lines` are bytes as on the wire, codes included; a reply that was cut short keeps the lines that came, with code 0.
    """

    code: int
    lines: tuple[bytes, ...]

    @property
    def is_positive(self) -> bool:
        """2yz, RFC 5321 section 4.2.1."""
        return 200 <= self.code <= 299


@dataclass(frozen=True, slots=True)
class Handshake:
    """A completed TLS handshake that verified nothing; the chain as presented, leaf first, at most eight kept.

    `group` is None where there was none. `chain` is empty for anonymous suites.
    """

    version: str
    cipher: str
    group: str | None
    server_name: str
    chain: tuple[Certificate, ...] = ()
    chain_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One connection. `stage` is the last stage completed; `fault` is what stopped it there, if anything did.

    `starttls` is the reply to STARTTLS, sent whether advertised or not. `helo` is only there where EHLO was refused.
    `times_ms` holds the duration of each stage that was entered, in order. `egress` is our address as the server
    echoed it. `shared`: observed for another domain of this run; `inherited`: observed under another server name.
    `follow_up` counts repetitions, asked for where our sources disagreed; 0 is the visit that all endpoints get.
    Faults: stages CONNECT to EHLO_TLS, any side.
    """

    endpoint: Endpoint
    source: str
    source_address: str
    ehlo_name: str
    observed_at: datetime
    role: Role = Role.MAIL
    hello: Hello = Hello.USUAL
    follow_up: int = 0
    stage: Stage = Stage.RESOLVE
    egress: str = ""
    greeting: Reply | None = None
    ehlo: Reply | None = None
    helo: Reply | None = None
    starttls: Reply | None = None
    handshake: Handshake | None = None
    ehlo_tls: Reply | None = None
    fault: Fault | None = None
    oddities: tuple[Oddity, ...] = ()
    unsolicited: bytes = b""
    times_ms: tuple[tuple[str, int], ...] = ()
    shared: bool = False
    inherited: bool = False


@dataclass(frozen=True, slots=True)
class Canary:
    """What one source saw, in this run, of servers that are known to offer STARTTLS: how many did what.

    `missing`: a clean EHLO reply without the keyword; `mangled`: with an overwritten one; `unseen`: no clean reply.
    """

    source: str
    offered: int = 0
    missing: int = 0
    mangled: int = 0
    unseen: int = 0
