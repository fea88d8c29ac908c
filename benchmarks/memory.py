"""Does anything grow with the list? From ten thousand rows to ten million: processor time and memory, row by row.

Everything of a scan that remembers is there: run and workers, survey, judge, pace, sharing, remembered answers, lines,
certificates, journal, tally. What is made up: DNS answers from memory, and a session is a value made from a template
instead of a connection. The bytes of the rows are counted by the journal and then dropped, because ten million rows
would fill a disk. The list and its world are those of `benchmarks/made_up.py`.

From three million rows on the memories have the bounds of a scan, below that smaller ones in proportion, so that a
short run forgets as well.

`python benchmarks/memory.py [--rows N] [--minutes N] [--every N]`; a million rows take a quarter of an hour.

Touches: files (a temporary directory, nearly empty). Source: docs/guarantees.md P4, docs/performance.md.
"""

import argparse
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import anyio
import uvloop

from benchmarks.inside import UNPACED, batches, cpu_s, machine, rss_mb
from benchmarks.made_up import MadeUp, Policies, World, domains, shown
from scanner import jsonl
from scanner.assess import trust
from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.checkpoint import Claim
from scanner.journal import Journal, Resume, Terms, open_journal
from scanner.model.record import Record
from scanner.model.session import Source
from scanner.model.target import Target
from scanner.net.clock import utc_now
from scanner.net.garbage import collect_seldom
from scanner.net.paced import Hours, Paced
from scanner.net.remembering import Remembering
from scanner.net.shared import Shared
from scanner.net.stalls import AwakeFetcher, AwakeProber, Stalls
from scanner.parts import Disk
from scanner.protocols import exclusions
from scanner.protocols.provider import grouping
from scanner.run import Control, Work, run
from scanner.settings import Limits, Settings
from scanner.sinks import FileSink, Lines, Seen
from scanner.survey import Tools, given_up, survey

AT_ONCE = 256
PACE = replace(UNPACED, provider_is_host=False)
CPU_MOST, RSS_MOST_MB, SLOPE_MOST_MB = 1.05, 300.0, 1.0
WARM_SHARE = 0.2
SLOPE_ROWS = 1_000_000
"""A slope over fewer rows says nothing."""
FORGETS = Disk(write=lambda _, chunk: len(chunk), datasync=lambda _: None)
"""A disk that takes every byte and keeps none."""


def limits(rows: int) -> Limits:
    """The bounds of a scan, or less, so that each is reached within the first quarter of the list."""
    usual, few = Limits(), max(100, rows // 30)
    return replace(
        usual,
        remembered=min(usual.remembered, few),
        sessions_remembered=min(usual.sessions_remembered, few),
        answers_remembered=min(usual.answers_remembered, few),
    )


@dataclass(frozen=True, slots=True)
class Sample:
    """How much there was after so many rows."""

    rows: int
    cpu_s: float
    rss_mb: float


@dataclass(slots=True)
class Watched:
    """Implements run.Sink: the journal, and a look at this process every so many rows."""

    sink: FileSink
    every: int
    progress: int
    rows: int = 0
    samples: list[Sample] = field(default_factory=list)
    marks: dict[int, float] = field(default_factory=dict)

    @property
    def is_holding(self) -> bool:
        """Ask it."""
        return self.sink.is_holding

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        """Hand them on, and count."""
        await self.sink.write(done, undone)
        before, self.rows = self.rows, self.rows + len(done) + len(undone)
        for power in range(3, 9):
            if before < 10**power <= self.rows:
                self.marks[10**power] = cpu_s()
        if before // self.every != self.rows // self.every:
            self.samples.append(Sample(self.rows, cpu_s(), rss_mb()))
        if before // self.progress != self.rows // self.progress:
            self._tell()

    async def sync(self) -> None:
        """Hand it on."""
        await self.sink.sync()

    def _tell(self) -> None:
        now, names = self.samples[-1], len(self.sink.lines.seen.names)
        sys.stderr.write(
            f"{utc_now():%H:%M:%S} {self.rows:10} rows {now.cpu_s:9.1f} CPU s {now.rss_mb:7.1f} MB {names:7} names\n"
        )
        sys.stderr.flush()


@dataclass(frozen=True, slots=True)
class Measured:
    """What it came to. `undone` rows were left without a verdict, which none should be."""

    samples: tuple[Sample, ...]
    marks: dict[int, float]
    rows: int
    undone: int
    bytes_written: int
    began_cpu_s: float

    def rss_mb(self, share: float) -> float:
        """Resident memory when this share of the rows was written."""
        return next(sample.rss_mb for sample in self.samples if sample.rows >= self.rows * share * 0.999)

    def slope_mb(self) -> float:
        """Megabytes for each further million of rows after the warm-up, by least squares."""
        late = [sample for sample in self.samples if sample.rows >= self.rows * WARM_SHARE]
        return statistics.linear_regression([it.rows / 1e6 for it in late], [it.rss_mb for it in late]).slope

    def us_each(self) -> list[tuple[int, int, float]]:
        """Processor time of a row, in microseconds, within each power of ten."""
        points = [(0, self.began_cpu_s), *self.marks.items(), (self.rows, self.samples[-1].cpu_s)]
        parts = [(*low, *high) for low, high in pairwise(points) if high[0] > low[0]]
        return [(low, high, (high_s - low_s) * 1e6 / (high - low)) for low, low_s, high, high_s in parts]


def joined(prober: MadeUp, anchors: trust.Trust, settings: Settings, stalls: Stalls) -> Tools:
    """Everything that remembers, as `cli.network` joins it."""
    clock, most = prober.now, settings.limits
    paced = Paced(AwakeProber(prober, stalls), settings.pace, most, grouping(settings.pace), Hours(clock))
    return Tools(
        resolver=Remembering(World(), most.answers_remembered, clock.monotonic_s),
        validating=None,
        prober=Shared(paced, most.names_per_address, most.sessions_remembered, clock),
        fetcher=AwakeFetcher(Policies(), stalls),
        judge=Judge(anchors, servers=Servers()),
        exclusions=exclusions.NONE,
        now=clock.now,
    )


async def measured(directory: Path, rows: int, minutes: float, every: int) -> Measured:
    """Scan so many, or what can be scanned meanwhile."""
    collect_seldom()
    chain, anchors = shown(directory)
    prober = MadeUp(chain)
    source = Source("mail", "127.9.0.1", "scanner.fleet.test")
    settings = replace(Settings(sources=(source,)), limits=limits(rows), pace=PACE)
    stalls = Stalls(prober.now.monotonic_s)
    tools = joined(prober, anchors, settings, stalls)

    async def of(target: Target) -> Record:
        return await survey(target, tools, settings, "bench")

    lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(settings.limits.remembered))
    work = Work(lines.after(of), partial(given_up, run_id="bench", at=utc_now()), AT_ONCE)
    claim = Claim("bench", None, "", 0, utc_now())
    with closing(open_journal(directory / "rows.jsonl", claim, Terms(Resume.NEVER), disk=FORGETS)) as journal:
        sink = Watched(FileSink(journal, lines), max(1, min(10_000, rows // 200)), every)
        listed = domains(rows, time.monotonic() + 60 * minutes)
        return await _run(listed, work, sink, (stalls, journal))


async def _run(listed: Iterator[str], work: Work, sink: Watched, held: tuple[Stalls, Journal]) -> Measured:
    stalls, journal = held
    began_s = cpu_s()
    async with anyio.create_task_group() as group:
        group.start_soon(stalls.watch)
        tally = await run(batches(listed), work, sink, Control())
        group.cancel_scope.cancel()
    sink.samples.append(Sample(sink.rows, cpu_s(), rss_mb()))
    written = journal.rows.size + journal.certificates.size
    return Measured(tuple(sink.samples), sink.marks, tally.rows, tally.undone, written, began_s)


def show(told: Measured, wall_s: float) -> None:
    """Print."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    spent_s = told.samples[-1].cpu_s - told.began_cpu_s
    print(
        f"{told.rows} rows, {told.bytes_written / 1e9:.1f} GB written and dropped, {spent_s:.0f} CPU s, {wall_s:.0f} s"
    )
    print("\nrows                          CPU us each")
    for low, high, us in told.us_each():
        print(f"{low:10} to {high:10} {us:14.0f}")
    print("\nRSS MB at  10 %   50 %  100 %   peak    each further million of rows, from a fifth on")
    early, half, end = (told.rss_mb(share) for share in (0.1, 0.5, 1.0))
    print(f"        {early:7.0f} {half:6.0f} {end:6.0f} {peak_mb:6.0f} {told.slope_mb():+10.2f}\n")
    for line in verdict(told, end / half, peak_mb):
        print(line)


def verdict(told: Measured, growth: float, peak_mb: float) -> Iterator[str]:
    """Compare with what is wanted."""
    us = [each for low, high, each in told.us_each() if high - low >= 1_000]
    times = us[-1] / us[-2] if len(us) > 1 else 1.0
    yield f"a row of the last power of ten against one of that before: {times:.2f} times (wanted: at most {CPU_MOST})"
    yield f"memory at the end against that at half: {growth:.2f} times (wanted: at most {CPU_MOST})"
    yield f"peak {peak_mb:.0f} MB (wanted: less than {RSS_MOST_MB:.0f})"
    if told.rows >= SLOPE_ROWS:
        yield f"slope {told.slope_mb():+.2f} MB a million (wanted: at most {SLOPE_MOST_MB:.0f})"
    if told.undone:
        yield f"{told.undone} ROWS UNDONE"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Memory and processor time over very many rows.")
    parser.add_argument("--rows", type=int, default=50_000, help="length of the list (default 50000)")
    parser.add_argument("--minutes", type=float, default=600.0, help="end the list then (default 600)")
    parser.add_argument("--every", type=int, default=250_000, help="rows between two words of progress")
    flags = parser.parse_args()
    print(machine(), flush=True)
    began_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name:
        told = uvloop.run(measured(Path(name), flags.rows, flags.minutes, flags.every))
    show(told, time.monotonic() - began_s)


if __name__ == "__main__":
    main()
