"""Sessions come back in groups, and nobody waits long for company that does not come."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.together import GROUP, Together

SOURCE = Source("mail", "198.51.100.1", "c.test")
ENDPOINT = Endpoint("mx.test", "192.0.2.1", 25, "mx.test")
HELD = Session(
    endpoint=ENDPOINT,
    source="mail",
    source_address="198.51.100.1",
    ehlo_name="c.test",
    observed_at=datetime(2026, 11, 25, tzinfo=UTC),
)


@dataclass
class Peer:
    """Ends every session at once; counts them."""

    held: int = 0
    breaks: bool = False

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.held += 1
        if self.breaks:
            raise RuntimeError("our bug")
        return replace(HELD, endpoint=endpoint, hello=hello, follow_up=follow_up)


@dataclass
class Guests:
    """Those who hold sessions through one prober; `back` are whose sessions came back, in order."""

    prober: Together
    back: list[int]

    async def come(self, number: int) -> None:
        await self.prober.converse(ENDPOINT, SOURCE, Hello.USUAL)
        self.back.append(number)


async def turns(count: int = 3) -> None:
    """Let everybody go on who can; no time passes for a timer."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def test_a_session_comes_back_as_it_was_and_waits_for_company_only_a_moment() -> None:
    peer = Peer()
    with anyio.fail_after(20):
        session = await Together(peer).converse(ENDPOINT, SOURCE, Hello.WIDE, 2)
    assert session == replace(HELD, hello=Hello.WIDE, follow_up=2)
    assert peer.held == 1


async def test_a_group_goes_on_as_soon_as_it_is_full() -> None:
    guests = Guests(Together(Peer(), wait_s=3600), [])
    async with anyio.create_task_group() as group:
        for number in range(GROUP - 1):
            group.start_soon(guests.come, number)
        await turns()
        assert guests.back == []
        group.start_soon(guests.come, GROUP - 1)
    assert sorted(guests.back) == list(range(GROUP))


async def test_who_comes_after_a_full_group_waits_for_the_next() -> None:
    guests = Guests(Together(Peer(), wait_s=3600), [])
    async with anyio.create_task_group() as group:
        for number in range(GROUP + 1):
            group.start_soon(guests.come, number)
        await turns()
        assert sorted(guests.back) == list(range(GROUP))
        for number in range(GROUP + 1, 2 * GROUP):
            group.start_soon(guests.come, number)
    assert sorted(guests.back) == list(range(2 * GROUP))


async def test_who_is_cancelled_while_it_waits_keeps_nobody() -> None:
    guests = Guests(Together(Peer(), wait_s=0.05), [])
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            with anyio.CancelScope() as scope:
                group.start_soon(guests.come, 1)
                await turns()
                scope.cancel()
                await guests.come(2)
    assert guests.back == [1]


async def test_what_the_inner_prober_raises_is_raised_at_once() -> None:
    with pytest.raises(RuntimeError, match="our bug"):
        await Together(Peer(breaks=True), wait_s=3600).converse(ENDPOINT, SOURCE, Hello.USUAL)
