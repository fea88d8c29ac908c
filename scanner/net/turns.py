"""Whose turn it is: queues at the gates of the ledger, oldest first, and nobody is woken who cannot go.

1. A ticket stands in one queue: that of the gate that hinders it. Tickets that nothing hinders never stand behind it.
2. A gate that opens calls its oldest ticket. If another gate hinders that one, it moves there and the next is called.
3. Hindered by nothing narrow, a ticket keeps its address, prefix and provider for itself and goes on to the source,
   then to the run. So each provider has one ticket at the source, and a giant waits no differently from a dwarf.
4. Past the last gate its task is woken. That task asks the ledger itself, and connects in the same breath: a late
   event loop makes connections rarer, never denser.
5. Two busy gates are seldom open together. A ticket that was passed over often keeps the one until the other opens.

Every queue that is not empty has a timer, a keeper, or sessions that will end: no wake-up is lost. Nothing here awaits.

Touches: nothing itself; the clock and the timer are given. Source: none.
"""

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol

from scanner.pace import Feedback, Granted, Key, Knock, Ledger, Parked, Wait

PATIENCE = 3
"""Times passed over at an open gate before a ticket keeps what it has."""
KEPT_MOST_S = 10.0
"""A gate further away than this is not waited for with others kept shut."""
SLACK_S = 0.05


class Timer(Protocol):
    """What has been put off."""

    def cancel(self) -> object:
        """Put it off for good."""


Later = Callable[[float, Callable[[], None]], Timer]
"""Call something in so many seconds; never before, and never from inside this very call."""


@dataclass(eq=False, slots=True)
class Ticket:
    """One who waits. `kept` are the gates it keeps for itself, `at` the one in whose queue it stands."""

    number: int
    knock: Knock
    wake: Callable[[], None]
    kept: list[Key] = field(default_factory=list)
    at: Key | None = None
    is_called: bool = False
    passed_over: int = 0


@dataclass(eq=False, slots=True)
class _Line:
    """The queue at one gate, the ticket that keeps the gate, and the timer for when it opens."""

    queue: list[tuple[int, Ticket]] = field(default_factory=list)
    keeper: Ticket | None = None
    timer: Timer | None = None


class Turns:
    """The waiting room. Every ticket that is entered must leave, whatever happens."""

    def __init__(self, ledger: Ledger, clock_s: Callable[[], float], later: Later) -> None:
        self._ledger = ledger
        self._clock_s = clock_s
        self._later = later
        self._numbers = count()
        self._lines: dict[Key, _Line] = {}
        self._waiting: dict[Key, dict[Ticket, None]] = {}

    def take_at_once(self, knock: Knock) -> Granted | Parked | None:
        """Take the turn where every gate is open and nobody stands there or keeps it; None where one has to wait."""
        if not self._lines.keys().isdisjoint(knock.keys):
            return None
        answer = self._ledger.ask(self._clock_s(), knock)
        return None if isinstance(answer, Wait) else answer

    def enter(self, knock: Knock, wake: Callable[[], None]) -> Ticket:
        """Get in line. `wake` is called when the ticket should `take`, perhaps at once; it only notes that."""
        ticket = Ticket(next(self._numbers), knock, wake)
        self._waiting.setdefault(knock.provider, {})[ticket] = None
        self._advance(ticket)
        return ticket

    def take(self, ticket: Ticket) -> Granted | Wait | Parked:
        """Ask for the turn at the very moment of connecting. After Wait, `wake` will be called again."""
        if not ticket.is_called and self._ledger.why_parked(ticket.knock) is None:
            return Wait(math.inf)
        answer = self._ledger.ask(self._clock_s(), ticket.knock)
        if isinstance(answer, Wait):  # paused since it was called, or the timer was early
            self._start_again(ticket)
        return answer

    def leave(self, ticket: Ticket) -> None:
        """Give up the place, whether served or not; those behind move up."""
        ticket.at = None
        ticket.is_called = False
        peers = self._waiting[ticket.knock.provider]
        del peers[ticket]
        if not peers:
            del self._waiting[ticket.knock.provider]
        self._let_go(ticket)

    def end(self, granted: Granted, said: Feedback, why: str = "") -> None:
        """A session is over: report it, call who waited for its places, and send away who waits in vain."""
        self._ledger.report(self._clock_s(), granted, said, why)
        if self._ledger.why_parked(granted.knock) is not None:
            for ticket in tuple(self._waiting.get(granted.knock.provider, ())):
                ticket.wake()
        for key in granted.knock.keys:
            self._serve(key)

    @property
    def waiting(self) -> int:
        """How many stand in line or are called."""
        return sum(map(len, self._waiting.values()))

    def _advance(self, ticket: Ticket, called_from: Key | None = None) -> None:
        """Move on until something hinders; wake the ticket when nothing does."""
        for stage in ticket.knock.stages:
            wanted = [key for key in stage if key not in ticket.kept] if ticket.kept else stage
            if hindrances := [key for key in wanted if self._hinders(key, called_from)]:
                self._queue(ticket, hindrances, wanted, called_from)
                return
            self._keep(ticket, wanted)
        ticket.is_called = True
        ticket.wake()

    def _hinders(self, key: Key, called_from: Key | None) -> bool:
        line = self._lines.get(key)
        if line is not None and (line.keeper is not None or (line.queue and key != called_from)):
            return True
        return self._ledger.ready_at_s(key) > self._clock_s()

    def _queue(self, ticket: Ticket, hindrances: Sequence[Key], wanted: Sequence[Key], called_from: Key | None) -> None:
        """Stand in line where it takes longest; keep the rest only after having been passed over too often."""
        key = max(hindrances, key=self._ledger.ready_at_s)
        if called_from in wanted and called_from not in hindrances:
            ticket.passed_over += 1
            if ticket.passed_over > PATIENCE and len(hindrances) == 1 and self._is_next(ticket, key):
                self._keep(ticket, [each for each in wanted if each != key])
        if ticket.kept and key in ticket.knock.stages[0]:
            self._later(min(self._wait_s(key), KEPT_MOST_S) + SLACK_S, lambda: self._stop_keeping(ticket, key))
        ticket.at = key
        heapq.heappush(self._line(key).queue, (ticket.number, ticket))
        self._set_timer(key)

    def _is_next(self, ticket: Ticket, key: Key) -> bool:
        """Tell whether this ticket would be called when the gate opens, and that is soon."""
        line = self._line(key)
        is_oldest = not line.queue or ticket.number < line.queue[0][0]
        return line.keeper is None and is_oldest and self._wait_s(key) < KEPT_MOST_S

    def _stop_keeping(self, ticket: Ticket, key: Key) -> None:
        """It did not get the gate that it waited for: let the others pass."""
        if ticket.at == key:
            self._let_go(ticket)

    def _wait_s(self, key: Key) -> float:
        return max(0.0, self._ledger.ready_at_s(key) - self._clock_s())

    def _start_again(self, ticket: Ticket) -> None:
        """Back to the end of no queue: the number stays."""
        ticket.is_called = False
        released, ticket.kept = ticket.kept, []
        for key in released:
            self._lines[key].keeper = None
        self._advance(ticket)
        for key in released:
            self._serve(key)

    def _keep(self, ticket: Ticket, keys: Sequence[Key]) -> None:
        for key in keys:
            self._line(key).keeper = ticket
        ticket.kept += keys

    def _let_go(self, ticket: Ticket) -> None:
        released, ticket.kept = ticket.kept, []
        for key in released:
            self._lines[key].keeper = None
        for key in released:
            self._serve(key)

    def _serve(self, key: Key) -> None:
        """Call the oldest while the gate is open and nobody keeps it."""
        line = self._lines.get(key)
        if line is None:
            return
        while line.keeper is None and self._drop_gone(line, key) and self._ledger.ready_at_s(key) <= self._clock_s():
            _, ticket = heapq.heappop(line.queue)
            ticket.at = None
            self._advance(ticket, called_from=key)
        self._set_timer(key)

    def _drop_gone(self, line: _Line, key: Key) -> bool:
        """Forget those who left; tell whether anybody stands there."""
        while line.queue and line.queue[0][1].at != key:
            heapq.heappop(line.queue)
        return bool(line.queue)

    def _line(self, key: Key) -> _Line:
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line()
        return line

    def _set_timer(self, key: Key) -> None:
        """A timer where somebody waits for time to pass; no line at all where nobody waits and nobody keeps."""
        line = self._lines[key]
        if line.keeper is not None:
            return
        if not self._drop_gone(line, key):
            if line.timer is not None:
                line.timer.cancel()
            del self._lines[key]
            return
        if line.timer is None and self._ledger.ready_at_s(key) < math.inf:
            line.timer = self._later(self._wait_s(key), lambda: self._ring(key, line))

    def _ring(self, key: Key, line: _Line) -> None:
        line.timer = None
        if self._lines.get(key) is line:
            self._serve(key)
