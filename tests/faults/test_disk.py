"""P7: what we write to is full, read-only or gone in mid-run. Exit 6, no torn row, and the run goes on from there."""

import resource
import shutil
import subprocess
import time
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import COMMAND, PATIENCE_S, ROOT, environment, listed, many, read, rows_of
from tests.faults.disks import failing_disk
from tests.faults.world import World, verdicts

NAMES = many(24)
SLOWER = ("--run-rate", "4/s")
"""For three runs at once: none may be at its end before all of them are in the middle."""
EARLY = 4
SMALL, LARGE = "size=48k", "size=8m"
CERTIFICATE_BYTES = 500
"""Less than one certificate."""


def test_a_disk_that_is_full_and_then_read_only_tears_no_row(apart: World, tmp_path: Path) -> None:
    apart.do("mount", "-t", "tmpfs", "-o", SMALL, "tmpfs", tmp_path)
    endings = []
    for options in ("remount", "remount,ro", f"remount,rw,{LARGE}"):
        apart.do("mount", "-o", options, tmp_path)
        with apart.run(tmp_path / "rows.jsonl", NAMES, *apart.flags()) as scan:
            endings.append(scan.ended())
        assert len(endings) == 3 or scan.is_unfinished()
    assert [ending.code for ending in endings] == [Exit.OUTPUT, Exit.OUTPUT, Exit.OK], endings
    assert "No space left on device" in endings[0].last
    assert "Read-only file system" in endings[1].last
    assert scan.is_complete()


def test_a_file_system_that_turns_read_only_under_open_files_ends_the_run(apart: World, tmp_path: Path) -> None:
    """The kernel does that to a disk on which it finds an error. Repaired, it has every row that was synced."""
    place = made(tmp_path / "disk")
    assert apart.holder is not None
    with failing_disk(place, apart.holder) as disk:
        if disk is None:
            pytest.skip("needs root, a loop device, e2fsprogs, and an ext4 that can be told to fail")
        with apart.run(place / "rows.jsonl", NAMES, *apart.flags()) as scan:
            scan.reaches(EARLY)
            disk.fail()
            ending = scan.ended()
        assert ending.code == Exit.OUTPUT, ending
        assert ending.err.count(str(place)) == 1
        assert "Read-only file system" in ending.last
        assert scan.is_unfinished()
        disk.repair()
        assert scan.is_unfinished()
        with apart.run(place / "rows.jsonl", NAMES, *apart.flags()) as again:
            assert again.ended().code == Exit.OK
        assert again.is_complete()


def test_a_sidecar_a_publication_or_a_directory_that_fails_ends_the_run(world: World, tmp_path: Path) -> None:
    """A directory in the place of the file that is written next stands for a disk that does not want it."""
    with ExitStack() as held:
        sidecar, publication, removed = scans = [
            held.enter_context(world.run(made(tmp_path / name) / "rows.jsonl", NAMES, *world.flags(), *SLOWER))
            for name in ("sidecar", "publication", "removed")
        ]
        for scan in scans:
            scan.reaches(EARLY)
        in_the_way = [
            sidecar.out.with_name("rows.jsonl.checkpoint.json.new"),
            publication.out.with_name("rows.jsonl.run.json.new"),
        ]
        for each in in_the_way:
            taken_by_a_directory(each)
        shutil.rmtree(removed.out.parent)
        endings = [scan.ended() for scan in scans]
    assert [ending.code for ending in endings] == [Exit.OUTPUT] * 3, endings
    assert endings[0].last.endswith("rows.jsonl.checkpoint.json: Is a directory")
    assert endings[1].last.endswith("rows.jsonl.run.json: Is a directory")
    assert endings[2].last.endswith("No such file or directory")
    assert sidecar.is_unfinished()
    for each in in_the_way:
        each.rmdir()
    made(tmp_path / "removed")
    with ExitStack() as held:
        again = [
            held.enter_context(
                world.run(tmp_path / scan.out.parent.name / "rows.jsonl", NAMES, *world.flags(), *SLOWER)
            )
            for scan in scans
        ]
        assert [scan.ended().code for scan in again] == [Exit.OK] * 3
    assert all(scan.is_complete() for scan in again)


def taken_by_a_directory(place: Path) -> None:
    """Put a directory there, as soon as the file that is written there now has its own name. Raises TimeoutError."""
    ends_at_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_at_s:
        with suppress(FileExistsError):
            return place.mkdir()
        time.sleep(0.001)
    raise TimeoutError(place)


def made(directory: Path) -> Path:
    """Make it."""
    directory.mkdir(exist_ok=True)
    return directory


def test_certificates_that_find_no_room_end_a_run_to_standard_output(world: World, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; rows go through a pipe and have none."""
    words = ("scan", listed(tmp_path / "list", NAMES), "--certificates", tmp_path / "certificates.jsonl")
    done = subprocess.run(
        [*world.prefix, *COMMAND, *map(str, words), *world.flags()],
        capture_output=True,
        cwd=ROOT,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (CERTIFICATE_BYTES, CERTIFICATE_BYTES)),
    )
    assert done.returncode == Exit.OUTPUT
    assert read(done.stderr).splitlines()[-1].endswith("certificates.jsonl: File too large")
    assert verdicts(rows_of(done.stdout)) <= {("ok", "pass")}
