"""Is STARTTLS there? The axis per view, folded into the domain, with the findings that say why not.

"No STARTTLS" is said only after a clean greeting and a clean EHLO. A rejection, a 421 or a time-out says nothing.

Touches: nothing. Source: RFC 3207 sections 4 and 6, RFC 5321 sections 3.1 and 4.2.1, RFC 8446 section 4.3.2.
"""

from collections.abc import Iterable, Iterator

from scanner.assess.case import Case, View, lookup_faults, once
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
    if case.receives_no_mail:
        return Verdict.NOT_APPLICABLE
    if case.routing_fault is not None:
        return Verdict.UNKNOWN
    verdicts = [of_view(view) for view in case.views] + [Verdict.UNKNOWN for _ in unseen(case)]
    return fold(verdicts) if verdicts else Verdict.UNKNOWN


@once
def unseen(case: Case) -> tuple[MxHost, ...]:
    """Hosts that may have addresses we know nothing about. Those that surely have none do not count."""
    return tuple([host for host in case.route.hosts if lookup_faults(host) or (host.addresses and not case.of(host))])


@once
def of_view(view: View) -> Verdict:
    """One address from one source. What our own egress loses is not missing there: our fault is never the peer's."""
    return Verdict.UNKNOWN if is_lost_by_us(view) else _of_visits(view)


def is_lost_by_us(view: View) -> bool:
    """Whether something is missing or broken where our own egress is known to lose STARTTLS."""
    return view.is_distorted and _of_visits(view) in CONCLUDED - {Verdict.PASS}


def _of_visits(view: View) -> Verdict:
    """Fold the visits. A repetition that saw nothing takes nothing back from one that saw clearly."""
    if len(view.sessions) == 1:
        return of_session(view.sessions[0])
    seen = {of_visit(sessions) for sessions in visits(view)}
    if Verdict.PASS in seen:
        return Verdict.PARTIAL if is_flapping(view) else Verdict.PASS
    if Verdict.FAIL in seen:
        return Verdict.FAIL
    return Verdict.ABSENT if Verdict.ABSENT in seen else Verdict.UNKNOWN


def visits(view: View) -> tuple[tuple[Session, ...], ...]:
    """Sort the sessions of a view by repetition, the usual visit first."""
    found: dict[int, list[Session]] = {}
    for session in view.sessions:
        found.setdefault(session.follow_up, []).append(session)
    return tuple(tuple(found[number]) for number in sorted(found))


def of_visit(sessions: tuple[Session, ...]) -> Verdict:
    """One visit. A second, wider ClientHello may cure the first; two cut handshakes are a refusal."""
    seen = {of_session(session) for session in sessions}
    if Verdict.PASS in seen:
        return Verdict.PASS
    if cut_in_handshake(sessions) == {Hello.USUAL, Hello.WIDE}:
        return Verdict.FAIL
    if Verdict.UNKNOWN in seen:
        return Verdict.UNKNOWN
    return Verdict.FAIL if Verdict.FAIL in seen else Verdict.ABSENT


def clean_visits(view: View) -> int:
    """How often it was visited with a clear answer: "no STARTTLS" is final after two."""
    return sum(of_visit(sessions) in CONCLUDED for sessions in visits(view))


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


def findings(case: Case) -> Iterator[Finding]:
    """Everything there is to say about STARTTLS at one address from one source."""
    for view in case.views:
        yield from _told(view)


@once
def _told(view: View) -> tuple[Finding, ...]:
    return () if is_lost_by_us(view) else tuple(_of_view(view))


def _of_view(view: View) -> Iterator[Finding]:
    verdict = of_view(view)
    session = view.decisive
    if is_flapping(view):
        yield view.finding("flapping")
    if verdict is Verdict.ABSENT:
        yield from _missing(view, next(it for it in view.sessions if of_session(it) is verdict))
    elif verdict is Verdict.FAIL:
        faulty = [it for it in view.sessions if it.fault is not None]
        yield _broken(view, next((it for it in faulty if of_session(it) is verdict), faulty[0]))
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
        return view.finding("starttls-refused", words(fault))
    is_late = fault.stage is Stage.EHLO_TLS and fault.code in NO_CERTIFICATE_ALERTS
    if is_late or fault.code == 116:  # RFC 8446 s6.2: certificate_required
        return view.finding("client-certificate-demanded", words(fault))
    return view.finding("tls-handshake-failed", words(fault))


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
        return view.finding("not-looked-at", words(fault))
    if fault.stage is Stage.EHLO_TLS and fault.kind is Kind.REPLY_421 and "certificate" in fault.detail.lower():
        return view.finding("client-certificate-demanded", words(fault))
    return view.finding(UNCLEAR.get((fault.stage, fault.kind), "session-unclear"), words(fault))


def words(fault: Fault | None) -> str:
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
