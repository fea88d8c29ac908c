"""Our own TCP connections: checked before, bound to a source without taking a port early, and faults with blame.

Names never come here: an address is text that `ipaddress` reads, and it is checked right before the first packet, so
that nothing between a lookup and a connection can swap it.

Touches: network. Source: RFC 793 section 3.4 (refused, reset), RFC 1122 section 3.2.2.1 and RFC 4443 section 3.1
(unreachable), ip(7) IP_BIND_ADDRESS_NO_PORT, tcp(7) TCP_INFO.
"""

import asyncio
import errno
import ipaddress
import os
import socket
from collections.abc import Callable
from typing import Any

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import ip_version
from scanner.protocols.special_addresses import refusal
from scanner.settings import Network

IP_BIND_ADDRESS_NO_PORT = 24
"""One port may serve many destinations: without it a source runs dry after as many connections as it has ports."""

BLAME = {
    errno.EMFILE: (Kind.NO_DESCRIPTORS, Side.OURS),
    errno.ENFILE: (Kind.NO_DESCRIPTORS, Side.OURS),
    errno.EADDRNOTAVAIL: (Kind.NO_SOURCE, Side.OURS),
    errno.EADDRINUSE: (Kind.NO_SOURCE, Side.OURS),
    errno.ENETUNREACH: (Kind.NO_ROUTE, Side.OURS),
    errno.ENETDOWN: (Kind.NO_ROUTE, Side.OURS),
    errno.EPERM: (Kind.NO_ROUTE, Side.OURS),
    errno.EACCES: (Kind.NO_ROUTE, Side.OURS),
    errno.ENOBUFS: (Kind.NO_BUFFERS, Side.OURS),
    errno.ENOMEM: (Kind.NO_BUFFERS, Side.OURS),
    errno.EAFNOSUPPORT: (Kind.NO_FAMILY, Side.OURS),
    errno.ECONNREFUSED: (Kind.REFUSED, Side.REMOTE),
    errno.ECONNRESET: (Kind.RESET, Side.REMOTE),
    errno.ECONNABORTED: (Kind.RESET, Side.REMOTE),
    errno.ENETRESET: (Kind.RESET, Side.REMOTE),
    errno.EPIPE: (Kind.CLOSED, Side.REMOTE),
    errno.ENOTCONN: (Kind.CLOSED, Side.REMOTE),
    errno.ETIMEDOUT: (Kind.TIMEOUT, Side.REMOTE),
    errno.EHOSTUNREACH: (Kind.UNREACHABLE, Side.REMOTE),
    errno.EHOSTDOWN: (Kind.UNREACHABLE, Side.REMOTE),
}
"""What an errno means, and on whose side. One that is not here is our bug until it is."""

FAR = {4: "192.0.2.1", 6: "2001:db8::1"}
"""An address far away of each IP version (RFC 5737, RFC 3849); asking for the route sends nothing."""
_ANY = {4: "0.0.0.0", 6: "::"}  # noqa: S104 - a source to bind, nobody listens there
DISCARD_PORT = 9

_SAID_OF_A_ROUTE = frozenset({errno.ENETUNREACH, errno.EACCES, errno.EHOSTUNREACH, errno.EINVAL})
"""What a router far away says by ICMP, and what our own kernel says of a route of kind throw, prohibit, unreachable or
blackhole (ip-route(8))."""
_BYTES_ACKED = slice(120, 128)
"""Where TCP_INFO counts the bytes that the peer acknowledged: one of them as soon as the connection is there."""


def blame(error: OSError, stage: Stage) -> Fault:
    """Name the fault that an error of the operating system stands for."""
    kind, side = BLAME.get(error.errno or 0, (Kind.BUG, Side.OURS))
    return Fault(stage, kind, side, error.strerror or type(error).__name__, error.errno)


def open_socket(address: str, source_address: str, allow: tuple[Network, ...]) -> socket.socket | Fault:
    """Make a non-blocking TCP socket that may be connected to `address`, bound to the source; no packet is sent."""
    reason = refusal(address, allow)
    if reason is not None:
        return Fault(Stage.CONNECT, Kind.REFUSED_ADDRESS, Side.REMOTE, reason)
    version = ip_version(address)
    if source_address and ip_version(source_address) != version:
        return Fault(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS, f"the source has no IPv{version}")
    try:
        return bound(version, source_address, socket.SOCK_STREAM)
    except OSError as error:
        return blame(error, Stage.CONNECT)


async def connect(
    address: str, port: int, source_address: str, allow: tuple[Network, ...], deadline_s: float
) -> socket.socket | Fault:
    """Return a connected socket, or why there is none; one whose peer hung up already has its last words to read."""
    opened = open_socket(address, source_address, allow)
    if isinstance(opened, Fault):
        return opened
    late = Fault(Stage.CONNECT, Kind.TIMEOUT, Side.REMOTE, f"no answer in {deadline_s:g} s")
    try:
        fault = await _joined(opened, (address, port), deadline_s, late)
    except OSError as error:
        fault = _blame_route(error, address, source_address)
    except BaseException:
        opened.close()
        raise
    if fault is None:
        return opened
    opened.close()
    return fault


async def _joined(opened: socket.socket, there: tuple[str, int], deadline_s: float, late: Fault) -> Fault | None:
    """Wait until the socket is connected, with one timer and no task or scope for it. Raises OSError."""
    loop = asyncio.get_running_loop()
    code = opened.connect_ex(there)
    if code == errno.EINPROGRESS:
        ready: asyncio.Future[None] = loop.create_future()
        timer = loop.call_later(deadline_s, settle, ready, None)
        loop.add_writer(opened, settle, ready, None)
        try:
            await ready
        finally:
            timer.cancel()
            loop.remove_writer(opened)
    elif code:
        raise OSError(code, os.strerror(code))
    try:  # whoever woke us: that a deadline is over says little about a loop that was held up
        return _wrong_peer(opened, there[0])
    except OSError:
        return None if _was_joined(opened) else _missed(opened, late)


def _missed(opened: socket.socket, late: Fault) -> Fault:
    """Say that nothing came yet. Raises OSError where something did."""
    code = opened.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))
    return late


def _was_joined(gone: socket.socket) -> bool:
    """Whether the peer took the connection before it hung up (tcp(7), TCP_INFO).

    SO_ERROR would tell, and take the error away: before its reset a peer may have said why, in a 421 perhaps, and
    whoever reads these last words has to read the reset behind them.
    """
    told = gone.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED.stop)
    return any(told[_BYTES_ACKED])


def settle(future: asyncio.Future[Any], value: object, error: Exception | None = None) -> None:
    """Settle what is still open, so that nobody complains where nobody waits."""
    if future.done():
        return
    if error is None:
        future.set_result(value)
    else:
        future.set_exception(error)
        future.exception()


def call_late(deadline_s: float, callback: Callable[..., object], *words: object) -> asyncio.TimerHandle:
    """Call back at a deadline, in seconds, as soon as the running loop has looked at its sockets once more.

    A loop that was held up has not looked meanwhile: what came in time waits in the kernel, and a timer may fire before
    it looks again. So this takes three turns: it looks in one of them, and tells what it saw in the next.
    """
    loop = asyncio.get_running_loop()
    soon: Callable[..., object] = loop.call_soon
    return loop.call_later(deadline_s, soon, soon, soon, callback, *words)


def any_address() -> str:
    """Name the address to bind where no source was named: unspecified of the one family that has a default route.

    Empty where both have one, and either may be used. Without this, a machine without IPv6 would count the AAAA record
    of every host as trouble of its own.
    """
    routed = [_ANY[version] for version, far in FAR.items() if _has_route(far, "")]
    return routed[0] if len(routed) == 1 else ""


def no_way_out(address: str, source_address: str) -> Fault | None:
    """Say why nothing can leave now, neither for this address nor for one far away; None where something can.

    Asking the kernel sends nothing. A network that alone has no route was taken from us on purpose.
    """
    error = route_error(address, source_address)
    if error is None or _has_route(FAR[ip_version(address)], source_address):
        return None
    return _no_route(error) if error.errno in _SAID_OF_A_ROUTE else blame(error, Stage.CONNECT)


def bound(version: int, source_address: str, kind: socket.SocketKind) -> socket.socket:
    """Make a socket of a source; empty: of whichever the kernel takes. Raises OSError."""
    family = socket.AF_INET if version == 4 else socket.AF_INET6
    opened = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        if source_address:
            opened.setsockopt(socket.IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1)  # at this level for IPv6 too
            opened.bind((source_address, 0))
    except OSError:
        opened.close()
        raise
    return opened


def _wrong_peer(connected: socket.socket, address: str) -> Fault | None:
    """Whether we are where we wanted to be. Raises OSError where we are nowhere."""
    there = connected.getpeername()[0]
    if there == address or ipaddress.ip_address(there) == ipaddress.ip_address(address):
        return None
    return Fault(Stage.CONNECT, Kind.REFUSED_ADDRESS, Side.OURS, f"connected to {there}")


def _blame_route(error: OSError, address: str, source_address: str) -> Fault:
    """As `blame`; but where we do have a route, a router far away said this by ICMP (RFC 1122 s3.2.2.1)."""
    if error.errno not in _SAID_OF_A_ROUTE:
        return blame(error, Stage.CONNECT)
    if not _has_route(address, source_address):
        return _no_route(error)
    if error.errno == errno.EINVAL:
        return blame(error, Stage.CONNECT)
    return Fault(Stage.CONNECT, Kind.UNREACHABLE, Side.REMOTE, "a router on the way refused", error.errno)


def _no_route(error: OSError) -> Fault:
    """Our own kernel has no way for this packet."""
    return Fault(Stage.CONNECT, Kind.NO_ROUTE, Side.OURS, error.strerror or "no route", error.errno)


def _has_route(address: str, source_address: str) -> bool:
    return route_error(address, source_address) is None


def route_error(address: str, source_address: str) -> OSError | None:
    """Ask the kernel for a way by connecting a datagram socket, which sends nothing."""
    try:
        with bound(ip_version(address), source_address, socket.SOCK_DGRAM) as asked:
            asked.connect((address, DISCARD_PORT))
    except OSError as error:
        return error
    return None
