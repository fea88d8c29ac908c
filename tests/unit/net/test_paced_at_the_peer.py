"""The promise as the peer sees it: real listeners on loopback count who connects, when, and how many at once.

When a connection was established is asked of the peer's kernel (TCP_INFO), so that a slow test machine counts right.
"""

import contextlib
import ipaddress
import math
import random
import socket
import struct
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.paced import Hours, Paced
from scanner.net.shared import Shared
from scanner.net.smtp import SmtpProber
from scanner.settings import Deadlines, Limits, Pace
from tests.unit.net.pretend import busiest

SOURCES = (Source("mail", "127.0.0.2", "scan.test"), Source("witness", "127.0.0.3", "scan.test"))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
WINDOW_S = 1.0
PACE = Pace(
    source_per_s=20,
    source_open=6,
    run_per_s=30,
    address_interval_s=0.2,
    address_floor_s=0.1,
    prefix_open=100,
    prefix_per_s=1000,
    provider_open=100,
    provider_per_s=1000,
)
REPLIES = {b"EHLO": b"250 mx.test\r\n", b"STARTTLS": b"502 no\r\n", b"QUIT": b"221 bye\r\n"}
ESTABLISHED = 1


@dataclass(frozen=True)
class Seen:
    """One connection, as the peer's kernel knows it. `beside`: others of the same client still open at this address."""

    client: str
    address: str
    at_s: float
    beside: int


@dataclass
class Peers:
    """Listeners, each at an address of its own, and what they saw."""

    endpoints: list[Endpoint] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    open_at_once: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    wires: list[tuple[str, str, socket.socket]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, wire: socket.socket, client: str, address: str) -> None:
        info = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        at_s = time.monotonic() - struct.unpack_from("I", info, 56)[0] / 1000  # tcpi_last_ack_recv: our handshake's
        with self.lock:
            still_open = [there for who, there, other in self.wires if who == client and is_open(other)]
            self.seen.append(Seen(client, address, at_s, still_open.count(address)))
            self.open_at_once[client] = max(self.open_at_once[client], 1 + len(still_open))
            self.wires.append((client, address, wire))

    def at_s(self, client: str) -> list[float]:
        return sorted(seen.at_s for seen in self.seen if seen.client == client)


def is_open(wire: socket.socket) -> bool:
    return wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


@contextlib.contextmanager
def listening(addresses: int) -> Iterator[Peers]:
    """So many hosts, 127.0.1.1 and on."""
    peers = Peers()
    with contextlib.ExitStack() as stack:
        for number in range(1, addresses + 1):
            listener = stack.enter_context(socket.create_server((f"127.0.1.{number}", 0), backlog=100))
            address, port = listener.getsockname()
            peers.endpoints.append(Endpoint(f"mx{number}.test", address, port, f"mx{number}.test"))
            threading.Thread(target=accept, args=(listener, peers), daemon=True).start()
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield peers
    for _, _, wire in peers.wires:
        wire.close()


def accept(listener: socket.socket, peers: Peers) -> None:
    with contextlib.suppress(OSError):
        while True:
            wire, (client, _) = listener.accept()
            peers.note(wire, client, listener.getsockname()[0])
            threading.Thread(target=talk, args=(wire,), daemon=True).start()


def talk(wire: socket.socket) -> None:
    """A server without TLS that thinks a while before it greets."""
    with contextlib.suppress(OSError):
        time.sleep(0.15)
        wire.sendall(b"220 mx.test ESMTP\r\n")
        while command := wire.recv(1000):
            wire.sendall(REPLIES.get(command.split()[0], b"500 what\r\n"))


def stack(pace: Pace) -> Shared:
    limits = Limits(names_per_address=4)
    smtp = SmtpProber(Deadlines(), limits, LOOPBACK, Clock(), Handshakes(limits.handshakes_at_once))
    paced = Paced(smtp, pace, limits, lambda host: host.removeprefix("alias."), Hours(Clock()))
    return Shared(paced, limits.names_per_address, limits.remembered, Clock())


async def test_every_cap_holds_as_counted_by_the_peers() -> None:
    sessions: list[Session] = []
    with listening(10) as peers:
        prober = stack(PACE)
        wishes = [
            (Endpoint(endpoint.mx, endpoint.address, endpoint.port, f"{name}.{endpoint.mx}"), source)
            for endpoint in peers.endpoints
            for name in range(6)
            for source in SOURCES
        ]
        random.Random(5).shuffle(wishes)

        async def ask(endpoint: Endpoint, source: Source) -> None:
            sessions.append(await prober.converse(endpoint, source, Hello.USUAL))

        async with anyio.create_task_group() as group:
            for endpoint, source in wishes:
                group.start_soon(ask, endpoint, source)
    assert [session.fault for session in sessions] == [None] * 120
    assert sum(session.inherited for session in sessions) == 40
    assert len(peers.seen) == 80
    for source in SOURCES:
        assert len(peers.at_s(source.address)) == 40
        assert busiest(peers.at_s(source.address), WINDOW_S) <= PACE.source_per_s
        assert peers.open_at_once[source.address] <= PACE.source_open
    assert busiest(sorted(seen.at_s for seen in peers.seen), WINDOW_S) <= PACE.run_per_s
    assert [seen for seen in peers.seen if seen.beside] == []


async def test_a_prefix_is_spared_whatever_the_names_of_its_hosts() -> None:
    with listening(8) as peers:
        prober = stack(Pace(prefix_per_s=5, source_per_s=1000, run_per_s=1000))
        async with anyio.create_task_group() as group:
            for endpoint in peers.endpoints:
                for source in SOURCES:
                    group.start_soon(prober.converse, endpoint, source, Hello.USUAL)
    for source in SOURCES:
        at_s = peers.at_s(source.address)
        assert len(at_s) == 8
        assert all(busiest(at_s, window_s) <= math.ceil(5 * window_s) for window_s in (0.5, WINDOW_S))
