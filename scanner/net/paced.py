"""A Prober that waits for its turn, and keeps away from those who asked for it.

Waiting is no fault and has no deadline: the time of a session starts with its connection. A turn is taken by the task
that connects, with nothing awaited between the two, so that the caps hold at the peer whatever the event loop does.

Touches: clock. Source: docs/guarantees.md P9 and P11; docs/adr/0005-pacing.md.
"""

import asyncio
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.turns import Later, Timer, Turns
from scanner.pace import Feedback, Figures, Granted, Knock, Ledger, Parked, Wait, feedback, knock
from scanner.settings import Limits, Pace
from scanner.survey import Prober

REASON_LETTERS = 200


def later_on_loop(delay_s: float, act: Callable[[], None]) -> Timer:
    """Put off on the running event loop, by whole milliseconds, rounded up: loops round, and early is for nothing."""
    return asyncio.get_running_loop().call_later(math.ceil(delay_s * 1000) / 1000, act)


@dataclass(frozen=True, slots=True)
class Hours:
    """Time as `Paced` sees it. `seed` decides by how much address intervals are stretched."""

    clock: Clock
    later: Later = later_on_loop
    seed: int = 0


class Paced:
    """Implements survey.Prober. `provider` names who runs an MX host; a host without one is its own provider."""

    def __init__(
        self, inner: Prober, pace: Pace, limits: Limits, provider: Callable[[str], str | None], hours: Hours
    ) -> None:
        self._inner = inner
        self._provider = provider
        self._clock = hours.clock
        draw = random.Random(hours.seed).random  # noqa: S311 - nobody gains by guessing it
        self._ledger = Ledger(pace, limits, draw)
        self._turns = Turns(self._ledger, hours.clock.monotonic_s, hours.later)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Wait, then hold the session. Faults: PARKED, with no packet sent; else those of the inner prober."""
        wish = knock(source.address, endpoint.address, self._provider(endpoint.mx) or endpoint.mx)
        turn = self._turns.take_at_once(wish) or await self._turn(wish)
        if isinstance(turn, Parked):
            stayed = self._stayed_away(endpoint, source, hello, turn.why)
            return replace(stayed, follow_up=follow_up)
        said, why = Feedback.NEUTRAL, ""
        try:
            session = await self._inner.converse(endpoint, source, hello, follow_up)
            said, why = feedback(session), reason(session)
        finally:
            self._turns.end(turn, said, why)
        return session

    def figures(self) -> Figures:
        """What the manifest says about pace: connections by source, highest rates, and who was parked."""
        return self._ledger.figures()

    @property
    def waiting(self) -> int:
        """How many sessions wait for their turn now."""
        return self._turns.waiting

    async def _turn(self, wish: Knock) -> Granted | Parked:
        """Wait in line. A waiter that is cancelled gives its place to the next."""
        bell = _Bell()
        ticket = self._turns.enter(wish, bell.ring)
        try:
            answer: Granted | Wait | Parked = Wait(math.inf)
            while isinstance(answer, Wait):
                await bell.heard()
                answer = self._turns.take(ticket)
            return answer
        finally:
            self._turns.leave(ticket)

    def _stayed_away(self, endpoint: Endpoint, source: Source, hello: Hello, why: str) -> Session:
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name=source.ehlo_name,
            observed_at=self._clock.now(),
            role=source.role,
            hello=hello,
            stage=Stage.RESOLVE,
            fault=Fault(Stage.CONNECT, Kind.PARKED, Side.REMOTE, why),
        )


class _Bell:
    """Rings once, and again after it was heard; one that rang before anybody listened costs no turn of the loop."""

    def __init__(self) -> None:
        self._rang = asyncio.Event()

    def ring(self) -> None:
        self._rang.set()

    async def heard(self) -> None:
        if not self._rang.is_set():
            await self._rang.wait()
        self._rang.clear()


def reason(session: Session) -> str:
    """Quote the refusal that ended a session, for people: code and text, shortened."""
    fault = session.fault
    return "" if fault is None else f"{fault.code or ''} {fault.detail}".strip()[:REASON_LETTERS]
