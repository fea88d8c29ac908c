"""How close is a session, and a whole scan, to the cost of the handshake itself? Processor time of the client, paired.

Five clients visit the same fleet in turns, so that whatever disturbs the machine disturbs them all; medians of ratios
are printed. All endpoints are distinct, nothing is shared.

    floor     epoll and `ssl.MemoryBIO` by hand, verified handshake, nothing kept
    plain     aiosmtplib under uvloop, verified handshake, nothing kept
    session   our prober alone
    scan      survey, judge, pace, sharing, workers, journal; DNS from memory
    scan+dns  the same with c-ares and a name server on loopback: MX, A, AAAA, TLSA, two TXT

`python benchmarks/floor.py [--rounds N] [--targets N] [--certificates N]`

Touches: network (loopback), files (a temporary directory), processes. Source: docs/performance.md.
"""

import argparse
import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.bare import floor, plain
from benchmarks.fleet import ORIGIN, Fleet, address, fleet
from benchmarks.inside import Bench, Given, Scanner, cpu_s, machine
from benchmarks.nameserver import nameserver
from scanner.model.route import Endpoint, MxRecord
from scanner.model.session import Hello
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.resolver import AiodnsResolver
from scanner.net.smtp import SmtpProber

AT_ONCE = 64
WARM_UP = 100
Client = Callable[[range], Awaitable[int]]


def given() -> Given:
    """`d7` has the host `mx7`, which has the seventh address."""
    return Given(
        lambda domain: (MxRecord(10, f"mx{domain[1:]}"),),
        lambda host: (address(int(host[2:].partition(".")[0])),),
    )


async def session(bench: Bench, numbers: range) -> int:
    """Our prober and nothing around it."""
    settings = bench.settings
    prober = SmtpProber(settings.deadlines, settings.limits, settings.allow_networks, Clock(), Handshakes(AT_ONCE))
    todo, ended = iter(numbers), 0

    async def work() -> None:
        nonlocal ended
        for number in todo:
            name = f"mx{number}.{ORIGIN}"
            endpoint = Endpoint(name, address(number), settings.port, name)
            held = await prober.converse(endpoint, settings.sources[0], Hello.USUAL)
            ended += held.fault is None

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return ended


async def scan(scanner: Scanner, numbers: range) -> int:
    """Everything."""
    return (await scanner.scan(f"d{number}.{ORIGIN}" for number in numbers)).sound


@contextlib.asynccontextmanager
async def clients(peers: Fleet, directory: Path) -> AsyncIterator[dict[str, Client]]:
    """Everybody who visits the fleet."""

    async def by_hand(numbers: range) -> int:
        return floor(peers, numbers, AT_ONCE)

    with nameserver() as server:
        async with AiodnsResolver((server,), 15.0) as resolver:
            alone = Bench(peers, given(), directory, AT_ONCE)
            scanner = Scanner(alone)
            asking = Scanner(Bench(peers, resolver, directory, AT_ONCE))
            yield {
                "floor": by_hand,
                "plain": lambda numbers: plain(peers, numbers, AT_ONCE),
                "session": lambda numbers: session(alone, numbers),
                "scan": lambda numbers: scan(scanner, numbers),
                "scan+dns": lambda numbers: scan(asking, numbers),
            }


@dataclass(slots=True)
class Table:
    """Milliseconds of processor time for each target, client by client and round by round."""

    ms: dict[str, list[float]] = field(default_factory=dict)

    async def run(self, visitors: dict[str, Client], rounds: int, targets: int) -> None:
        """Take turns; the first numbers warm everybody up. Raises RuntimeError where a session did not succeed."""
        for turn in range(rounds + 1):
            first, many = (0, WARM_UP) if turn == 0 else (WARM_UP + turn * targets, targets)
            for name, visit in visitors.items():
                before_s = cpu_s()
                ended = await visit(range(first, first + many))
                took_ms = (cpu_s() - before_s) * 1000 / many
                if ended != many:
                    raise RuntimeError(f"{name}: {ended} of {many}")
                if turn:
                    self.ms.setdefault(name, []).append(took_ms)

    def ratio(self, over: str, under: str) -> float:
        """Median of the ratios of each round."""
        return statistics.median(a / b for a, b in zip(self.ms[over], self.ms[under], strict=True))

    def show(self) -> None:
        """Print."""
        print("                 CPU ms  a target    / floor   / plain")
        print("                 median   least")
        for name, each in self.ms.items():
            ratios = f"{self.ratio(name, 'floor'):9.2f} {self.ratio(name, 'plain'):9.2f}"
            print(f"{name:<14} {statistics.median(each):8.3f} {min(each):7.3f}   {ratios}")
        print("wanted: scan / floor at most 1.60, scan / plain at most 1.25")


async def measured(peers: Fleet, directory: Path, rounds: int, targets: int) -> Table:
    """Visit the fleet in turns."""
    table = Table()
    async with clients(peers, directory) as visitors:
        await table.run(visitors, rounds, targets)
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="A session, a scan, and what the handshake alone costs.")
    parser.add_argument("--rounds", type=int, default=9, help="how many times everybody visits (default 9)")
    parser.add_argument("--targets", type=int, default=300, help="sessions of a visit (default 300)")
    parser.add_argument("--certificates", type=int, default=1, help="leaves that the fleet has (default 1)")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name, fleet(certificates=flags.certificates) as peers:
        table = uvloop.run(measured(peers, Path(name), flags.rounds, flags.targets))
    print(f"{machine()}\n{flags.rounds} rounds of {flags.targets} targets each, {flags.certificates} certificate(s)\n")
    table.show()


if __name__ == "__main__":
    main()
