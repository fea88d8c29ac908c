"""Records whose pages are kept: each tells one story that an administrator knows."""

from dataclasses import replace

from scanner.model.assessment import Assessment, Cause, Finding, Outcome, Prediction, Status, Verdict
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import MtaSts, StsMode, StsPolicy, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxRecord, Route
from scanner.model.session import Oddity, Reply, Role, Session
from scanner.model.target import Target, TlsPolicy
from tests.unit.stories import AT, TYPICAL, host, reply, session

MX, ADDRESS, DOMAIN = "mx.example.test", "192.0.2.1", "example.test"
WHERE = f"{MX}[{ADDRESS}]"
MAIL, WITNESS = "198.51.100.10", "203.0.113.7"
WITHOUT = reply(b"250-mx.example.test", b"250-SIZE 52428800", b"250 8BITMIME")
BLOCK = reply(b"554 5.7.1 198.51.100.10 is on the list of rbl.test")
NONE: Answer[bytes] = Answer("_mta-sts.example.test", fault=Fault(Stage.RESOLVE, Kind.NXDOMAIN))


def bare(greeting: Reply | None, **changes: object) -> Session:
    """A session that never came to TLS."""
    usual: dict[str, object] = {
        "stage": Stage.EHLO,
        "greeting": greeting,
        "ehlo": WITHOUT if greeting is not None else None,
        "starttls": reply(b"502 5.5.1 Error: command not implemented"),
        "handshake": None,
        "ehlo_tls": None,
        "times_ms": (("connect", 11), ("greeting", 120), ("ehlo", 12), ("starttls", 13)),
    }
    return session(**{**usual, **changes})


def as_witness(seen: Session) -> Session:
    """The same from our other address."""
    return replace(seen, source="witness", source_address=WITNESS, egress=WITNESS, role=Role.WITNESS)


def seen(*sessions: Session, mta_sts: MtaSts | None = None, hosts: int = 1) -> Evidence:
    """Evidence about one host."""
    records = (MxRecord(10, MX),)
    way = Route(DOMAIN, Answer(DOMAIN, records, DOMAIN, 300), (host(MX),) * hosts, 1, resolver="192.0.2.53")
    return Evidence(way, mta_sts or MtaSts(NONE), TlsRpt(NONE), sessions)


def predicted(source: str, rule: str, words: str = "", **outcomes: Outcome) -> tuple[Prediction, ...]:
    """One prediction for each model named."""
    return tuple(
        Prediction(model, source, outcome, rule, "4.7.4" if words else "", words if outcome is Outcome.DEFER else "")
        for model, outcome in outcomes.items()
    )


def record(evidence: Evidence, policy: TlsPolicy | None = None, **assessed: object) -> Record:
    """A record with this judgement."""
    assessment = Assessment(**{"status": Status.OK, **assessed})  # type: ignore[arg-type] # a table of any fields
    return Record("run", Target(1, DOMAIN, DOMAIN, policy=policy), AT, evidence, assessment)


NOT_OFFERED = f"TLS is required, but was not offered by host {WHERE}"
STUCK = {"may": Outcome.CLEAR, "encrypt": Outcome.DEFER}
FINE = {"may": Outcome.ENCRYPTED, "encrypt": Outcome.ENCRYPTED}

HIDDEN = record(
    seen(
        bare(reply(b"220 mx.example.test ESMTP Postfix")),
        as_witness(session()),
        bare(reply(b"220 mx.example.test ESMTP Postfix"), follow_up=1),
        replace(as_witness(session()), follow_up=1),
    ),
    TlsPolicy.MUST_TLS,
    starttls=Verdict.PARTIAL,
    differs_by_source=True,
    findings=(
        Finding("source-dependent", "RFC 7672 9.2", MX, ADDRESS, detail="mail: no, witness: yes"),
        Finding("starttls-not-supported", "RFC 8460 4.3.1", MX, ADDRESS, "mail", "STARTTLS was answered with 502"),
        Finding("tlsrpt-missing", "RFC 8460 3"),
    ),
    causes=(
        Cause("client-policy", 85, ("the two EHLO lists are the same but for STARTTLS", "502: as Postfix answers")),
        Cause("own-egress", 10, ("no canary was asked",)),
    ),
    predictions=(
        *predicted("mail", "2.3-absent", NOT_OFFERED, **STUCK),
        *predicted("witness", "2.3-certificate", **FINE),
    ),
)
PLAIN = replace(TYPICAL, assessment=replace(TYPICAL.assessment, findings=()))
BLOCKED = record(
    seen(
        bare(
            BLOCK,
            stage=Stage.CONNECT,
            ehlo=None,
            starttls=None,
            fault=Fault(Stage.GREETING, Kind.REPLY_5XX, detail="5.7.1 198.51.100.10 is on the list", code=554),
            times_ms=(("connect", 11), ("greeting", 120)),
        ),
        as_witness(session()),
    ),
    starttls=Verdict.UNKNOWN,
    findings=(Finding("blocked-for-source", "RFC 5321 3.1", MX, ADDRESS, "mail", "greeting: reply_5xx 554"),),
    causes=(Cause("reputation-block", 90, ("the answer names a list",)),),
    predictions=(
        *predicted(
            "mail",
            "2.3-greeting",
            f"host {WHERE} refused to talk to me: 554 5.7.1",
            may=Outcome.DEFER,
            encrypt=Outcome.DEFER,
        ),
        *predicted("witness", "2.3-certificate", **FINE),
    ),
)
NO_MAIL = record(
    Evidence(
        Route(DOMAIN, Answer(DOMAIN, (MxRecord(0, ""),)), null_mx=True, mx_count=1), MtaSts(NONE), TlsRpt(NONE), ()
    ),
    starttls=Verdict.NOT_APPLICABLE,
    predictions=tuple(
        Prediction(model, "", Outcome.BOUNCE, "2.2-null-mx", "5.1.0", f"Domain {DOMAIN} does not accept mail (nullMX)")
        for model in ("may", "encrypt")
    ),
)
STS_STUCK = record(
    seen(
        bare(reply(b"220 mx.example.test ESMTP")),
        mta_sts=MtaSts(NONE, "1", None, StsPolicy(StsMode.ENFORCE, 604800, (MX,))),
    ),
    starttls=Verdict.ABSENT,
    mta_sts=Verdict.FAIL,
    findings=(Finding("sts-required", "RFC 8461 5", MX, ADDRESS, "mail"),),
    causes=(Cause("server-without-tls", 90, ("STARTTLS is offered to nobody",)),),
    predictions=predicted("mail", "2.3-absent", NOT_OFFERED, **STUCK, mta_sts=Outcome.DEFER),
)
HOSTILE = record(
    seen(
        bare(
            Reply(220, (b"220 \x1b]0;pwn\x07\x1b[2J \xe2\x80\xae live\r\x9b1m \xff",)),
            ehlo=Reply(250, (b"250-{host} %s {0}", *(b"250-X%d" % n for n in range(40)), b"250 " + b"A" * 900)),
            oddities=(Oddity.EIGHT_BIT, Oddity.BARE_CR),
            endpoint=Endpoint("mx.\x1b[31m\u202e.test", ADDRESS, 25, ""),
        )
    ),
    starttls=Verdict.ABSENT,
    findings=(Finding("made-up", "", "mx\n\r", "\x1b[0m", "\u2066mail", "{host} {source}"),),
    causes=(Cause("made-up", 50, ("{source}\x07",)),),
    predictions=predicted("mail", "2.3-absent", "\x1b[31mTLS {host}", may=Outcome.CLEAR, encrypt=Outcome.DEFER),
)
PAGES = {
    "hidden": (HIDDEN, None),
    "plain": (PLAIN, "may"),
    "blocked": (BLOCKED, "may"),
    "no-mail": (NO_MAIL, None),
    "sts-stuck": (STS_STUCK, "mta_sts"),
    "hostile": (HOSTILE, "encrypt"),
}
"""Each with the policy that is asked for."""
