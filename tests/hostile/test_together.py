"""Hostile and good peers at once: nobody is lost, nobody is wronged, and the good ones do not even notice.

`HOSTILE=500 pytest tests/hostile -s` asks as many of each kind at once as the guarantee names.
"""

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.lab.scenario import Scenario
from tests.hostile.attacks import BY_NAME, hostile
from tests.hostile.places import PATIENT, ROOT, Place
from tests.lab.judging import Row, wrongs

AT_ONCE = int(os.environ.get("HOSTILE", "100"))
ENDS_WITHIN_S = 200 + AT_ONCE
"""Only a scan that hangs takes longer, also where ten others want the processor."""
GOOD = (
    "plain-good",
    "dane-good",
    "dane-root",
    "sts-enforce",
    "rpt-good",
    "tls-1-2-only",
    "tls-1-3-only",
    "certificate-rsa-2048",
    "ehlo-without-starttls",
    "dns-no-mx",
    "dns-truncated",
)
ONE_IN = 5
"""Of so many good peers one has a story of its own."""
OF_THE_MOMENT = frozenset({"run_id", "n", "observed_at", "times_ms", "ttl_s"})
"""What two runs may differ in: names of the run, the order of the list, times."""
LATE_MOST_S = 10.0
MEMORY_MOST_MB = 400.0


@dataclass(frozen=True, slots=True)
class Scanned:
    """The rows of one scan in the order of its list, and what it cost."""

    rows: tuple[Row, ...]
    cost: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Both:
    """A scan of the good alone, and one of the good among the hostile."""

    good: tuple[str, ...]
    hostile: tuple[Scenario, ...]
    calm: Scanned
    mixed: Scanned

    @property
    def rows_of_the_good(self) -> Sequence[Row]:
        """The good among the hostile; the list takes turns."""
        return self.mixed.rows[::2]

    @property
    def wrong(self) -> dict[str, list[str]]:
        """Hostile domains whose row is not as the table says."""
        judged = zip(self.hostile, self.mixed.rows[1::2], strict=True)
        return {each.domain: [*found, timing(row)] for each, row in judged if (found := wrongs(each, row))}

    @property
    def changed(self) -> dict[str, list[str]]:
        """Good domains whose row is not the same in both scans, and the fields that differ."""
        pairs = [
            (lasting(calm), lasting(mixed)) for calm, mixed in zip(self.calm.rows, self.rows_of_the_good, strict=True)
        ]
        return {
            calm["domain"]: [name for name in calm if calm[name] != mixed[name]]
            for calm, mixed in pairs
            if calm != mixed
        }


def lasting(value: Any) -> Any:
    """A row without what is of the moment."""
    if isinstance(value, dict):
        return {name: lasting(each) for name, each in value.items() if name not in OF_THE_MOMENT}
    return [lasting(each) for each in value] if isinstance(value, list) else value


def timing(row: Row) -> str:
    """What happened when, for those who have to find out."""
    return "; ".join(f"{each['fault'] and each['fault']['kind']} {each['times_ms']}" for each in row["sessions"])


def good_domains(count: int) -> Iterator[str]:
    """Domains of a large provider, and among them some with a story of their own."""
    stories = cycle(GOOD)
    for number in range(count):
        yield f"{next(stories)}.lab.test" if number % ONE_IN == 0 else f"d{number:06}.many.lab.test"


def hostile_scenarios(count: int) -> tuple[Scenario, ...]:
    """All of them, then again those that may be asked again; or an even choice where all are too many.

    A peer that turned us away is left alone for the rest of a run, as it should be: it is asked once.
    """
    every = hostile()
    if count < len(every):
        return tuple(every[math.floor(number * len(every) / count)] for number in range(count))
    again = [each for each in every if each.expected.fault is None or not each.expected.fault[1].startswith("reply_")]
    return (*every, *islice(cycle(again), count - len(every)))


def scan(domains: Sequence[str], place: Place, directory: Path) -> Scanned:
    """Scan in a process of its own."""
    directory.mkdir()
    listed, rows = directory / "list.txt", directory / "rows.jsonl"
    listed.write_text("".join(f"{domain}\n" for domain in domains))
    command = [sys.executable, "-m", "tests.hostile.measured", str(listed), "-o", str(rows), *place.options(PATIENT)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=ENDS_WITHIN_S)
    with rows.open("rb") as lines:
        found = sorted(map(orjson.loads, lines), key=lambda row: int(row["n"]))
    assert [row["domain"] for row in found] == list(domains)
    return Scanned(tuple(found), orjson.loads(done.stdout))


@pytest.fixture(scope="module")
def both(place: Place, tmp_path_factory: pytest.TempPathFactory) -> Both:
    """Scan twice, in the same lab."""
    good, bad = tuple(good_domains(AT_ONCE)), hostile_scenarios(AT_ONCE)
    mixed = [domain for pair in zip(good, (each.domain for each in bad), strict=True) for domain in pair]
    directory = tmp_path_factory.mktemp("hostile")
    return Both(good, bad, scan(good, place, directory / "calm"), scan(mixed, place, directory / "mixed"))


pytestmark = pytest.mark.timeout(2 * ENDS_WITHIN_S)


def test_the_good_peers_are_good(both: Both) -> None:
    stories = {BY_NAME[name].domain: BY_NAME[name] for name in GOOD}
    for row in both.calm.rows:
        if row["domain"] in stories:
            assert wrongs(stories[row["domain"]], row) == []
        else:
            assert (row["status"], row["starttls"], row["webpki"]) == ("ok", "pass", "pass")


def test_hostile_peers_get_their_verdicts_among_good_ones(both: Both) -> None:
    assert both.wrong == {}


def test_good_peers_are_judged_as_if_no_hostile_one_were_there(both: Both) -> None:
    assert both.changed == {}


def test_no_session_outlasts_its_deadline(both: Both) -> None:
    assert longest_s(both.mixed.rows) < PATIENT["session"] + LATE_MOST_S


def test_nothing_is_left_behind(both: Both) -> None:
    assert both.mixed.cost["descriptors_left"] == 0
    assert both.mixed.cost["peak_mb"] < MEMORY_MOST_MB


def test_the_figures_are_told(both: Both) -> None:
    cost, calm = both.mixed.cost, both.calm.cost
    sys.stdout.write(
        f"\nhostile {len(both.hostile)} good {len(both.good)}: wrong {len(both.wrong)}, "
        f"good changed {len(both.changed)}, wall {cost['wall_s']:.0f} s, cpu {cost['cpu_s']:.1f} s "
        f"(good alone {calm['wall_s']:.0f} s, {calm['cpu_s']:.1f} s), "
        f"longest session {longest_s(both.mixed.rows):.1f} s, loop held up {cost['longest_s']:.2f} s, "
        f"peak {cost['peak_mb']:.0f} MB, descriptors most {cost['descriptors_most']} left {cost['descriptors_left']}\n"
    )


def longest_s(rows: Sequence[Row]) -> float:
    """The session that took longest."""
    return max(sum(ms or 0 for ms in each["times_ms"].values()) for row in rows for each in row["sessions"]) / 1000
