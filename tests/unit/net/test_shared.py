"""One knock, many answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Handshake, Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.shared import AGAIN_AFTER_S, Shared
from tests.unit.net.pretend import Time, settle

MAIL, WITNESS = Source("mail", "203.0.113.1"), Source("witness", "203.0.113.2")
ADDRESS = "192.0.2.1"


def named(name: str, address: str = ADDRESS, port: int = 25) -> Endpoint:
    return Endpoint(name, address, port, name)


@dataclass
class Peer:
    """A prober that counts; each session waits for the gate to open. `faults` are used up one by one."""

    faults: list[Fault | None] = field(default_factory=list)
    asked: list[Endpoint] = field(default_factory=list)
    gate: anyio.Event = field(default_factory=anyio.Event)
    breaks: int = 0

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.asked.append(endpoint)
        await self.gate.wait()
        if self.breaks:
            self.breaks -= 1
            raise RuntimeError("our bug")
        fault = self.faults.pop(0) if self.faults else None
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name=source.ehlo_name,
            observed_at=Clock().now(),
            hello=hello,
            follow_up=follow_up,
            fault=fault,
            handshake=None if fault else Handshake("TLSv1.3", "", None, endpoint.server_name),
        )


def at_once(*faults: Fault | None) -> Peer:
    peer = Peer(list(faults))
    peer.gate.set()
    return peer


def shared(peer: Peer, names: int = 20, remembered: int = 1000, time: Time | None = None) -> Shared:
    return Shared(peer, names, remembered, Clock(monotonic_s=(time or Time()).clock_s))


def outcome(session: Session) -> tuple[bool, bool]:
    return session.shared, session.inherited


async def test_a_second_asker_gets_what_was_seen_and_its_own_endpoint() -> None:
    peer = at_once()
    prober = shared(peer)
    first = await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
    alias = Endpoint("alias.test", ADDRESS, 25, "mx.test")
    second = await prober.converse(alias, MAIL, Hello.USUAL)
    assert len(peer.asked) == 1
    assert not first.shared
    assert second == replace(first, endpoint=alias, shared=True)


async def test_all_who_ask_for_the_same_get_the_very_same() -> None:
    """Whoever judges them may tell by identity that nothing new is to be found out."""
    prober = shared(at_once())
    asked = [await prober.converse(named("mx.test"), MAIL, Hello.USUAL) for _ in range(3)]
    assert asked[1] is asked[2]
    assert asked[0] is not asked[1]


@pytest.mark.parametrize(
    ("endpoint", "source", "hello"),
    [
        pytest.param(named("other.test"), MAIL, Hello.USUAL, id="server name"),
        pytest.param(named("mx.test", "192.0.2.2"), MAIL, Hello.USUAL, id="address"),
        pytest.param(named("mx.test", port=2525), MAIL, Hello.USUAL, id="port"),
        pytest.param(named("mx.test"), WITNESS, Hello.USUAL, id="source"),
        pytest.param(named("mx.test"), MAIL, Hello.WIDE, id="hello"),
    ],
)
async def test_what_differs_on_the_wire_is_asked_again(endpoint: Endpoint, source: Source, hello: Hello) -> None:
    peer = at_once()
    prober = shared(peer)
    await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
    assert outcome(await prober.converse(endpoint, source, hello)) == (False, False)
    assert len(peer.asked) == 2


async def test_the_wide_hello_has_no_server_name_and_is_sent_once_per_address() -> None:
    peer = at_once()
    prober = shared(peer)
    await prober.converse(named("a.test"), MAIL, Hello.WIDE)
    assert outcome(await prober.converse(named("b.test"), MAIL, Hello.WIDE)) == (True, False)


async def test_what_deep_asks_is_asked_once_per_address_and_says_under_whose_name() -> None:
    peer = at_once()
    prober = shared(peer, names=1)
    await prober.converse(named("a.test"), MAIL, Hello.ONLY_TLS_1_0)
    assert outcome(await prober.converse(named("A.test"), MAIL, Hello.ONLY_TLS_1_0)) == (True, False)
    assert outcome(await prober.converse(named("b.test"), MAIL, Hello.ONLY_TLS_1_0)) == (True, True)
    assert outcome(await prober.converse(named("b.test"), MAIL, Hello.ONLY_CBC)) == (False, False)
    assert [each.mx for each in peer.asked] == ["a.test", "b.test"]


async def test_a_follow_up_is_held_once_per_address_source_and_round_and_never_after_ten_minutes() -> None:
    time = Time()
    peer = at_once(None, Fault(Stage.GREETING, Kind.REPLY_421, code=421))
    prober = shared(peer, time=time)
    await prober.converse(named("a.test"), MAIL, Hello.USUAL)
    assert outcome(await prober.converse(named("a.test"), MAIL, Hello.USUAL, 1)) == (False, False)
    time.stall(AGAIN_AFTER_S + 1)
    assert outcome(await prober.converse(named("A.test"), MAIL, Hello.USUAL, 1)) == (True, False)
    assert outcome(await prober.converse(named("b.test"), MAIL, Hello.USUAL, 1)) == (True, True)
    assert len(peer.asked) == 2
    for other in ((WITNESS, 1), (MAIL, 2)):
        assert outcome(await prober.converse(named("a.test"), other[0], Hello.USUAL, other[1])) == (False, False)


async def test_many_askers_share_one_flight() -> None:
    peer = Peer()
    prober = shared(peer)
    sessions = await all_of([lambda: prober.converse(named("mx.test"), MAIL, Hello.USUAL)] * 50, peer)
    assert len(peer.asked) == 1
    assert sorted(map(outcome, sessions)) == [(False, False)] + [(True, False)] * 49


async def test_when_the_first_asker_is_cancelled_the_next_takes_over() -> None:
    peer = Peer()
    prober = shared(peer)
    first = anyio.CancelScope()
    sessions: list[Session] = []

    async def ask(scope: anyio.CancelScope) -> None:
        with scope:
            sessions.append(await prober.converse(named("mx.test"), MAIL, Hello.USUAL))

    async with anyio.create_task_group() as group:
        group.start_soon(ask, first)
        await settle()
        for _ in range(5):
            group.start_soon(ask, anyio.CancelScope())
        await settle()
        first.cancel()
        await settle()
        peer.gate.set()
    assert len(peer.asked) == 2
    assert sorted(map(outcome, sessions)) == [(False, False)] + [(True, False)] * 4


async def test_a_bug_hits_one_asker_only() -> None:
    peer = Peer(breaks=1)
    prober = shared(peer)
    failed: list[Exception] = []

    async def ask() -> Session | None:
        try:
            return await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
        except RuntimeError as error:
            failed.append(error)
            return None

    sessions = await all_of([ask] * 3, peer)
    assert len(failed) == 1
    assert sorted(map(outcome, sessions)) == [(False, False), (True, False)]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS),
        Fault(Stage.CONNECT, Kind.PARKED),
    ],
    ids=lambda fault: fault.kind.value,
)
async def test_what_is_no_observation_is_not_remembered(fault: Fault) -> None:
    peer = at_once(fault)
    prober = shared(peer)
    await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
    assert prober._places == {}
    again = await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
    assert (again.fault, again.shared) == (None, False)


@pytest.mark.parametrize("kind", [Kind.TIMEOUT, Kind.REPLY_421, Kind.REPLY_4XX])
async def test_a_passing_trouble_is_looked_at_once_more_after_ten_minutes_and_then_stays(kind: Kind) -> None:
    fault = Fault(Stage.GREETING, kind)
    peer, time = at_once(fault, fault), Time()
    prober = shared(peer, time=time)
    knocked = []
    for _ in range(4):
        await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
        await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
        knocked.append(len(peer.asked))
        time.stall(AGAIN_AFTER_S)
    assert knocked == [1, 2, 2, 2]


async def test_what_a_peer_did_for_good_stays_for_the_run() -> None:
    peer, time = at_once(Fault(Stage.CONNECT, Kind.REFUSED)), Time()
    prober = shared(peer, time=time)
    await prober.converse(named("mx.test"), MAIL, Hello.USUAL)
    time.stall(100 * AGAIN_AFTER_S)
    assert (await prober.converse(named("mx.test"), MAIL, Hello.USUAL)).shared


async def test_above_the_cap_a_name_inherits_and_prefers_what_reached_tls() -> None:
    peer = at_once(Fault(Stage.HANDSHAKE, Kind.TLS_ALERT))
    prober = shared(peer, names=2)
    await prober.converse(named("fails.test"), MAIL, Hello.USUAL)
    seen = await prober.converse(named("works.test"), MAIL, Hello.USUAL)
    heir = await prober.converse(named("third.test"), MAIL, Hello.USUAL)
    assert len(peer.asked) == 2
    assert heir == replace(seen, endpoint=named("third.test"), shared=True, inherited=True)
    assert heir.handshake is not None
    assert heir.handshake.server_name == "works.test"


async def test_names_known_before_the_cap_was_reached_are_still_their_own() -> None:
    prober = shared(at_once(), names=2)
    for name in ("a.test", "b.test", "c.test"):
        await prober.converse(named(name), MAIL, Hello.USUAL)
    assert outcome(await prober.converse(named("a.test"), MAIL, Hello.USUAL)) == (True, False)


async def test_another_address_has_a_cap_of_its_own() -> None:
    prober = shared(at_once(), names=1)
    await prober.converse(named("a.test"), MAIL, Hello.USUAL)
    assert not (await prober.converse(named("b.test", "192.0.2.2"), MAIL, Hello.USUAL)).inherited
    assert not (await prober.converse(named("b.test"), WITNESS, Hello.USUAL)).inherited


async def test_a_wildcard_of_names_at_one_address_costs_as_many_sessions_as_the_cap() -> None:
    peer = Peer()
    prober = shared(peer, names=3)
    ask = [partial(prober.converse, named(f"{n}.test"), MAIL, Hello.USUAL) for n in range(40)]
    sessions = await all_of(ask, peer)
    assert len(peer.asked) == 3
    assert sum(session.inherited for session in sessions) == 37


async def test_names_that_were_not_observed_do_not_fill_the_cap() -> None:
    ours = Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS)
    prober = shared(at_once(ours, ours), names=2)
    for name in ("a.test", "b.test", "c.test"):
        last = await prober.converse(named(name), MAIL, Hello.USUAL)
    assert outcome(last) == (False, False)


async def test_memory_is_bounded_and_the_longest_unasked_goes_first() -> None:
    peer = at_once()
    prober = shared(peer, remembered=10)
    for number in range(30):
        await prober.converse(named("mx.test", f"10.0.0.{number}"), MAIL, Hello.USUAL)
        await prober.converse(named("mx.test", "10.0.0.0"), MAIL, Hello.USUAL)
    assert sum(len(names.seen) for names in prober._places.values()) == 10
    assert len(peer.asked) == 30


async def all_of(asks: Sequence[Callable[[], Awaitable[Session | None]]], peer: Peer) -> list[Session]:
    """Ask all at once, and only then let the peer answer."""
    sessions: list[Session] = []

    async def one(ask: Callable[[], Awaitable[Session | None]]) -> None:
        session = await ask()
        if session is not None:
            sessions.append(session)

    async with anyio.create_task_group() as group:
        for ask in asks:
            group.start_soon(one, ask)
        await settle()
        peer.gate.set()
    return sessions
