"""A scan keeps its figures where a collector finds them."""

import signal
from pathlib import Path

from scanner.cli.exits import Exit
from tests.commands.starttls import Lab, begun, listed, many, starttls, stopped, wait_until


def values(path: Path) -> dict[str, float]:
    lines = [line.rpartition(" ") for line in path.read_text().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_the_figures_of_a_run_are_in_the_file(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "starttls.prom"
    words = ("scan", listed(tmp_path / "list.csv", many(5)), "-q", "--metrics-file", path)
    ending = starttls(*words, *lab.flags)
    found = values(path)
    assert ending.code == Exit.OK
    assert found['starttls_rows_total{status="ok"}'] == len(ending.rows) == 5
    assert found['starttls_verdicts_total{axis="starttls",verdict="pass"}'] == 5
    assert (found["starttls_run_finished"], found["starttls_run_exit_code"]) == (1, 0)
    assert found["starttls_last_success_time_seconds"] >= found["starttls_run_start_time_seconds"]
    assert {name for name in found if name.startswith("starttls_connections_total")} == {
        f'starttls_connections_total{{source_address="{each["address"]}"}}' for each in lab.told["sources"]
    }


def has_rows(part: Path) -> bool:
    """Whether the run is in motion."""
    return part.exists() and part.stat().st_size > 0


def test_a_run_that_was_stopped_says_so_and_is_no_success(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "starttls.prom"
    flags = ("-o", tmp_path / "rows.jsonl", "--metrics-file", path, "--run-rate", "1/min", "--no-share")
    with begun("scan", listed(tmp_path / "list.csv", many(50)), *lab.flags, *flags) as process:
        wait_until(lambda: has_rows(tmp_path / "rows.jsonl.part"))  # before that nobody may listen to signals yet
        assert values(path)["starttls_run_finished"] == 0
        stopped(process, signal.SIGTERM)
    found = values(path)
    assert (found["starttls_run_finished"], found["starttls_run_exit_code"]) == (1, Exit.TERMINATED)
    assert "starttls_last_success_time_seconds" not in found


def test_a_file_that_cannot_be_written_is_refused(lab: Lab, tmp_path: Path) -> None:
    words = ("scan", listed(tmp_path / "list.csv", many(1)), "-q", "--metrics-file", tmp_path / "none" / "m.prom")
    assert "--metrics-file" in starttls(*words, *lab.flags).refused(Exit.OUTPUT)
