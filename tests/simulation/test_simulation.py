"""Whole runs in pretended time: whatever happens, every row is there once, nobody lies, and no peer may complain.

`SEEDS=2000 pytest tests/simulation/test_simulation.py -s` runs longer lists through two thousand worlds, on every
processor. A seed that fails is named, and `SEED=n` runs it alone: it fails in the same way.
"""

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from tests.simulation import laws
from tests.simulation.simulated import Ended, counted, simulate
from tests.simulation.world import world

SEEDS = int(os.environ.get("SEEDS", "30"))
ONE = os.environ.get("SEED")
IS_LONG = SEEDS > 100
ROWS = 120 if IS_LONG or ONE else 20
ROOT = Path(__file__).parents[2]


def lived(seed: int, rows: int) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        return simulate(world(seed, rows), Path(folder))


def outcome(seed: int) -> tuple[Counter[str], list[str]]:
    """Count one run, and say in words what was wrong with it."""
    ended = lived(seed, ROWS)
    broken = laws.violations(ended.peers)
    faults = counted(ended)
    found = Counter(runs=1, connections=len(ended.peers.seen), own=ended.peers.own_faults, starts=ended.starts)
    found.update(faults, violations=len(broken), hours=round(ended.took_s / 3600))
    wrong = broken[:3] + [f"{what} {count}" for what, count in faults.items() if count]
    wrong += [f"undone: {what}" for what in ended.undone.items()]
    return found, [f"SEED={seed}: {what}" for what in wrong]


def outcomes(seeds: Iterable[int]) -> Iterator[tuple[Counter[str], list[str]]]:
    """One after the other, or on every processor where there is much to do."""
    if not IS_LONG:
        yield from map(outcome, seeds)
        return
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("forkserver")) as pool:
        yield from pool.map(outcome, seeds, chunksize=8)


@pytest.mark.timeout(60 + 10 * SEEDS)
def test_no_world_loses_a_row_or_makes_us_lie_or_breaks_a_cap() -> None:
    total: Counter[str] = Counter()
    wrong: list[str] = []
    for found, words in outcomes(range(SEEDS) if ONE is None else [int(ONE)]):
        total.update(found)
        wrong += words
    sys.stdout.write(
        f"simulated {total['runs']} runs, {total['connections']:,} connections, {total['starts']:,} starts, "
        f"{total['own']:,} own faults, {total['hours']:,} hours: violations {total['violations']}, "
        f"lost {total['lost']}, duplicated {total['duplicated']}, false verdicts {total['false_verdicts']}\n"
    )
    assert wrong == []


@pytest.mark.parametrize("seed", [1, 2, 3, 5, 8, 13])
def test_a_wall_clock_that_jumps_changes_nothing_that_anybody_sees(seed: int, tmp_path: Path) -> None:
    """Every connection, pause, row and verdict comes in the same moment as with a clock that goes well."""
    told = []
    for by_s in (0.0, -3600.0, 1e8):
        folder = tmp_path / str(by_s)
        folder.mkdir()
        jumps = tuple((60.0 * minute, by_s * (-1) ** minute) for minute in range(30))
        told.append(simulate(replace(world(seed, 20), jumps=jumps), folder).digest)
    assert len(set(told)) == 1


@pytest.mark.parametrize("seed", [1, 2, 7])
def test_a_seed_replays_in_another_process_where_text_hashes_otherwise(seed: int) -> None:
    script = f"from tests.simulation.test_simulation import lived; print(lived({seed}, 20).digest)"
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": hashing},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout.strip()
        for hashing in ("1", "2")
    }
    assert told == {lived(seed, 20).digest}
