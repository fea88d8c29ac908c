"""Who asked to be left alone while a session waited for its turn is left alone."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from scanner.model.fault import Kind, Side
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.considerate import Considerate
from scanner.protocols import exclusions

AT = datetime(2026, 11, 25, tzinfo=UTC)
ENDPOINT = Endpoint("mx.test", "192.0.2.1", 25, "mx.test")
SOURCE = Source("mail", "198.51.100.1", "c.test")
HELD = Session(endpoint=ENDPOINT, source="mail", source_address="198.51.100.1", ehlo_name="c.test", observed_at=AT)


@dataclass
class Peer:
    """Counts who knocks."""

    knocks: int = 0

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.knocks += 1
        return replace(HELD, endpoint=endpoint, follow_up=follow_up)


async def test_a_rule_that_came_while_we_waited_keeps_us_away() -> None:
    peer = Peer()
    session = await Considerate(peer, exclusions.read("192.0.2.0/24"), lambda: AT).converse(
        ENDPOINT, SOURCE, Hello.WIDE, 2
    )
    assert session.fault is not None
    assert (session.fault.kind, session.fault.side, session.fault.detail) == (Kind.EXCLUDED, Side.INPUT, "192.0.2.0/24")
    assert (session.hello, session.follow_up, session.observed_at) == (Hello.WIDE, 2, AT)
    assert peer.knocks == 0


async def test_everybody_else_is_knocked_at() -> None:
    peer = Peer()
    assert await Considerate(peer, exclusions.read("other.test"), lambda: AT).converse(
        ENDPOINT, SOURCE, Hello.USUAL, 1
    ) == replace(HELD, follow_up=1)
    assert peer.knocks == 1
