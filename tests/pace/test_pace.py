"""Real connections on loopback, counted by their peer with the clock of its kernel: no cap is ever broken.

`PACE=10000 pytest tests/pace -s` makes ten thousand, in some two minutes.
"""

import contextlib
import ipaddress
import math
import os
import random
import socket
import struct
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import pytest

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.paced import Hours, Paced
from scanner.net.smtp import SmtpProber
from scanner.pace import Cap
from scanner.settings import Deadlines, Limits, Pace
from tests.unit.net.pretend import busiest

PACE = int(os.environ.get("PACE", "300"))
SOURCES = (Source("mail", "127.0.0.2", "scan.test"), Source("witness", "127.0.0.3", "scan.test"))
LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"),)
HOSTS, PREFIXES, PROVIDERS, WORKERS = 250, 25, 50, 400
CAPS = Pace(
    source_per_s=60,
    source_open=25,
    run_per_s=100,
    address_interval_s=1.0,
    address_floor_s=0.5,
    prefix_open=4,
    prefix_per_s=8,
    provider_open=3,
    provider_per_s=4,
)
OPEN_SESSIONS = 40
WINDOWS_S = (1.0, 60.0)
THINKS_S = 0.1
REPLIES = {b"EHLO": b"250 mx.test\r\n", b"STARTTLS": b"502 no\r\n", b"QUIT": b"221 bye\r\n"}
ESTABLISHED = 1
Gate = tuple[Cap, str, str]


@dataclass
class Peers:
    """One listener for all addresses, and what it saw at each gate: when, and the most open at a time."""

    port: int
    at_s: dict[Gate, list[float]] = field(default_factory=lambda: defaultdict(list))
    most_open: dict[Gate, int] = field(default_factory=lambda: defaultdict(int))
    wires: list[tuple[tuple[Gate, ...], socket.socket]] = field(default_factory=list)

    def note(self, wire: socket.socket) -> None:
        """Write one connection down. When it was established, the kernel knows; a slow test machine counts right."""
        info = wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
        at_s = time.monotonic() - struct.unpack_from("I", info, 56)[0] / 1000  # tcpi_last_ack_recv: our handshake's
        came = gates(wire.getpeername()[0], wire.getsockname()[0])
        self.wires = [(there, other) for there, other in self.wires if is_open(other)]
        self.wires.append((came, wire))
        for gate in came:
            self.at_s[gate].append(at_s)
            self.most_open[gate] = max(self.most_open[gate], sum(gate in there for there, _ in self.wires))


def gates(client: str, address: str) -> tuple[Gate, ...]:
    """Name what a connection counts for."""
    prefix, number = address.rpartition(".")[0], number_of(address)
    return (
        (Cap.ADDRESS, client, address),
        (Cap.PREFIX, client, prefix),
        (Cap.PROVIDER, client, str(number % PROVIDERS)),
        (Cap.SOURCE, client, ""),
        (Cap.RUN, "", ""),
    )


def number_of(address: str) -> int:
    prefix, last = address.split(".")[2:]
    return (int(prefix) - 1) + PREFIXES * (int(last) - 1)


def host(number: int, port: int) -> Endpoint:
    name = f"mx{number}.p{number % PROVIDERS}.test"
    return Endpoint(name, f"127.0.{number % PREFIXES + 1}.{number // PREFIXES + 1}", port, name)


def is_open(wire: socket.socket) -> bool:
    try:
        return wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED
    except OSError:
        return False


@contextlib.contextmanager
def listening() -> Iterator[Peers]:
    with socket.create_server(("0.0.0.0", 0), backlog=1000) as listener:
        peers = Peers(listener.getsockname()[1])
        threading.Thread(target=accept, args=(listener, peers), daemon=True).start()
        yield peers
        listener.shutdown(socket.SHUT_RDWR)


def accept(listener: socket.socket, peers: Peers) -> None:
    with contextlib.suppress(OSError):
        while True:
            wire, _ = listener.accept()
            with contextlib.suppress(OSError):  # it left at once
                peers.note(wire)
            threading.Thread(target=talk, args=(wire,), daemon=True).start()


def talk(wire: socket.socket) -> None:
    """A server without TLS that thinks a while before it greets."""
    with wire, contextlib.suppress(OSError):
        time.sleep(THINKS_S)
        wire.sendall(b"220 mx.test ESMTP\r\n")
        while command := wire.recv(1000):
            wire.sendall(REPLIES.get(command.split()[0], b"500 what\r\n"))


def violations(peers: Peers) -> list[tuple[Gate, float, int]]:
    """Gates at which the peer counted more than the settings allow: in a window, or (0 s) at a time."""
    caps = {
        Cap.ADDRESS: (1 / CAPS.address_floor_s, CAPS.address_open),
        Cap.PREFIX: (CAPS.prefix_per_s, CAPS.prefix_open),
        Cap.PROVIDER: (CAPS.provider_per_s, CAPS.provider_open),
        Cap.SOURCE: (CAPS.source_per_s, CAPS.source_open),
        Cap.RUN: (CAPS.run_per_s, OPEN_SESSIONS),
    }
    found = []
    for gate, at_s in peers.at_s.items():
        per_s, places = caps[gate[0]]
        counted = [(window_s, busiest(sorted(at_s), window_s)) for window_s in WINDOWS_S]
        found += [(gate, window_s, most) for window_s, most in counted if most > math.ceil(per_s * window_s)]
        if peers.most_open[gate] > places:
            found.append((gate, 0.0, peers.most_open[gate]))
    return found


@pytest.mark.timeout(60 + PACE / 20)
async def test_every_cap_holds_as_the_peer_counts_it() -> None:
    sessions: list[Session] = []
    with listening() as peers:
        clock, limits = Clock(), Limits(open_sessions=OPEN_SESSIONS)
        smtp = SmtpProber(Deadlines(), limits, LOOPBACK, clock)
        paced = Paced(smtp, CAPS, limits, lambda name: name.partition(".")[2], Hours(clock))
        chance = random.Random(5)
        wishes = iter([(host(n % HOSTS, peers.port), SOURCES[n // HOSTS % 2]) for n in shuffled(PACE, chance)])

        async def worker() -> None:
            for endpoint, source in wishes:
                sessions.append(await paced.converse(endpoint, source, Hello.USUAL))

        async with anyio.create_task_group() as group:
            for _ in range(WORKERS):
                group.start_soon(worker)
        counted = len(peers.at_s[Cap.RUN, "", ""])
        broken = violations(peers)
    took_s = max(peers.at_s[Cap.RUN, "", ""]) - min(peers.at_s[Cap.RUN, "", ""])
    highest = busiest(sorted(peers.at_s[Cap.RUN, "", ""]), 1.0)
    sys.stdout.write(
        f"counted {counted:,} connections at the peer in {took_s:.0f} s, at {len(peers.at_s)} gates, at most {highest} "
        f"in one second of {CAPS.run_per_s:g} allowed: violations {len(broken)}\n"
    )
    assert {session.fault for session in sessions} == {None}
    assert counted == PACE
    assert broken == []


def shuffled(count: int, chance: random.Random) -> list[int]:
    numbers = list(range(count))
    chance.shuffle(numbers)
    return numbers
