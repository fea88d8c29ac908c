"""What does a judgement cost? Stored rows of the lab are judged again and again; the target is 10,000 a second.

One scan of the whole lab, from both of its sources, gives the rows. They are repeated, and every one is decoded afresh,
so that nothing is shared but what a run shares: chains, by their digests. Trust anchors are those of the lab among
those of certifi, so that a chain seen for the first time costs what it costs in earnest. Each figure is processor time,
the median of five rounds; before any is printed, every judgement was found equal to the one that the scan wrote.

`python benchmarks/judgement.py [--rows N]`, some four minutes on one core.

Touches: network (loopback), files (a temporary directory, 0.3 GB), processes. Source: docs/performance.md.
"""

import argparse
import os
import platform
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

from scanner import jsonl
from scanner.assess.judgement import Judge
from scanner.assess.trust import Trust, Verifier, trust
from scanner.cli.assess import CertificateFile, indexed
from scanner.cli.laboratory import EHLO_NAME, laboratory
from scanner.cli.packed import beside, opened
from scanner.jsonl import Certificates
from scanner.model.assessment import Assessment
from scanner.model.record import Record

T = TypeVar("T")
Given = TypeVarTuple("Given")
ROOT = Path(__file__).parents[1]
TARGET_PER_S = 10_000
ROUNDS = 5
BATCH = 1_000
ALONE, FEW = 10, 4
"""One row in so many is judged with nothing remembered, which is much slower; and from one source."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Rows of one scan, with their certificates, and the anchors that they were judged by."""

    rows: Path
    anchors: Path

    def lines(self, many: int) -> Iterator[bytes]:
        """So many rows that hold evidence, from the first again where they end."""
        judged = [line for line in self.rows.read_bytes().splitlines(keepends=True) if b'"route":{' in line]
        return (judged[number % len(judged)] for number in range(many))

    def batches(self, many: int) -> Iterator[list[bytes]]:
        """Take so many rows by the thousand."""
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


def scanned(folder: Path) -> Stored:
    """Scan the lab from both of its sources, as `starttls scan --lab` does, with an anchor that is kept."""
    anchors, rows = folder / "anchors.pem", folder / "rows.jsonl"
    with laboratory() as lab:
        anchors.write_bytes(Path(certifi.where()).read_bytes() + b"\n" + Path(lab["ca_file"]).read_bytes())
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
        yield Certificates(CertificateFile(stream, indexed(stream, place)))


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
    decoding, judging, writing, judge = Cost(), Cost(), Cost(), Judge(anchors)
    with certificates(stored) as known:
        for _ in range(ROUNDS):
            for cost in (decoding, judging, writing):
                cost.begin()
            for batch in stored.batches(many):
                records = decoding.of(decoded, batch, known)
                assessments = judging.of(judged, judge, records)
                if assessments != [record.assessment for record in records]:
                    raise AssertionError("a judgement differs from the one in the row")
                writing.of(replaced, batch, assessments)
    return {"decode": decoding, "judge, two sources": judging, "replace_assessment": writing}


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
    with certificates(stored) as known:
        for _ in range(ROUNDS):
            everything.begin()
            plain.begin()
            for batch in stored.batches(many):
                everything.of(judged, judge, list(map(from_one_source, decoded(batch, known))))
                good = [line for line in batch if b'"domain":"plain-good.lab.test"' in line][:1] * BATCH
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
    with tempfile.TemporaryDirectory(prefix="starttls-judgement-") as name:
        stored = scanned(Path(name))
        anchors = trust("lab and certifi", stored.anchors.read_bytes())
        table = steps(stored, anchors, many)
        table["judge, two sources, chains new"] = alone(stored, anchors, max(1, many // ALONE))
        table |= single(stored, anchors, max(1, many // FEW))
        table["starttls assess, whole"] = command(stored, many)
    print(f"Python {platform.python_version()}, Linux {platform.release()}; {many} rows of the lab, one core\n")
    print("                                    us each   a second  of the target")
    for step, cost in table.items():
        print(f"{step:<34} {cost.each_us:8.0f} {1e6 / cost.each_us:10.0f} {1e6 / cost.each_us / TARGET_PER_S:14.2f}")


if __name__ == "__main__":
    main()
