"""How the tests of the prober knock, and the beginnings that most scripts share."""

import ipaddress

from scanner.model.fault import Kind, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.smtp import SmtpProber
from scanner.settings import Deadlines, Limits
from tests.sessions import scripted_smtp as play

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
QUICK = Deadlines(
    connect_s=1,
    greeting_s=0.3,
    ehlo_s=0.3,
    starttls_s=0.3,
    handshake_s=0.3,
    session_s=3,
    quit_s=0.1,
    policy_s=1,
    dns_s=1,
)
GREETING = (play.say(b"220 mx ESMTP\r\n"), play.hear)
OFFER = (play.say(b"250-mx Hello scan [203.0.113.9]\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"), play.hear)
READY = (*GREETING, *OFFER, play.say(b"220 go\r\n"))
BYE = (play.hear, play.say(b"221 bye\r\n"))


def prober(deadlines: Deadlines = QUICK) -> SmtpProber:
    """A prober that may connect to loopback."""
    return SmtpProber(deadlines, Limits(), LOOPBACK, Clock())


async def probe(*script: play.Act, hello: Hello = Hello.USUAL, deadlines: Deadlines = QUICK) -> Session:
    """One session with a server that plays the script."""
    with play.serving(*script) as server:
        return await knock(server.port, hello, deadlines)


async def knock(port: int, hello: Hello = Hello.USUAL, deadlines: Deadlines = QUICK) -> Session:
    """One session with the server at this port."""
    endpoint = Endpoint(play.NAME, play.HOST, port, play.NAME + ".")
    source = Source("here", "127.0.0.2", "scan.example.test")
    return await prober(deadlines).converse(endpoint, source, hello)


def ending(session: Session) -> tuple[Stage, Stage | None, Kind | None, int | None]:
    """How far it came, and what stopped it where."""
    fault = session.fault
    return (session.stage, fault.stage, fault.kind, fault.code) if fault else (session.stage, None, None, None)
