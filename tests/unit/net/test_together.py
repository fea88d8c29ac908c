"""Sessions come back in groups, and nobody waits long for company that does not come."""

from dataclasses import dataclass, field, replace
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
    """Ends every session at once, but for those under the name `slow`, which end when it says so; counts them."""

    held: int = 0
    breaks: bool = False
    ends: anyio.Event = field(default_factory=anyio.Event)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.held += 1
        if self.breaks:
            raise RuntimeError("our bug")
        if source.name == "slow":
            await self.ends.wait()
        return replace(HELD, endpoint=endpoint, hello=hello, follow_up=follow_up)


@dataclass
class Guests:
    """Those who hold sessions through one prober; `back` are whose sessions came back, in order."""

    prober: Together
    back: list[int]

    async def come(self, number: int) -> None:
        await self.prober.converse(ENDPOINT, SOURCE, Hello.USUAL)
        self.back.append(number)

    async def stay(self) -> None:
        """Be under way for as long as the peer likes."""
        await self.prober.converse(ENDPOINT, replace(SOURCE, name="slow"), Hello.USUAL)


async def turns(count: int = 3) -> None:
    """Let everybody go on who can; no time passes for a timer."""
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


async def test_a_session_comes_back_as_it_was_and_where_nobody_is_under_way_at_once() -> None:
    peer = Peer()
    with anyio.fail_after(20):
        session = await Together(peer, wait_s=3600).converse(ENDPOINT, SOURCE, Hello.WIDE, 2)
    assert session == replace(HELD, hello=Hello.WIDE, follow_up=2)
    assert peer.held == 1


async def test_it_waits_only_a_moment_for_company_that_does_not_come() -> None:
    guests = Guests(Together(Peer()), [])
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(guests.stay)
            await turns()
            await guests.come(1)
            group.cancel_scope.cancel()


async def test_a_group_goes_on_as_soon_as_it_is_full() -> None:
    guests = Guests(Together(Peer(), wait_s=3600), [])
    async with anyio.create_task_group() as group:
        group.start_soon(guests.stay)
        for number in range(GROUP - 1):
            group.start_soon(guests.come, number)
        await turns()
        assert guests.back == []
        group.start_soon(guests.come, GROUP - 1)
        await turns()
        assert sorted(guests.back) == list(range(GROUP))
        group.cancel_scope.cancel()


async def test_who_comes_after_a_full_group_waits_for_the_next_or_for_the_last_under_way() -> None:
    peer = Peer()
    guests = Guests(Together(peer, wait_s=3600), [])
    async with anyio.create_task_group() as group:
        group.start_soon(guests.stay)
        for number in range(2 * GROUP + 1):
            group.start_soon(guests.come, number)
        await turns()
        assert sorted(guests.back) == list(range(2 * GROUP))
        peer.ends.set()
    assert sorted(guests.back) == list(range(2 * GROUP + 1))


async def test_who_is_cancelled_while_it_waits_keeps_nobody() -> None:
    guests = Guests(Together(Peer(), wait_s=0.05), [])
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(guests.stay)
            await turns()
            async with anyio.create_task_group() as impatient:
                impatient.start_soon(guests.come, 2)
                await turns()
                impatient.cancel_scope.cancel()
            await guests.come(1)
            group.cancel_scope.cancel()
    assert guests.back == [1]


async def test_a_session_that_breaks_is_not_under_way_any_more() -> None:
    peer = Peer(breaks=True)
    guests = Guests(Together(peer, wait_s=3600), [])
    with pytest.raises(RuntimeError, match="our bug"):
        await guests.come(1)
    peer.breaks = False
    with anyio.fail_after(20):
        await guests.come(2)
