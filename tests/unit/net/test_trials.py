import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator

import dns.flags
import dns.message
import pytest

from scanner.model.fault import Kind, Side
from scanner.net.trials import bind_fault, large_fault, route_fault, tcp_fault

PATIENCE_S = 20.0
SHORT_S = 0.3


def kind(fault: object) -> object:
    return getattr(fault, "kind", None)


@pytest.mark.parametrize(
    ("address", "found"),
    [("127.0.0.1", None), ("127.77.0.1", None), ("198.51.100.7", Kind.NO_SOURCE), ("2001:db8::9", Kind.NO_SOURCE)],
)
def test_only_addresses_of_this_machine_can_be_bound(address: str, found: Kind | None) -> None:
    fault = bind_fault(address)
    assert kind(fault) is found
    assert fault is None or fault.side is Side.OURS


def test_a_loopback_source_has_no_way_out() -> None:
    fault = route_fault("127.0.0.1", 4)
    assert fault is not None
    assert (fault.kind, fault.side) == (Kind.NO_ROUTE, Side.OURS)


Answering = Callable[[bytes], bytes | None]


def plainly(asked: bytes) -> bytes:
    return dns.message.make_response(dns.message.from_wire(asked)).to_wire()


def cut(asked: bytes) -> bytes:
    response = dns.message.make_response(dns.message.from_wire(asked))
    response.flags |= dns.flags.TC
    return response.to_wire()


def nonsense(asked: bytes) -> bytes:
    return asked[:2] + b"\x80\xff" + b"\xff" * 9


def nothing(_: bytes) -> None:
    return None


@contextlib.contextmanager
def resolver(by_udp: Answering, by_tcp: Answering | None) -> Iterator[str]:
    """Serve one question by UDP and one by TCP, each in a thread; without `by_tcp` nobody listens there."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, socket.socket() as tcp:
        tcp.bind(("127.0.0.1", 0))
        udp.bind(tcp.getsockname())
        udp.settimeout(PATIENCE_S)
        tcp.settimeout(PATIENCE_S)
        if by_tcp is not None:
            tcp.listen()
            threading.Thread(target=serve_tcp, args=(tcp, by_tcp), daemon=True).start()
        threading.Thread(target=serve_udp, args=(udp, by_udp), daemon=True).start()
        yield "{}:{}".format(*udp.getsockname())


def serve_udp(wire: socket.socket, answer: Answering) -> None:
    with contextlib.suppress(OSError):
        asked, sender = wire.recvfrom(4096)
        said = answer(asked)
        if said is not None:
            wire.sendto(said, sender)


def serve_tcp(listening: socket.socket, answer: Answering) -> None:
    with contextlib.suppress(OSError):
        wire, _ = listening.accept()
        with wire:
            asked = wire.recv(4096)[2:]
            said = answer(asked)
            wire.sendall(b"" if said is None else struct.pack("!H", len(said)) + said)


async def test_a_large_answer_that_fits_is_fine() -> None:
    with resolver(plainly, None) as server:
        assert await large_fault(server, PATIENCE_S) is None


async def test_an_answer_that_was_cut_is_fetched_by_tcp_rfc_7766_5() -> None:
    with resolver(cut, plainly) as server:
        assert await large_fault(server, PATIENCE_S) is None


@pytest.mark.parametrize(
    ("by_udp", "by_tcp", "found"),
    [(cut, None, Kind.RESOLVER_DOWN), (cut, nothing, Kind.DNS_MALFORMED), (nonsense, None, Kind.DNS_MALFORMED)],
)
async def test_an_answer_that_never_comes_whole_is_a_fault(by_udp: Answering, by_tcp: Answering, found: Kind) -> None:
    with resolver(by_udp, by_tcp) as server:
        assert kind(await large_fault(server, PATIENCE_S)) is found


async def test_silence_ends_at_the_deadline() -> None:
    with resolver(nothing, None) as server:
        assert kind(await large_fault(server, SHORT_S)) is Kind.DNS_TIMEOUT


async def test_tcp_is_tried_by_itself() -> None:
    with resolver(nothing, plainly) as server:
        assert await tcp_fault(server, PATIENCE_S) is None
    with resolver(plainly, None) as server:
        assert kind(await tcp_fault(server, PATIENCE_S)) is Kind.RESOLVER_DOWN
