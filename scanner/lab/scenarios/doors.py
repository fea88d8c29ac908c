"""Turned away at the door: one of our sources is blocked, throttled, tested or tarpitted, the other one is served.

None of it says anything about STARTTLS.

Touches: nothing. Source: RFC 5321 sections 3.1, 3.8 and 4.5.3.2.1; postscreen(8), spamd(8), Sendmail's access map.
"""

from scanner.lab.scenario import Expected
from scanner.lab.scenarios.sources import for_mail
from scanner.lab.script import Close, Drip, Hold, Pause, Play, Reset, Say, offer, reply

DENIED = Play(ehlo=offer("ENHANCEDSTATUSCODES"), starttls=reply(550, "5.7.1 Access denied"))


def _unknown(status: str, stage: str, kind: str, cause: str, **more: object) -> Expected:
    base = {"status": status, "starttls": "unknown", "fault": (stage, kind), "cause": cause}
    return Expected(**base | more)  # type: ignore[arg-type]


def _blocked(status: str, stage: str, kind: str, cause: str) -> Expected:
    return _unknown(status, stage, kind, cause, findings=("blocked-for-source",))


SCENARIOS = (
    for_mail(
        "554",
        "The mail source is on a block list.",
        "RFC 5321 3.1",
        _blocked("remote_fault", "greeting", "reply_5xx", "reputation-block"),
        (Play(opening=(*reply(554, "5.7.1 blocked using rbl.test"), Close())), 9),
    ),
    for_mail(
        "550-ehlo",
        "The mail source is on a block list, which it hears in answer to EHLO.",
        "RFC 5321 4.1.1.1",
        _blocked("remote_fault", "ehlo", "reply_5xx", "reputation-block"),
        (Play(ehlo=reply(550, "5.7.1 {client} is listed by rbl.test"), helo=reply(550, "5.7.1 Go away")), 26),
    ),
    for_mail(
        "denied",
        "The mail source is rejected by an access map, as in Sendmail: greeted, shown nothing, denied STARTTLS.",
        "RFC 3463 3.8",
        Expected(
            status="ok",
            starttls="partial",
            findings=("source-dependent",),
            differs_by_source=True,
            cause="reputation-block",
        ),
        (DENIED, 12),
    ),
    for_mail(
        "421",
        "The mail source has too many connections.",
        "RFC 5321 3.8",
        _blocked("inconclusive", "greeting", "reply_421", "rate-limit"),
        (Play(opening=(*reply(421, "4.7.0 too many connections from {client}"), Close())), 7),
    ),
    for_mail(
        "421-esa",
        "The mail source falls into a sender group that is throttled, as in Cisco ESA.",
        "RFC 5321 3.8",
        _blocked("inconclusive", "greeting", "reply_421", "rate-limit"),
        (Play(opening=(*reply(421, "#4.4.5 Too many connections from your host."), Close())), 7),
    ),
    for_mail(
        "greylisted",
        "The mail source is put off until it comes again.",
        "RFC 5321 4.2.1",
        _blocked("inconclusive", "greeting", "reply_4xx", "greylist-tarpit"),
        (Play(opening=reply(451, "4.7.1 Greylisted, please try again in 300 seconds")), 8),
    ),
    for_mail(
        "tarpit",
        "The mail source is fed a byte every half second and never a whole greeting.",
        "RFC 5321 4.5.3.2.1",
        _unknown("inconclusive", "greeting", "timeout", "greylist-tarpit"),
        (Play(opening=(Drip(b"220-{host} please wait ", 0.5, endless=True),)), 4),
    ),
    for_mail(
        "spamd",
        "The mail source is greeted byte by byte, and answered the same few words whatever it says, as by spamd.",
        "RFC 5321 4.5.3.2.1",
        Expected(status="inconclusive", starttls="unknown", cause="greylist-tarpit"),
        (
            Play(
                opening=(Drip(b"220 {host} ESMTP spamd IP-based SPAM blocker\r\n", 0.02),),
                ehlo=reply(250, "Hello, spam sender. Pleased to be wasting your time."),
                starttls=reply(451, "Temporary failure, please try again later."),
            ),
            4,
        ),
    ),
    for_mail(
        "postscreen",
        "The mail source is tested by postscreen: a teaser, a wait, and a stand-in without STARTTLS.",
        "RFC 5321 4.5.3.2.1",
        Expected(
            status="ok", starttls="partial", findings=("source-dependent",), differs_by_source=True, cause="postscreen"
        ),
        (
            Play(
                opening=(Say(b"220-{host} ESMTP\r\n"), Pause(1.2), *reply(220, "{host} ESMTP")),
                ehlo=offer("SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME"),
                starttls=reply(502, "5.5.1 Error: command not implemented"),
            ),
            2,
        ),
    ),
    for_mail(
        "closed",
        "The mail source is hung up on.",
        "RFC 5321 3.8",
        _unknown("remote_fault", "greeting", "closed", "reputation-block"),
        (Play(opening=(Close(),)), 6),
    ),
    for_mail(
        "reset",
        "The mail source is hung up on without manners.",
        "RFC 793 3.4",
        _unknown("remote_fault", "greeting", "reset", "reputation-block"),
        (Play(opening=(Pause(0.2), Reset())), 6),
    ),
    for_mail(
        "stalls",
        "The mail source gets no word out of the server, as if its packets were lost.",
        "RFC 5321 4.5.3.2.1",
        _unknown("inconclusive", "greeting", "timeout", "route"),
        (Play(opening=(Hold(),)), 5),
    ),
)
