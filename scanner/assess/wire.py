"""What one Postfix delivery attempt makes of one server: by what was on the wire, a step for each demand.

Touches: nothing. Source: Postfix smtp_proto.c and smtp_trouble.c, run row by row; RFC 3207 section 4.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scanner.assess import starttls
from scanner.assess.case import View
from scanner.assess.passing import CUT
from scanner.model.assessment import Outcome, Verdict
from scanner.model.fault import Kind, Side, Stage
from scanner.model.session import Oddity, Reply, Session
from scanner.protocols import ehlo
from scanner.protocols.replies import text_of

EHLO_BYTES = 2048
"""Postfix (line_length_limit) drops what an EHLO reply holds beyond this."""
MASKED = re.compile(rb"[20 *\t\n]*")
"""Greetings after which Postfix believes in an old firewall and sends HELO (smtp_pix_workarounds)."""
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


CLEAR_LATER = "in clear to the same host once the message has waited 300 s"
PASSES = "may pass"
CLEAR = Step(Outcome.CLEAR, "2.3-absent", "2.0.0")
NOT_OFFERED = waits("2.3-absent", "4.7.4", "TLS is required, but was not offered by host {host}")
NO_HANDSHAKE = waits("2.3-handshake", "4.7.5", "Cannot start TLS: handshake failure")
REFUSED = "host {host} refused to talk to me: {reply}"
NO_TLS = "TLS is required, but host {host} refused to start TLS: {reply}"
LOST = "lost connection with {host} while {where}"
TIMED_OUT = "conversation with {host} timed out while {where}"


@dataclass(frozen=True, slots=True)
class Event:
    """One row: what it comes to where TLS is optional, and where it is required."""

    optional: Step
    required: Step


def both(step: Step) -> Event:
    """The demand makes no difference."""
    return Event(step, step)


EVENTS = {
    "refused": both(waits("2.2-connect", "4.4.1", "connect to {host}:{port}: Connection refused")),
    "timeout": both(waits("2.2-connect", "4.4.1", "connect to {host}:{port}: Connection timed out", PASSES)),
    "unreachable": both(waits("2.2-connect", "4.4.1", "connect to {host}:{port}: No route to host")),
    "special": both(waits("2.2-special", "4.4.1", "", "the address was not contacted")),
    "greeting-4xx": both(waits("2.3-greeting", "{dsn}", REFUSED, PASSES)),
    "greeting-5xx": both(waits("2.3-greeting", "{soft_dsn}", REFUSED)),
    "lost": both(waits("2.3-lost", "4.4.2", LOST)),
    "timed-out": both(waits("2.3-lost", "4.4.2", TIMED_OUT, PASSES)),
    "ehlo-421": both(waits("2.3-ehlo-421", "{dsn}", REFUSED, PASSES)),
    "helo": Event(replace(CLEAR, rule="2.3-ehlo"), replace(NOT_OFFERED, rule="2.3-ehlo")),
    "helo-unseen": Event(
        replace(CLEAR, rule="2.3-ehlo", reason="HELO was not tried"),
        replace(NOT_OFFERED, rule="2.3-ehlo", reason="HELO was not tried"),
    ),
    "helo-4xx": both(waits("2.3-helo", "{dsn}", REFUSED, PASSES)),
    "helo-5xx": both(Step(Outcome.BOUNCE, "2.3-helo", "{dsn}", REFUSED)),
    "absent": Event(CLEAR, NOT_OFFERED),
    "absent-denied": Event(
        unseen("STARTTLS, which is not offered, was denied for reasons of policy; so may be the message", "2.3-absent"),
        NOT_OFFERED,
    ),
    "starttls-4xx": Event(
        replace(CLEAR, rule="2.3-starttls-4xx", reason=PASSES), waits("2.3-starttls-4xx", "{dsn}", NO_TLS, PASSES)
    ),
    "starttls-421": Event(
        unseen("not known what follows the 421", "2.3-starttls-421"), waits("2.3-starttls-421", "{dsn}", NO_TLS, PASSES)
    ),
    "starttls-5xx": Event(
        replace(CLEAR, rule="2.3-starttls-5xx"), Step(Outcome.BOUNCE, "2.3-starttls-5xx", "{dsn}", NO_TLS)
    ),
    "handshake": Event(replace(NO_HANDSHAKE, reason=CLEAR_LATER), NO_HANDSHAKE),
    "handshake-once": Event(replace(NO_HANDSHAKE, reason=CLEAR_LATER), replace(NO_HANDSHAKE, reason="seen only once")),
    "late-refusal": Event(
        waits("2.3-late-refusal", "4.4.2", LOST, CLEAR_LATER), waits("2.3-late-refusal", "4.4.2", LOST)
    ),
    "late-timeout": Event(
        waits("2.3-late-refusal", "4.4.2", TIMED_OUT, CLEAR_LATER),
        waits("2.3-late-refusal", "4.4.2", TIMED_OUT, PASSES),
    ),
    "ehlo-tls-421": both(waits("2.3-ehlo-tls-421", "{dsn}", REFUSED, PASSES)),
    "not-looked-at": both(unseen("this address was not visited")),
    "flapping": both(unseen("the same server gives different answers")),
    "out-of-step": both(unseen("replies that nobody asked for answer a sender's next command")),
    "unclear": both(unseen("the dialogue made no sense")),
}
"""`tls` is missing here: what an established session is worth depends on what is verified (delivery.py)."""

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
    (Stage.EHLO_TLS, Kind.REPLY_4XX): "tls",
    (Stage.EHLO_TLS, Kind.REPLY_5XX): "tls",
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


@dataclass(frozen=True, slots=True)
class Visit:
    """What was seen at one address, and its row of EVENTS, or `tls`: the same for every demand."""

    view: View
    event: str


def visit(view: View) -> Visit:
    """Read what was seen."""
    return Visit(view, event(view))


def event(view: View) -> str:
    """Name the row of EVENTS, or `tls`."""
    session = view.decisive
    fault = session.fault
    if starttls.is_flapping(view):
        return "flapping"
    if fault is not None and (fault.side is not Side.REMOTE or fault.kind is Kind.PARKED):
        return "not-looked-at"
    if Oddity.UNSOLICITED in session.oddities:
        return "out-of-step"
    early = next(_before_starttls(session), "")
    if early or fault is None:
        return early or ("tls" if session.handshake is not None else "unclear")
    row = BY_FAULT.get((fault.stage, fault.kind), "unclear")
    return HANDSHAKE_BY_VERDICT[starttls.of_view(view)] if row.startswith("handshake") else row


def _before_starttls(session: Session) -> Iterator[str]:
    """Whatever keeps Postfix from asking for TLS, first things first. It never asks where it sees no offer."""
    fault = session.fault
    is_early = fault is not None and fault.stage <= Stage.EHLO
    if session.greeting is not None and session.greeting.is_positive and is_masked(session.greeting):
        yield "helo" if session.ehlo is not None and session.ehlo.is_positive else "helo-unseen"
    if is_early and fault is not None and (fault.stage, fault.kind) == (Stage.EHLO, Kind.REPLY_5XX):
        yield _helo(session.helo)
    if is_early and fault is not None:
        yield BY_FAULT.get((fault.stage, fault.kind), "unclear")
    if session.helo is not None and session.helo.is_positive:
        yield "helo"
    if session.ehlo is None or not session.ehlo.is_positive:
        yield "unclear"
    elif not sees_starttls(session.ehlo):
        yield "absent-denied" if is_denied(session.starttls) else "absent"


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


def is_masked(greeting: Reply) -> bool:
    """Whether Postfix sends HELO after this greeting."""
    return MASKED.fullmatch(b"\n".join(greeting.lines)) is not None


def sees_starttls(reply: Reply) -> bool:
    """Whether the offer stands within the part of the EHLO reply that Postfix keeps."""
    if sum(map(len, reply.lines)) + len(reply.lines) <= EHLO_BYTES:
        return ehlo.offers_starttls(reply)
    kept: list[bytes] = []
    length = 0
    for line in reply.lines:
        if length >= EHLO_BYTES:
            break
        kept.append(line)
        length += len(line) + 1
    return ehlo.offers_starttls(Reply(reply.code, tuple(kept)))


def told(step: Step, view: View) -> Step:
    """Fill in host, address and reply, as they stand in the log."""
    if "{" not in step.words + step.dsn:
        return step
    session = view.decisive
    reply = _last_reply(session)
    code = (reply.code if reply is not None else 0) // 100
    fault = session.fault
    words = {
        "mx": view.mx,
        "host": f"{view.mx}[{view.address}]",
        "port": str(session.endpoint.port),
        "reply": _text(reply),
        "where": WHERE.get(fault.stage, "") if fault is not None else "",
        "soft_dsn": "4" + _enhanced(reply, code)[1:],
        "dsn": _enhanced(reply, code),
    }
    filled = [MARK.sub(lambda mark: words[mark[1]], text) for text in (step.words, step.dsn)]
    return replace(step, words=filled[0], dsn=filled[1])


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
