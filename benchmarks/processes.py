"""What do worker processes cost, and what do they bring? A whole scan with none, one and two, in turns.

All endpoints are distinct and nothing is shared, so that every domain costs a handshake. The fleet needs processor time
too, on the same cores: what is measured by the clock on two cores therefore says little, and is printed beside. What
counts is the processor time of the scanner, parent and workers apart. On two cores of its own it is done in half of
what both need together, unless the parent alone needs more; on many cores, in what the parent needs.

`python benchmarks/processes.py [--rounds N] [--targets N]`

Touches: network (loopback), files (a temporary directory), processes. Source: docs/adr/0007-processes.md.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

from benchmarks.fleet import ORIGIN, Fleet, address, fleet
from benchmarks.inside import Bench, Given, Scanner, cpu_s, machine
from scanner.model.route import MxRecord
from scanner.net.clock import Clock
from scanner.net.processes import Processes

AT_ONCE = 128
WARM_UP = 200
COUNTS = (0, 1, 2)
"""Worker processes. 0: sessions at home, as without the option."""
CORES = 2


def used_s(pid: int) -> float:
    """Processor time of another process, from proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds for each domain."""

    parent: float
    workers: float
    fleet: float
    wall: float
    count: int

    @property
    def together(self) -> float:
        """Processor time of the scanner."""
        return self.parent + self.workers

    @property
    def busy(self) -> float:
        """How many cores were at work for us, those of the fleet included."""
        return (self.together + self.fleet) / self.wall

    def with_cores(self, cores: int) -> float:
        """What a domain takes with so many cores and nobody else on them; no process can use two at a time."""
        return max(self.parent, self.workers / max(1, self.count), self.together / cores)


@dataclass(slots=True)
class Costs:
    """Of every visit, by the number of workers."""

    of: dict[int, list[Cost]] = field(default_factory=dict)

    def median(self, count: int, what: str) -> float:
        """Of all rounds."""
        return float(statistics.median(getattr(each, what) for each in self.of[count]))

    def ratio(self, count: int, cores: int) -> float:
        """How many times the domains per second of a scan at home; median of the ratios of each round."""
        pairs = zip(self.of[0], self.of[count], strict=True)
        return statistics.median(home.together / there.with_cores(cores) for home, there in pairs)

    def measured(self, count: int) -> float:
        """The same by the clock, with the fleet on the same cores."""
        pairs = zip(self.of[0], self.of[count], strict=True)
        return statistics.median(home.wall / there.wall for home, there in pairs)

    def show(self) -> None:
        """Print."""
        print("         CPU ms a domain                     domains a second, scan at home = 1    measured, with fleet")
        print("workers   parent  workers  together  fleet         two own cores   many cores      times    cores busy")
        for count in self.of:
            parts = [self.median(count, what) for what in ("parent", "workers", "together", "fleet")]
            ratios = [self.ratio(count, cores) if count else 1.0 for cores in (CORES, 10**6)]
            row = (*parts, *ratios, self.measured(count), self.median(count, "busy"))
            print(f"{count:<8}" + "{:8.3f} {:8.3f} {:9.3f} {:6.3f} {:21.2f} {:12.2f} {:10.2f} {:13.2f}".format(*row))


@dataclass(slots=True)
class Visit:
    """A scanner with so many workers, which visits again and again."""

    scanner: Scanner
    workers: Processes | None
    fleet: Fleet

    async def cost(self, numbers: range) -> Cost:
        """Scan these. Raises RuntimeError where a session did not succeed."""
        before = list(self._used_s())
        came = await self.scanner.scan(f"d{number}.{ORIGIN}" for number in numbers)
        if came.sound != len(numbers):
            raise RuntimeError(f"{came.sound} of {len(numbers)}")
        each = [(now - then) * 1000 / len(numbers) for now, then in zip(self._used_s(), before, strict=True)]
        parent, other, wall, *workers = each
        return Cost(parent, sum(workers), other, wall, len(workers))

    def _used_s(self) -> Iterator[float]:
        yield from (cpu_s(), used_s(self.fleet.pid), time.monotonic())
        yield from map(used_s, () if self.workers is None else self.workers.pids)


def given() -> Given:
    """`d7` has the host `mx7`, which has the seventh address."""
    return Given(
        lambda domain: (MxRecord(10, f"mx{domain[1:]}"),),
        lambda host: (address(int(host[2:].partition(".")[0])),),
    )


async def measured(peers: Fleet, directory: Path, rounds: int, targets: int) -> Costs:
    """Visit the fleet in turns; the first numbers warm everybody up."""
    costs = Costs()
    bench = Bench(peers, given(), directory, AT_ONCE)
    with ExitStack() as stack:
        visits: dict[int, Visit] = {}
        for count in COUNTS:
            workers = stack.enter_context(Processes(count, bench.settings, Clock(), print)) if count else None
            if workers is not None:
                await workers.ready()
            visits[count] = Visit(Scanner(bench, workers), workers, peers)
        for visit in visits.values():
            await visit.cost(range(WARM_UP))
        for turn in range(rounds):
            first = WARM_UP + turn * targets
            for count, visit in visits.items():
                costs.of.setdefault(count, []).append(await visit.cost(range(first, first + targets)))
    return costs


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What worker processes cost, and what they bring.")
    parser.add_argument("--rounds", type=int, default=7, help="how many times everybody visits (default 7)")
    parser.add_argument("--targets", type=int, default=1000, help="domains of a visit (default 1000)")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name, fleet() as peers:
        costs = uvloop.run(measured(peers, Path(name), flags.rounds, flags.targets))
    print(f"{machine()}\n{flags.rounds} rounds of {flags.targets} domains each, all endpoints distinct\n")
    costs.show()


if __name__ == "__main__":
    main()
