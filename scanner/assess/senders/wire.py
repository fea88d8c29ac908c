"""What was on the wire, by one name for each thing a sender may run into, and the step that a sender takes then.

Senders read the same wire differently: `Reading` holds what one takes for a greeting and for an offer.

Touches: nothing. Source: Postfix smtp_proto.c and Exim smtp.c, run row by row; RFC 3207 section 4.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from scanner.assess import starttls
from scanner.assess.case import View, once
from scanner.assess.hygiene import OLD_VERSIONS
from scanner.assess.passing import CUT
from scanner.model.assessment import Outcome, Verdict
from scanner.model.fault import Kind, Side, Stage
from scanner.model.session import Oddity, Reply, Session
from scanner.protocols.replies import text_of

MARK = re.compile(r"\{(\w+)\}")
REPLY_LETTERS = 500
ENHANCED = re.compile(rb"[245]\.\d{1,3}\.\d{1,3}")


@dataclass(frozen=True, slots=True)
class Step:
    """What one attempt comes to. `ends` False: the next host is tried, and this is what remains if there is none."""

    outcome: Outcome
    rule: str
    dsn: str = ""
    words: str = ""
    ends: bool = True
    reason: str = ""

    @property
    def is_certain(self) -> bool:
        """No reason to doubt."""
        return not self.reason


def waits(rule: str, dsn: str, words: str, reason: str = "") -> Step:
    """The next host, else the message waits."""
    return Step(Outcome.DEFER, rule, dsn, words, ends=False, reason=reason)


def unseen(reason: str, rule: str = "unseen") -> Step:
    """The evidence does not decide."""
    return Step(Outcome.UNKNOWN, rule, reason=reason)


def doubted(step: Step, reason: str) -> Step:
    """The same step, with one more reason why it is not certain."""
    return replace(step, reason=f"{step.reason}; {reason}" if step.reason else reason)


PASSES = "may pass"
UNSEEN: dict[str, Step] = {
    "not-looked-at": unseen("this address was not visited"),
    "flapping": unseen("the same server gives different answers"),
    "out-of-step": unseen("replies that nobody asked for answer a sender's next command"),
    "unclear": unseen("the dialogue made no sense"),
}
"""Events that tell nothing, whoever sends."""
LOST_KINDS = {**dict.fromkeys(CUT, "lost"), Kind.TIMEOUT: "timed-out"}
BY_FAULT = {
    (Stage.CONNECT, Kind.REFUSED): "refused",
    (Stage.CONNECT, Kind.TIMEOUT): "timeout",
    (Stage.CONNECT, Kind.UNREACHABLE): "unreachable",
    (Stage.CONNECT, Kind.RESET): "refused",
    (Stage.CONNECT, Kind.REFUSED_ADDRESS): "special",
    (Stage.GREETING, Kind.REPLY_421): "greeting-4xx",
    (Stage.GREETING, Kind.REPLY_4XX): "greeting-4xx",
    (Stage.GREETING, Kind.REPLY_5XX): "greeting-5xx",
    (Stage.EHLO, Kind.REPLY_421): "ehlo-421",
    (Stage.EHLO, Kind.REPLY_4XX): "helo-unseen",
    (Stage.STARTTLS, Kind.REPLY_4XX): "starttls-4xx",
    (Stage.STARTTLS, Kind.REPLY_421): "starttls-421",
    (Stage.STARTTLS, Kind.REPLY_5XX): "starttls-5xx",
    **{(Stage.HANDSHAKE, kind): "handshake" for kind in (Kind.TLS_ALERT, Kind.TLS_FAILED, Kind.NOT_TLS)},
    **{(Stage.HANDSHAKE, kind): "handshake-once" for kind in (*CUT, Kind.TIMEOUT)},
    (Stage.EHLO_TLS, Kind.REPLY_421): "ehlo-tls-421",
    (Stage.EHLO_TLS, Kind.REPLY_4XX): "ehlo-tls-4xx",
    (Stage.EHLO_TLS, Kind.REPLY_5XX): "ehlo-tls-5xx",
    (Stage.EHLO_TLS, Kind.TIMEOUT): "late-timeout",
    **{(Stage.EHLO_TLS, kind): "late-refusal" for kind in (*CUT, Kind.TLS_ALERT, Kind.TLS_FAILED)},
    **{
        (stage, kind): word
        for stage in (Stage.GREETING, Stage.EHLO, Stage.STARTTLS)
        for kind, word in LOST_KINDS.items()
    },
}
HANDSHAKE_BY_VERDICT = {
    **dict.fromkeys(Verdict, "handshake-once"),
    Verdict.FAIL: "handshake",
}
"""Refused for good with every ClientHello that was tried, or not surely."""
WHERE = {
    Stage.GREETING: "receiving the initial server greeting",
    Stage.EHLO: "performing the EHLO handshake",
    Stage.STARTTLS: "receiving the STARTTLS response",
    Stage.EHLO_TLS: "performing the EHLO handshake",
}


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """How a sender reads what a server says before TLS.

    `sees`: finds the offer in an EHLO reply; `is_masked`: takes this greeting for an old firewall, and sends HELO;
    `stumbles`: cannot make sense of the session; `aborts`: what it does not take before a handshake.
    """

    sees: Callable[[Reply], bool]
    is_masked: Callable[[Reply], bool]
    stumbles: Callable[[Session], bool]
    aborts: frozenset[Oddity] = frozenset()


def never(_seen: object) -> bool:
    """Nothing of the kind."""
    return False


ESTABLISHED = frozenset({"tls", "ehlo-tls-4xx", "ehlo-tls-5xx"})
"""Events with a session that is encrypted and goes on."""


def flaw(view: View, names: Iterable[str]) -> str:
    """Name what some senders do not take for TLS, `anonymous` or `old-tls`; empty where there is none, or no TLS."""
    handshake = view.decisive.handshake
    if ESTABLISHED.isdisjoint(names):
        return ""
    if handshake is None or not handshake.chain:
        return "anonymous"
    return "old-tls" if handshake.version in OLD_VERSIONS else ""


@once
def on_the_wire(view: View, readings: tuple[Reading, ...]) -> tuple[tuple[tuple[Reading, str], ...], str]:
    """Name the events, and the flaw of the handshake."""
    held = events(view, readings)
    return held, flaw(view, [name for _, name in held])


def events(view: View, readings: tuple[Reading, ...]) -> tuple[tuple[Reading, str], ...]:
    """Name what a sender runs into at this address, for each way of reading."""
    session = view.decisive
    unclear = _unclear(view, session)
    if unclear:
        return tuple([(reading, unclear) for reading in readings])
    return tuple([(each, _before_starttls(session, each) or _after_starttls(view, session, each)) for each in readings])


def _unclear(view: View, session: Session) -> str:
    """Name what tells nothing, however one reads; empty where there is something to read."""
    fault = session.fault
    if starttls.is_flapping(view):
        return "flapping"
    if fault is not None and (fault.side is not Side.REMOTE or fault.kind is Kind.PARKED):
        return "not-looked-at"
    return "out-of-step" if Oddity.UNSOLICITED in session.oddities else ""


def _after_starttls(view: View, session: Session, reading: Reading) -> str:
    fault = session.fault
    if fault is not None:
        row = BY_FAULT.get((fault.stage, fault.kind), "unclear")
        return HANDSHAKE_BY_VERDICT[starttls.of_view(view)] if row.startswith("handshake") else row
    if session.handshake is None:
        return "unclear"
    return "handshake" if session.oddities and reading.aborts.intersection(session.oddities) else "tls"


def _before_starttls(session: Session, reading: Reading) -> str:
    """Whatever keeps a sender from asking for TLS, first things first. It never asks where it sees no offer."""
    greeting, reply, fault = session.greeting, session.ehlo, session.fault
    if greeting is not None and greeting.is_positive and reading.is_masked(greeting):
        return "helo" if reply is not None and reply.is_positive else "helo-unseen"
    if reading.stumbles(session):
        return "malformed"
    if fault is not None and fault.stage <= Stage.EHLO:
        where = (fault.stage, fault.kind)
        return _helo(session.helo) if where == (Stage.EHLO, Kind.REPLY_5XX) else BY_FAULT.get(where, "unclear")
    return "helo" if session.helo is not None and session.helo.is_positive else _offer(session, reading)


def _offer(session: Session, reading: Reading) -> str:
    """RFC 3207 s4: nothing where there is one."""
    if session.ehlo is None or not session.ehlo.is_positive:
        return "unclear"
    if reading.sees(session.ehlo):
        return ""
    return "absent-denied" if is_denied(session.starttls) else "absent"


def _helo(reply: Reply | None) -> str:
    """RFC 5321 s3.2: what HELO came to where EHLO was refused."""
    if reply is None or reply.code == 0:
        return "helo-unseen"
    return "helo" if reply.is_positive else "helo-4xx" if reply.code < 500 else "helo-5xx"


def is_denied(reply: Reply | None) -> bool:
    """Whether the server has something against this client: Sendmail greets a rejected one, and offers it nothing.

    RFC 3463 section 3.8: X.7 is security or policy.
    """
    return reply is not None and _enhanced(reply, 5).startswith("5.7.")


def has_marks(step: Step) -> bool:
    """Tell whether something is to be filled in."""
    return "{" in step.words or "{" in step.dsn


def told(step: Step, view: View) -> Step:
    """Fill in host, address and reply, as they stand in the log."""
    if not has_marks(step):
        return step
    words = _words(view)
    filled = [MARK.sub(lambda mark: words[mark[1]], text) for text in (step.words, step.dsn)]
    return replace(step, words=filled[0], dsn=filled[1])


@once
def _words(view: View) -> dict[str, str]:
    """What stands in the place of each mark."""
    session = view.decisive
    reply = _last_reply(session)
    code = (reply.code if reply is not None else 0) // 100
    fault = session.fault
    return {
        "mx": view.mx,
        "host": f"{view.mx}[{view.address}]",
        "port": str(session.endpoint.port),
        "reply": _text(reply),
        "where": WHERE.get(fault.stage, "") if fault is not None else "",
        "soft_dsn": "4" + _enhanced(reply, code)[1:],
        "dsn": _enhanced(reply, code),
    }


def _last_reply(session: Session) -> Reply | None:
    """The reply that decided: the last one that came."""
    replies = (session.ehlo_tls, session.starttls, session.helo, session.ehlo, session.greeting)
    return next((reply for reply in replies if reply is not None), None)


def _text(reply: Reply | None) -> str:
    """All lines on one, with the codes, as Postfix logs them."""
    return "" if reply is None else b" ".join(reply.lines).decode("utf-8", "backslashreplace")[:REPLY_LETTERS]


def _enhanced(reply: Reply | None, code: int) -> str:
    """RFC 2034: the code of the server where its class fits, else the class alone."""
    if reply is not None and reply.lines:
        found = ENHANCED.match(text_of(reply.lines[-1]))
        if found and found[0][:1] == b"%d" % code:
            return found[0].decode("ascii")
    return f"{code}.0.0"
