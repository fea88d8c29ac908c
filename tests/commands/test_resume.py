import signal
import time
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import (
    PATIENT,
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
from tests.crash.writer import plain

ROWS = 30
NAMES = [*many(ROWS - 2), SILENT, "certificate-long-chain.lab.test"]


def beside(out: Path, ending: str) -> Path:
    return out.with_name(out.name + ending)


def written(path: Path) -> int:
    """Count the rows that are there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def killed(out: Path, most: int, *words: object) -> None:
    """Run until so many rows are written, and kill."""
    with begun(*words) as run:
        wait_until(lambda: written(beside(out, ".part")) >= most or run.poll() is not None)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert not out.exists()
    assert not beside(out, ".run.json").exists()


@pytest.fixture(scope="module")
def resumed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed three times and stopped once: a silent peer kept it from its end."""
    directory = tmp_path_factory.mktemp("resumed")
    out = directory / "rows.jsonl"
    slowly = ("--run-rate", "20/s")  # so that each life of the run writes some rows and not all
    words = ("scan", listed(directory / "list.csv", NAMES), "-o", out, *PATIENT, *slowly, *lab.flags)
    peer = Silent(lab)
    try:
        for most in (1, ROWS // 2, ROWS - 1):
            killed(out, most, *words)
        with begun(*words) as run:
            before = peer.connections()
            wait_until(lambda: peer.connections() > before)
            assert stopped(run, signal.SIGTERM, signal.SIGTERM).code == Exit.TERMINATED
        assert not out.exists()
    finally:
        peer.leaves()
    assert starttls(*words).code == Exit.OK
    return out


@pytest.fixture(scope="module")
def rows(resumed: Path) -> list[dict[str, Any]]:
    return rows_of(resumed.read_bytes())


def test_every_row_is_there_once_and_of_one_run(
    rows: list[dict[str, Any]], row_schema: jsonschema_rs.Validator
) -> None:
    assert sorted(row["n"] for row in rows) == list(range(1, ROWS + 1))
    assert {row["domain"] for row in rows} == set(NAMES)
    assert len({row["run_id"] for row in rows}) == 1
    for row in rows:
        row_schema.validate(row)


def test_every_certificate_that_a_row_names_is_there_once(
    resumed: Path, rows: list[dict[str, Any]], certificate_schema: jsonschema_rs.Validator
) -> None:
    lines = rows_of(beside(resumed, ".certificates.jsonl").read_bytes())
    named = {sha256 for row in rows for each in row["sessions"] if each["tls"] for sha256 in each["tls"]["chain"]}
    assert named
    assert named <= {line["sha256"] for line in lines}
    for line in lines:
        certificate_schema.validate(line)


def test_the_manifest_tells_of_the_interruptions(resumed: Path, rows: list[dict[str, Any]]) -> None:
    manifest = orjson.loads(beside(resumed, ".run.json").read_bytes())
    assert manifest["run_id"] == rows[0]["run_id"]
    assert (manifest["state"], manifest["exit_code"]) == ("complete", 0)
    assert len(manifest["interruptions"]) == 4
    assert manifest["counts"]["rows"] == ROWS
    assert manifest["settings"]["output"] == str(resumed)


def test_nothing_else_is_left_behind(resumed: Path) -> None:
    names = {each.name for each in resumed.parent.iterdir()}
    assert names == {"list.csv", "rows.jsonl", "rows.jsonl.run.json", "rows.jsonl.certificates.jsonl"}
    newest = max(resumed.parent.iterdir(), key=lambda each: each.stat().st_mtime_ns)
    assert newest.name == "rows.jsonl.run.json"


@pytest.fixture
def interrupted(lab: Lab, tmp_path: Path) -> tuple[object, ...]:
    """A run that was killed after its first rows, and the words that began it; its peers are all well-behaved now."""
    out = tmp_path / "rows.jsonl"
    words = ("scan", listed(tmp_path / "list.csv", [SILENT, *many(3)]), "-o", out, *PATIENT, *lab.flags)
    peer = Silent(lab)
    try:
        killed(out, 3, *words)
    finally:
        peer.leaves()
    return words


def test_another_list_or_other_settings_are_refused_and_never_resume_begins_anew(
    interrupted: tuple[object, ...], tmp_path: Path
) -> None:
    before = (tmp_path / "rows.jsonl.part").read_bytes()
    other = starttls(*interrupted, "--seed", "7")
    assert (other.code, "settings are not those" in other.last) == (Exit.USAGE, True)
    listed(tmp_path / "list.csv", [SILENT, *many(4)])
    changed = starttls(*interrupted)
    assert (changed.code, "is not the list" in changed.last) == (Exit.USAGE, True)
    assert (tmp_path / "rows.jsonl.part").read_bytes() == before
    anew = starttls(*interrupted, "--resume", "never")
    rows = rows_of((tmp_path / "rows.jsonl").read_bytes())
    assert anew.code == Exit.OK
    assert sorted(row["n"] for row in rows) == [1, 2, 3, 4, 5]
    assert rows[0]["run_id"] != rows_of(before)[0]["run_id"]


def test_how_a_run_is_watched_may_change_on_the_way(interrupted: tuple[object, ...], tmp_path: Path) -> None:
    flags = ("--resume", "require", "--quiet", "--resolver-patience", "30s", "--log-format", "json")
    ending = starttls(*interrupted, *flags)
    assert ending.code == Exit.OK, ending
    assert written(tmp_path / "rows.jsonl") == 4


def test_a_resumed_run_rests_first_and_can_be_stopped_while_it_does(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    """The pace of the first part is forgotten: nobody may be knocked at sooner than that pace allows."""
    flags = ("-o", tmp_path / "rows.jsonl", *PATIENT, *lab.flags, "--profile", "standard", "--status-interval", "100ms")
    words = ("scan", listed(tmp_path / "l", [SILENT]), *flags)
    with begun(*words) as run:
        wait_until(silent.connections)
        run.send_signal(signal.SIGKILL)
    with begun(*words) as again:
        assert again.stderr is not None
        assert again.stderr.readline().startswith(b"list: ")
        assert again.stderr.readline().startswith(b"resolver: ")
        assert again.stderr.readline().startswith(b"0 rows, ")
        asked_at_s = time.monotonic()
        again.send_signal(signal.SIGTERM)
        assert ended(again).code == Exit.TERMINATED
        assert time.monotonic() - asked_at_s < 15
    assert silent.connections() == 1


def test_an_unfinished_run_may_be_demanded(lab: Lab, tmp_path: Path) -> None:
    words = ("scan", listed(tmp_path / "l", many(1)), "-o", tmp_path / "rows.jsonl", *lab.flags)
    ending = starttls(*words, "--resume", "require")
    assert (ending.code, "no unfinished run" in ending.last) == (Exit.USAGE, True)
    assert not list(tmp_path.glob("rows.jsonl*"))


def test_a_finished_file_is_replaced_only_when_that_is_said(lab: Lab, tmp_path: Path) -> None:
    words = ("scan", listed(tmp_path / "l", many(2)), "-o", tmp_path / "rows.jsonl", *lab.flags)
    assert starttls(*words).code == Exit.OK
    before = (tmp_path / "rows.jsonl").read_bytes()
    again = starttls(*words)
    assert (again.code, "is complete" in again.last) == (Exit.USAGE, True)
    assert (tmp_path / "rows.jsonl").read_bytes() == before
    assert starttls(*words, "--overwrite").code == Exit.OK
    assert Ended(0, (tmp_path / "rows.jsonl").read_bytes(), "").rows[0]["run_id"] != rows_of(before)[0]["run_id"]


def test_a_list_through_a_pipe_goes_to_a_file_but_is_not_resumed(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("scan", "-", "-o", out, *PATIENT, *lab.flags)
    reader = listed(tmp_path / "l", [*many(1), SILENT]).open("rb")
    with reader, begun(*words, stdin=reader.fileno()) as run:
        wait_until(silent.connections)
        assert stopped(run, signal.SIGTERM, signal.SIGTERM).code == Exit.TERMINATED
    again = starttls(*words, given=b"d0.many.lab.test\n")
    assert (again.code, "cannot be resumed" in again.last) == (Exit.USAGE, True)


@pytest.mark.parametrize("packing", [".zst", ".gz"])
def test_a_compressed_file_is_resumed_and_read_by_every_command(
    lab: Lab, tmp_path: Path, silent: Silent, packing: str
) -> None:
    out = tmp_path / f"rows.jsonl{packing}"
    words = ("scan", listed(tmp_path / "l", [*many(5), SILENT]), "-o", out, *PATIENT, *lab.flags)
    with begun(*words) as run:
        wait_until(lambda: beside(out, ".part").exists() and beside(out, ".part").stat().st_size)
        run.send_signal(signal.SIGKILL)
        assert run.wait() == -signal.SIGKILL
    assert not out.exists()
    silent.leaves()
    assert starttls(*words).code == Exit.OK
    names = {each.name for each in tmp_path.iterdir()}
    assert names == {"l", out.name, f"rows.jsonl.certificates.jsonl{packing}", f"{out.name}.run.json"}
    rows = rows_of(plain(out))
    assert sorted(row["n"] for row in rows) == list(range(1, 7))
    assert [row["n"] for row in starttls("assess", out, "--ca-file", lab.told["ca_file"]).rows] == [
        row["n"] for row in rows
    ]
    domain = many(1)[0]
    assert domain in starttls("explain", domain, "--from", out).out.decode()
    assert starttls("compare", f"a={out}", f"b={out}", "--all", "--json").code == Exit.OK
