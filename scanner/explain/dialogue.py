"""One session as it was on the wire: `C:` what we said, `S:` what came back, and how long each step took.

What we say is known from how far we came: EHLO with our name, HELO where that was refused, STARTTLS, EHLO again inside
TLS, QUIT. Lines of the server are escaped and cut.

Touches: nothing. Source: RFC 5321 section 3 and appendix D (the form of the dialogue); docs/what-we-send.md.
"""

from collections.abc import Iterator

from scanner.assess.names import matches
from scanner.explain.shown import NAME_LETTERS, WIDTH, at, paragraph, place, sender, shown, shown_bytes
from scanner.explain.styles import Line, Style
from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Handshake, Hello, Reply, Session

LINE_LETTERS = 160
LINES_MOST = 24
NAMES_MOST, NAMES_LOOKED_AT = 3, 1000
MARGIN = " " * 11

WHAT_HAPPENED = {
    Kind.REFUSED_ADDRESS: "not contacted: the address is not globally reachable",
    Kind.REFUSED: "the connection was refused",
    Kind.UNREACHABLE: "the address cannot be reached",
    Kind.TIMEOUT: "no answer in time",
    Kind.CLOSED: "the server closed the connection",
    Kind.RESET: "the connection was reset",
    Kind.REPLY_421: "the server closes the service for now",
    Kind.REPLY_4XX: "the server refuses for the moment",
    Kind.REPLY_5XX: "the server refuses",
    Kind.MALFORMED: "the answer is no SMTP",
    Kind.TOO_LONG: "the answer does not end",
    Kind.DESYNC: "the answer fits no question",
    Kind.TLS_ALERT: "the server ended the handshake with an alert",
    Kind.TLS_FAILED: "the handshake failed",
    Kind.NOT_TLS: "what came was no TLS",
    Kind.PARKED: "not visited: this provider had asked us to slow down",
    Kind.NO_DESCRIPTORS: "our fault: no file descriptors left",
    Kind.NO_SOURCE: "our fault: the source address is not on this machine",
    Kind.NO_ROUTE: "our fault: no route from this machine",
    Kind.NO_FAMILY: "not visited: the source has no address of this family",
    Kind.NO_BUFFERS: "our fault: no buffers left",
    Kind.STALLED: "our fault: this machine stood still",
    Kind.EXCLUDED: "not visited: the operator asked to be left alone",
}
WHILE = {
    Stage.CONNECT: "while connecting",
    Stage.GREETING: "while waiting for the greeting",
    Stage.EHLO: "after EHLO",
    Stage.STARTTLS: "after STARTTLS",
    Stage.HANDSHAKE: "during the TLS handshake",
    Stage.EHLO_TLS: "after EHLO inside TLS",
}
POLITE = frozenset({Kind.REPLY_421, Kind.REPLY_4XX, Kind.REPLY_5XX})
"""Faults after which the connection still stands, so that we say QUIT. The reply itself is shown above them."""
SAYS_ALL = frozenset({Kind.REFUSED, Kind.UNREACHABLE, Kind.REFUSED_ADDRESS, Kind.PARKED, Kind.TLS_ALERT})
"""Kinds whose words need no "while"."""


def dialogue(session: Session, repeated: int = 0, width: int = WIDTH) -> Iterator[Line]:
    """Every line of one session, with a head that says who, where and when, and how many more went the same way.

    Our own words fit into `width`; what was on the wire is only cut where it is very long.
    """
    again = f", and {repeated} more like this" if repeated else ""
    yield from paragraph(f"{_head(session)}{again}", "  ", "    ", Style.TITLE, width=width)
    if not _was_held(session):
        yield from _fault(session.fault, width)
        return
    yield _told(session, Stage.CONNECT, "connected")
    yield from _answer(session, Stage.GREETING, session.greeting)
    yield from _introduction(session)
    yield from _encryption(session)
    if session.fault is not None:
        yield from _fault(session.fault, width)
    if session.fault is None or session.fault.kind in POLITE:
        yield _ours("QUIT")


def wire(session: Session) -> tuple[object, ...]:
    """What two sessions have in common that went the same way."""
    replies = (session.greeting, session.ehlo, session.helo, session.starttls, session.ehlo_tls)
    fault = session.fault
    ended = None if fault is None else (fault.stage, fault.kind, fault.code)
    return session.endpoint, session.source, session.hello, replies, session.handshake is None, ended


def fault_words(fault: Fault | None) -> str:
    """What stopped a session, in words; the code and the detail behind it."""
    if fault is None:
        return ""
    words = WHAT_HAPPENED.get(fault.kind, fault.kind.value.replace("_", " "))
    is_plain = fault.side is not Side.REMOTE or fault.kind in POLITE | SAYS_ALL
    where = "" if is_plain else WHILE.get(fault.stage, "")
    code = "" if fault.code is None else f" ({fault.code})"
    detail = f": {shown(fault.detail, LINE_LETTERS)}" if fault.detail and fault.kind not in POLITE else ""
    return f"{words}{' ' if where else ''}{where}{code}{detail}"


def _head(session: Session) -> str:
    where = f"{place(session.endpoint.mx, session.endpoint.address)}:{session.endpoint.port}"
    again = f", visit {session.follow_up + 1}" if session.follow_up else ""
    wide = ", a wider ClientHello" if session.hello is Hello.WIDE else ""
    shared = ", seen for another domain" if session.shared else ""
    who = sender(session.source, session.source_address)
    return f"{who} to {where}, {at(session.observed_at)}{again}{wide}{shared}"


def _was_held(session: Session) -> bool:
    return session.stage >= Stage.CONNECT or session.greeting is not None


def _introduction(session: Session) -> Iterator[Line]:
    """EHLO, and HELO where it was refused."""
    if session.ehlo is not None or _stopped_at(session, Stage.EHLO):
        yield _ours(f"EHLO {_name(session)}")
        yield from _answer(session, Stage.EHLO, session.ehlo)
    if session.helo is not None:
        yield _ours(f"HELO {_name(session)}")
        yield from _replied(session.helo)


def _encryption(session: Session) -> Iterator[Line]:
    """STARTTLS, the handshake, and EHLO inside it."""
    if session.starttls is not None or _stopped_at(session, Stage.STARTTLS):
        yield _ours("STARTTLS")
        yield from _answer(session, Stage.STARTTLS, session.starttls)
    if session.handshake is not None:
        yield _told(session, Stage.HANDSHAKE, _agreed(session.handshake))
        if session.handshake.chain:
            leaf, host = session.handshake.chain[0], session.endpoint.mx
            yield from (Line(f"{MARGIN}   {words}") for words in _certificate(leaf, host))
    if session.ehlo_tls is not None or _stopped_at(session, Stage.EHLO_TLS):
        yield _ours(f"EHLO {_name(session)}")
        yield from _answer(session, Stage.EHLO_TLS, session.ehlo_tls)


def _stopped_at(session: Session, stage: Stage) -> bool:
    return session.fault is not None and session.fault.stage is stage and session.fault.side is Side.REMOTE


def _name(session: Session) -> str:
    return shown(session.ehlo_name, NAME_LETTERS)


def _agreed(handshake: Handshake) -> str:
    group = f", {shown(handshake.group, NAME_LETTERS)}" if handshake.group else ""
    name = f", asked for {shown(handshake.server_name, NAME_LETTERS)}" if handshake.server_name else ""
    anonymous = "" if handshake.chain else ", no certificate"
    return f"{shown(handshake.version, 40)}, {shown(handshake.cipher, 80)}{group}{name}{anonymous}"


def _certificate(leaf: Certificate, host: str) -> Iterator[str]:
    """Who it is for, who signed it, how long it is good. Of its names those that fit the host come first."""
    if not leaf.subject and not leaf.issuer and not leaf.dns_names:
        yield f"certificate {leaf.sha256[:16]}... (not at hand)" if not leaf.der else "certificate: cannot be read"
        return
    yield f"certificate: {shown(leaf.subject, LINE_LETTERS) or '(no subject)'}"
    yield f"issued by:   {shown(leaf.issuer, LINE_LETTERS) or '(no issuer)'}"
    ordered = sorted(leaf.dns_names[:NAMES_LOOKED_AT], key=lambda name: not matches(name, host))
    names = ", ".join(shown(name, NAME_LETTERS) for name in ordered[:NAMES_MOST])
    left = len(leaf.dns_names) - NAMES_MOST
    yield f"for:         {names or '(no DNS names)'}" + (f" ... {left} more" if left > 0 else "")
    if leaf.not_before_at is not None and leaf.not_after_at is not None:
        yield f"valid:       {leaf.not_before_at:%Y-%m-%d} to {leaf.not_after_at:%Y-%m-%d}"


def _answer(session: Session, stage: Stage, reply: Reply | None) -> Iterator[Line]:
    """The lines of the server; the first carries the time that the step took."""
    took = _took(session, stage)
    for line in _replied(reply):
        yield Line(f"{took}{line.text[len(MARGIN) :]}", line.style) if took else line
        took = ""


def _replied(reply: Reply | None) -> Iterator[Line]:
    if reply is None:
        return
    for line in reply.lines[:LINES_MOST]:
        yield Line(f"{MARGIN}S: {shown_bytes(line, LINE_LETTERS)}")
    if len(reply.lines) > LINES_MOST:
        yield Line(f"{MARGIN}   ... {len(reply.lines) - LINES_MOST} more lines", Style.FAINT)


def _ours(words: str) -> Line:
    return Line(f"{MARGIN}C: {words}", Style.FAINT)


def _told(session: Session, stage: Stage, words: str) -> Line:
    return Line(f"{_took(session, stage) or MARGIN}   ({words})")


def _fault(fault: Fault | None, width: int) -> Iterator[Line]:
    words = f"({fault_words(fault) or 'nothing was said'})"
    return paragraph(words, f"{MARGIN}   ", f"{MARGIN}    ", Style.DOUBT, width=width)


def _took(session: Session, stage: Stage) -> str:
    """How long the step took, as wide as the margin."""
    took_ms = dict(session.times_ms).get(stage.word)
    return "" if took_ms is None else f"{min(took_ms, 9_999_999):>7} ms "
