"""P1, P7: a run that is killed for its memory goes on where it was; one that fits is left alone."""

import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from scanner.cli.doctor.machine import BASE_BYTES
from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENCE_S, many
from tests.faults.groups import Group, group
from tests.faults.world import World

NAMES = many(150)
EARLY = 4
A_LITTLE_BYTES = 1 << 20
FEW = "somebody.example\n"
MANY = "".join(f"d{number}.example\n" for number in range(500_000))
"""A scan looks at its exclusions every second, and reads them anew: that is when it will want more."""


def few(folder: Path) -> Path:
    """Exclusions, as they are at first."""
    path = folder / "exclude.txt"
    path.write_text(FEW)
    return path


@pytest.fixture
def limited() -> Iterator[Group]:
    with group() as made:
        if made is None:
            pytest.skip("needs a control group that counts memory, inside our own, and the right to make it")
        yield made


def test_a_run_that_is_killed_for_its_memory_loses_and_doubles_nothing(
    world: World, limited: Group, tmp_path: Path
) -> None:
    """The kernel kills without a word: nobody can catch it, and what is written is all that is left."""
    exclude = few(tmp_path)
    flags = (*world.flags(), "--exclude", exclude)
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as scan:
        limited.take_in(scan.process.pid)
        scan.reaches(EARLY)
        limited.allow(limited.used() + A_LITTLE_BYTES)
        exclude.write_text(MANY)
        scan.process.wait(PATIENCE_S)
    assert scan.process.returncode == -signal.SIGKILL
    assert limited.kills() >= 1
    assert scan.is_unfinished()
    exclude.write_text(FEW)
    limited.allow(BASE_BYTES)
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as again:
        limited.take_in(again.process.pid)
        assert again.ended().code == Exit.OK, "a small run fits into what the doctor counts as its base"
    assert again.is_complete()


def test_a_run_that_is_refused_more_memory_says_so_and_goes_on_when_there_is(world: World, tmp_path: Path) -> None:
    """What Python is refused ends the run in words; what a library is refused may end it like a kill."""
    exclude = few(tmp_path)
    flags = (*world.flags(), "--exclude", exclude)
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as scan:
        scan.reaches(EARLY)
        pages = int(Path(f"/proc/{scan.process.pid}/statm").read_text().split()[0])
        _, hard = resource.prlimit(scan.process.pid, resource.RLIMIT_AS)
        most_bytes = pages * resource.getpagesize() + 4 * A_LITTLE_BYTES
        resource.prlimit(scan.process.pid, resource.RLIMIT_AS, (most_bytes, hard))
        exclude.write_text(MANY)
        ending = scan.ended()
    assert ending.code == Exit.INTERNAL, "a service manager starts it again"
    assert "out of memory" in ending.last
    assert scan.is_unfinished()
    exclude.write_text(FEW)
    with world.run(tmp_path / "rows.jsonl", NAMES, *flags) as again:
        assert again.ended().code == Exit.OK
    assert again.is_complete()
