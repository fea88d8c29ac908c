import errno
import ipaddress
import socket

import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.net.sockets import BLAME, _blame_route, any_address, blame, connect, open_socket

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


async def test_a_connection_leaves_from_the_source_asked_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made = await connect("127.0.0.1", listener.getsockname()[1], "127.0.0.9", LOOPBACK, 1)
        assert isinstance(made, socket.socket)
        with made:
            assert made.getsockname()[0] == "127.0.0.9"
            assert made.getblocking() is False


def test_a_special_address_is_refused_before_any_packet() -> None:
    for address in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:127.0.0.1", "mx.example.test"):
        fault = open_socket(address, "", ())
        assert isinstance(fault, Fault)
        assert (fault.stage, fault.kind) == (Stage.CONNECT, Kind.REFUSED_ADDRESS)
        assert fault.detail


def test_a_source_of_the_other_family_is_our_fault() -> None:
    fault = open_socket("::1", "127.0.0.1", LOOPBACK)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.side) == (Kind.NO_FAMILY, Side.OURS)


def test_a_source_that_is_not_ours_is_our_fault() -> None:
    fault = open_socket("127.0.0.1", "192.0.2.1", LOOPBACK)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.side, fault.code) == (Kind.NO_SOURCE, Side.OURS, errno.EADDRNOTAVAIL)


async def test_nobody_listening_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    fault = await connect("127.0.0.1", port, "", LOOPBACK, 1)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.side, fault.code) == (Kind.REFUSED, Side.REMOTE, errno.ECONNREFUSED)


async def test_a_full_queue_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        host, port = listener.getsockname()
        with socket.create_connection((host, port)):
            fault = await connect(host, port, "", LOOPBACK, 0.2)
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.side) == (Kind.TIMEOUT, Side.REMOTE)


async def test_a_cancelled_connection_is_closed() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        host, port = listener.getsockname()
        with socket.create_connection((host, port)), anyio.move_on_after(0.1) as scope:
            await connect(host, port, "", LOOPBACK, 5)  # an open socket left behind would warn, and warnings are errors
    assert scope.cancelled_caught


@pytest.mark.parametrize(
    ("number", "kind", "side"),
    [
        (errno.EMFILE, Kind.NO_DESCRIPTORS, Side.OURS),
        (errno.ENFILE, Kind.NO_DESCRIPTORS, Side.OURS),
        (errno.EADDRNOTAVAIL, Kind.NO_SOURCE, Side.OURS),
        (errno.ENETUNREACH, Kind.NO_ROUTE, Side.OURS),
        (errno.EPERM, Kind.NO_ROUTE, Side.OURS),
        (errno.ENOBUFS, Kind.NO_BUFFERS, Side.OURS),
        (errno.ENOMEM, Kind.NO_BUFFERS, Side.OURS),
        (errno.ECONNREFUSED, Kind.REFUSED, Side.REMOTE),
        (errno.ECONNRESET, Kind.RESET, Side.REMOTE),
        (errno.ETIMEDOUT, Kind.TIMEOUT, Side.REMOTE),
        (errno.EHOSTUNREACH, Kind.UNREACHABLE, Side.REMOTE),
        (errno.EXDEV, Kind.BUG, Side.OURS),
    ],
)
def test_every_errno_has_its_side(number: int, kind: Kind, side: Side) -> None:
    fault = blame(OSError(number, "said so"), Stage.GREETING)
    assert fault == Fault(Stage.GREETING, kind, side, "said so", number)


def test_no_trouble_of_ours_is_blamed_on_the_peer() -> None:
    ours = {kind for kind, side in BLAME.values() if side is Side.OURS}
    theirs = {kind for kind, side in BLAME.values() if side is Side.REMOTE}
    assert not ours & theirs


@pytest.mark.parametrize(
    ("source", "kind", "side"),
    [("", Kind.UNREACHABLE, Side.REMOTE), ("192.0.2.1", Kind.NO_ROUTE, Side.OURS)],
    ids=["we have a route", "we have none"],
)
def test_unreachable_is_only_ours_where_we_have_no_route(source: str, kind: Kind, side: Side) -> None:
    fault = _blame_route(OSError(errno.ENETUNREACH, "said so"), "127.0.0.1", source)
    assert (fault.kind, fault.side, fault.code) == (kind, side, errno.ENETUNREACH)


@pytest.mark.parametrize(
    ("routed", "chosen"),
    [(("192.0.2.1",), "0.0.0.0"), (("2001:db8::1",), "::"), (("192.0.2.1", "2001:db8::1"), ""), ((), "")],
)
def test_without_a_named_source_only_a_family_that_has_a_route_is_used(
    routed: tuple[str, ...], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.net.sockets._has_route", lambda far, _: far in routed)
    assert any_address() == chosen
