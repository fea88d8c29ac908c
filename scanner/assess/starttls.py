"""Is STARTTLS there? The axis per view, folded into the domain, with the findings that say why not.

"No STARTTLS" is said only after a clean greeting and a clean EHLO. A rejection, a 421 or a time-out says nothing.

Touches: nothing. Source: RFC 3207 sections 4 and 6, RFC 5321 sections 3.1 and 4.2.1, RFC 8446 section 4.3.2.
"""

from collections.abc import Iterable, Iterator

from scanner.assess.case import (
    Case,
    View,
    has_no_address,
    lookup_faults,
    once,
    receives_no_mail,
    routing_fault,
)
from scanner.assess.folding import fold
from scanner.assess.passing import CUT, passes
from scanner.model.assessment import Finding, Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import MxHost
from scanner.model.session import Hello, Oddity, Reply, Session
from scanner.protocols import ehlo

FOR_GOOD = {
    (Stage.STARTTLS, Kind.REPLY_5XX),
    (Stage.HANDSHAKE, Kind.TLS_ALERT),
    (Stage.HANDSHAKE, Kind.TLS_FAILED),
    (Stage.HANDSHAKE, Kind.NOT_TLS),
    (Stage.EHLO_TLS, Kind.TLS_ALERT),
}
"""Faults behind an offer that will not go away by themselves."""
DOUBTFUL = frozenset({Kind.DESYNC, Kind.MALFORMED, Kind.TOO_LONG})
"""After one of these no reply can be trusted to belong to its question, not even the EHLO list."""
NO_CERTIFICATE_ALERTS = frozenset({40, 41, 42, 116})
CONCLUDED = frozenset({Verdict.PASS, Verdict.ABSENT, Verdict.FAIL, Verdict.PARTIAL})


def axis(case: Case) -> Verdict:
    """Fold every view, and every host that we wanted to see and did not."""
    if receives_no_mail(case.route):
        return Verdict.NOT_APPLICABLE
    if routing_fault(case.route) is not None:
        return Verdict.UNKNOWN
    verdicts = [of_view(view) for view in case.views] + [Verdict.UNKNOWN for _ in unseen(case)]
    return fold(verdicts) if verdicts else Verdict.UNKNOWN


def unseen(case: Case) -> Iterator[MxHost]:
    """Hosts that may have addresses we know nothing about. Those that surely have none do not count."""
    for host in case.route.hosts:
        is_missing = not case.of(host) and not has_no_address(host)
        if lookup_faults(host) or is_missing:
            yield host


@once
def of_view(view: View) -> Verdict:
    """One address from one source. A second, wider ClientHello may cure the first; two cut handshakes are a refusal."""
    seen = {of_session(session) for session in view.sessions}
    if Verdict.PASS in seen:
        return Verdict.PARTIAL if is_flapping(view) else Verdict.PASS
    if cut_in_handshake(view.sessions) == {Hello.USUAL, Hello.WIDE}:
        return Verdict.FAIL
    if Verdict.UNKNOWN in seen:
        return Verdict.UNKNOWN
    return Verdict.FAIL if Verdict.FAIL in seen else Verdict.ABSENT


def of_session(session: Session) -> Verdict:
    """One connection."""
    fault = session.fault
    if (fault is not None and (passes(fault) or fault.kind in DOUBTFUL)) or not is_heard(session):
        return Verdict.UNKNOWN
    if not is_offered(session):
        return Verdict.UNKNOWN if _class_of(session.starttls) == 4 else Verdict.ABSENT
    if fault is None:
        return Verdict.PASS if _is_settled(session) else Verdict.UNKNOWN
    return Verdict.FAIL if (fault.stage, fault.kind) in FOR_GOOD else Verdict.UNKNOWN


def is_heard(session: Session) -> bool:
    """Whether greeting and EHLO, or HELO where EHLO is refused, were 2yz: only then an absence is an absence."""
    return _class_of(session.greeting) == 2 and 2 in {_class_of(session.ehlo), _class_of(session.helo)}


def is_offered(session: Session) -> bool:
    """Whether a clean EHLO reply offers STARTTLS."""
    return session.ehlo is not None and session.ehlo.is_positive and ehlo.offers_starttls(session.ehlo)


def is_flapping(view: View) -> bool:
    """Whether the same question, asked the same way, was answered differently."""
    if len(view.sessions) == 1:
        return False
    usual = {of_session(session) for session in view.sessions if session.hello is Hello.USUAL}
    offers = {is_offered(session) for session in view.sessions if of_session(session) in CONCLUDED}
    return len(usual & CONCLUDED) > 1 or len(offers) > 1


def cut_in_handshake(sessions: Iterable[Session]) -> set[Hello]:
    """With which ClientHello the connection was cut, or refused for good, in the handshake."""
    refused = {kind for stage, kind in FOR_GOOD if stage is Stage.HANDSHAKE} | CUT
    return {
        session.hello
        for session in sessions
        if is_offered(session)
        and session.fault is not None
        and session.fault.stage is Stage.HANDSHAKE
        and session.fault.kind in refused
    }


def differs(case: Case) -> bool | None:
    """Whether clean sessions from two sources say yes and no about one endpoint; None where nobody could compare."""
    compared = [set(by_source.values()) for by_source in _by_endpoint(case.views).values() if len(by_source) > 1]
    return any(len(answers) > 1 for answers in compared) if compared else None


def findings(case: Case) -> Iterator[Finding]:
    """Everything there is to say about STARTTLS."""
    for view in case.views:
        yield from _of_view(view)
    for (mx, address), by_source in _by_endpoint(case.views).items():
        if len(set(by_source.values())) > 1:
            told = ", ".join(f"{source}: {'yes' if answer else 'no'}" for source, answer in sorted(by_source.items()))
            yield View(mx, address, "", ()).finding("source-dependent", told)


def _by_endpoint(views: tuple[View, ...]) -> dict[tuple[str, str], dict[str, bool]]:
    """Whether TLS works, by endpoint and source, where that was concluded. One view has nobody to differ from."""
    found: dict[tuple[str, str], dict[str, bool]] = {}
    for view in views if len(views) > 1 else ():
        verdict = of_view(view)
        if verdict in {Verdict.PASS, Verdict.ABSENT, Verdict.FAIL}:
            found.setdefault((view.mx, view.address), {})[view.source] = verdict is Verdict.PASS
    return found


def _of_view(view: View) -> Iterator[Finding]:
    verdict = of_view(view)
    session = view.decisive
    if is_flapping(view):
        yield view.finding("flapping")
    if verdict is Verdict.ABSENT:
        yield from _missing(view, session)
    elif verdict is Verdict.FAIL:
        yield _broken(view, next(it for it in view.sessions if it.fault is not None))
    elif verdict is Verdict.UNKNOWN:
        yield _unclear(view, next((it for it in view.sessions if of_session(it) is Verdict.UNKNOWN), session))
    if session.hello is Hello.WIDE and verdict is Verdict.PASS and session.handshake is not None:
        yield view.finding("usual-hello-refused", session.handshake.cipher)
    odd = {oddity for it in view.sessions for oddity in it.oddities}
    yield from (view.finding(name) for oddity, name in ODD.items() if oddity in odd)


WHY_ABSENT = {
    Oddity.STARTTLS_MANGLED: "starttls-mangled",
    Oddity.STARTTLS_UNADVERTISED: "starttls-stripped",
    Oddity.STARTTLS_MISPLACED: "starttls-misplaced",
    Oddity.HELO_ONLY: "helo-only",
}
ODD = {
    Oddity.NO_CERTIFICATE: "anonymous-tls",
    Oddity.PLAINTEXT_AFTER_STARTTLS: "plaintext-after-starttls",
    Oddity.STARTTLS_LOWER_CASE: "starttls-lower-case",
    Oddity.STARTTLS_PARAMETER: "starttls-parameter",
    Oddity.STARTTLS_AGAIN: "starttls-again",
    Oddity.BANNER_MASKED: "banner-masked",
}


def _missing(view: View, session: Session) -> Iterator[Finding]:
    """Say why the keyword is missing, as far as one session can tell, and that it is."""
    yield from (view.finding(name) for oddity, name in WHY_ABSENT.items() if oddity in session.oddities)
    answer = session.starttls
    yield view.finding("starttls-not-supported", "" if answer is None else f"STARTTLS was answered with {answer.code}")


def _broken(view: View, session: Session) -> Finding:
    """Say how an offer was not kept."""
    fault = session.fault
    if fault is None or fault.stage is Stage.STARTTLS:
        return view.finding("starttls-refused", _words(fault))
    is_late = fault.stage is Stage.EHLO_TLS and fault.code in NO_CERTIFICATE_ALERTS
    if is_late or fault.code == 116:  # RFC 8446 s6.2: certificate_required
        return view.finding("client-certificate-demanded", _words(fault))
    return view.finding("tls-handshake-failed", _words(fault))


UNCLEAR = {
    **dict.fromkeys(((Stage.CONNECT, kind) for kind in Kind), "mx-unreachable"),
    **dict.fromkeys(((Stage.GREETING, kind) for kind in (Kind.TIMEOUT, Kind.CLOSED, Kind.RESET)), "mx-unreachable"),
    **dict.fromkeys(
        (
            (stage, kind)
            for stage in (Stage.GREETING, Stage.EHLO)
            for kind in (Kind.REPLY_4XX, Kind.REPLY_5XX, Kind.REPLY_421)
        ),
        "smtp-session-rejected",
    ),
    (Stage.CONNECT, Kind.REFUSED_ADDRESS): "mx-address-special",
    (Stage.STARTTLS, Kind.REPLY_4XX): "starttls-unavailable",
    (Stage.STARTTLS, Kind.REPLY_421): "starttls-unavailable",
}
"""What is said of a session that ended without a verdict; `session-unclear` where nothing better is."""


def _unclear(view: View, session: Session) -> Finding:
    """Say why nothing can be said."""
    fault = session.fault
    if fault is None:
        return view.finding("session-unclear")
    if fault.kind is Kind.PARKED or fault.side is not Side.REMOTE:
        return view.finding("not-looked-at", _words(fault))
    if fault.stage is Stage.EHLO_TLS and fault.kind is Kind.REPLY_421 and "certificate" in fault.detail.lower():
        return view.finding("client-certificate-demanded", _words(fault))
    return view.finding(UNCLEAR.get((fault.stage, fault.kind), "session-unclear"), _words(fault))


def _words(fault: Fault | None) -> str:
    """Stage, kind, code and detail on one line."""
    if fault is None:
        return ""
    code = "" if fault.code is None else f" {fault.code}"
    return f"{fault.stage.word}: {fault.kind.value}{code}" + (f": {fault.detail}" if fault.detail else "")


def _class_of(reply: Reply | None) -> int:
    """RFC 5321 s4.2.1: the first digit tells; 0 where there is no reply."""
    return 0 if reply is None else reply.code // 100


def _is_settled(session: Session) -> bool:
    """TLS is established once the EHLO inside it was answered (RFC 8446 s4.3.2: a demand may arrive that late)."""
    is_answered = session.stage >= Stage.EHLO_TLS or _class_of(session.ehlo_tls) == 2
    return session.handshake is not None and is_answered
