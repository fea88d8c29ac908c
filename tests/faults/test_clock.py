"""A wall clock that is set in mid-run moves the instants in the rows and nothing else."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import orjson

from tests.commands.starttls import PATIENCE_S, ROOT, environment, listed, many, read, rows_of
from tests.faults.jumping import SET_EVERY_S, WRONG_BY
from tests.faults.world import World, verdicts

NAMES = many(60)
A_MINUTE_MS = 60_000
SLOWLY = ("--run-rate", "10/s")
LEAST_S = 0.9 * len(NAMES) / 10


def jumping(world: World, out: Path) -> str:
    """Scan all of them; what was said on the way."""
    path = listed(out.with_suffix(".list"), NAMES)
    words = [sys.executable, "-m", "tests.faults.jumping", "scan", path, "-o", out, *world.flags(), *SLOWLY]
    done = subprocess.run(
        [*world.prefix, *map(str, words)],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return read(done.stderr)


def durations_ms(row: dict[str, Any]) -> list[int]:
    """Everything in a row that was measured."""
    return [took for session in row["sessions"] for took in (session.get("times_ms") or {}).values()]


def test_a_wall_clock_that_is_set_back_and_forth_changes_no_verdict_pace_or_duration(
    world: World, tmp_path: Path
) -> None:
    out = tmp_path / "rows.jsonl"
    began_at_s = time.monotonic()
    said = jumping(world, out)
    took_s = time.monotonic() - began_at_s
    rows = rows_of(out.read_bytes())
    manifest = orjson.loads(out.with_name("rows.jsonl.run.json").read_bytes())
    assert sorted(row["n"] for row in rows) == list(range(1, len(NAMES) + 1))
    assert verdicts(rows) == {("ok", "pass")}
    assert {row["webpki"] for row in rows} == {"pass"}
    measured = [took for row in rows for took in durations_ms(row)]
    assert measured
    assert 0 <= min(measured) <= max(measured) < A_MINUTE_MS
    assert took_s > LEAST_S, "the pace was kept"
    steps = manifest["clock_steps"]
    assert 1 <= len(steps) <= took_s / SET_EVERY_S + 1
    assert max(abs(step["by_s"]) for step in steps) >= min(each for each in map(abs, WRONG_BY) if each).seconds - 1
    assert said.count("clock: the wall clock went ") == len(steps)


def test_a_wall_clock_that_is_left_alone_is_not_told(world: World, tmp_path: Path) -> None:
    with world.run(tmp_path / "rows.jsonl", NAMES[:8], *world.flags()) as scan:
        assert scan.ended().code == 0
    manifest = orjson.loads(scan.out.with_name("rows.jsonl.run.json").read_bytes())
    assert manifest["clock_steps"] == []
