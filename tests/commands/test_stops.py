import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import (
    PATIENCE_S,
    PATIENT,
    ROOT,
    SILENT,
    Ended,
    Lab,
    Silent,
    begun,
    ended,
    listed,
    many,
    rows_of,
    starttls,
    stopped,
    wait_until,
)

CODES = {
    signal.SIGINT: (Exit.INTERRUPTED, "interrupted"),
    signal.SIGTERM: (Exit.TERMINATED, "terminated"),
    signal.SIGHUP: (Exit.HUNG_UP, "hung up"),
}
WITHIN_S = 15


def with_first_row(run: subprocess.Popen[bytes]) -> bytes:
    """Wait until a row is out; then the run waits for a silent peer only."""
    assert run.stdout is not None
    return run.stdout.readline()


@dataclass(frozen=True, slots=True)
class Stops:
    """How runs ended that were asked to stop once: with a silent peer, and with a consumer that stands still."""

    with_silent_peer: dict[signal.Signals, Ended]
    with_still_consumer: Ended
    took_s: float


@pytest.fixture(scope="module")
def stops(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Stops:
    """Four runs side by side: each takes all the time that open sessions and waiting rows are given."""
    directory = tmp_path_factory.mktemp("stops")
    path, long_path = listed(directory / "list", [SILENT, *many(4)]), listed(directory / "long", many(2000))
    (directory / "exclude").write_text("lab.test\n")
    peer = Silent(lab)
    with ExitStack() as opened:
        opened.callback(peer.leaves)
        runs = {each: opened.enter_context(begun("scan", path, *PATIENT, *lab.flags)) for each in CODES}
        still = opened.enter_context(begun("scan", long_path, "--exclude", directory / "exclude", *lab.flags))
        first = {number: with_first_row(run) for number, run in runs.items()}
        first_of_still = with_first_row(still)
        wait_until(lambda: peer.connections() == len(runs))
        asked_at_s = time.monotonic()
        still.send_signal(signal.SIGTERM)
        for number, run in runs.items():
            run.send_signal(number)
        still.wait(PATIENCE_S)
        endings = {number: after(first[number], run) for number, run in runs.items()}
        return Stops(endings, after(first_of_still, still), time.monotonic() - asked_at_s)


def after(first: bytes, run: subprocess.Popen[bytes]) -> Ended:
    """Put the first row, which was read already, before what came later."""
    ending = ended(run)
    return Ended(ending.code, first + ending.out, ending.err)


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
def test_the_first_signal_ends_a_run_in_order(stops: Stops, number: signal.Signals) -> None:
    ending = stops.with_silent_peer[number]
    code, words = CODES[number]
    assert ending.code == code
    assert 1 <= len(ending.rows) <= 4
    assert SILENT not in {row["domain"] for row in ending.rows}
    assert ending.last == f"starttls: {words}; the run can be resumed"


def test_a_consumer_that_stands_still_holds_nobody_back(stops: Stops) -> None:
    """The pipe is full: what stands in it are whole rows, but for one that was cut."""
    out = stops.with_still_consumer.out
    assert stops.with_still_consumer.code == Exit.TERMINATED
    assert 0 < len(rows_of(out[: out.rindex(b"\n") + 1])) < 2000


def test_the_first_signal_is_obeyed_in_time(stops: Stops) -> None:
    assert stops.took_s < WITHIN_S


def test_the_second_signal_ends_a_run_at_once(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    with begun("scan", listed(tmp_path / "l", [SILENT, *many(2)]), *PATIENT, *lab.flags) as run:
        with_first_row(run)
        wait_until(silent.connections)
        run.send_signal(signal.SIGINT)
        time.sleep(0.5)
        asked_at_s = time.monotonic()
        run.send_signal(signal.SIGINT)
        assert ended(run).code == Exit.INTERRUPTED
        assert time.monotonic() - asked_at_s < 5  # the first alone would have given seven seconds


def test_a_status_line_is_there_for_the_asking(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    with begun("scan", listed(tmp_path / "l", [SILENT, *many(1)]), *PATIENT, "--quiet", *lab.flags) as run:
        with_first_row(run)
        wait_until(silent.connections)
        run.send_signal(signal.SIGUSR1)
        assert run.stderr is not None
        assert run.stderr.readline().startswith(b"1 rows, ")
        stopped(run, signal.SIGTERM, signal.SIGTERM)


def test_status_lines_come_by_themselves(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    flags = (*PATIENT, "--status-interval", "200ms", *lab.flags)
    with begun("scan", listed(tmp_path / "l", [SILENT]), *flags) as run:
        assert run.stderr is not None
        assert run.stderr.readline().startswith(b"list: ")
        assert run.stderr.readline().startswith(b"resolver: ")
        assert [run.stderr.readline()[:8] for _ in range(3)] == [b"0 rows, "] * 3
        stopped(run, signal.SIGTERM, signal.SIGTERM)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_list_that_does_not_end_holds_nobody_back(lab: Lab, number: signal.Signals) -> None:
    """A thread waits for its next byte, and would wait for ever."""
    with begun("scan", *lab.flags, stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        run.stdin.write(b"d0.many.lab.test\n")
        run.stdin.flush()
        row = with_first_row(run)
        run.send_signal(number)
        assert run.wait(WITHIN_S) == CODES[number][0]
        assert orjson.loads(row)["n"] == 1


def test_a_list_that_never_begins_can_be_left_too(lab: Lab) -> None:
    with begun("scan", *lab.flags, stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        time.sleep(2)
        run.send_signal(signal.SIGINT)
        assert run.wait(WITHIN_S) == Exit.INTERRUPTED
        assert run.stderr is not None
        assert b"Traceback" not in run.stderr.read()


def test_an_interruption_that_python_drops_at_the_start_is_heeded_all_the_same(lab: Lab) -> None:
    words = [sys.executable, "-m", "tests.commands.dropping", "scan", *lab.flags]
    with subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as run:
        try:
            assert run.wait(WITHIN_S) == Exit.INTERRUPTED
            assert run.stderr is not None
            said = run.stderr.read()
            assert b"Exception ignored" in said  # it was dropped indeed
            assert b"interrupted before anything was done" in said
        finally:
            run.kill()


def test_an_embedded_lab_ends_with_its_scan() -> None:
    with begun("scan", "--lab", stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        run.stdin.write(b"plain-good.lab.test\n")
        run.stdin.flush()
        with_first_row(run)
        children = subprocess.run(["pgrep", "-P", str(run.pid)], capture_output=True, text=True, check=True).stdout
        run.send_signal(signal.SIGTERM)
        assert run.wait(WITHIN_S) == Exit.TERMINATED
    assert children.split()
    assert not [child for child in children.split() if Path(f"/proc/{child}").exists()]


def test_the_lab_serves_until_it_is_sent_home() -> None:
    with begun("lab") as run:
        told = orjson.loads(with_first_row(run))
        words = ("--resolver", told["resolver"], *Lab(told).flags[2:])
        assert starttls("scan", *words, given=b"plain-good.lab.test\n").rows[0]["starttls"] == "pass"
        assert stopped(run, signal.SIGTERM).code == Exit.OK
