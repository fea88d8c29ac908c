"""What does a long list cost? Processor time and memory of `starttls scan`, from one domain to a hundred thousand.

The lab runs beside the scanner and is measured apart; both share the machine with whoever else is there, so processor
time and ratios count and wall time does not. The scanner is a child that is watched from outside: its resident memory,
its descriptors, and what the kernel says that it used. Every row is counted before any figure is printed.

`python benchmarks/many_domains.py [--domains N]`, some four minutes on two cores. What it said, and what bounds it,
stands in docs/performance.md.

Touches: network (loopback), files (a temporary directory, 0.7 GB), processes. Source: docs/guarantees.md P4.
"""

import argparse
import os
import platform
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import anyio
import orjson

from scanner import jsonl
from scanner.assess import trust
from scanner.assess.judgement import Judge
from scanner.checkpoint import Claim
from scanner.cli.laboratory import EHLO_NAME, laboratory
from scanner.journal import open_journal
from scanner.model.record import Record
from scanner.net.clock import utc_now
from scanner.sinks import FileSink, Lines, Seen
from tests.unit.stories import AT, TYPICAL

SAMPLE_EVERY_S = 0.2
SHARES = (0.1, 0.5, 1.0)
BATCH = 256
JOURNAL_ROWS = 20_000
REPEATS = 500
WARM = 200
"""What a list of so many costs is starting, ending, and warming up; it is left out of what a domain costs."""
PAIR = 2000
"""Domains that are scanned twice, with and without sharing: the difference is what sessions cost."""
COLUMNS = 50
"""How long the line of the longest list is in the plot."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the scanner: bytes of rows written so far, its resident memory, its open descriptors."""

    rows_bytes: int
    rss_mb: float
    descriptors: int


@dataclass(frozen=True, slots=True)
class Measured:
    """One scan. `cpu_s` is that of the scanner alone, `lab_s` that of its peers. `unclear` rows found no STARTTLS,
    which every peer has: somebody was too slow. `sessions` were held in fact.
    """

    domains: int
    wall_s: float
    cpu_s: float
    lab_s: float
    unclear: int
    sessions: int
    peak_mb: float
    samples: tuple[Sample, ...]

    def ms_each(self, warm: Self) -> float:
        """Processor time of the scanner for one domain more than it takes to be warm."""
        return (self.cpu_s - warm.cpu_s) * 1000 / (self.domains - warm.domains)

    def sessions_each(self, warm: Self) -> float:
        """Sessions for one domain more than that."""
        return (self.sessions - warm.sessions) / (self.domains - warm.domains)

    def rss_mb(self, share: float) -> float:
        """Resident memory when this share of the rows was written."""
        wanted = self.samples[-1].rows_bytes * share
        return next(sample.rss_mb for sample in self.samples if sample.rows_bytes >= wanted)

    @property
    def descriptors(self) -> int:
        """The most that were open at a time."""
        return max(sample.descriptors for sample in self.samples)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where scans take place: the lab as it told, and a directory for lists and rows."""

    lab: dict[str, Any]
    directory: Path

    def scan(self, domains: int, *more: str) -> Measured:
        """Scan so many domains of the lab from standard input. Raises RuntimeError where a row is missing."""
        sys.stderr.write(f"{domains} domains {' '.join(more)}...\n")
        listed, rows = self.directory / "list.txt", self.directory / "rows.jsonl"
        listed.write_text("".join(f"d{number:06}.many.lab.test\n" for number in range(domains)))
        words = [sys.executable, "-m", "scanner", "scan", "-", "-q", "-o", str(rows), "--overwrite", *self.options()]
        before_s, began_at_s = cpu_s(self.lab["pid"]), time.monotonic()
        with listed.open("rb") as stream:
            child = subprocess.Popen([*words, *more], stdin=stream, env=environment())
            samples, used = watched(child, rows)
        wall_s, lab_s = time.monotonic() - began_at_s, cpu_s(self.lab["pid"]) - before_s
        return Measured(
            domains=domains,
            wall_s=wall_s,
            cpu_s=used.ru_utime + used.ru_stime,
            lab_s=lab_s,
            unclear=check(rows, domains),
            sessions=sessions(rows),
            peak_mb=used.ru_maxrss / 1024,
            samples=samples,
        )

    def options(self) -> Iterator[str]:
        """Name everything that the lab has; load is shared among its two sources, as it is by default."""
        yield from ("--resolver", self.lab["resolver"], "--port", str(self.lab["smtp_port"]))
        yield from ("--https-port", str(self.lab["https_port"]), "--ca-file", self.lab["ca_file"])
        for network in self.lab["allow_networks"]:
            yield from ("--allow-net", network)
        for source in self.lab["sources"]:
            yield from ("--source", f"{source['address']}={source['name']}@{EHLO_NAME}")
        yield from ("--profile", "lab", "--i-am-testing", "--resume", "never")


def environment() -> dict[str, str]:
    """Leave out what would configure the scanner from outside."""
    return {name: value for name, value in os.environ.items() if not name.startswith("STARTTLS_")}


def watched(child: subprocess.Popen[bytes], rows: Path) -> tuple[tuple[Sample, ...], Any]:
    """Look at it until it ends; return what was seen, and what the kernel says it used. Raises RuntimeError."""
    samples: list[Sample] = []
    while True:
        ended, status, used = os.wait4(child.pid, os.WNOHANG)
        if ended:
            break
        samples += sample(child.pid, rows)
        time.sleep(SAMPLE_EVERY_S)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"the scan ended with {child.returncode}")
    samples.append(replace(samples[-1], rows_bytes=rows.stat().st_size))
    return tuple(samples), used


def sample(pid: int, rows: Path) -> list[Sample]:
    """Look once; nothing where it is just beginning or ending."""
    part = rows.with_name(f"{rows.name}.part")
    try:
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
        descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        written = part.stat().st_size if part.exists() else 0
        return [Sample(written, int(status["VmRSS"].split()[0]) / 1024, descriptors)]
    except (OSError, KeyError):
        return []


def cpu_s(pid: int) -> float:
    """Processor time of a process that runs, from proc(5)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def check(rows: Path, domains: int) -> int:
    """How many rows say anything but STARTTLS. Raises RuntimeError unless every row is there, and once."""
    seen: set[int] = set()
    count = unclear = 0
    with rows.open("rb") as lines:
        for line in lines:
            row = orjson.loads(line)
            count += 1
            seen.add(row["n"])
            unclear += (row["status"], row["starttls"]) != ("ok", "pass")
    if count != domains or seen != set(range(1, domains + 1)):
        raise RuntimeError(f"{count} rows of {len(seen)} domains, and {domains} were wanted")
    return unclear


def sessions(rows: Path) -> int:
    """How many connections the scanner says it made."""
    manifest = orjson.loads(rows.with_name(f"{rows.name}.run.json").read_bytes())
    return sum(source["connections"] for source in manifest["sources"])


def each_us(act: Callable[[], object]) -> float:
    """Processor time of one call in microseconds: the least of several rounds, because others disturb."""
    rounds = []
    for _ in range(7):
        began_s = time.process_time()
        for _ in range(REPEATS):
            act()
        rounds.append((time.process_time() - began_s) * 1e6 / REPEATS)
    return min(rounds)


async def journal_rows_per_s(path: Path, *, is_encoded: bool) -> float:
    """Typical rows to a journal, in batches as a run hands them over, synced as a run does; wall time."""
    lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(1000))
    journal = open_journal(path, Claim("run", None, "", 0, AT))
    sink, took_s = FileSink(journal, lines), 0.0
    for first in range(1, JOURNAL_ROWS, BATCH):
        batch: list[Record] = []
        for n in range(first, first + BATCH):
            record = replace(TYPICAL, target=replace(TYPICAL.target, n=n))
            batch.append(record)
            if is_encoded:
                lines.waiting[n] = lines.line(record)
        began_at_s = time.monotonic()
        await sink.write(batch, [])
        took_s += time.monotonic() - began_at_s
    began_at_s = time.monotonic()
    await sink.sync()
    took_s += time.monotonic() - began_at_s
    journal.close()
    return journal.done.count / took_s


def show_scans(warm: Measured, table: dict[str, Measured]) -> None:
    """Print a line each."""
    print(f"starting, warming up on {WARM} domains and ending: {warm.cpu_s:.2f} s of processor time, left out below\n")
    print("list                    wall s   CPU s  CPU ms   lab  sessions  open  RSS MB at")
    print("                                        each    CPU s            fds   10 %  50 % 100 %  peak")
    for name, it in table.items():
        rss = " ".join(f"{it.rss_mb(share):5.0f}" for share in SHARES)
        print(
            f"{name:<22} {it.wall_s:7.1f} {it.cpu_s:7.2f} {it.ms_each(warm):7.3f} {it.lab_s:6.1f} "
            f"{it.sessions:8} {it.descriptors:5} {rss} {it.peak_mb:5.0f}"
        )


def show_ratios(warm: Measured, table: dict[str, Measured]) -> None:
    """Print what each pair comes to."""
    tiny, small, large, shared, alone = table.values()
    unclear = sum(it.unclear for it in table.values())
    print(f"\nrows: every one is there, and once; {unclear} could not be concluded because the machine was too busy")
    session_ms = (alone.cpu_s - shared.cpu_s) * 1000 / (alone.sessions - shared.sessions)
    bare = {it.domains: it.ms_each(warm) - session_ms * it.sessions_each(warm) for it in (tiny, small, large)}
    print(f"growth: without its sessions ({session_ms:.2f} ms each) a domain costs, in a list of")
    for domains, ms in bare.items():
        print(f"{domains:10} {ms:.3f} ms {'#' * round(ms / bare[large.domains] * COLUMNS)}")
    for less in (small, tiny):
        times = bare[large.domains] / bare[less.domains]
        print(f"so a domain of {large.domains} costs {times:.2f} times one of {less.domains}")
    print(f"memory: RSS at the end is {large.rss_mb(1.0) / large.rss_mb(0.1):.2f} times that at 10 % of the rows")
    print(
        f"sharing: {shared.sessions / shared.domains:.3f} sessions a domain (large list: "
        f"{large.sessions / large.domains:.4f}); without it a domain costs "
        f"{alone.ms_each(warm) / shared.ms_each(warm):.1f} times as much"
    )


def show_rows(directory: Path, ca_file: str) -> None:
    """Print what a typical row costs between the network and the disk."""
    judge, evidence = Judge(trust.trust("lab", Path(ca_file).read_bytes())), TYPICAL.evidence
    if evidence is None:
        raise AssertionError("a typical row has evidence")
    print(f"\na typical row ({len(jsonl.encode(TYPICAL))} bytes, one session):")
    print(f"  judge   {each_us(lambda: judge(evidence, AT)):6.0f} us")
    print(f"  encode  {each_us(lambda: jsonl.encode(TYPICAL)):6.0f} us")
    for name, is_encoded in (("write", True), ("both", False)):
        path = directory / f"{name}.jsonl"
        rate = anyio.run(partial(journal_rows_per_s, path, is_encoded=is_encoded))
        words = "encoded before, written and synced" if is_encoded else "encoded, written and synced"
        print(f"  journal {rate:6.0f} rows/s {words}")


def processor() -> str:
    """The model name, as the kernel tells it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(os.sched_getaffinity(0))} x {names[0] if names else platform.machine()}"


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="Cost and memory of long lists, over the loopback lab.")
    parser.add_argument("--domains", type=int, default=100_000, help="length of the long list (default 100000)")
    domains = parser.parse_args().domains
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name, laboratory() as lab:
        bench = Bench(lab, Path(name))
        warm = bench.scan(WARM)
        table = {
            f"{domains // 100}": bench.scan(domains // 100),
            f"{domains // 10}": bench.scan(domains // 10),
            f"{domains}": bench.scan(domains),
            f"{PAIR} shared": bench.scan(PAIR),
            f"{PAIR} --no-share": bench.scan(PAIR, "--no-share"),
        }
        print(f"{utc_now():%Y-%m-%d}, {processor()}, Linux {platform.release()}")
        print(f"Python {platform.python_version()}, {ssl.OPENSSL_VERSION}\n")
        show_scans(warm, table)
        show_ratios(warm, table)
        show_rows(bench.directory, lab["ca_file"])


if __name__ == "__main__":
    main()
