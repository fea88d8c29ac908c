"""`starttls compare A B ...`: what several machines saw of the same domains, judged together.

Each file is what one vantage point wrote. Files may be in any order and hold different rows. The first is read from
front to back, the others by domain; then what nobody asked the second for is taken from there, and so on.

Touches: files (rows, certificates, trust anchors), standard streams. Source: docs/record.md (comparing vantage points).
"""

import argparse
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import certifi

from scanner import jsonl, text
from scanner.assess.judgement import Judge
from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import read_bytes, trusted
from scanner.cli.packed import beside
from scanner.cli.rowfile import Judged, Rows, reading
from scanner.cli.streams import say, show, show_line
from scanner.model.assessment import Verdict
from scanner.vantage import DIRECTIONS, Comparison, Sight, compared

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
NAMED = re.compile(rf"({NAME.pattern})=(.+)")
ANSWERS = {
    Verdict.PASS: "Y",
    Verdict.PARTIAL: "~",
    Verdict.FAIL: "!",
    Verdict.ABSENT: "-",
    Verdict.UNKNOWN: "?",
    Verdict.NOT_APPLICABLE: "0",
}
NO_ROW = "."
LEGEND = "Y STARTTLS, - not offered, ! offered and broken, ~ not everywhere, ? not known, 0 no mail, . no row"
DOMAIN_LETTERS = 40
FAR_APART = timedelta(hours=1)
Vantages = Mapping[str, Rows[Judged]]


@dataclass(slots=True)
class Summary:
    """What is said when all is compared: of domains with rows in two files, and of rows that lack a counterpart."""

    compared: int = 0
    different: int = 0
    unknown: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    missing_examples: dict[str, str] = field(default_factory=dict)
    apart: timedelta = timedelta()
    apart_example: str = ""
    directions: Counter[str] = field(default_factory=Counter)
    direction_examples: dict[str, str] = field(default_factory=dict)

    def miss(self, names: Sequence[str], sights: Sequence[Sight]) -> None:
        """Count the vantage points that have no row of this domain."""
        for name in names:
            if name not in {sight.vantage for sight in sights}:
                self.missing[name] += 1
                self.missing_examples.setdefault(name, sights[0].record.target.domain)

    def add(self, comparison: Comparison) -> None:
        """Count one domain that two of them have."""
        self.compared += 1
        self.different += comparison.is_different
        self.unknown += comparison.record.assessment.differs_by_source is None and not comparison.is_different
        for direction in comparison.other_directions:
            self.directions[direction] += 1
            self.direction_examples.setdefault(direction, comparison.record.target.domain)
        if comparison.apart > self.apart:
            self.apart, self.apart_example = comparison.apart, comparison.record.target.domain


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Compare two files or more."""
    parser = argparse.ArgumentParser(
        "starttls compare",
        usage="starttls compare [NAME=]FILE [NAME=]FILE ... [OPTIONS]",
        exit_on_error=False,
        allow_abbrev=False,
    )
    parser.add_argument("file", nargs="*", metavar="[NAME=]FILE", help="rows of one vantage point, called NAME")
    parser.add_argument("--json", action="store_true", help="print the joined rows, as JSON Lines")
    parser.add_argument("--all", action="store_true", help="print every domain, also where nothing differs")
    parser.add_argument("--ca-file", metavar="PEM", help="trust anchors, instead of the Mozilla list of certifi")
    asked = parsed(parser, words)
    judge = Judge(trusted("--ca-file", read_bytes(asked["ca_file"] or certifi.where(), "--ca-file")))
    with ExitStack() as held:
        paths = named(asked["file"])
        files = {name: held.enter_context(reading(path)) for name, path in paths.items()}
        compare(files, judge, is_json=asked["json"], is_all=asked["all"])
    return Exit.OK


def named(files: Sequence[str]) -> dict[str, str]:
    """Name the vantage points. Raises Refused."""
    paths: dict[str, str] = {}
    for written in files:
        found = NAMED.fullmatch(written)
        name, path = (found[1], found[2]) if found else (Path(written).name.partition(".")[0], written)
        if not NAME.fullmatch(name) or name in paths:
            why = "is there twice" if name in paths else "cannot be a name"
            raise Refused(Exit.USAGE, f"{name!a} {why}: call a file NAME=FILE")
        paths[name] = path
    if len(paths) < 2:
        raise Refused(Exit.USAGE, "two files are needed to compare")
    return paths


def compare(files: Vantages, judge: Judge, *, is_json: bool, is_all: bool) -> None:
    """Go through all domains; what differs is printed, and the rest is told in a few lines."""
    names, summary = tuple(files), Summary()
    write = row_writer() if is_json else table_writer(names, judge)
    for sights in domains(files):
        summary.miss(names, sights)
        if len(sights) == 1 and not is_all:
            continue
        comparison = compared(sights, judge)
        if len(sights) > 1:
            summary.add(comparison)
        if is_all or comparison.is_different:
            write(comparison)
    show("")  # the table goes before what is said of it
    say("".join(f"{line}\n" for line in told(summary, files)))


def domains(files: Vantages) -> Iterator[tuple[Sight, ...]]:
    """Give what each vantage point has of every domain, each domain once."""
    names = list(files)
    for place, name in enumerate(names):
        for domain, seen in files[name].not_found():
            found = ((other, files[other].find(domain)) for other in names[place + 1 :])
            others = (Sight(other, *pair) for other, pair in found if pair is not None)
            yield (Sight(name, *seen), *others)


def row_writer() -> Callable[[Comparison], None]:
    """Write joined rows."""
    return lambda comparison: show_line(jsonl.encode(comparison.record))


def table_writer(names: Sequence[str], judge: Judge) -> Callable[[Comparison], None]:
    """Write a table, with its heading before the first line."""
    widths = {name: len(name) for name in names}
    heading = [line_of("domain", {name: name for name in names}, widths, "most likely cause")]

    def write(comparison: Comparison) -> None:
        while heading:
            show_line(heading.pop())
        domain = text.from_str(comparison.record.target.domain)
        show_line(line_of(domain, answers(comparison, names, judge), widths, remark(comparison)))

    return write


def line_of(domain: str, cells: Mapping[str, str], widths: Mapping[str, int], remarks: str) -> bytes:
    """Write one line of the table."""
    shown = "  ".join(cells[name].ljust(width) for name, width in widths.items())
    return f"{domain.ljust(DOMAIN_LETTERS)}  {shown}  {remarks}".rstrip().encode() + b"\n"


def answers(comparison: Comparison, names: Sequence[str], judge: Judge) -> dict[str, str]:
    """Say what each vantage point saw, judged alone and by today's rules."""
    found = {
        sight.vantage: ANSWERS[judge(sight.evidence, sight.record.observed_at).starttls] for sight in comparison.sights
    }
    return {name: found.get(name, NO_ROW) for name in names}


def remark(comparison: Comparison) -> str:
    """Name the most likely cause, and what makes the comparison doubtful."""
    causes = comparison.record.assessment.causes
    words = [f"{causes[0].cause} ({causes[0].confidence} %)"] if causes else []
    words += ["each saw other servers"] * comparison.has_other_servers
    words += comparison.other_directions
    words += [f"seen {duration(comparison.apart)} apart"] * (comparison.apart > FAR_APART)
    return ", ".join(words)


def told(summary: Summary, files: Vantages) -> Iterator[str]:
    """Say in a few lines what was compared, and what was not."""
    alike = summary.compared - summary.different - summary.unknown
    counts = f"{summary.different} differ, {alike} alike, {summary.unknown} cannot be told (--all shows them)"
    yield f"{summary.compared} domains seen from two places or more: {counts}"
    if summary.different:
        yield LEGEND
    yield from told_of_directions(summary)
    for name, file in files.items():
        left_out = [f"{count} {why}" for why, count in file.left_out.items() if count]
        if summary.missing[name]:
            example = text.from_str(summary.missing_examples[name])
            left_out.append(f"{summary.missing[name]} missing that others have, first {example}")
        yield f"{name}: {len(file.offsets)} rows" + "".join(f", {each}" for each in left_out)
        if not Path(beside(file.path)).exists():
            yield f"{name}: no certificates beside {file.path!a}, so no chain of its sessions is judged"
    if summary.apart > FAR_APART:
        example = text.from_str(summary.apart_example)
        yield f"up to {duration(summary.apart)} lie between two rows of one domain, {example}"


def told_of_directions(summary: Summary) -> Iterator[str]:
    """Say what depends on the place beside STARTTLS: of two routes the joined row has one."""
    for direction in DIRECTIONS:
        if summary.directions[direction]:
            example = text.from_str(summary.direction_examples[direction])
            yield f"{summary.directions[direction]} with {direction} by place, first {example}"
    if summary.directions:
        yield "starttls diff names them, for two files"


def duration(apart: timedelta) -> str:
    """Write a duration in hours and minutes."""
    hours, rest = divmod(int(apart.total_seconds()), 3600)
    return f"{hours} h {rest // 60:02d} min"
