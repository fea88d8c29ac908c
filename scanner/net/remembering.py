"""A Resolver that asks about a mail host once: thousands of domains share one, and none of them needs it asked again.

Addresses, aliases and TLSA records of hosts are remembered, and whoever asks while a question is out waits for its
answer. MX and TXT records belong to one domain each and pass through. One run is one observation, so the TTL does not
count, but after an hour a host is asked again. Only answers are remembered, "there is none" among them (RFC 7672
section 2.1.1); trouble is not, because the next domain may have more luck.

Touches: clock. Source: RFC 2308 (negative answers may be kept), RFC 7672 section 2.1.1; docs/guarantees.md P4.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio

from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.protocols.tlsa import NO_RECORDS
from scanner.survey import Resolver

T = TypeVar("T")

REMEMBERED_FOR_S = 3600.0
ANSWER_BYTES = 2048
"""Records that are longer, taken together, are rare and not kept: a hostile zone must not fill our memory."""

Question = tuple[str, str]
"""Type and name, as asked."""


@dataclass(eq=False, slots=True)
class _Flight:
    """A question that is out. `answer` stays None where its asker was cancelled; `landed` where nobody else waits."""

    landed: anyio.Event | None = None
    answer: Answer[Any] | None = None

    async def wait(self) -> None:
        """Wait for the end, whatever it is."""
        if self.landed is None:
            self.landed = anyio.Event()
        await self.landed.wait()


@dataclass(slots=True)
class Remembering:
    """Implements survey.Resolver over another. At most `most` answers are kept; those longest unasked go first.

    `monotonic_s` (seconds) may be replaced by that of a pretended time. Faults: those of `inner`.
    """

    inner: Resolver
    most: int
    monotonic_s: Callable[[], float] = anyio.current_time
    _known: OrderedDict[Question, tuple[float, Answer[Any]]] = field(default_factory=OrderedDict)
    _flights: dict[Question, _Flight] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Who answers."""
        return self.inner.name

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order; asked every time."""
        return await self.inner.mx(domain)

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined; asked every time."""
        return await self.inner.txt(name)

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._once(("A", host), self.inner.ipv4)

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._once(("AAAA", host), self.inner.ipv6)

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""
        return await self._once(("CNAME", host), self.inner.cname)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name`."""
        return await self._once(("TLSA", name), self.inner.tlsa)

    async def _once(self, question: Question, ask: Callable[[str], Awaitable[Answer[T]]]) -> Answer[T]:
        """Remember, wait for somebody's answer, or ask."""
        while True:
            known = self._recall(question)
            if known is not None:
                return known
            flight = self._flights.get(question)
            if flight is None:
                return await self._fly(question, ask)
            await flight.wait()
            if flight.answer is not None:
                return flight.answer

    async def _fly(self, question: Question, ask: Callable[[str], Awaitable[Answer[T]]]) -> Answer[T]:
        """Ask; whoever waits for it goes on, whatever happens here."""
        flight = self._flights[question] = _Flight()
        try:
            flight.answer = answer = await ask(question[1])
            self._keep(question, answer)
            return answer
        finally:
            del self._flights[question]
            if flight.landed is not None:
                flight.landed.set()

    def _recall(self, question: Question) -> Answer[Any] | None:
        kept = self._known.get(question)
        if kept is None:
            return None
        if self.monotonic_s() - kept[0] >= REMEMBERED_FOR_S:
            del self._known[question]
            return None
        self._known.move_to_end(question)
        return kept[1]

    def _keep(self, question: Question, answer: Answer[Any]) -> None:
        if not is_worth_keeping(answer):
            return
        self._known[question] = self.monotonic_s(), answer
        if len(self._known) > self.most:
            self._known.popitem(last=False)


def is_worth_keeping(answer: Answer[Any]) -> bool:
    """Tell an answer of usual size from trouble, and from one that is too long."""
    is_answer = answer.fault is None or answer.fault.kind in NO_RECORDS
    return is_answer and sum(map(_length, answer.records)) <= ANSWER_BYTES


def _length(record: str | TlsaRecord) -> int:
    return len(record) if isinstance(record, str) else len(record.association)
