"""Many may wait, few may shake hands."""

import anyio

from scanner.model.fault import Kind, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.smtp import SmtpProber
from scanner.settings import Deadlines, Limits
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import LOOPBACK, READY
from tests.unit.net.pretend import settle

HOUR_S = 3600.0


async def test_no_more_than_so_many_at_once_first_come_first_served() -> None:
    places, order = Handshakes(2, HOUR_S), []
    inside = most = 0

    async def shake(number: int) -> None:
        nonlocal inside, most
        async with places.place():
            inside += 1
            most = max(most, inside)
            order.append(number)
            await settle()
            inside -= 1

    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(shake, number)
    assert most == 2
    assert order == list(range(10))


async def test_silent_peers_do_not_hold_the_places() -> None:
    """A place is lent: who needs longer goes on without it."""
    places = Handshakes(1, lent_s=0.01)
    async with places.place(), places.place(), places.place():
        pass
    async with places.place():
        pass


async def test_a_waiter_that_is_cancelled_takes_no_place() -> None:
    places = Handshakes(1, HOUR_S)
    async with places.place():
        with anyio.move_on_after(0.01):
            async with places.place():
                raise AssertionError("there was no place")
    async with places.place():
        pass


async def test_waiting_for_a_place_is_not_the_peers_time() -> None:
    """The session has two seconds in all; there is no place before three have passed."""
    places = Handshakes(1, HOUR_S)
    prober = SmtpProber(Deadlines(session_s=2), Limits(), LOOPBACK, Clock(), places)
    sessions: list[Session] = []

    async def knock(port: int) -> None:
        endpoint = Endpoint(play.NAME, play.HOST, port, play.NAME)
        sessions.append(await prober.converse(endpoint, Source("here", "127.0.0.2", "scan.test"), Hello.USUAL))

    script = (*READY, play.hear_hello, play.pause(0.3), play.say(b"this is no TLS\r\n"), play.hold)
    with play.serving(*script) as server:
        async with anyio.create_task_group() as group, places.place():
            group.start_soon(knock, server.port)
            await anyio.sleep(3)
            assert sessions == []
    (session,) = sessions
    assert session.fault is not None
    assert (session.fault.stage, session.fault.kind) == (Stage.HANDSHAKE, Kind.NOT_TLS)
    assert dict(session.times_ms)["handshake"] < 2000
