"""How the tests of the prober knock, and the beginnings that most scripts share."""

import ipaddress
from dataclasses import replace

from scanner.model.fault import Kind, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.smtp import SmtpProber
from scanner.settings import Deadlines, Limits
from tests.sessions import scripted_smtp as play

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
PATIENT = Deadlines(
    connect_s=20,
    greeting_s=20,
    ehlo_s=20,
    starttls_s=20,
    handshake_s=20,
    session_s=40,
    quit_s=20,
)
"""No peer of these tests takes that long: a loaded machine must not look like a slow server."""
SHORT_S = 0.3
GREETING = (play.say(b"220 mx ESMTP\r\n"), play.hear)
OFFER = (play.say(b"250-mx Hello scan [203.0.113.9]\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"), play.hear)
READY = (*GREETING, *OFFER, play.say(b"220 go\r\n"))
BYE = (play.hear, play.say(b"221 bye\r\n"))


def hasty(stage: Stage) -> Deadlines:
    """Give a peer that will say nothing at this stage little time, and all others plenty."""
    return replace(PATIENT, **{f"{stage.word}_s": SHORT_S})


def impatient(kind: Kind, stage: Stage) -> Deadlines:
    """Choose deadlines for a row whose outcome is known: short only where the story ends in silence."""
    return hasty(stage) if kind in {Kind.TIMEOUT, Kind.MALFORMED, Kind.DESYNC} else PATIENT


def prober(deadlines: Deadlines = PATIENT) -> SmtpProber:
    """A prober that may connect to loopback."""
    return SmtpProber(deadlines, Limits(), LOOPBACK, Clock())


async def probe(*script: play.Act, hello: Hello = Hello.USUAL, deadlines: Deadlines = PATIENT) -> Session:
    """One session with a server that plays the script."""
    with play.serving(*script) as server:
        return await knock(server.port, hello, deadlines)


async def knock(port: int, hello: Hello = Hello.USUAL, deadlines: Deadlines = PATIENT) -> Session:
    """One session with the server at this port."""
    endpoint = Endpoint(play.NAME, play.HOST, port, play.NAME + ".")
    source = Source("here", "127.0.0.2", "scan.example.test")
    return await prober(deadlines).converse(endpoint, source, hello)


def ending(session: Session) -> tuple[Stage, Stage | None, Kind | None, int | None]:
    """How far it came, and what stopped it where."""
    fault = session.fault
    return (session.stage, fault.stage, fault.kind, fault.code) if fault else (session.stage, None, None, None)
