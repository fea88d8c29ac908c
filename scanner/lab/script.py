"""The verbs of a play: what a server does on the wire, one act after the other.

Acts are values. `{host}` and `{client}` in their bytes stand for the server's own name and the client's address.

Touches: nothing. Source: RFC 5321 sections 3 and 4.2, RFC 3207 section 4, RFC 8446 section 6 (alerts).
"""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes at once."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Drip:
    """Send these bytes one per packet, with a pause after each, over and over if `endless`."""

    data: bytes
    pause_s: float = 0.0
    endless: bool = False


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Hear:
    """Read whatever comes next, say a ClientHello, and forget it."""


@dataclass(frozen=True, slots=True)
class Trap:
    """Wait for a client that talks before its turn; one that does is caught, with these acts."""

    seconds: float
    caught: "Acts"


@dataclass(frozen=True, slots=True)
class Encrypt:
    """Shake hands as a TLS server, with this identity and in this manner (both are rows of pki)."""

    identity: str = "good"
    manner: str = "modern"


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection with a FIN, and no close_notify."""


@dataclass(frozen=True, slots=True)
class Reset:
    """End the connection with a RST."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Say nothing until the peer leaves."""


@dataclass(frozen=True, slots=True)
class Flood:
    """Send these bytes over and over until the peer leaves, or so many bytes are sent."""

    data: bytes
    most_bytes: int = 64 * 1024 * 1024


Act = Say | Drip | Pause | Hear | Trap | Encrypt | Close | Reset | Hold | Flood
Acts = tuple[Act, ...]


def line(text: str) -> Acts:
    """Say one line."""
    return (Say(text.encode() + b"\r\n"),)


def reply(code: int, *texts: str) -> Acts:
    """Say one reply of one or more lines (RFC 5321 s4.2)."""
    *before, last = [text.encode("latin-1") for text in texts]
    said = b"".join(b"%d-%b\r\n" % (code, text) for text in before)
    return (Say(said + b"%d %b\r\n" % (code, last)),)


def offer(*keywords: str) -> Acts:
    """Answer EHLO with these keywords (RFC 5321 s4.1.1.1)."""
    return reply(250, "{host} Hello {client}", *keywords)


def alert(description: int) -> Acts:
    """Answer the ClientHello with a fatal alert in a TLS 1.0 record (RFC 8446 s6)."""
    return (*READY, Hear(), Say(bytes([21, 3, 1, 0, 2, 2, description])), Close())


READY = reply(220, "2.0.0 Ready to start TLS")
GREETING = reply(220, "{host} ESMTP lab")
WITH = offer("PIPELINING", "SIZE 10240000", "STARTTLS", "ENHANCEDSTATUSCODES", "8BITMIME")
WITHOUT = offer("PIPELINING", "SIZE 10240000", "ENHANCEDSTATUSCODES", "8BITMIME")
OK = reply(250, "2.0.0 Ok")
PLAIN_HELLO = reply(250, "{host}")
BY_THE_BOOK: Acts = (*READY, Encrypt())
UNKNOWN = reply(502, "5.5.2 Error: command not recognized")
FAREWELL: Acts = (*reply(221, "2.0.0 Bye"), Close())


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """What a server does on connection and at each command. Where nothing is said of it, it does so by the book."""

    opening: Acts = GREETING
    ehlo: Acts = WITH
    helo: Acts = PLAIN_HELLO
    starttls: Acts = BY_THE_BOOK
    secure_ehlo: Acts = WITHOUT
    mail: Acts = OK
    rcpt: Acts = OK
    quit: Acts = FAREWELL
    other: Acts = UNKNOWN

    def answer(self, verb: bytes, *, is_secure: bool) -> Acts:
        """The acts that answer a command."""
        if is_secure and verb == b"STARTTLS":
            return reply(503, "5.5.1 Error: TLS already active")
        answers = {
            b"EHLO": self.secure_ehlo if is_secure else self.ehlo,
            b"HELO": self.helo,
            b"STARTTLS": self.starttls,
            b"MAIL": self.mail,
            b"RCPT": self.rcpt,
            b"QUIT": self.quit,
        }
        return answers.get(verb, self.other)


def encrypted(identity: str = "good", manner: str = "modern") -> Acts:
    """Answer STARTTLS and shake hands."""
    return (*READY, Encrypt(identity, manner))


@dataclass(frozen=True, slots=True)
class Host:
    """One SMTP host at one address; two of one name are a host with two. Without `address` the lab finds one.

    `presence`: it `listens`, `refuses`, or leaves its `backlog` full.
    `by_source` are plays for single client addresses; with `in_turn` connections see these one after the other.
    """

    name: str
    play: Play = field(default_factory=Play)
    by_source: tuple[tuple[str, Play], ...] = ()
    in_turn: tuple[Play, ...] = ()
    presence: str = "listens"
    address: str = ""

    def play_for(self, client: str, visit: int) -> Play:
        """What this client sees on this visit, counted from 0."""
        if self.in_turn:
            return self.in_turn[visit % len(self.in_turn)]
        return dict(self.by_source).get(client, self.play)
