"""What else would this server take? The questions of `--deep`, one session each, and when to stop asking.

A question is left out where an answer is known: the version and the suite of every handshake so far are answers too,
and a server that takes nothing below TLS 1.3 has no weak suites. At most `SESSIONS_MOST` are asked of one address.

Touches: nothing. Source: docs/adr/0006-deep.md; RFC 8996 sections 4 and 5, RFC 9325 sections 3.1.1 and 4.1.
"""

from collections.abc import Sequence

from scanner.model.session import Hello, Session
from scanner.protocols import mx
from scanner.protocols.suites import Weakness, weaknesses

VERSIONS = {
    Hello.ONLY_TLS_1_3: "TLSv1.3",
    Hello.ONLY_TLS_1_2: "TLSv1.2",
    Hello.ONLY_TLS_1_1: "TLSv1.1",
    Hello.ONLY_TLS_1_0: "TLSv1",
}
SUITES = {
    Hello.ONLY_STATIC_RSA: Weakness.STATIC_RSA,
    Hello.ONLY_FINITE_FIELD: Weakness.FINITE_FIELD,
    Hello.ONLY_CBC: Weakness.NO_AEAD,
    Hello.ONLY_ANONYMOUS: Weakness.ANONYMOUS,
    Hello.ONLY_NULL: Weakness.NULL,
}
SESSIONS_MOST = 8
"""Every question but one: the session that came first has told one version."""


def next_hello(seen: Sequence[Session]) -> Hello | None:
    """Name the first open question to a server; None where there is none, or where it should be left alone.

    `seen` are the sessions with one address from one source, the usual one first. It must have gone well.
    """
    if not seen or seen[0].hello is not Hello.USUAL or seen[0].handshake is None or not all(map(is_answered, seen)):
        return None
    return next((hello for hello in (*VERSIONS, *SUITES) if is_open(hello, seen)), None)


def is_answered(session: Session) -> bool:
    """Tell whether the ClientHello was taken, or refused as such. A 421, a 4yz or a time-out asks us to stop."""
    return mx.deserves_wide_hello(session) or (session.handshake is not None and session.fault is None)


def is_open(hello: Hello, seen: Sequence[Session]) -> bool:
    """Tell whether nobody asked, and no handshake has told by the way."""
    if hello in {session.hello for session in seen}:
        return False
    agreed = [session.handshake for session in seen if session.handshake is not None]
    if hello in VERSIONS:
        return all(each.version != VERSIONS[hello] for each in agreed)
    is_below = any(each.version != VERSIONS[Hello.ONLY_TLS_1_3] for each in agreed)
    return is_below and all(SUITES[hello] not in weaknesses(each.cipher) for each in agreed)
