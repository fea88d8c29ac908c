"""What does a judgement cost? Stored rows are decoded, judged and written again; the target is 10,000 a second.

Two lists, because they cost differently. **List** is a list like those of real life, where a few providers take most of
the mail (`benchmarks/concentration.py`): one scan of it, from one source, with sharing; every row is there once, and
every round begins with nothing remembered. **Lab** is one scan of the whole lab from both of its sources: rows that
share no server, most of them odd. They are repeated, and what a reader remembers of servers is taken away, so that
nothing is shared but chains; only the whole command remembers what repeats.

Trust anchors are those of the scan among those of certifi, so that a chain seen for the first time costs what it costs
in earnest. Each figure is processor time, the median of five rounds; before any is printed, every judgement was found
equal to the one that the scan wrote.

`python benchmarks/judgement.py [--rows N]`, some five minutes on one core.

Touches: network (loopback), files (a temporary directory, 0.4 GB), processes. Source: docs/performance.md.
"""

import argparse
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import certifi
import uvloop

from benchmarks import concentration
from benchmarks.fleet import fleet
from scanner import jsonl
from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.assess.trust import Trust, Verifier, trust
from scanner.cli.assess import CertificateFile, indexed
from scanner.cli.laboratory import EHLO_NAME, laboratory
from scanner.cli.packed import beside, opened
from scanner.jsonl import Certificates
from scanner.jsonl.once import ReadOnce
from scanner.model.assessment import Assessment
from scanner.model.record import Record

T = TypeVar("T")
Given = TypeVarTuple("Given")
ROOT = Path(__file__).parents[1]
TARGET_PER_S = 10_000
ROUNDS = 5
BATCH = 20
"""The command has one row at a time: what a thousand need fits into no cache, and costs half as much again."""
ALONE, FEW, LISTED = 10, 4, 2
"""One row in so many is judged with nothing remembered, which is much slower; and from one source; and stands in the
list, which is scanned for it.
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows of one scan, with their certificates, and the anchors that they were judged by.

    `shares`: servers stand in many of them, as in life.
    """

    rows: Path
    anchors: Path
    shares: bool = False

    def lines(self, many: int) -> Iterator[bytes]:
        """So many rows that hold evidence, from the first again where they end."""
        judged = [line for line in self.rows.read_bytes().splitlines(keepends=True) if b'"route":{' in line]
        return (judged[number % len(judged)] for number in range(many))

    def batches(self, many: int) -> Iterator[list[bytes]]:
        """Take so many rows, a few at a time."""
        lines = self.lines(many)
        while batch := list(islice(lines, BATCH)):
            yield batch

    def repeated(self, many: int) -> Path:
        """Write a file of so many rows, with certificates beside it. Returns its path."""
        path = self.rows.with_name("repeated.jsonl")
        Path(beside(str(path))).write_bytes(Path(beside(str(self.rows))).read_bytes())
        with path.open("wb") as stream:
            stream.writelines(self.lines(many))
        return path


@dataclass(slots=True)
class Cost:
    """Processor time of one step, by round."""

    rows: int = 0
    rounds: list[float] = field(default_factory=list)

    def begin(self) -> None:
        """Begin a round."""
        self.rows = 0
        self.rounds.append(0.0)

    def of(self, act: Callable[[*Given], list[T]], *given: *Given) -> list[T]:
        """Do it for a batch, and count."""
        began_s = time.process_time()
        done = act(*given)
        self.rounds[-1] += time.process_time() - began_s
        self.rows += len(done)
        return done

    @property
    def each_us(self) -> float:
        """For one row: the median of the rounds."""
        return statistics.median(self.rounds) * 1e6 / self.rows


def anchored(folder: Path, ca_file: str) -> Path:
    """Write the anchor of a scan among those of certifi."""
    anchors = folder / "anchors.pem"
    anchors.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + Path(ca_file).read_bytes())
    return anchors


def concentrated(folder: Path, many: int) -> Stored:
    """Scan a list like those of real life."""
    listed = concentration.World(random.Random(1)).domains(many)
    with fleet() as peers:
        uvloop.run(concentration.scanned(peers, folder, listed, share=True))
        anchors = anchored(folder, peers.ca_file)
    for part in folder.glob("*.part"):  # nobody said that the list is at its end
        part.rename(part.with_suffix(""))
    return Stored(folder / "rows.jsonl", anchors, shares=True)


def scanned(folder: Path) -> Stored:
    """Scan the lab from both of its sources, as `starttls scan --lab` does, with an anchor that is kept."""
    rows = folder / "rows.jsonl"
    with laboratory() as lab:
        anchors = anchored(folder, lab["ca_file"])
        words = ["--resolver", lab["resolver"], "--port", str(lab["smtp_port"]), "--https-port", str(lab["https_port"])]
        words += [word for network in lab["allow_networks"] for word in ("--allow-net", network)]
        for source in lab["sources"]:
            words += ["--source", f"{source['address']}={source['name']}@{EHLO_NAME}"]
        words += [
            "--sources",
            "each",
            "--profile",
            "lab",
            "--i-am-testing",
            "--ca-file",
            str(anchors),
            "-q",
            "-o",
            str(rows),
        ]
        scan = [sys.executable, "-m", "scanner", "scan", str(ROOT / "inputs" / "lab.csv"), *words]
        subprocess.run(scan, check=True)
    return Stored(rows, anchors)


@contextmanager
def certificates(stored: Stored) -> Iterator[Certificates]:
    """Open the certificates of the scan, as the command does."""
    place = beside(str(stored.rows))
    with opened(place) as stream:
        known = Certificates(CertificateFile(stream, indexed(stream, place)))
        if not stored.shares:
            known.hosts, known.sessions, known.predictions = ReadOnce(0), ReadOnce(0), ReadOnce(0)
        yield known


def decoded(batch: list[bytes], known: Certificates) -> list[Record]:
    """Read rows."""
    return [jsonl.decode(line, known) for line in batch]


def judged(judge: Judge, records: list[Record]) -> list[Assessment]:
    """Judge what has evidence, which is everything here."""
    return [judge(it.evidence, it.observed_at) for it in records if it.evidence is not None]


def replaced(batch: list[bytes], assessments: list[Assessment]) -> list[bytes]:
    """Put judgements into rows."""
    return [jsonl.replace_assessment(line, each) for line, each in zip(batch, assessments, strict=True)]


def steps(stored: Stored, anchors: Trust, many: int) -> dict[str, Cost]:
    """Everything that `starttls assess` does to a row, step by step. Raises AssertionError where a verdict differs."""
    decoding, judging, writing = Cost(), Cost(), Cost()
    for _ in range(ROUNDS):
        judge = Judge(anchors, servers=Servers())
        for cost in (decoding, judging, writing):
            cost.begin()
        with certificates(stored) as known:
            for batch in stored.batches(many):
                records = decoding.of(decoded, batch, known)
                assessments = judging.of(judged, judge, records)
                if assessments != [record.assessment for record in records]:
                    raise AssertionError("a judgement differs from the one in the row")
                writing.of(replaced, batch, assessments)
    both = Cost(many, [sum(pair) for pair in zip(decoding.rounds, judging.rounds, strict=True)])
    return {"decode": decoding, "judge": judging, "decode and judge": both, "replace_assessment": writing}


def alone(stored: Stored, anchors: Trust, many: int) -> Cost:
    """Judge with nothing remembered: as if no two rows had a chain in common."""
    cost, judge = Cost(), Judge(anchors)
    judge.verifier = Verifier(anchors, remembered=0)
    with certificates(stored) as known:
        for _ in range(ROUNDS):
            cost.begin()
            for batch in stored.batches(many):
                cost.of(judged, judge, decoded(batch, known))
    return cost


def from_one_source(record: Record) -> Record:
    """Leave the other source out, as a scan does that shares load among its sources."""
    if record.evidence is None or not record.evidence.sessions:
        return record
    sessions = record.evidence.sessions
    kept = tuple(it for it in sessions if it.source == sessions[0].source)
    return replace(record, evidence=replace(record.evidence, sessions=kept))


def single(stored: Stored, anchors: Trust, many: int) -> dict[str, Cost]:
    """Judge rows from one source: all of the lab, and a good server again and again, as most rows of a list are."""
    table, judge = {"judge, one source": Cost(), "judge, one source, plain": Cost()}, Judge(anchors)
    everything, plain = table.values()
    good = [line for line in stored.lines(many) if b'"domain":"plain-good.lab.test"' in line][:1] * BATCH
    with certificates(stored) as known:
        for _ in range(ROUNDS):
            everything.begin()
            plain.begin()
            for batch in stored.batches(many):
                everything.of(judged, judge, list(map(from_one_source, decoded(batch, known))))
                plain.of(judged, judge, list(map(from_one_source, decoded(good, known))))
    return table


def command(stored: Stored, many: int) -> Cost:
    """The whole of `starttls assess`, from starting to ending."""
    cost, rows = Cost(), stored.repeated(many)
    words = [sys.executable, "-m", "scanner", "assess", str(rows), "--ca-file", str(stored.anchors)]
    for _ in range(ROUNDS):
        child = subprocess.Popen(words, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"starttls assess ended with {child.returncode}")
        cost.rounds.append(used.ru_utime + used.ru_stime)
    cost.rows = many
    return cost


LEAST = 3000
"""Some steps run on a part of the rows only, and a few rows take less time than a clock can tell."""


def main() -> None:
    """Measure everything and print it."""
    parser = argparse.ArgumentParser(description="Judgements of stored rows, by the second.")
    parser.add_argument("--rows", type=int, default=20_000, help=f"how many, {LEAST} at least (default 20000)")
    many = max(LEAST, parser.parse_args().rows)
    few, long = many // FEW, many // LISTED
    with tempfile.TemporaryDirectory(prefix="starttls-judgement-") as name, tempfile.TemporaryDirectory() as other:
        listed = concentrated(Path(other), long)
        tables = {f"list, {long} rows from one source": measured(listed, long)}
        lab = scanned(Path(name))
        anchors = trust("lab and certifi", lab.anchors.read_bytes())
        table = measured(lab, many)
        table["judge, every chain new"] = alone(lab, anchors, many // ALONE)
        tables[f"lab, {many} rows from two sources"] = table | single(lab, anchors, few)
    print(f"Python {platform.python_version()}, Linux {platform.release()}, one core")
    for what, costs in tables.items():
        show(what, costs)


def measured(stored: Stored, many: int) -> dict[str, Cost]:
    """Step by step, and all of it."""
    anchors = trust("the scan's and certifi", stored.anchors.read_bytes())
    return steps(stored, anchors, many) | {"starttls assess, whole": command(stored, many)}


def show(what: str, costs: dict[str, Cost]) -> None:
    """Print what rows of one list cost."""
    print(f"\n{what:<36} us each   a second  of the target")
    for step, cost in costs.items():
        print(f"{step:<34} {cost.each_us:8.0f} {1e6 / cost.each_us:10.0f} {1e6 / cost.each_us / TARGET_PER_S:14.2f}")


if __name__ == "__main__":
    main()
