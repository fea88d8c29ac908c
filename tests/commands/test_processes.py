"""`--processes`: the same rows, whoever holds the sessions, and whatever becomes of them."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from scanner.cli.exits import Exit
from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import SCENARIOS
from tests.commands.starttls import (
    PATIENT,
    ROOT,
    SILENT,
    Lab,
    Silent,
    begun,
    ended,
    listed,
    many,
    rows_of,
    starttls,
    wait_until,
)
from tests.lab import judging
from tests.lab.judging import Row, wrongs

ROWS = 300
STOPPED_S = 5.0
"""Longer than every deadline of the lab's profile but that of a whole session."""


def workers_of(run: subprocess.Popen[bytes]) -> list[int]:
    """The processes that a scan has started; the lab is none of them."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            if int(parent) == run.pid and state != "Z":
                found.append(int(stat.parent.name))
    return sorted(found)


def kill(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def lab_rows() -> dict[str, Row]:
    """The rows of the whole lab, by domain; a domain that is listed twice keeps its first row."""
    command = [sys.executable, "-m", "scanner", "scan", "--lab", str(ROOT / "inputs" / "lab.csv"), "-q"]
    command += [word for step, limit_s in judging.PATIENT.items() for word in (f"--{step}-deadline", f"{limit_s}s")]
    done = subprocess.run([*command, "--processes", "2"], capture_output=True, check=True, timeout=judging.HANGS_S)
    found: dict[str, Row] = {}
    for row in sorted(rows_of(done.stdout), key=lambda each: each["n"]):
        found.setdefault(row["domain"], row)
    return found


@pytest.mark.timeout(judging.HANGS_S + 20)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_is_judged_as_its_table_says(scenario: Scenario, lab_rows: dict[str, Row]) -> None:
    assert wrongs(scenario, lab_rows[scenario.domain]) == []


def test_a_worker_that_is_killed_takes_no_row_along(lab: Lab, tmp_path: Path) -> None:
    path, out = listed(tmp_path / "list", many(ROWS)), tmp_path / "rows.jsonl"
    with begun("scan", path, "-o", out, "--no-share", "--processes", 2, *lab.flags) as run:
        part = out.with_name("rows.jsonl.part")
        wait_until(lambda: part.exists() and part.stat().st_size)
        kill(workers_of(run)[:1])
        end = ended(run)
    assert (end.code, "ended by signal 9 and is started again" in end.err) == (Exit.OK, True), end.err
    rows = rows_of(out.read_bytes())
    assert sorted(row["n"] for row in rows) == list(range(1, ROWS + 1))
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass")}


@pytest.mark.parametrize("who", ["parent", "workers", "all"])
def test_processes_that_were_stopped_make_no_verdict_of_the_time_they_slept(lab: Lab, tmp_path: Path, who: str) -> None:
    path, out = listed(tmp_path / "list", many(ROWS)), tmp_path / "rows.jsonl"
    with begun("scan", path, "-o", out, "--no-share", "--processes", 2, *lab.flags) as run:
        part = out.with_name("rows.jsonl.part")
        wait_until(lambda: part.exists() and part.stat().st_size)
        workers = workers_of(run)
        stopped = {"parent": [run.pid], "workers": workers, "all": [run.pid, *workers]}[who]
        for number, pause_s in ((signal.SIGSTOP, STOPPED_S), (signal.SIGCONT, 0)):
            for pid in stopped:
                os.kill(pid, number)
            time.sleep(pause_s)
        end = ended(run)
    assert end.code == Exit.OK, end.err
    rows = rows_of(out.read_bytes())
    assert len(rows) == ROWS
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass")}


def test_workers_that_die_again_and_again_end_the_run_in_clear_words(lab: Lab, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", many(5000))
    with begun("scan", path, "-o", tmp_path / "rows", "--no-share", "--processes", 2, *lab.flags) as run:
        while run.poll() is None:
            kill(workers_of(run))
            time.sleep(0.05)
        end = ended(run)
    assert end.code == Exit.ENVIRONMENT
    assert end.last.endswith("worker processes end again and again, the last one by signal 9")


def test_a_run_that_is_asked_to_stop_leaves_no_worker_behind(lab: Lab, silent: Silent, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", [SILENT, *many(4)])
    with begun("scan", path, "--processes", 2, *PATIENT, *lab.flags) as run:
        wait_until(silent.connections)
        workers = workers_of(run)
        assert len(workers) == 2
        for _ in range(2):  # the second one does not wait for open sessions
            run.send_signal(signal.SIGTERM)
            time.sleep(0.3)
        end = ended(run)
    assert end.code == Exit.TERMINATED
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))


def test_a_run_may_be_resumed_with_another_number_of_processes(lab: Lab, tmp_path: Path) -> None:
    path, out = listed(tmp_path / "list", [*many(50), SILENT]), tmp_path / "rows.jsonl"
    flags = ("-o", out, "--seed", 1, *lab.flags)
    peer = Silent(lab)
    with begun("scan", path, "--processes", 2, *PATIENT, *flags) as run:
        wait_until(peer.connections)
        run.send_signal(signal.SIGTERM)
        assert ended(run).code == Exit.TERMINATED
    peer.leaves()
    assert starttls("scan", path, *PATIENT, *flags).code == Exit.OK
    assert sorted(orjson.loads(line)["n"] for line in out.read_bytes().splitlines()) == list(range(1, 52))


@pytest.mark.parametrize("words", ["0", "two", "257", "-1"])
def test_a_number_of_processes_that_is_none_is_refused(words: str) -> None:
    assert "--processes" in starttls("scan", f"--processes={words}", given=b"").refused(Exit.USAGE)


def test_auto_is_one_process_for_each_processor(lab: Lab) -> None:
    end = starttls("scan", "--processes", "auto", *lab.flags, given=many(1)[0].encode() + b"\n")
    assert (end.code, len(end.rows)) == (Exit.OK, 1)
