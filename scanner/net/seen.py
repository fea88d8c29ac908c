"""What one session showed so far; it becomes a Session when it is over.

A frozen value for every step would be copied some twenty-five times in a session, which costs as much as the signature
in its handshake.

Touches: nothing. Source: none.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from scanner.model.fault import Fault, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Handshake, Hello, Oddity, Reply, Session, Source
from scanner.protocols import ehlo


@dataclass(slots=True)
class Seen:
    """One session in the making; the fields are those of Session."""

    ehlo_name: str
    stage: Stage = Stage.RESOLVE
    greeting: Reply | None = None
    ehlo: Reply | None = None
    helo: Reply | None = None
    starttls: Reply | None = None
    handshake: Handshake | None = None
    ehlo_tls: Reply | None = None
    fault: Fault | None = None
    unsolicited: bytes = b""
    oddities: dict[Oddity, None] = field(default_factory=dict)
    times_ms: list[tuple[str, int]] = field(default_factory=list)

    def note(self, *oddities: Oddity) -> None:
        """Remember what was odd, each once."""
        self.oddities.update(dict.fromkeys(oddities))


class Held(Protocol):
    """Whoever held a session, and knows with whom."""

    @property
    def endpoint(self) -> Endpoint:
        """Where to."""

    @property
    def source(self) -> Source:
        """From where."""

    @property
    def hello(self) -> Hello:
        """With what."""

    @property
    def seen(self) -> Seen:
        """What came of it."""


def session_of(held: Held, observed_at: datetime, follow_up: int) -> Session:
    """Make the value that everybody else sees."""
    seen, source = held.seen, held.source
    session = Session(
        endpoint=held.endpoint,
        source=source.name,
        source_address=source.address,
        ehlo_name=seen.ehlo_name,
        observed_at=observed_at,
        role=source.role,
        hello=held.hello,
        follow_up=follow_up,
        stage=seen.stage,
        greeting=seen.greeting,
        ehlo=seen.ehlo,
        helo=seen.helo,
        starttls=seen.starttls,
        handshake=seen.handshake,
        ehlo_tls=seen.ehlo_tls,
        fault=seen.fault,
        oddities=tuple(seen.oddities),
        unsolicited=seen.unsolicited,
        times_ms=tuple(seen.times_ms),
    )
    egress = ehlo.egress(session)
    return replace(session, egress=egress) if egress else session
