"""The journal in compressed frames: what waits for a frame is nowhere, and what is in one is there once and whole."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from scanner import checkpoint, frames
from scanner.checkpoint import Refused
from scanner.frames import FRAME_BYTES, PACKINGS
from scanner.journal import Journal, Reread, open_journal
from scanner.parts import Disk, Names, OutputFailed, Part
from tests.unit.journals import CLAIM, row, rows

REBOOTED = Disk(boot_id=lambda: "another boot")
C1, C2 = b'{"sha256":"c1"}\n', b'{"sha256":"c2"}\n'
pytestmark = pytest.mark.parametrize("ending", PACKINGS)


@pytest.fixture
def out(tmp_path: Path, ending: str) -> Path:
    return tmp_path / f"out.jsonl{ending}"


def lines(path: Path) -> bytes:
    """A file without its compression."""
    packing = frames.packing_of(path.with_suffix("") if path.suffix == ".part" else path)
    assert packing is not None
    with path.open("rb") as stream:
        return b"".join(plain for _, plain in frames.unpacked(stream.read, packing))


def numbers(path: Path) -> list[int]:
    return [orjson.loads(line)["n"] for line in lines(path).splitlines()]


async def begun(out: Path, *synced: int, unsynced: tuple[int, ...] = ()) -> int:
    """An unfinished run: one frame that is lasting, one that is not. Gives the size of the first."""
    journal = open_journal(out, CLAIM)
    journal.append(rows(*synced))
    await journal.sync()
    first = journal.rows.size
    journal.append(rows(*unsynced))
    journal.rows.flush()
    journal.close()
    return first


async def test_a_complete_run_is_a_compressed_file_of_rows_and_one_of_certificates(out: Path, ending: str) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1, 2), C1)
    await journal.sync()
    journal.append(rows(3), C2)
    await journal.publish(b"{}\n")
    journal.close()
    names = {each.name for each in out.parent.iterdir()}
    assert names == {out.name, f"out.jsonl.certificates.jsonl{ending}", f"{out.name}.run.json"}
    assert numbers(out) == [1, 2, 3]
    assert lines(Names(out).certificates) == C1 + C2


async def test_a_run_without_rows_is_a_file_that_unpacks_to_nothing(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    await journal.publish(b"{}\n")
    journal.close()
    assert (lines(out), lines(Names(out).certificates)) == (b"", b"")
    assert journal.rows.size > 0


async def test_rows_that_wait_for_their_frame_are_not_lasting_and_a_kill_costs_them_only(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1, 2))
    await journal.sync()
    assert not journal.is_holding
    journal.append(rows(3), C1)
    assert (journal.is_holding, journal.unsynced_rows, journal.run.rows) == (True, 1, 2)
    journal.close()
    again = open_journal(out, CLAIM)
    assert [n for n in range(5) if n in again.done] == [1, 2]
    again.append(rows(1, 2, 3, 4), C1)
    await again.publish(b"{}\n")
    again.close()
    assert numbers(out) == [1, 2, 3, 4]
    assert lines(Names(out).certificates) == C1


async def test_a_checkpoint_says_only_what_is_in_whole_frames(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1, 2), C1)
    await journal.sync()
    journal.append(rows(3))
    said = checkpoint.decode(journal.names.checkpoint.read_bytes())
    assert (said.rows, said.rows_bytes) == (2, journal.names.part.stat().st_size)
    journal.close()


async def test_a_full_frame_is_written_at_once_behind_its_certificates(out: Path) -> None:
    order: list[str] = []
    real = Disk()

    def write(fd: int, chunk: memoryview) -> int:
        order.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        return real.write(fd, chunk)

    journal = open_journal(out, CLAIM, disk=Disk(write=write))
    order.clear()
    n = 0
    while not order:
        n += 1
        journal.append([(n, row(n, about="x" * 1000))], C1)
    assert order == [Names(journal.names.certificates).part.name, journal.names.part.name]
    assert not journal.is_holding
    assert n * 1000 < FRAME_BYTES <= n * 1100
    assert numbers(journal.names.part) == list(range(1, n + 1))
    journal.close()


@pytest.mark.parametrize("disk", [Disk(), REBOOTED])
async def test_a_file_cut_anywhere_is_resumed_with_its_whole_frames_only(out: Path, disk: Disk) -> None:
    first = await begun(out, 1, 2, unsynced=(3, 4))
    content = Names(out).part.read_bytes()
    kept_checkpoint = Names(out).checkpoint.read_bytes()
    for size in range(len(content) + 1):
        Names(out).part.write_bytes(content[:size])
        Names(out).checkpoint.write_bytes(kept_checkpoint)
        journal = open_journal(out, CLAIM, disk=disk)
        is_tail_kept = size == len(content) and disk is not REBOOTED
        whole = [] if size < first else [1, 2, 3, 4] if is_tail_kept else [1, 2]
        assert [n for n in range(6) if n in journal.done] == whole
        assert journal.rows.size == (0 if not whole else first if len(whole) == 2 else len(content))
        journal.close()


async def test_damage_in_a_synced_frame_is_told_and_nothing_is_changed(out: Path) -> None:
    """Whatever byte it is that a frame cannot be read without."""
    first = await begun(out, 1, 2, unsynced=(3,))
    content = Names(out).part.read_bytes()
    for place in (0, first // 2, first - 1):
        damaged = bytearray(content)
        damaged[place] ^= 0xFF
        Names(out).part.write_bytes(damaged)
        with pytest.raises(Refused, match="damaged at byte 0"):
            open_journal(out, CLAIM)
        assert Names(out).part.read_bytes() == damaged


async def test_a_synced_frame_that_claims_to_be_longer_than_the_file_is_damage(out: Path) -> None:
    """It looks like one that is cut off, and is not: its end was lasting."""
    first = await begun(out, 1, 2)
    with Names(out).part.open("r+b") as stream:
        stream.truncate(first - 4)
        stream.seek(0, os.SEEK_END)
        stream.write(frames.PACKINGS[out.suffix].pack(row(9))[:4])
    with pytest.raises(Refused, match="damaged"):
        open_journal(out, CLAIM)


TAILS = [bytes(64), b"\n", row(9), b'{"run_id":']


@pytest.mark.parametrize("tail", TAILS)
async def test_a_tail_that_is_no_frame_is_cut_off(out: Path, tail: bytes) -> None:
    await begun(out, 1, unsynced=(2,))
    size = Names(out).part.stat().st_size
    with Names(out).part.open("ab") as stream:
        stream.write(tail)
    journal = open_journal(out, CLAIM)
    assert (journal.done.count, Names(out).part.stat().st_size) == (2, size)
    journal.close()


@pytest.mark.parametrize("line", [b"{\n", b'{"n":3}\n', row(1), row(3), row(5, "run-9"), row(0)])
async def test_of_a_frame_all_rows_are_kept_or_none(out: Path, line: bytes) -> None:
    """None of a bad frame's rows counts as done, or is told to whoever counts."""
    await begun(out, 1, unsynced=(2,))
    size = Names(out).part.stat().st_size
    with Names(out).part.open("ab") as stream:
        stream.write(frames.PACKINGS[out.suffix].pack(row(3) + line + row(4)))
    told: list[object] = []
    journal = open_journal(out, CLAIM, reread=Reread(row=lambda head: told.append(head["n"])))
    assert [n for n in range(9) if n in journal.done] == told == [1, 2]
    assert Names(out).part.stat().st_size == size
    journal.close()


async def test_a_bomb_in_the_reread_file_is_not_unpacked(out: Path) -> None:
    await begun(out, 1)
    size = Names(out).part.stat().st_size
    with Names(out).part.open("ab") as stream:
        stream.write(frames.PACKINGS[out.suffix].pack(b"\n" * (64 << 20)))
    journal = open_journal(out, CLAIM)
    assert Names(out).part.stat().st_size == size
    journal.close()


async def test_a_plain_file_under_a_compressed_name_is_not_continued(out: Path) -> None:
    first = await begun(out, 1)
    Names(out).part.write_bytes(row(1).ljust(first + 1, b"\n"))
    with pytest.raises(Refused, match="damaged at byte 0"):
        open_journal(out, CLAIM)


def broken(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def failing(journal: Journal, at: int) -> Disk:
    """A disk that is full in the middle of the next frame."""

    def write(fd: int, chunk: memoryview) -> int:
        if len(chunk) <= at:
            raise broken(errno.ENOSPC)
        return os.write(fd, chunk[:-at])

    return replace(journal.disk, write=write)


async def test_a_frame_that_does_not_fit_is_taken_back(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1))
    await journal.sync()
    size = journal.rows.size
    journal.append(rows(2))
    journal.rows.disk = failing(journal, 5)
    with pytest.raises(OutputFailed, match="No space left on device"):
        await journal.sync()
    assert Names(out).part.stat().st_size == size
    assert journal.run.rows == 1
    journal.close()
    again = open_journal(out, CLAIM)
    assert [n for n in range(4) if n in again.done] == [1]
    again.close()


async def test_rows_are_counted_as_done_only_when_their_frame_is_whole_again_after_a_failed_sync(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1))
    await journal.sync()

    def datasync(fd: int) -> None:
        raise broken(errno.EIO)

    journal.append(rows(2))
    journal.rows.disk = replace(journal.disk, datasync=datasync)
    with pytest.raises(OutputFailed, match="Input/output error"):
        await journal.sync()
    journal.close()
    again = open_journal(out, CLAIM)
    assert [n for n in range(4) if n in again.done] == [1]
    again.close()


def test_what_is_synced_is_written_before(out: Path) -> None:
    part = Part(out, Disk(), os.open(out, os.O_RDWR | os.O_CREAT), 0, packing=frames.packing_of(out))
    part.append(C1)
    assert (part.size, part.is_behind) == (0, True)
    part.sync()
    assert (part.size, part.is_behind) == (out.stat().st_size, False)
    part.close()
