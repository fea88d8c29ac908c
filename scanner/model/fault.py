"""What cut a piece of evidence short: how far we came, what happened, and on whose side.

A fault is a value. It rides in the evidence that it cut short and never becomes a verdict by itself: a time-out is
not "no TLS", and what failed on our side is never the peer's (docs/guarantees.md P7).

Touches: nothing. Source: RFC 5321 sections 3 and 4, RFC 1035 section 4.1.1 (RCODE), RFC 8446 section 6 (alerts).
"""

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Stage(IntEnum):
    """How far we came, in the order of the wire. An integer, because text would compare alphabetically.

    `word` is the name as written in a record.
    """

    word: str

    INPUT = 0
    RESOLVE = 1
    POLICY = 2
    CONNECT = 3
    GREETING = 4
    EHLO = 5
    STARTTLS = 6
    HANDSHAKE = 7
    EHLO_TLS = 8
    DONE = 9

    def __init__(self, _number: int) -> None:
        self.word = self._name_.lower()


class Side(StrEnum):
    """Whose fault: the peer's (or the network between), ours, or the list's."""

    REMOTE = "remote"
    OURS = "ours"
    INPUT = "input"


class Kind(StrEnum):
    """What happened. A closed list: each kind is produced by a lab scenario or a test, and asserted."""

    # the list
    NUL_BYTE = "nul_byte"
    LINE_TOO_LONG = "line_too_long"
    NOT_A_HOST_NAME = "not_a_host_name"
    IP_ADDRESS = "ip_address"
    MISSING_COLUMN = "missing_column"
    BAD_ENCODING = "bad_encoding"
    BAD_ROW = "bad_row"
    EXCLUDED = "excluded"
    # DNS; RCODE names where one exists
    NXDOMAIN = "nxdomain"
    NODATA = "nodata"
    SERVFAIL = "servfail"
    DNS_REFUSED = "dns_refused"
    NOTIMP = "notimp"
    FORMERR = "formerr"
    DNS_TIMEOUT = "dns_timeout"
    DNS_MALFORMED = "dns_malformed"
    BOGUS = "bogus"
    RESOLVER_DOWN = "resolver_down"
    # the connection
    REFUSED_ADDRESS = "refused_address"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMEOUT = "timeout"
    CLOSED = "closed"
    RESET = "reset"
    # the dialogue; `code` holds the reply code
    REPLY_421 = "reply_421"
    REPLY_4XX = "reply_4xx"
    REPLY_5XX = "reply_5xx"
    MALFORMED = "malformed"
    TOO_LONG = "too_long"
    DESYNC = "desync"
    # the handshake; `code` holds the alert
    TLS_ALERT = "tls_alert"
    TLS_FAILED = "tls_failed"
    NOT_TLS = "not_tls"
    # the policy host
    HTTP_STATUS = "http_status"
    CONTENT_ENCODED = "content_encoded"
    CERTIFICATE = "certificate"
    # pacing: the peer asked us to stay away
    PARKED = "parked"
    # ours
    NO_DESCRIPTORS = "no_descriptors"
    NO_SOURCE = "no_source"
    NO_ROUTE = "no_route"
    NO_FAMILY = "no_family"
    NO_BUFFERS = "no_buffers"
    STALLED = "stalled"
    BUG = "bug"


PASSING_OURS = frozenset(
    {
        Kind.RESOLVER_DOWN,
        Kind.NO_DESCRIPTORS,
        Kind.NO_SOURCE,
        Kind.NO_ROUTE,
        Kind.NO_BUFFERS,
        Kind.STALLED,
        Kind.BUG,
    }
)
"""Kinds on our side that another try may cure: the row stays undone. NO_FAMILY is how the run was configured."""


NO_THREAD = "can't start new thread"
"""What Python says where there is no memory for the stack of a thread."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that went wrong.

    `detail` is a short text for people, from us or from the peer (escaped when written); `code` is an SMTP reply
    code, a TLS alert, an HTTP status or an errno, as the kind says.
    """

    stage: Stage
    kind: Kind
    side: Side = Side.REMOTE
    detail: str = ""
    code: int | None = None

    @property
    def leaves_row_undone(self) -> bool:
        """True where our own passing trouble decided: the row is tried again and never written as a verdict."""
        return self.side is Side.OURS and self.kind in PASSING_OURS


def is_of_memory(error: BaseException | None) -> bool:
    """Tell whether our own lack of memory is behind an exception: libraries wrap it in what they say of a peer."""
    seen: set[int] = set()
    behind = [error]
    while behind:
        each = behind.pop()
        if isinstance(each, MemoryError) or (isinstance(each, RuntimeError) and NO_THREAD in str(each)):
            return True
        if each is None or id(each) in seen:
            continue
        seen.add(id(each))
        behind += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]
    return False
