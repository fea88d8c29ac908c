"""A breaker before a resolver: a dead resolver answers at once and would burn the whole list.

A sign of death is looked into by a canary, a question that every living resolver answers. Where the canary fails too,
no further query is sent; one of those waiting asks the canary again, with growing pauses, until it answers. Then the
questions that met the outage are asked again, so that no row is judged by it. An outage that ended before its first
time-out was never seen: a question that met a silence, in which nobody got an answer, is asked twice. So is one whose
answer could not be fetched from a resolver that lives: the second time that is a time-out of this name.

Nor do we kill it ourselves: only so many questions are out at once. Thousands in one moment overrun the buffer of its
socket, and what is lost there would come back as time-outs of the domains.

Touches: clock. Source: docs/guarantees.md P7.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import anyio

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.net.pauses import growing
from scanner.survey import Resolver

T = TypeVar("T")

SUSPECT = frozenset({Kind.RESOLVER_DOWN, Kind.DNS_TIMEOUT, Kind.SERVFAIL})
"""What a dead resolver looks like; the last two are also what a dead domain looks like."""

AT_ONCE = 500
"""Questions that are out at a time: some thousands a second, with room for domains that never answer."""
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0
HEALTHY_FOR_S = 1.0
"""How long the word of a canary counts: its rate stays below one query a second."""

SILENCE_S = 4.0
"""Shorter than a question takes to time out, so that an outage which costs one leaves such a silence."""


@dataclass(slots=True)
class Breaking:
    """Implements survey.Resolver over another. `canary` says what is wrong with the resolver, None for nothing.

    A query waits for a dead resolver at most `patience_s` (and one canary), then gets `resolver_down` on our side.
    `stalled_since` tells whether we stood still after an instant: a suspect answer says nothing then and is asked for
    again. At most `at_once` questions are out; waiting in line for that takes nothing from the patience.
    `monotonic_s` and `sleep` (both in seconds) may be replaced by those of a pretended time.
    """

    inner: Resolver
    canary: Callable[[], Awaitable[Fault | None]]
    patience_s: float
    monotonic_s: Callable[[], float] = anyio.current_time
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep
    stalled_since: Callable[[float], bool] = lambda _: False
    at_once: int = AT_ONCE
    _outages: int = 0
    _is_open: bool = False
    _healthy_at_s: float = float("-inf")
    _answered_at_s: float = float("-inf")
    _silent_until_s: float = float("-inf")
    _turn: anyio.Lock = field(default_factory=anyio.Lock)
    _places: anyio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self._places = anyio.Semaphore(self.at_once, fast_acquire=True)

    @property
    def name(self) -> str:
        """Who answers."""
        return self.inner.name

    @property
    def is_open(self) -> bool:
        """Whether queries are held back now."""
        return self._is_open

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order."""
        return await self._asked(self.inner.mx, domain)

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._asked(self.inner.ipv4, host)

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._asked(self.inner.ipv6, host)

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""
        return await self._asked(self.inner.cname, host)

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""
        return await self._asked(self.inner.txt, name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name`."""
        return await self._asked(self.inner.tlsa, name)

    async def _asked(self, ask: Callable[[str], Awaitable[Answer[T]]], name: str) -> Answer[T]:
        """Ask while the resolver lives; an answer that may owe to an outage is asked for again."""
        gives_up_at_s = self.monotonic_s() + self.patience_s
        is_again = False
        while await self._lives(gives_up_at_s):
            gives_up_at_s += await self._stand_in_line()
            try:
                if self._is_open:  # it died while we stood there
                    continue
                outages, asked_at_s = self._outages, self.monotonic_s()
                answer = await ask(name)
            finally:
                self._places.release()
            if answer.fault is None or answer.fault.kind not in SUSPECT:
                self._hear()
                return answer
            if self.stalled_since(asked_at_s):
                continue
            is_doubtful = answer.fault.kind is Kind.RESOLVER_DOWN or self._was_silent(asked_at_s)
            if await self._is_sound(answer.fault, outages):
                if is_again or not is_doubtful:
                    return of_the_name(answer)
                is_again = True
                gives_up_at_s += self.monotonic_s() - asked_at_s
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS, f"{self.name} is dead"))

    async def _stand_in_line(self) -> float:
        """Take a place, and return how many seconds that took; nearly always one is free."""
        try:
            self._places.acquire_nowait()
        except anyio.WouldBlock:
            came_at_s = self.monotonic_s()
            await self._places.acquire()
            return self.monotonic_s() - came_at_s
        return 0.0

    def _hear(self) -> None:
        """Note a good answer, and the end of a silence."""
        now_s = self.monotonic_s()
        if now_s - self._answered_at_s > SILENCE_S:
            self._silent_until_s = now_s
        self._answered_at_s = now_s

    def _was_silent(self, since_s: float) -> bool:
        """Tell whether nobody heard anything for a while, at any time since then: an outage that nobody saw."""
        return self._silent_until_s >= since_s or self.monotonic_s() - self._answered_at_s > SILENCE_S

    async def _is_sound(self, fault: Fault, outages: int) -> bool:
        """Tell whether a suspect answer is about the domain: the resolver lived before it and lives after it."""
        async with self._turn:
            if not self._is_open and (fault.kind is Kind.RESOLVER_DOWN or not self._is_healthy()):
                await self._look()
            return outages == self._outages

    def _is_healthy(self) -> bool:
        return self.monotonic_s() - self._healthy_at_s < HEALTHY_FOR_S

    async def _look(self) -> None:
        """Ask the canary. What is wrong on our side counts as dead too: nothing can be asked."""
        fault = await self.canary()
        is_dead = fault is not None and (fault.kind in SUSPECT or fault.side is Side.OURS)
        if is_dead and not self._is_open:
            self._outages += 1
        self._is_open = is_dead
        if not is_dead:
            self._healthy_at_s = self.monotonic_s()

    async def _lives(self, gives_up_at_s: float) -> bool:
        """Wait while the breaker is open, in turn; whoever is cancelled leaves the turn to the next."""
        if self._is_open:
            async with self._turn:
                await self._revive(gives_up_at_s)
        return not self._is_open and self.monotonic_s() < gives_up_at_s

    async def _revive(self, gives_up_at_s: float) -> None:
        """Ask the canary until it answers or our patience ends."""
        pauses = growing(FIRST_PAUSE_S, LONGEST_PAUSE_S)
        while self._is_open and self.monotonic_s() < gives_up_at_s:
            await self.sleep(max(0.0, min(next(pauses), gives_up_at_s - self.monotonic_s())))
            await self._look()


def of_the_name(answer: Answer[T]) -> Answer[T]:
    """Take it for what it is where the resolver lives: a name that it hangs up on, say because its answer was cut and
    its TCP is closed, must not end the run as a dead resolver does.
    """
    fault = answer.fault
    if fault is None or fault.kind is not Kind.RESOLVER_DOWN:
        return answer
    return replace(answer, fault=replace(fault, kind=Kind.DNS_TIMEOUT, side=Side.REMOTE))
