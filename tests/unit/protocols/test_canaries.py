"""What a visit to a canary means."""

from datetime import UTC, datetime

import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Canary, Oddity, Reply, Session
from scanner.protocols.canaries import Sighting, counted, sighting

GREETING = Reply(220, (b"220 mx",))
OFFER = Reply(250, (b"250-mx", b"250 STARTTLS"))
PLAIN = Reply(250, (b"250-mx", b"250 SIZE"))
MANGLED = Reply(250, (b"250-mx", b"250 XXXXXXXA"))
REFUSED = Reply(502, (b"502 no",))
BUSY = Reply(421, (b"421 busy",))


def seen(greeting: Reply | None, ehlo: Reply | None, fault: Fault | None = None, *oddities: Oddity) -> Session:
    return Session(
        endpoint=Endpoint("mx.test", "192.0.2.1", 25, "mx.test"),
        source="mail",
        source_address="198.51.100.1",
        ehlo_name="c.test",
        observed_at=datetime(2026, 11, 24, tzinfo=UTC),
        greeting=greeting,
        ehlo=ehlo,
        fault=fault,
        oddities=oddities,
    )


@pytest.mark.parametrize(
    ("session", "word"),
    [
        (seen(GREETING, OFFER), Sighting.OFFERED),
        (seen(GREETING, OFFER, Fault(Stage.HANDSHAKE, Kind.TLS_ALERT)), Sighting.OFFERED),
        (seen(GREETING, PLAIN), Sighting.MISSING),
        (seen(GREETING, MANGLED, None, Oddity.STARTTLS_MANGLED), Sighting.MANGLED),
        (seen(GREETING, REFUSED, Fault(Stage.EHLO, Kind.REPLY_5XX, code=502)), Sighting.UNSEEN),
        (seen(BUSY, None, Fault(Stage.GREETING, Kind.REPLY_421, code=421)), Sighting.UNSEEN),
        (seen(None, None, Fault(Stage.CONNECT, Kind.TIMEOUT)), Sighting.UNSEEN),
        (seen(None, None, Fault(Stage.CONNECT, Kind.PARKED)), Sighting.UNSEEN),
        (seen(None, None, Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS)), None),
        (seen(GREETING, None, Fault(Stage.EHLO, Kind.STALLED, Side.OURS)), None),
    ],
)
def test_a_visit_says_whether_the_offer_arrived_and_our_own_trouble_says_nothing(
    session: Session, word: Sighting | None
) -> None:
    assert sighting(session) is word


def test_sightings_are_counted_by_source() -> None:
    told = [("mail", Sighting.MANGLED), ("mail", Sighting.MANGLED), ("witness", Sighting.OFFERED)]
    told += [("witness", Sighting.UNSEEN), ("witness", Sighting.MISSING)]
    assert counted(told) == (Canary("mail", mangled=2), Canary("witness", offered=1, missing=1, unseen=1))
    assert counted([]) == ()
