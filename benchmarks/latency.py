"""Thousands of sessions that wait at once, as they do for real servers, which greet late.

The fleet greets after a delay; so many sessions are kept open all the time, and every session waits at least that
long. What counts: memory, how late the event loop is, that nobody is taken for dead, and that the places are used.

5,000 sessions over 2 s are 2,500 handshakes a second: more than two cores can compute. That shows what happens when
everybody greets at once. With 20 s, or with fewer places, the delay is what decides, and the share of `open / delay`
means something.

`python benchmarks/latency.py [--runs PLACES:SECONDS,...] [--rounds N]`

Touches: network (loopback), clock, files (a temporary directory), processes. Source: docs/performance.md.
"""

import argparse
import asyncio
import ipaddress
import resource
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import uvloop

from benchmarks.fleet import ORIGIN, address, fleet
from benchmarks.floor import given
from benchmarks.inside import Bench, cpu_s, machine, rss_mb
from scanner.model.route import Endpoint
from scanner.model.session import Hello
from scanner.net.clock import Clock
from scanner.net.handshakes import Handshakes
from scanner.net.smtp import SmtpProber
from scanner.net.stalls import AwakeProber, Stalls

RSS_MOST_MB, LAG_MOST_MS, SHARE_LEAST = 400, 100, 0.95
RUNS = "5000:2,1000:2,5000:20"
TICK_S = 0.01
"""The loop is looked at so often, to see how late it is."""


@dataclass(slots=True)
class Watched:
    """What was seen of one run."""

    lags_s: list[float] = field(default_factory=list)
    rss_mb: float = 0.0
    most_open: int = 0
    is_open: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    ends_at_s: list[float] = field(default_factory=list)

    async def watch(self) -> None:
        """Be late as everybody else is, until cancelled."""
        while True:
            asked_at_s = time.monotonic()
            await asyncio.sleep(TICK_S)
            self.lags_s.append(time.monotonic() - asked_at_s - TICK_S)
            self.most_open = max(self.most_open, self.is_open)
            if len(self.lags_s) % 20 == 0:
                self.rss_mb = max(self.rss_mb, rss_mb())

    def lag_ms(self, share: float) -> float:
        """The delay that this share of the looks did not exceed."""
        return sorted(self.lags_s)[int(share * (len(self.lags_s) - 1))] * 1000


async def held(bench: Bench, targets: int, at_once: int, spread_s: float) -> Watched:
    """Hold so many sessions, each worker beginning the next where one ends; they begin over so many seconds."""
    settings, clock = bench.settings, Clock()
    stalls = Stalls(clock.monotonic_s)
    limits = replace(settings.limits, open_sessions=at_once)
    handshakes = Handshakes(limits.handshakes_at_once)
    loopback = (ipaddress.ip_network("127.0.0.0/8"),)
    prober = AwakeProber(SmtpProber(settings.deadlines, limits, loopback, clock, handshakes), stalls)
    watched, todo = Watched(), iter(range(targets))

    async def work(turn: int) -> None:
        await asyncio.sleep(turn * spread_s / at_once)
        for number in todo:
            name = f"mx{number}.{ORIGIN}"
            watched.is_open += 1
            session = await prober.converse(
                Endpoint(name, address(number), settings.port, name), settings.sources[0], Hello.USUAL
            )
            watched.is_open -= 1
            watched.ends_at_s.append(time.monotonic())
            if session.fault is not None:
                watched.faults[f"{session.fault.stage.word} {session.fault.kind}"] += 1

    async with asyncio.TaskGroup() as group:
        watching = [group.create_task(watched.watch()), group.create_task(stalls.watch())]
        async with asyncio.TaskGroup() as crew:
            for turn in range(at_once):
                crew.create_task(work(turn))
        for each in watching:
            each.cancel()
    return watched


def more_files() -> None:
    """Let this process, and those it starts, open as many files as they may."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def show(watched: Watched, at_once: int, delay_s: float, cpu_each_ms: float) -> None:
    """Print one run."""
    ends = sorted(watched.ends_at_s)
    rate = (len(ends) - 1) / (ends[-1] - ends[0])
    lag = f"{watched.lag_ms(0.5):9.1f} {watched.lag_ms(0.99):6.1f} {watched.lag_ms(1):6.0f}"
    false = sum(watched.faults.values())
    print(
        f"{delay_s:7.0f} {watched.most_open:6} {watched.rss_mb:8.0f} {lag} {false:7} {rate:9.0f} "
        f"{rate / (at_once / delay_s):8.2f} {cpu_each_ms:8.2f} {rate * cpu_each_ms / 1000:6.2f}"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Thousands of sessions that wait for slow greetings.")
    parser.add_argument("--runs", default=RUNS, help=f"sessions at a time, and seconds before a greeting ({RUNS})")
    parser.add_argument("--rounds", type=int, default=2, help="sessions of each place (default 2)")
    flags = parser.parse_args()
    more_files()
    print(f"{machine()}\n{flags.rounds} sessions in each place, one after the other\n")
    print("  delay   open  RSS MB    lag ms            false    sessions  of open/   CPU ms   cores")
    print("      s                   median    p99    most timeouts  a second   delay     each    used")
    for asked in flags.runs.split(","):
        places, delay = int(asked.partition(":")[0]), asked.partition(":")[2]
        with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name, fleet(delay_s=float(delay)) as peers:
            bench = Bench(peers, given(), Path(name), places)
            before_s = cpu_s()
            watched = uvloop.run(held(bench, places * flags.rounds, places, float(delay)))
            cpu_each_ms = (cpu_s() - before_s) * 1000 / len(watched.ends_at_s)
        show(watched, places, float(delay), cpu_each_ms)
        for what, count in watched.faults.most_common():
            print(f"        {what}: {count}")
    print(f"wanted: RSS at most {RSS_MOST_MB} MB, lag p99 under {LAG_MOST_MS} ms, none, {SHARE_LEAST} of open / delay")


if __name__ == "__main__":
    main()
