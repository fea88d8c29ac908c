"""One server, two answers: what it says depends on who asks, or on when.

Touches: nothing. Source: RFC 7672 section 9.2 (selective STARTTLS), RFC 3207 section 6, RFC 5321 sections 3.1 and 3.8.
"""

from scanner.lab.scenario import Expected, Scenario, smtp
from scanner.lab.script import GREETING, WITHOUT, Close, Drip, Pause, Play, offer, reply

MAIL, WITNESS = "127.9.0.1", "127.9.0.2"
SOURCES = (("mail", MAIL), ("witness", WITNESS))
HIDDEN = Play(ehlo=WITHOUT, starttls=reply(502, "5.5.1 Error: command not implemented"))
DIFFERS = Expected(status="ok", starttls="partial", findings=("source-dependent",), differs_by_source=True)


def _for_mail(name: str, story: str, clause: str, expected: Expected, told: tuple[Play, int]) -> Scenario:
    """The mail source meets this play (a row of the catalogue), everybody else a good server."""
    play, number = told
    return smtp(f"source-{name}", story, clause, expected, catalogue=(number,), by_source=((MAIL, play),))


def _unknown(status: str, stage: str, kind: str) -> Expected:
    return Expected(status=status, starttls="unknown", fault=(stage, kind), differs_by_source=None)


SCENARIOS = (
    _for_mail(
        "hidden",
        "The mail source is shown no STARTTLS, the witness is: the case that started it all.",
        "RFC 7672 9.2",
        Expected(
            status="ok",
            starttls="partial",
            findings=("source-dependent",),
            differs_by_source=True,
            delivery_may="clear",
        ),
        (HIDDEN, 48),
    ),
    _for_mail(
        "hidden-503",
        "Hidden from the mail source by an advertisement list; STARTTLS is out of order for it.",
        "RFC 7672 9.2",
        DIFFERS,
        (Play(ehlo=WITHOUT, starttls=reply(503, "STARTTLS command used when not advertised")), 48),
    ),
    _for_mail(
        "hidden-on-path",
        "The keyword is hidden from the mail source, but STARTTLS works for it.",
        "RFC 3207 6",
        DIFFERS,
        (Play(ehlo=WITHOUT), 48),
    ),
    _for_mail(
        "mangled",
        "A middlebox on the way of the mail source overwrites the keyword.",
        "RFC 3207 6",
        DIFFERS,
        (Play(ehlo=offer("SIZE", "XXXXXXXA"), starttls=reply(500, "#5.5.1 command not recognized")), 31),
    ),
    _for_mail(
        "554",
        "The mail source is on a block list.",
        "RFC 5321 3.1",
        _unknown("remote_fault", "greeting", "reply_5xx"),
        (Play(opening=(*reply(554, "5.7.1 blocked using rbl.test"), Close())), 9),
    ),
    _for_mail(
        "421",
        "The mail source has too many connections.",
        "RFC 5321 3.8",
        _unknown("inconclusive", "greeting", "reply_421"),
        (Play(opening=(*reply(421, "4.7.0 too many connections from {client}"), Close())), 7),
    ),
    _for_mail(
        "tarpit",
        "The mail source is fed a byte every half second and never a whole greeting.",
        "RFC 5321 4.5.3.2.1",
        _unknown("inconclusive", "greeting", "timeout"),
        (Play(opening=(Drip(b"220-{host} please wait ", 0.5, endless=True),)), 4),
    ),
    _for_mail(
        "delay",
        "The mail source waits a second for its greeting.",
        "RFC 5321 4.5.3.2.1",
        Expected(status="ok", starttls="pass", delivery_may="encrypted", differs_by_source=False),
        (Play(opening=(Pause(1.0), *GREETING)), 23),
    ),
    _for_mail(
        "454",
        "TLS is out of order for the mail source.",
        "RFC 3207 4",
        _unknown("inconclusive", "starttls", "reply_4xx"),
        (Play(starttls=reply(454, "4.7.0 TLS not available")), 49),
    ),
    _for_mail(
        "closed",
        "The mail source is hung up on.",
        "RFC 5321 3.8",
        _unknown("remote_fault", "greeting", "closed"),
        (Play(opening=(Close(),)), 6),
    ),
    smtp(
        "source-witness-only-hidden",
        "The witness is shown no STARTTLS, the mail source is.",
        "RFC 7672 9.2",
        Expected(
            status="ok",
            starttls="partial",
            findings=("source-dependent",),
            differs_by_source=True,
            delivery_may="encrypted",
        ),
        by_source=((WITNESS, HIDDEN),),
    ),
    smtp(
        "flapping",
        "Two backends behind one address, one with STARTTLS and one without, in turn.",
        "RFC 3207 4",
        Expected(status=None, starttls=None),
        catalogue=(74,),
        in_turn=(Play(), HIDDEN),
    ),
)
