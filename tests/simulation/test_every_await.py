"""Whatever breaks at whichever await of a session: a named fault or a clean cancellation, and nothing left behind.

The real prober talks to a real server on loopback. The k-th time that it waits for something, that something fails;
k grows until a session comes to its end untouched.
"""

import asyncio
import contextlib
import errno
import os
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.smtp import SmtpProber
from scanner.settings import Limits
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, GREETING, LOOPBACK, PATIENT, READY

AWAITS_MOST = 100
OURS = [
    (errno.EMFILE, Kind.NO_DESCRIPTORS),
    (errno.ENFILE, Kind.NO_DESCRIPTORS),
    (errno.ENOBUFS, Kind.NO_BUFFERS),
    (errno.ENOMEM, Kind.NO_BUFFERS),
    (errno.EADDRNOTAVAIL, Kind.NO_SOURCE),
    (errno.ENETDOWN, Kind.NO_ROUTE),
    (errno.EPROTO, Kind.BUG),  # no row of the table knows it
]
THEIRS = [(errno.ECONNRESET, Kind.RESET), (errno.EPIPE, Kind.CLOSED), (errno.ETIMEDOUT, Kind.TIMEOUT)]
Awaited = Any
"""What a task of asyncio waits for: a future, or nothing at all."""


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they wait for different things."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return play.self_signed(tmp_path_factory.mktemp("tls"))[0]


@pytest.fixture(params=["with TLS", "in plain"])
def script(request: pytest.FixtureRequest, pem: Path) -> tuple[play.Act, ...]:
    """Two dialogues that go well."""
    if request.param == "in plain":
        return (*GREETING, play.say(b"250 mx\r\n"), play.hear, play.say(b"502 no\r\n"), *BYE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return (*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), *BYE)


@dataclass
class Stepped:
    """A coroutine that is driven from await to await. At the k-th, `act` is called; what is awaited there is given up
    and `error` raised in its place. Where only a turn of the loop is awaited, nothing can fail.
    """

    driven: Coroutine[Awaited, Any, Session]
    at: int
    act: Callable[[], object] = lambda: None
    error: BaseException | None = None
    count: int = 0

    def __await__(self) -> Generator[Awaited, Any, Session]:
        with contextlib.closing(self.driven):
            thrown: BaseException | None = None
            while True:
                try:
                    waited = self.driven.send(None) if thrown is None else self.driven.throw(thrown)
                except StopIteration as ended:
                    session: Session = ended.value
                    return session
                self.count += 1
                thrown = yield from self._wait(waited)

    def _wait(self, waited: Awaited) -> Generator[Awaited, Any, BaseException | None]:
        """Wait, and return what that raised: in the turn of the loop in which a real error would come."""
        is_broken = self.count == self.at and self.error is not None and isinstance(waited, asyncio.Future)
        if self.count == self.at:
            self.act()
        try:
            if is_broken:
                waited.cancel()
            yield waited
        except BaseException as error:  # noqa: BLE001 - handed on to where it belongs
            return self.error if is_broken else error
        return self.error if is_broken else None


@contextlib.asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """Descriptors and tasks are as before, and the loop had nothing to complain of."""
    complaints: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    files, tasks = open_files(), asyncio.all_tasks()
    yield
    with anyio.fail_after(20):  # the peer is a thread, which takes its time to leave
        while open_files() - files or asyncio.all_tasks() - tasks:  # noqa: ASYNC110 - nobody tells
            await anyio.sleep(0.002)
    loop.set_exception_handler(None)
    assert complaints == []


def open_files() -> set[str]:
    """What is open, by number and by what it is: a socket has a number of its own."""
    found = set()
    for fd in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.add(f"{fd.name} {fd.readlink()}")
    return found


def session_with(port: int) -> Coroutine[Awaited, Any, Session]:
    prober = SmtpProber(PATIENT, Limits(), LOOPBACK, Clock(), Handshakes(4))
    endpoint = Endpoint(play.NAME, play.HOST, port, play.NAME)
    return prober.converse(endpoint, Source("here", "127.0.0.2", "scan.example.test"), Hello.USUAL)


async def held_once(server: play.Server) -> None:
    """What is made once is made, and the peer has left."""
    await session_with(server.port)
    with anyio.fail_after(20):
        while not server.ended.is_set():  # noqa: ASYNC110 - set by a thread
            await anyio.sleep(0.002)


async def broken_everywhere(script: tuple[play.Act, ...], error: Callable[[], BaseException]) -> list[Session]:
    """One session for every await that there is, broken there; the last came to its end."""
    sessions: list[Session] = []
    with play.serving(*script) as server:
        await held_once(server)
        for at in range(1, AWAITS_MOST):
            async with leaving_nothing():
                stepped = Stepped(session_with(server.port), at, error=error())
                sessions.append(await stepped)
            if stepped.count < at:
                return sessions
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize(("code", "kind"), OURS, ids=str)
async def test_an_error_of_ours_is_ours_wherever_it_strikes(
    script: tuple[play.Act, ...], code: int, kind: Kind
) -> None:
    sessions = await broken_everywhere(script, lambda: OSError(code, os.strerror(code)))
    faults = [session.fault for session in sessions]
    assert {(fault.side, fault.kind) for fault in faults if fault is not None} == {(Side.OURS, kind)}
    assert faults[0] is not None
    assert faults[-1] is None
    assert all(fault is not None or is_over(session) for session, fault in zip(sessions, faults, strict=True))


@pytest.mark.parametrize(("code", "kind"), THEIRS, ids=str)
async def test_an_error_of_the_peer_is_named_at_its_stage(script: tuple[play.Act, ...], code: int, kind: Kind) -> None:
    sessions = await broken_everywhere(script, lambda: OSError(code, os.strerror(code)))
    stages = [session.fault.stage for session in sessions if session.fault is not None]
    assert {session.fault.kind for session in sessions if session.fault is not None} == {kind}
    assert stages == sorted(stages)
    assert stages[0] is Stage.CONNECT
    assert all(session.fault is not None or is_over(session) for session in sessions)


async def test_a_bare_time_out_is_never_more_than_that(script: tuple[play.Act, ...]) -> None:
    sessions = await broken_everywhere(script, TimeoutError)
    faults = {(fault.side, fault.kind) for fault in (session.fault for session in sessions) if fault is not None}
    assert faults <= {(Side.REMOTE, Kind.TIMEOUT), (Side.REMOTE, Kind.CLOSED), (Side.OURS, Kind.BUG)}


def is_over(session: Session) -> bool:
    """Whether all was seen that there was to see: what breaks while we say goodbye changes nothing."""
    return session.stage in {Stage.EHLO, Stage.EHLO_TLS, Stage.DONE} and session.starttls is not None


async def test_a_cancellation_passes_and_leaves_nothing(script: tuple[play.Act, ...]) -> None:
    with play.serving(*script) as server:
        await held_once(server)
        for at in range(1, AWAITS_MOST):
            session: Session | None = None
            async with leaving_nothing():
                with anyio.CancelScope() as scope:
                    stepped = Stepped(session_with(server.port), at, scope.cancel)
                    session = await stepped
            assert scope.cancelled_caught or (session is not None and is_over(session))
            if stepped.count < at:
                return
    raise AssertionError("it never came to its end")


async def test_a_bug_of_ours_escapes_and_leaves_nothing(script: tuple[play.Act, ...]) -> None:
    """`run.attempt` makes a fault of it: the prober only has to clean up."""
    with play.serving(*script) as server:
        await held_once(server)
        for at in range(1, AWAITS_MOST):
            async with leaving_nothing():
                stepped = Stepped(session_with(server.port), at, error=ZeroDivisionError())
                session: Session | None = None
                with contextlib.suppress(ZeroDivisionError):
                    session = await stepped
            if stepped.count < at:
                return
            assert session is None or is_over(session)
    raise AssertionError("it never came to its end")
