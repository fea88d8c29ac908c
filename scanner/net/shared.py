"""A Prober that knocks once and answers often: single flight and reuse for one run.

What is asked again for the same address, port, source, server name and ClientHello was observed already, or is being
observed: later askers wait for that. The wide ClientHello sends no server name (RFC 6066 section 3), so all names
share it; what `--deep` asks, and what is asked again where sources disagree, is asked once of an address, under the
first name. Above a cap of names per address a further name inherits what was seen there under another one. What was
seen under another name is marked.

How long is a result true? One run is one observation, so what a peer did stays for the run. A passing trouble (a
time-out, 421 or 4yz) stays too: a second knock right after it is what gets sources listed, and a thousand domains on
one host would knock a thousand times. But one lost packet must not decide about all of them for hours, so after ten
minutes one more session is held, once, and stays; a follow-up is one more session already. Our own faults and parked
peers are no observations: not remembered.

Touches: clock. Source: docs/guarantees.md (names per address), docs/architecture.md (Probe once, use often).
"""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field, replace

from scanner.model.fault import Kind
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.survey import Prober

AGAIN_AFTER_S = 600.0
PASSING = frozenset({Kind.TIMEOUT, Kind.REPLY_421, Kind.REPLY_4XX})

Place = tuple[str, int, str, Hello, int]
"""Address, port, source, ClientHello, repetition: what inherits from each other."""


@dataclass(eq=False, slots=True)
class _Flight:
    """A session being held. `session` stays None where its asker was cancelled or the inner prober broke."""

    landed: asyncio.Event = field(default_factory=asyncio.Event)
    session: Session | None = None


@dataclass(eq=False, slots=True)
class _Seen:
    """A session of this run, when it was over, and how often one was held; `again` is what the last asker got."""

    session: Session
    at_s: float
    times: int
    again: Session | None = None

    def reused(self, endpoint: Endpoint) -> Session:
        """Give it to another asker: the very same value to all who ask for the same."""
        if self.again is None or self.again.endpoint != endpoint:
            self.again = reused(self.session, endpoint)
        return self.again


@dataclass(eq=False, slots=True)
class _Names:
    """What is known of one place, by server name: sessions seen, sessions being held."""

    seen: dict[str, _Seen] = field(default_factory=dict)
    flights: dict[str, _Flight] = field(default_factory=dict)

    def is_full(self, name: str, most: int) -> bool:
        """Tell whether this name is new, and one too many."""
        known = self.seen.keys() | self.flights.keys()
        return name not in known and len(known) >= most

    def best(self) -> Session | None:
        """The session to inherit: the first that reached TLS, else the first."""
        sessions = [seen.session for seen in self.seen.values()]
        return next((session for session in sessions if session.handshake is not None), next(iter(sessions), None))


class Shared:
    """Implements survey.Prober. Remembers up to `remembered` sessions; those of the places longest unasked go first."""

    def __init__(self, inner: Prober, names_per_address: int, remembered: int, clock: Clock) -> None:
        self._inner = inner
        self._names_per_address = names_per_address
        self._remembered = remembered
        self._clock = clock
        self._places: OrderedDict[Place, _Names] = OrderedDict()
        self._count = 0

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Reuse a session, wait for it, or hold it. Faults: those of the inner prober."""
        place = (endpoint.address, endpoint.port, source.name, hello, follow_up)
        name = endpoint.server_name.lower() if hello is Hello.USUAL and not follow_up else ""
        while True:
            names = self._names(place)
            known = self._known(names, name, endpoint)
            if known is not None:
                return known
            is_full = names.is_full(name, self._names_per_address)
            flight = next(iter(names.flights.values()), None) if is_full else names.flights.get(name)
            if flight is None:
                return await self._fly(place, name, (endpoint, source))
            await flight.landed.wait()
            if flight.session is not None and not is_full:
                return reused(flight.session, endpoint)

    def _known(self, names: _Names, name: str, endpoint: Endpoint) -> Session | None:
        """What was seen under this name, or under another where there are names enough."""
        seen = names.seen.get(name)
        if seen is not None:
            return seen.reused(endpoint) if self._still_counts(seen) else None
        best = names.best() if names.is_full(name, self._names_per_address) else None
        return best and reused(best, endpoint)

    def _still_counts(self, seen: _Seen) -> bool:
        fault = seen.session.fault
        is_settled = fault is None or fault.kind not in PASSING or seen.times > 1 or seen.session.follow_up > 0
        return is_settled or self._clock.monotonic_s() - seen.at_s < AGAIN_AFTER_S

    async def _fly(self, place: Place, name: str, ends: tuple[Endpoint, Source]) -> Session:
        """Hold the session; whoever waits for it goes on, whatever happens here."""
        names = self._names(place)
        flight = names.flights[name] = _Flight()
        try:
            flight.session = await self._inner.converse(*ends, *place[3:])
            self._remember(place, name, flight.session)
            return flight.session
        finally:
            del names.flights[name]
            if not names.seen and not names.flights and self._places.get(place) is names:
                del self._places[place]
            flight.landed.set()

    def _names(self, place: Place) -> _Names:
        names = self._places.setdefault(place, _Names())
        self._places.move_to_end(place)
        return names

    def _remember(self, place: Place, name: str, session: Session) -> None:
        fault = session.fault
        if fault is not None and (fault.leaves_row_undone or fault.kind is Kind.PARKED):
            return
        names = self._names(place)
        before = names.seen.get(name)
        self._count += before is None
        names.seen[name] = _Seen(session, self._clock.monotonic_s(), 1 if before is None else before.times + 1)
        while self._count > self._remembered and len(self._places) > 1:
            self._count -= len(self._places.popitem(last=False)[1].seen)


def reused(session: Session, endpoint: Endpoint) -> Session:
    """Give a session to another asker. It is inherited where another server name was sent than this one would have."""
    names = {session.endpoint.server_name.lower(), endpoint.server_name.lower()}
    is_inherited = session.inherited or (session.hello is not Hello.WIDE and len(names) > 1)
    return replace(session, endpoint=endpoint, shared=True, inherited=is_inherited)
