"""What people wait for: the help, the first row of a short list; and how fast rows reach the disk.

`python benchmarks/small.py`

Touches: network (loopback), files (a temporary directory), processes, clock. Source: docs/performance.md.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from benchmarks.inside import machine
from benchmarks.many_domains import environment
from scanner import jsonl
from scanner.checkpoint import Claim
from scanner.cli.laboratory import EHLO_NAME, laboratory
from scanner.journal import Resume, Terms, open_journal
from scanner.model.record import Record
from scanner.sinks import FileSink, Lines, Seen
from tests.unit.stories import AT, TYPICAL

ROUNDS = 7
BATCH = 256
DOMAINS = 10
HELP_MOST_S, FIRST_ROW_MOST_S, ROWS_LEAST = 0.25, 1.0, 20_000


def help_s() -> tuple[float, float]:
    """Wall and processor time of `starttls --help`."""
    return child_s([sys.executable, "-m", "scanner", "--help"])


def child_s(words: Sequence[str]) -> tuple[float, float]:
    """Wall and processor time of one command."""
    code = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True); "
    code += "used = resource.getrusage(resource.RUSAGE_CHILDREN); print(used.ru_utime + used.ru_stime)"
    began_at_s = time.monotonic()
    told = subprocess.run([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, check=True)
    return time.monotonic() - began_at_s, float(told.stdout)


def first_row_s(lab: dict[str, Any]) -> float:
    """Wall time from the start of a scan to its first row on standard output."""
    words = [sys.executable, "-m", "scanner", "scan", "-", "-q", "--profile", "lab", "--i-am-testing"]
    words += ["--resolver", lab["resolver"], "--port", str(lab["smtp_port"]), "--https-port", str(lab["https_port"])]
    words += ["--ca-file", lab["ca_file"], *(word for each in lab["allow_networks"] for word in ("--allow-net", each))]
    words += ["--source", f"{lab['sources'][0]['address']}=mail@{EHLO_NAME}"]
    domains = "".join(f"d{number:06}.many.lab.test\n" for number in range(DOMAINS)).encode()
    began_at_s = time.monotonic()
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as child:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("both were asked for")
        child.stdin.write(domains)
        child.stdin.close()
        first = child.stdout.readline()
        took_s = time.monotonic() - began_at_s
        rest = child.stdout.read()
    if not first or rest.count(b"\n") != DOMAINS - 1:
        raise RuntimeError("rows are missing")
    return took_s


async def rows_per_s(path: Path, rows: int, *, is_encoded: bool) -> tuple[float, float]:
    """Typical rows through the sink and the journal, synced as a run does it: a second of wall and of processor."""
    lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(1000))
    journal = open_journal(path, Claim("run", None, "", 0, AT), Terms(Resume.NEVER))
    sink, wall_s, cpu_s = FileSink(journal, lines), 0.0, 0.0
    for first in range(1, rows, BATCH):
        batch: list[Record] = []
        for n in range(first, first + BATCH):
            batch.append(replace(TYPICAL, target=replace(TYPICAL.target, n=n)))
            if is_encoded:
                lines.waiting[n] = lines.line(batch[-1])
        began_at_s, began_cpu_s = time.monotonic(), time.process_time()
        await sink.write(batch, [])
        wall_s += time.monotonic() - began_at_s
        cpu_s += time.process_time() - began_cpu_s
    began_at_s, began_cpu_s = time.monotonic(), time.process_time()
    await sink.sync()
    wall_s += time.monotonic() - began_at_s
    cpu_s += time.process_time() - began_cpu_s
    journal.close()
    return journal.done.count / wall_s, journal.done.count / cpu_s


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Starting, the first row, and rows to the disk.")
    parser.add_argument("--rows", type=int, default=20_000, help="rows to the journal (default 20000)")
    rows = parser.parse_args().rows
    helps = [help_s() for _ in range(ROUNDS)]
    with laboratory() as lab:
        firsts = [first_row_s(lab) for _ in range(ROUNDS)]
    wall_s, cpu_s = (statistics.median(each) for each in zip(*helps, strict=True))
    print(f"{machine()}\n")
    print("                                        median     least    wanted")
    least = min(wall for wall, _ in helps)
    print(f"starttls --help, wall s               {wall_s:8.3f}  {least:8.3f}   < {HELP_MOST_S}")
    print(f"starttls --help, CPU s                {cpu_s:8.3f}")
    middle_s, least_s = statistics.median(firsts), min(firsts)
    print(f"first row of {DOMAINS} domains, wall s       {middle_s:8.3f}  {least_s:8.3f}   < {FIRST_ROW_MOST_S}")
    with tempfile.TemporaryDirectory(prefix="starttls-bench-") as name:
        for is_encoded, words in ((True, "journal, encoded before"), (False, "journal, encoding included")):
            wall, cpu = anyio.run(partial(rows_per_s, Path(name) / "rows.jsonl", rows, is_encoded=is_encoded))
            wanted = f"   >= {ROWS_LEAST}" if is_encoded else ""
            print(f"{words + ', rows a second':<38}{wall:8.0f}            {wanted} ({cpu:.0f} a CPU second)")


if __name__ == "__main__":
    main()
