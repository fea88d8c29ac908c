"""Notices that nobody answers us any more: something before us swallows what goes to the port of mail.

Each time-out is a fact about one peer, and all of them together are one about us, or about a bad list. Only canaries
can tell: until they did, and where our source sees none of them either, its way out counts as lost. Without them it is
said on stderr, and the rows stay what they are: inconclusive.

Touches: network (through the canaries given), clock. Source: docs/guarantees.md P7; docs/what-we-send.md (canaries).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint, ip_version
from scanner.model.session import Hello, Session, Source
from scanner.net.canaries import Canaries
from scanner.net.pauses import growing
from scanner.protocols.canaries import Sighting
from scanner.survey import Prober

ADDRESSES_MOST = 40
"""So many different addresses in a row that nobody answered from are a silence."""
UNANSWERED = frozenset({Kind.TIMEOUT, Kind.UNREACHABLE})
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 60.0
BELIEVED_FOR_S = 600.0
"""How long a canary that was seen, or a line that was said, counts: a list of dead servers must not repeat it."""

Way = tuple[str, str, int]
"""Name and address of one of our sources, and the version of IP."""


@dataclass(slots=True)
class Silence:
    """Implements survey.Prober over another. `watch` has to run; `tell` hears, in one line, that nobody answers."""

    inner: Prober
    canaries: Canaries
    tell: Callable[[str], None]
    monotonic_s: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    _unanswered: dict[Way, set[str]] = field(default_factory=dict)
    _believed_at_s: dict[Way, float] = field(default_factory=dict)
    _deaf: set[Way] = field(default_factory=set)
    _doubt: anyio.Event = field(default_factory=anyio.Event)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session, and count who does not answer. Faults: those of the inner one."""
        session = await self.inner.converse(endpoint, source, hello, follow_up)
        way = (source.name, source.address, ip_version(endpoint.address))
        fault = session.fault
        if session.stage >= Stage.CONNECT or (fault is not None and fault.kind is Kind.REFUSED):
            self._hear(way)
        elif fault is not None and fault.stage is Stage.CONNECT and fault.kind in UNANSWERED:
            self._miss(way, endpoint.address)
        return session

    def no_way_out(self, address: str, source_address: str) -> Fault | None:
        """Say that nothing comes back over this way, or that the canaries are asked; None where something may."""
        for way in self._doubted():
            if way[1:] == (source_address, ip_version(address)):
                what = "nobody answers, not even the canaries" if way in self._deaf else "nobody answers"
                return Fault(Stage.CONNECT, Kind.NO_ROUTE, Side.OURS, what)
        return None

    async def watch(self) -> None:
        """Ask the canaries where somebody doubts, until cancelled."""
        while True:
            await self._doubt.wait()
            self._doubt = anyio.Event()
            pauses = growing(FIRST_PAUSE_S, LONGEST_PAUSE_S)
            while doubted := self._doubted():
                await self.canaries.visit()
                for way in doubted:
                    self._judge(way)
                if self._deaf:
                    await self.sleep(next(pauses))

    def _doubted(self) -> list[Way]:
        """Ways of which the canaries have to say more; none where none were named."""
        if not self.canaries.settings.canaries:
            return []
        return [way for way, addresses in self._unanswered.items() if len(addresses) >= ADDRESSES_MOST]

    def _judge(self, way: Way) -> None:
        """Believe a source that sees one canary."""
        seen = [sighting for (name, _), sighting in self.canaries.seen.items() if name == way[0]]
        if seen and all(sighting is Sighting.UNSEEN for sighting in seen):
            self._deaf.add(way)
        else:
            self._believed_at_s[way] = self.monotonic_s()
            self._hear(way)

    def _hear(self, way: Way) -> None:
        self._unanswered.pop(way, None)
        self._deaf.discard(way)

    def _miss(self, way: Way, address: str) -> None:
        missed = self._unanswered.setdefault(way, set())
        if len(missed) == ADDRESSES_MOST:
            return
        missed.add(address)
        if len(missed) < ADDRESSES_MOST:
            return
        if self.monotonic_s() - self._believed_at_s.get(way, float("-inf")) < BELIEVED_FOR_S:
            missed.clear()
        elif self.canaries.settings.canaries:
            self._doubt.set()
        else:
            self._believed_at_s[way] = self.monotonic_s()
            self.tell(
                f"source {way[0]}: nobody at {ADDRESSES_MOST} addresses answered over IPv{way[2]}; "
                f"is port {self.canaries.settings.port} open outward? (--canary would tell)"
            )
