"""Pretended time, and a crowd that knocks in it: every connection is written down, and no second is waited for."""

import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

import anyio
import anyio.lowlevel

from scanner.net.turns import Ticket, Turns
from scanner.pace import Cap, Feedback, Granted, Key, Knock, Ledger, Parked
from scanner.settings import Limits, Pace


@dataclass(eq=False, slots=True)
class Due:
    """Something put off."""

    act: Callable[[], None] | None

    def cancel(self) -> None:
        self.act = None


class Time:
    """A clock that stands still until somebody lets it run."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.put_off = 0
        self._order = count()
        self._due: list[tuple[float, int, Due]] = []

    def clock_s(self) -> float:
        return self.now_s

    def later(self, delay_s: float, act: Callable[[], None]) -> Due:
        self.put_off += 1
        due = Due(act)
        heapq.heappush(self._due, (self.now_s + delay_s, next(self._order), due))
        return due

    def stall(self, stalled_s: float) -> None:
        """Time passes and nobody notices."""
        self.now_s += stalled_s

    def run(self, until_s: float = float("inf")) -> None:
        """Do what is due, one after the other, until nothing is left or the time is up."""
        while self.step(until_s):
            pass

    def step(self, until_s: float = float("inf")) -> bool:
        """Do what is due next; False where there is nothing."""
        if not self._due or self._due[0][0] > until_s:
            return False
        at_s, _, due = heapq.heappop(self._due)
        self.now_s = max(self.now_s, at_s)
        if due.act is not None:
            due.act()
        return True

    async def flow(self, until_s: float = float("inf")) -> None:
        """Do what is due, and let the tasks that it wakes go on before anything else happens."""
        await settle()
        while self.step(until_s):
            await settle()

    async def sleep(self, asleep_s: float) -> None:
        awake = anyio.Event()
        self.later(asleep_s, awake.set)
        await awake.wait()


async def settle() -> None:
    """Let every task go on that can."""
    for _ in range(4):
        await anyio.lowlevel.checkpoint()


@dataclass(eq=False)
class Visitor:
    """One who wants to connect, stays `stays_s`, and hears `said`."""

    knock: Knock
    stays_s: float = 0.0
    said: Feedback = Feedback.CLEAN
    ticket: Ticket | None = None
    went_at_s: float | None = None
    parked: bool = False


@dataclass
class Crowd:
    """Visitors before the turns of one run. `log` holds every connection by gate, `most` the most open at once.

    `asks_first`: they try to go at once before they stand in line, as `Paced` does.
    """

    pace: Pace
    limits: Limits = field(default_factory=Limits)
    draw: Callable[[], float] = lambda: 0.5
    time: Time = field(default_factory=Time)
    log: dict[Key, list[float]] = field(default_factory=lambda: defaultdict(list))
    most: Counter[Key] = field(default_factory=Counter)
    lag_s: float = 0.0
    asks_first: bool = True

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.pace, self.limits, self.draw)
        self.turns = Turns(self.ledger, self.time.clock_s, self.time.later)
        self._open: Counter[Key] = Counter()

    def come(self, visitors: Iterable[Visitor]) -> None:
        for visitor in visitors:
            answer = self.turns.take_at_once(visitor.knock) if self.asks_first else None
            visitor.parked = isinstance(answer, Parked)
            if isinstance(answer, Granted):
                self._connect(visitor, answer)
            elif answer is None:
                visitor.ticket = self.turns.enter(visitor.knock, partial(self._wake, visitor))

    def give_up(self, visitor: Visitor) -> None:
        if visitor.ticket is not None:
            self.turns.leave(visitor.ticket)
            visitor.ticket = None

    def _wake(self, visitor: Visitor) -> None:
        self.time.later(self.lag_s, lambda: self._try(visitor))

    def _try(self, visitor: Visitor) -> None:
        if visitor.ticket is None:
            return
        answer = self.turns.take(visitor.ticket)
        visitor.parked = isinstance(answer, Parked)
        if isinstance(answer, Granted):
            self._connect(visitor, answer)
        if isinstance(answer, Granted | Parked):
            self.give_up(visitor)

    def _connect(self, visitor: Visitor, granted: Granted) -> None:
        visitor.went_at_s = self.time.now_s
        for key in visitor.knock.keys:
            self.log[key].append(self.time.now_s)
            self._open[key] += 1
            self.most[key] = max(self.most[key], self._open[key])
        self.time.later(visitor.stays_s, lambda: self._end(visitor, granted))

    def _end(self, visitor: Visitor, granted: Granted) -> None:
        for key in visitor.knock.keys:
            self._open[key] -= 1
        self.turns.end(granted, visitor.said, visitor.said.name)


def busiest(at_s: list[float], window_s: float) -> int:
    """The most that fall into any half-open window of this length."""
    most = first = 0
    for last, moment_s in enumerate(at_s):
        while moment_s - at_s[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def violations(crowd: Crowd, window_s: float) -> list[tuple[Key, int]]:
    """Gates through which more went in some window, or stood open at once, than the settings allow."""
    pace = crowd.pace
    caps = {
        Cap.ADDRESS: (1 / pace.address_floor_s, pace.address_open),
        Cap.PREFIX: (pace.prefix_per_s, pace.prefix_open),
        Cap.PROVIDER: (pace.provider_per_s, pace.provider_open),
        Cap.SOURCE: (pace.source_per_s, pace.source_open),
        Cap.RUN: (pace.run_per_s, crowd.limits.open_sessions),
    }
    found = []
    for key, at_s in crowd.log.items():
        per_s, places = caps[key[0]]
        most = busiest(at_s, window_s)
        if most > math.ceil(per_s * window_s) or crowd.most[key] > places:
            found.append((key, most))
    return found
