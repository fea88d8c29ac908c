"""When we were the ones who did not listen: a stopped process, a suspended machine, a loop that was held up, no memory.

A deadline that passed while nobody here was looking says nothing about the peer: replies may have been waiting all the
time. So a time-out that met a stall becomes our own fault, and the row is tried again.

The same places know when something that a row waited for came to its end. Each is a sign of life, and a run that gives
none for too long stands still (`cli.standstill`).

Touches: clock. Source: docs/guarantees.md P7.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import anyio

from scanner.model.fault import Fault, Kind, Side, is_of_memory
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Hello, Session, Source
from scanner.survey import PolicyFetcher, Prober, Resolver

T = TypeVar("T")

TICK_S = 0.25
STALL_S = 1.0
"""A loop that is busy with handshakes is late by a few hundredths of a second; a second is a stall."""


@dataclass(slots=True)
class Stalls:
    """Knows when the event loop last stood still; `watch` has to run. `signs` counts signs of life."""

    monotonic_s: Callable[[], float]
    signs: int = 0
    _ticked_at_s: float = field(init=False)
    _stalled_at_s: float = float("-inf")

    def __post_init__(self) -> None:
        self._ticked_at_s = self.monotonic_s()

    async def watch(self) -> None:
        """Look at the clock again and again, until cancelled."""
        asyncio.get_running_loop().set_exception_handler(self.hear)
        self._ticked_at_s = self.monotonic_s()
        while True:
            self.tick()
            await anyio.sleep(TICK_S)

    def hear(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Be told what broke in a callback. What came in and was lost for want of memory is as good as not heard."""
        if is_of_memory(context.get("exception")):
            self._stalled_at_s = self.monotonic_s()
        else:
            loop.default_exception_handler(context)

    def sign(self) -> None:
        """Give a sign of life: something for a row has begun, or come to its end, well or badly."""
        self.signs += 1

    def tick(self) -> None:
        """Note whether this comes too late."""
        now_s = self.monotonic_s()
        if self._is_late(now_s):
            self._stalled_at_s = now_s
        self._ticked_at_s = now_s

    def since(self, began_at_s: float) -> bool:
        """Tell whether we stood still at any time since then; a tick may still be due where timers fire together."""
        return self._stalled_at_s >= began_at_s or self._is_late(self.monotonic_s())

    def _is_late(self, now_s: float) -> bool:
        return now_s - self._ticked_at_s > TICK_S + STALL_S


def ours(fault: Fault) -> Fault:
    """Take a time-out on ourselves."""
    return replace(fault, kind=Kind.STALLED, side=Side.OURS, detail="we stood still meanwhile")


@dataclass(frozen=True, slots=True)
class AwakeProber:
    """Implements survey.Prober over another. Faults: those of the inner one, STALLED instead of a doubtful TIMEOUT."""

    inner: Prober
    stalls: Stalls

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session."""
        began_at_s = self.stalls.monotonic_s()
        self.stalls.sign()
        session = await self.inner.converse(endpoint, source, hello, follow_up)
        self.stalls.sign()
        if session.fault is None or session.fault.kind is not Kind.TIMEOUT or not self.stalls.since(began_at_s):
            return session
        return replace(session, fault=ours(session.fault))


@dataclass(frozen=True, slots=True)
class AwakeFetcher:
    """Implements survey.PolicyFetcher over another, in the same way."""

    inner: PolicyFetcher
    stalls: Stalls

    async def fetch(self, domain: str) -> PolicyFetch:
        """Fetch the policy file."""
        began_at_s = self.stalls.monotonic_s()
        fetched = await self.inner.fetch(domain)
        self.stalls.sign()
        if fetched.fault is None or fetched.fault.kind is not Kind.TIMEOUT or not self.stalls.since(began_at_s):
            return fetched
        return replace(fetched, fault=ours(fetched.fault))


class Canaried(Resolver, Protocol):
    """A resolver that can be told from a dead one."""

    async def canary(self) -> Fault | None:
        """Say what is wrong with it; None for nothing."""


@dataclass(frozen=True, slots=True)
class AwakeResolver:
    """Implements survey.Resolver over another, and gives a sign of life with every answer. Faults: those of `inner`."""

    inner: Canaried
    stalls: Stalls

    @property
    def name(self) -> str:
        """Who answers."""
        return self.inner.name

    async def canary(self) -> Fault | None:
        """Say what is wrong with the resolver: that too shows that somebody looks."""
        return await self._answered(self.inner.canary())

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order."""
        return await self._answered(self.inner.mx(domain))

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._answered(self.inner.ipv4(host))

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._answered(self.inner.ipv6(host))

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""
        return await self._answered(self.inner.cname(host))

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""
        return await self._answered(self.inner.txt(name))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name`."""
        return await self._answered(self.inner.tlsa(name))

    async def _answered(self, answer: Awaitable[T]) -> T:
        answered = await answer
        self.stalls.sign()
        return answered
