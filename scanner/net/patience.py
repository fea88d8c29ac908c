"""A Prober that waits while our own way out is lost: a source address that is gone, no route, no descriptors.

Such trouble answers at once and would burn the whole list. So the session waits until our kernel says that something
can leave again, which costs no packet, and is held once more, in its turn. A time-out that met such trouble says
nothing about the peer and is taken on ourselves too. When our patience with one way out ended, every session that needs
it fails at once, and the run is told that it is stranded.

Where sources share the load and another one of the same role and family (`mx.alike`) is there, nobody waits: the
session fails as ours, the row is tried again, and `lost` makes it choose the other source. Our patience then is with
the last of them that was lost. A witness takes no rows of a mail source, nor the other way round.

A network to which alone there is no route is not waited for: that is how an administrator keeps us away from it.

Touches: clock; the routing table through the question given. Source: docs/guarantees.md P7.
"""

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field, replace

import anyio

from scanner.model.fault import Fault, Kind, Side
from scanner.model.route import Endpoint, ip_version
from scanner.model.session import Hello, Session, Source
from scanner.net.pauses import growing
from scanner.protocols import mx
from scanner.survey import Prober

WAITED_FOR = frozenset({Kind.NO_SOURCE, Kind.NO_ROUTE, Kind.NO_DESCRIPTORS, Kind.NO_BUFFERS})
DOUBTFUL = frozenset({Kind.TIMEOUT, Kind.UNREACHABLE})
"""What a connection comes to whose address or route is taken away."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 5.0

Way = tuple[Source, int]
"""One of our sources, and the version of IP that the peer wants."""


@dataclass(slots=True)
class _Loss:
    """A way that is lost, since when, the peer that noticed, and when somebody looked last whether it still is."""

    at_s: float
    address: str
    looked_at_s: float


@dataclass(slots=True)
class Patient:
    """Implements survey.Prober over another. `no_way_out(address, source_address)` says why nothing can leave now, or
    None; `tell` hears of every way that is lost or found again, in one line. `sources` are those that share the load;
    none where each of them visits every server.

    A session waits at most `patience_s`, and so does a way out. Faults: those of the inner prober; NO_SOURCE, NO_ROUTE,
    NO_DESCRIPTORS and NO_BUFFERS when our patience ended.
    """

    inner: Prober
    no_way_out: Callable[[str, str], Fault | None]
    patience_s: float
    tell: Callable[[str], None]
    monotonic_s: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    sources: tuple[Source, ...] = ()
    _lost: dict[Way, _Loss] = field(default_factory=dict)
    _found_at_s: dict[Way, float] = field(default_factory=dict)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session, again and again while it is we who cannot."""
        way = (source, ip_version(endpoint.address))
        pauses, gives_up_at_s = growing(FIRST_PAUSE_S, LONGEST_PAUSE_S), float("inf")
        while True:
            session = await self.inner.converse(endpoint, source, hello, follow_up)
            trouble = self._trouble(session, way)
            if trouble is None:
                return session
            gives_up_at_s = min(gives_up_at_s, self._gives_up_at_s(way))
            if not await self._waited(endpoint, way, pauses, gives_up_at_s):
                return replace(session, fault=trouble)

    def is_stranded(self) -> bool:
        """Tell whether a way out stayed lost beyond our patience and no other source can take its place."""
        return any(self.monotonic_s() >= self._gives_up_at_s(way) for way in self._lost)

    def lost(self) -> frozenset[tuple[str, int]]:
        """Name the sources that have no way out now, each with the version of IP; look again every few seconds."""
        for way, loss in tuple(self._lost.items()):
            if self.monotonic_s() - loss.looked_at_s >= LONGEST_PAUSE_S:
                loss.looked_at_s = self.monotonic_s()
                self._find_if_there(way, loss.address)
        return frozenset((source.name, version) for source, version in self._lost)

    def _has_stand_in(self, way: Way) -> bool:
        """Tell whether a lost way has one: `mx.sources` chooses it when the row is tried again."""
        return way in self._lost and any(each not in self._lost for each in self._alike(way))

    def _alike(self, way: Way) -> tuple[Way, ...]:
        source, version = way
        return (way, *((each, version) for each in mx.alike(source, version, self.sources)))

    def _gives_up_at_s(self, way: Way) -> float:
        """When our patience ends with this way and all that may stand in for it, the last one lost counting."""
        now_s = self.monotonic_s()
        lost_at_s = (self._lost[each].at_s if each in self._lost else now_s for each in self._alike(way))
        return max(lost_at_s) + self.patience_s

    def _trouble(self, session: Session, way: Way) -> Fault | None:
        """The trouble of ours that ended this session and may pass; note ways that are lost and found."""
        fault, address = session.fault, session.endpoint.address
        if fault is None or fault.kind not in WAITED_FOR | DOUBTFUL:
            self._find_if_there(way, address)
            return None
        now = self.no_way_out(address, way[0].address)
        if now is not None:
            self._lose(way, now, address)
            return replace(now, stage=fault.stage)
        self._find_if_there(way, address)
        if fault.kind in WAITED_FOR - {Kind.NO_ROUTE}:
            return fault
        was_lost = self._found_at_s.get(way, float("-inf")) >= self._began_at_s(session)
        return Fault(fault.stage, Kind.NO_ROUTE, Side.OURS, "our way out was lost meanwhile") if was_lost else None

    def _began_at_s(self, session: Session) -> float:
        """When it connected: what it waited for its turn before does not count."""
        return self.monotonic_s() - sum(took_ms for _, took_ms in session.times_ms) / 1000

    async def _waited(self, endpoint: Endpoint, way: Way, pauses: Iterator[float], gives_up_at_s: float) -> bool:
        """Pause until something can leave again; False where our patience ended first, or nobody has to wait."""
        while (left_s := gives_up_at_s - self.monotonic_s()) > 0 and not self._has_stand_in(way):
            await self.sleep(min(next(pauses), left_s))
            if self.no_way_out(endpoint.address, way[0].address) is None:
                self._find_if_there(way, endpoint.address)
                return True
        return False

    def _lose(self, way: Way, trouble: Fault, address: str) -> None:
        if way not in self._lost:
            self._lost[way] = _Loss(self.monotonic_s(), address, self.monotonic_s())
            then = "other sources take its rows" if self._has_stand_in(way) else "rows wait for it"
            self.tell(f"source {way[0].name}: no way out over IPv{way[1]} ({trouble.detail}); {then}")

    def _find_if_there(self, way: Way, address: str) -> None:
        if way in self._lost and self.no_way_out(address, way[0].address) is None:
            del self._lost[way]
            self._found_at_s[way] = self.monotonic_s()
            self.tell(f"source {way[0].name}: there is a way out over IPv{way[1]} again")
