"""One server, two answers: what it says of STARTTLS depends on who asks, or on when.

Touches: nothing. Source: RFC 7672 section 9.2 (selective STARTTLS), RFC 3207 section 6; how servers hide it: Postfix
smtpd.c, Exim smtp_in.c, Sendmail srvrsmtp.c, and what Cisco ESA and ASA were seen to send.
"""

from scanner.lab.scenario import Expected, Scenario, dns, mx, passes, smtp
from scanner.lab.script import GREETING, WITHOUT, Host, Pause, Play, offer, reply

MAIL, WITNESS = "127.9.0.1", "127.9.0.2"
SOURCES = (("mail", MAIL), ("witness", WITNESS))
HIDDEN = Play(ehlo=WITHOUT, starttls=reply(502, "5.5.1 Error: command not implemented"))
OTHER = Play(
    ehlo=reply(250, "two.lab.test Hello {client}", "PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME"),
    starttls=reply(502, "5.5.1 Error: command not implemented"),
)
"""Three of four backends, so that no order of two visitors can make it look as if the visitor decided."""
MASK = "*" * 30


def for_mail(name: str, story: str, clause: str, expected: Expected, told: tuple[Play, int]) -> Scenario:
    """The mail source meets this play (a row of the catalogue), everybody else a good server."""
    play, number = told
    return smtp(f"source-{name}", story, clause, expected, catalogue=(number,), by_source=((MAIL, play),))


def _differs(cause: str, **more: object) -> Expected:
    base = {"status": "ok", "starttls": "partial", "findings": ("source-dependent",), "differs_by_source": True}
    return Expected(**base | {"cause": cause} | more)  # type: ignore[arg-type]


SCENARIOS = (
    for_mail(
        "hidden",
        "The mail source is shown no STARTTLS, the witness is: the case that started it all, as Postfix does it.",
        "RFC 7672 9.2",
        _differs("client-policy", delivery_may="clear"),
        (HIDDEN, 48),
    ),
    for_mail(
        "hidden-503",
        "Hidden from the mail source by an advertisement list, as in Exim; STARTTLS is out of order for it.",
        "RFC 7672 9.2",
        _differs("client-policy"),
        (Play(ehlo=WITHOUT, starttls=reply(503, "STARTTLS command used when not advertised")), 48),
    ),
    for_mail(
        "hidden-sendmail",
        "Hidden from the mail source by an access map, as in Sendmail.",
        "RFC 7672 9.2",
        _differs("client-policy"),
        (Play(ehlo=WITHOUT, starttls=reply(503, "5.5.0 TLS not available")), 48),
    ),
    for_mail(
        "hidden-esa",
        "The mail source falls into a sender group whose mail flow policy has TLS off, as in Cisco ESA.",
        "RFC 7672 9.2",
        _differs("client-policy"),
        (Play(ehlo=WITHOUT, starttls=reply(500, "#5.5.1 command not recognized")), 48),
    ),
    for_mail(
        "hidden-on-path",
        "The keyword is hidden from the mail source, but STARTTLS works for it.",
        "RFC 3207 6",
        _differs("middlebox-strip"),
        (Play(ehlo=WITHOUT), 48),
    ),
    for_mail(
        "mangled",
        "A middlebox on the way of the mail source overwrites the keyword and masks the greeting, as Cisco ASA does.",
        "RFC 3207 6",
        _differs("middlebox"),
        (
            Play(
                opening=reply(220, MASK),
                ehlo=offer("PIPELINING", "SIZE 10240000", "XXXXXXXA", "ENHANCEDSTATUSCODES", "8BITMIME"),
                starttls=reply(500, "#5.5.1 command not recognized"),
            ),
            31,
        ),
    ),
    for_mail(
        "masked",
        "A middlebox on the way of the mail source masks the greeting and nothing else.",
        "RFC 5321 3.1",
        Expected(
            status="ok",
            starttls="pass",
            oddities=("banner_masked",),
            findings=("banner-masked",),
            differs_by_source=False,
            cause="middlebox",
        ),
        (Play(opening=reply(220, MASK)), 14),
    ),
    for_mail(
        "delay",
        "The mail source waits a second for its greeting.",
        "RFC 5321 4.5.3.2.1",
        Expected(status="ok", starttls="pass", delivery_may="encrypted", differs_by_source=False),
        (Play(opening=(Pause(1.0), *GREETING)), 23),
    ),
    for_mail(
        "454",
        "TLS is out of order for the mail source.",
        "RFC 3207 4",
        Expected(status="inconclusive", starttls="unknown", fault=("starttls", "reply_4xx")),
        (Play(starttls=reply(454, "4.7.0 TLS not available")), 49),
    ),
    smtp(
        "source-witness-only-hidden",
        "The witness is shown no STARTTLS, the mail source is.",
        "RFC 7672 9.2",
        _differs("client-policy", delivery_may="encrypted"),
        by_source=((WITNESS, HIDDEN),),
    ),
    smtp(
        "flapping",
        "Four backends behind one address, in turn, one with STARTTLS and three without.",
        "RFC 3207 4",
        Expected(status="ok", starttls="partial", findings=("flapping",), cause="unequal-backends"),
        catalogue=(74,),
        in_turn=(Play(), HIDDEN, HIDDEN, HIDDEN),
    ),
    smtp("canary", "A good server that is known to be one, for `--canary`.", "RFC 3207 4", passes()),
    smtp(
        "backends-unequal",
        "Two kinds of backends behind one address, in turn; those without STARTTLS say another name.",
        "RFC 3207 4",
        Expected(status="ok", starttls="partial", cause="unequal-backends"),
        catalogue=(74,),
        in_turn=(Play(), OTHER, OTHER, OTHER),
    ),
    dns(
        "family-without",
        "The MX host has TLS over IPv4 and none over IPv6, which only a source with IPv6 sees.",
        "RFC 3207 4",
        Expected(status="ok", starttls="pass"),
        hosts=(
            Host(f"{mx('family-without')}.lab.test"),
            Host(f"{mx('family-without')}.lab.test", play=HIDDEN, address="::1"),
        ),
    ),
)
