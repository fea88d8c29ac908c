"""P7, P8: a process that was stopped blames nobody. One that stands still ends itself; one that only waits does not."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import ROOT, Ended, Lab, ended, environment, listed, many, rows_of, starttls, wait_until
from tests.commands.still import FATAL, PATIENCE_S, WAYS

LONGER_S = PATIENCE_S + 2
ROWS = 300
FEW = 6


@contextmanager
def begun(how: str, *words: object) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command that is broken in this way; whatever is still running at the end is killed."""
    command = [sys.executable, ROOT / "tests/commands/still.py", how, *words]
    with subprocess.Popen(
        list(map(str, command)), bufsize=0, stdin=-1, stdout=-1, stderr=-1, cwd=ROOT, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture(scope="module")
def stood_still(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Ended, Path, Path]]:
    """A run for each way of standing still, side by side: how it ended, its list, and its output."""
    folder = tmp_path_factory.mktemp("still")
    path = listed(folder / "list", many(FEW))
    with ExitStack() as held:
        runs = {
            how: held.enter_context(begun(how, "scan", path, "-o", folder / f"{how}.jsonl", "--no-share", *lab.flags))
            for how in WAYS
        }
        return {how: (ended(run), path, folder / f"{how}.jsonl") for how, run in runs.items()}


@pytest.mark.parametrize("how", WAYS)
def test_a_run_that_stands_still_ends_itself_and_can_be_resumed(
    lab: Lab, stood_still: dict[str, tuple[Ended, Path, Path]], how: str
) -> None:
    ending, path, out = stood_still[how]
    assert ending.code == Exit.INTERNAL, "a service manager starts it again"
    assert "stood still" in ending.last
    assert ending.err.count("stood still") == 1
    assert not out.exists()
    before = rows_of(out.with_name(f"{out.name}.part").read_bytes())
    assert FATAL not in {row["domain"] for row in before}
    assert starttls("scan", path, "-o", out, "--no-share", *lab.flags).code == Exit.OK
    rows = rows_of(out.read_bytes())
    assert sorted(row["n"] for row in rows) == list(range(1, FEW + 1))
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass")}


def give(run: subprocess.Popen[bytes], names: Sequence[str], *, is_all: bool = True) -> None:
    """Write rows of its list."""
    assert run.stdin is not None
    run.stdin.write("".join(f"{name}\n" for name in names).encode())
    if is_all:
        run.stdin.close()
        run.stdin = None


@pytest.fixture(scope="module")
def waited(lab: Lab) -> dict[str, tuple[Ended, int]]:
    """Runs that wait by right for longer than is borne, side by side: how they ended, and how many rows they had."""
    slowly = ("--run-rate", f"{1 / LONGER_S:.2f}/s")
    with ExitStack() as held:
        for_list, for_reader, for_turn = runs = [
            held.enter_context(begun("fine", "scan", "-", "--no-share", *flags, *lab.flags))
            for flags in ((), (), slowly)
        ]
        give(for_list, many(1), is_all=False)
        give(for_reader, many(ROWS))
        give(for_turn, many(3))
        time.sleep(LONGER_S)
        give(for_list, many(1), is_all=False)
        time.sleep(LONGER_S)
        counts = {"for the list": 2, "for its reader": ROWS, "for its turn": 3}
        return {name: (ended(run), rows) for run, (name, rows) in zip(runs, counts.items(), strict=True)}


@pytest.mark.parametrize("name", ["for the list", "for its reader", "for its turn"])
def test_a_run_that_only_waits_is_left_alone(waited: dict[str, tuple[Ended, int]], name: str) -> None:
    ending, rows = waited[name]
    assert ending.code == Exit.OK, ending.err
    assert len(ending.rows) == rows


def test_a_stopped_process_makes_no_verdict_of_the_time_it_slept(tmp_path: Path) -> None:
    """Nor is it taken for one that stands still, though nothing came in for longer than that is borne here."""
    path = listed(tmp_path / "list.txt", ["greeting-in-two-parts.lab.test", *many(ROWS)])
    out = tmp_path / "rows.jsonl"
    part = out.with_name("rows.jsonl.part")
    with begun("fine", "scan", path, "--lab", "-q", "--no-share", "-o", out) as scan:
        wait_until(lambda: part.exists() and part.stat().st_size)
        scan.send_signal(signal.SIGSTOP)
        time.sleep(LONGER_S)
        scan.send_signal(signal.SIGCONT)
        assert ended(scan).code == Exit.OK
    rows = rows_of(out.read_bytes())
    assert len(rows) == ROWS + 1
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass")}
