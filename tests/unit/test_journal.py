"""The output as the journal: whatever ends a run, the next one finds every row once and whole."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.checkpoint import Refused, identify
from scanner.journal import Done, Journal, Reread, Resume, Terms, open_journal
from scanner.parts import Disk, Locked, OutputFailed
from tests.unit.journals import AT, CLAIM, LIST, numbers, row, rows

ROOT = Path(__file__).parents[2]
REBOOTED = Disk(boot_id=lambda: "another boot")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


def part(out: Path) -> Path:
    return out.with_name(out.name + ".part")


def killed(journal: Journal) -> None:
    """End a run as kill -9 does, as far as files can tell: nothing more is written."""
    journal.close()


async def begun(out: Path, *synced: int, unsynced: tuple[int, ...] = ()) -> None:
    """An unfinished run that left these rows."""
    journal = open_journal(out, CLAIM)
    journal.append(rows(*synced))
    await journal.sync()
    journal.append(rows(*unsynced))
    killed(journal)


def listing(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def test_a_complete_run_leaves_rows_certificates_and_manifest_and_nothing_else(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1, 2), b'{"sha256":"c1"}\n')
    assert listing(out.parent) == [
        "out.jsonl.certificates.jsonl.part",
        "out.jsonl.checkpoint.json",
        "out.jsonl.lock",
        "out.jsonl.part",
    ]
    await journal.publish(b"{}\n")
    journal.close()
    assert listing(out.parent) == ["out.jsonl", "out.jsonl.certificates.jsonl", "out.jsonl.run.json"]
    assert numbers(out) == [1, 2]


def test_the_output_is_not_for_the_world_to_read(out: Path) -> None:
    open_journal(out, CLAIM).close()
    assert part(out).stat().st_mode & 0o007 == 0


async def test_a_resumed_run_keeps_its_rows_its_name_and_its_seed(out: Path) -> None:
    await begun(out, 1, 2, unsynced=(4,))
    heads: list[Mapping[str, object]] = []
    again = open_journal(out, replace(CLAIM, run_id="run-2", seed=8), reread=Reread(row=heads.append))
    assert (again.run.run_id, again.run.seed, again.run.started_at) == ("run-1", 7, AT)
    assert [n for n in range(6) if n in again.done] == [1, 2, 4]
    assert [head["n"] for head in heads] == [1, 2, 4]
    assert [each.resumed_at for each in again.run.interruptions] == [AT]
    again.close()


async def test_a_row_that_is_there_is_not_written_again(out: Path) -> None:
    await begun(out, 1, 2)
    journal = open_journal(out, CLAIM)
    journal.append(rows(2, 3, 3))
    await journal.publish(b"{}\n")
    journal.close()
    assert numbers(out) == [1, 2, 3]


@given(cut=st.integers(min_value=0), disk=st.sampled_from([Disk(), REBOOTED]))
async def test_a_file_cut_anywhere_is_resumed_with_its_whole_rows_only(
    tmp_path_factory: pytest.TempPathFactory, cut: int, disk: Disk
) -> None:
    """Any byte may be the last one, in what was synced and behind it."""
    out = tmp_path_factory.mktemp("cut") / "out.jsonl"
    await begun(out, 1, 2, 3, unsynced=(4, 5))
    size = cut % (part(out).stat().st_size + 1)
    os.truncate(part(out), size)
    journal = open_journal(out, CLAIM, disk=disk)
    whole = min(size // len(row(1)), 3 if disk is REBOOTED else 5)
    assert journal.done.count == whole
    assert part(out).stat().st_size == whole * len(row(1))
    journal.append(rows(1, 2, 3, 4, 5))
    await journal.publish(b"{}\n")
    journal.close()
    assert numbers(out) == [1, 2, 3, 4, 5]


async def test_every_byte_offset_is_survived(tmp_path: Path) -> None:
    """The same law, without a gap: a small file is cut at each of its offsets."""
    for size in range(2 * len(row(1)) + 1):
        out = tmp_path / f"{size}.jsonl"
        await begun(out, 1, unsynced=(2,))
        os.truncate(part(out), size)
        journal = open_journal(out, CLAIM)
        journal.append(rows(1, 2))
        await journal.publish(b"{}\n")
        journal.close()
        assert numbers(out) == [1, 2]


GARBAGE = [bytes(4096), row(3)[:-1] + bytes(512), row(3), b"\xff\n" * 9]


@given(garbage=st.sampled_from(GARBAGE) | st.binary(max_size=200))
async def test_after_another_boot_nothing_behind_the_last_sync_is_believed(
    tmp_path_factory: pytest.TempPathFactory, garbage: bytes
) -> None:
    """Zeros, stale sectors, even a row that looks whole."""
    out = tmp_path_factory.mktemp("boot") / "out.jsonl"
    await begun(out, 1, 2)
    with part(out).open("ab") as stream:
        stream.write(garbage)
    journal = open_journal(out, CLAIM, disk=REBOOTED)
    assert journal.done.count == 2
    assert part(out).read_bytes() == row(1) + row(2)
    journal.close()


async def test_a_machine_that_does_not_name_its_boot_trusts_only_what_was_synced(out: Path) -> None:
    nameless = Disk(boot_id=lambda: "")
    journal = open_journal(out, CLAIM, disk=nameless)
    journal.append(rows(1))
    killed(journal)
    again = open_journal(out, CLAIM, disk=nameless)
    assert again.done.count == 0
    again.close()


@pytest.mark.parametrize("line", [b'{"n":3}\n', b"[]\n", b"3\n", b"{\n", row(1), row(0), row(1 << 40), row(3, "run-9")])
async def test_a_line_that_is_no_row_ends_the_unsynced_tail(out: Path, line: bytes) -> None:
    await begun(out, 1, unsynced=(2,))
    with part(out).open("ab") as stream:
        stream.write(line + row(4))
    journal = open_journal(out, CLAIM)
    assert part(out).read_bytes() == row(1) + row(2)
    journal.close()


async def test_damage_in_synced_rows_is_told_and_nothing_is_changed(out: Path) -> None:
    await begun(out, 1, 2)
    with part(out).open("r+b") as stream:
        stream.write(b"?")
    before = part(out).read_bytes()
    with pytest.raises(Refused, match="damaged at byte 0"):
        open_journal(out, CLAIM)
    assert part(out).read_bytes() == before


async def test_certificates_are_resumed_as_rows_are(out: Path) -> None:
    journal = open_journal(out, CLAIM)
    journal.append(rows(1), b'{"sha256":"c1"}\n{"sha256":"c2"}\n')
    await journal.sync()
    journal.certificates.append(b'{"sha256":"c3')
    killed(journal)
    names: list[str] = []
    again = open_journal(out, CLAIM, reread=Reread(certificate=names.append))
    assert names == ["c1", "c2"]
    await again.publish(b"{}\n")
    again.close()
    assert out.with_name("out.jsonl.certificates.jsonl").read_bytes() == b'{"sha256":"c1"}\n{"sha256":"c2"}\n'


REFUSALS = {
    "another list": (replace(CLAIM, source=replace(LIST, sha256="b" * 64)), Terms(), "is not the list"),
    "a longer list": (replace(CLAIM, source=replace(LIST, size_bytes=21)), Terms(), "is not the list"),
    "other settings": (replace(CLAIM, settings_sha256="other"), Terms(), "settings"),
    "a pipe": (replace(CLAIM, source=None), Terms(resume=Resume.REQUIRE), "pipe"),
}


@pytest.mark.parametrize("story", REFUSALS)
async def test_nobody_goes_on_with_the_rows_of_another_run(out: Path, story: str) -> None:
    await begun(out, 1)
    claim, terms, words = REFUSALS[story]
    with pytest.raises(Refused, match=words):
        open_journal(out, claim, terms)
    assert part(out).read_bytes() == row(1)
    assert not out.with_name("out.jsonl.lock").exists()


async def test_a_list_that_only_moved_is_the_same_list(out: Path) -> None:
    await begun(out, 1)
    journal = open_journal(out, replace(CLAIM, source=replace(LIST, name="elsewhere.csv")))
    assert journal.done.count == 1
    journal.close()


async def test_an_unfinished_run_is_thrown_away_where_that_is_asked(out: Path) -> None:
    await begun(out, 1)
    journal = open_journal(out, replace(CLAIM, run_id="run-2"), Terms(resume=Resume.NEVER))
    assert (journal.run.run_id, journal.done.count, journal.rows.size) == ("run-2", 0, 0)
    journal.close()


def test_a_resume_that_is_demanded_needs_something_to_resume(out: Path) -> None:
    with pytest.raises(Refused, match="no unfinished run"):
        open_journal(out, CLAIM, Terms(resume=Resume.REQUIRE))
    assert listing(out.parent) == []


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format":1,"checkpoint":{}}', b'{"format":2}', b"\0" * 64])
async def test_a_checkpoint_that_cannot_be_read_is_told(out: Path, content: bytes) -> None:
    await begun(out, 1)
    out.with_name("out.jsonl.checkpoint.json").write_bytes(content)
    with pytest.raises(Refused, match="checkpoint"):
        open_journal(out, CLAIM)
    open_journal(out, CLAIM, Terms(resume=Resume.NEVER)).close()


def test_rows_without_a_checkpoint_are_nobodys(out: Path) -> None:
    part(out).write_bytes(row(1))
    with pytest.raises(Refused, match="no checkpoint"):
        open_journal(out, CLAIM)
    assert part(out).read_bytes() == row(1)


async def complete(out: Path, *done: int) -> None:
    """A finished output."""
    journal = open_journal(out, CLAIM, Terms(overwrite=True))
    journal.append(rows(*done))
    await journal.publish(b'{"first":true}\n')
    journal.close()


async def test_a_finished_file_is_not_replaced_unless_asked(out: Path) -> None:
    await complete(out, 1)
    for resume in Resume:
        with pytest.raises(Refused, match="is complete"):
            open_journal(out, CLAIM, Terms(resume=resume))
    assert numbers(out) == [1]


async def test_a_finished_file_stays_until_the_one_that_replaces_it_is_complete(out: Path) -> None:
    await complete(out, 1)
    journal = open_journal(out, replace(CLAIM, run_id="run-2"), Terms(overwrite=True))
    journal.append([(2, row(2, "run-2"))])
    assert numbers(out) == [1]
    await journal.publish(b"{}\n")
    journal.close()
    assert numbers(out) == [2]


def test_a_file_of_somebody_else_is_not_replaced(out: Path) -> None:
    out.write_text("mine")
    with pytest.raises(Refused, match="exists"):
        open_journal(out, CLAIM)
    assert out.read_text() == "mine"


@pytest.mark.parametrize("ending", [".xz", ".bz2", ".XZ"])
def test_a_compression_that_nobody_writes_here_is_refused(tmp_path: Path, ending: str) -> None:
    with pytest.raises(Refused, match=r"plain, or compressed as \.zst or \.gz"):
        open_journal(tmp_path / f"out.jsonl{ending}", CLAIM)
    assert listing(tmp_path) == []


@dataclass
class Calls:
    """A disk that writes down what is asked of it, and stops working, or dies, at the call with number `fails_at`."""

    fails_at: int = -1
    error: BaseException = field(default_factory=lambda: NO_SPACE)
    names: list[str] = field(default_factory=list)

    def disk(self) -> Disk:
        real = Disk()

        def datasync(fd: int) -> None:
            self.happens("datasync")
            real.datasync(fd)

        def sync(fd: int) -> None:
            self.happens("sync")
            real.sync(fd)

        def rename(old: Path, new: Path) -> None:
            self.happens(f"rename {new.name}")
            real.rename(old, new)

        def write(fd: int, chunk: memoryview) -> int:
            self.happens("write")
            return real.write(fd, chunk)

        return Disk(write=write, datasync=datasync, sync=sync, rename=rename)

    def happens(self, name: str) -> None:
        if len(self.names) == self.fails_at:
            raise self.error
        self.names.append(name)


async def test_the_manifest_is_renamed_last_and_after_all_is_on_the_disk(out: Path) -> None:
    calls = Calls()
    journal = open_journal(out, CLAIM, disk=calls.disk())
    journal.append(rows(1), b'{"sha256":"c1"}\n')
    calls.names.clear()
    await journal.publish(b"{}\n")
    journal.close()
    assert calls.names == [
        "datasync",
        "datasync",
        *("write", "sync", "rename out.jsonl.checkpoint.json", "sync"),
        "rename out.jsonl.certificates.jsonl",
        "rename out.jsonl",
        "sync",
        *("write", "sync", "rename out.jsonl.run.json", "sync"),
    ]


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize("terms", [Terms(), Terms(overwrite=True)])
async def test_a_publication_killed_at_any_step_is_finished_by_the_next_run(tmp_path: Path, terms: Terms) -> None:
    finished = 0
    for step in range(40):
        out = tmp_path / f"{step}.jsonl"
        if terms.overwrite:
            await complete(out, 9)
        try:
            await publishing(out, Calls(step, Killed()), terms)
        except Killed:
            await finished_or_complete(out, terms)
        else:
            finished += 1
        assert numbers(out) == [1, 2]
        assert out.with_name(f"{step}.jsonl.run.json").read_bytes() == b'{"second":true}\n'
    assert 0 < finished < 40


async def publishing(out: Path, calls: Calls, terms: Terms) -> None:
    """A short run from beginning to end."""
    journal = open_journal(out, CLAIM, terms, disk=calls.disk())
    try:
        journal.append(rows(1, 2), b'{"sha256":"c1"}\n')
        await journal.publish(b'{"second":true}\n')
    finally:
        journal.close()


async def finished_or_complete(out: Path, terms: Terms) -> None:
    """Run again; what broke after the manifest had its name broke nothing."""
    if not out.with_name(out.name + ".run.json").exists() or terms.overwrite:
        await publishing(out, Calls(), terms)


async def test_a_disk_that_fails_at_any_call_is_told_and_costs_no_row(tmp_path: Path) -> None:
    step = 0
    while await is_told(tmp_path / f"{step}.jsonl", Calls(step)):
        await finished_or_complete(tmp_path / f"{step}.jsonl", Terms())
        assert numbers(tmp_path / f"{step}.jsonl") == [1, 2]
        step += 1
    assert step > 10


async def is_told(out: Path, calls: Calls) -> bool:
    """Whether the run told that the disk failed; if not, it was complete before that."""
    try:
        await publishing(out, calls, Terms())
    except OutputFailed as failed:
        return "No space left on device" in str(failed)
    assert numbers(out) == [1, 2]
    return False


async def test_short_writes_make_whole_rows(out: Path) -> None:
    journal = open_journal(out, CLAIM, disk=Disk(write=lambda fd, chunk: os.write(fd, chunk[:3])))
    journal.append(rows(1, 2, 3))
    await journal.publish(b"{}\n")
    journal.close()
    assert numbers(out) == [1, 2, 3]


def test_a_row_that_does_not_fit_is_taken_back(out: Path) -> None:
    """A full disk takes a part of a row, and refuses the rest."""

    def write(fd: int, chunk: memoryview) -> int:
        if len(chunk) == len(row(2)):
            return os.write(fd, chunk[:5])
        raise NO_SPACE

    journal = open_journal(out, CLAIM)
    journal.append(rows(1))
    journal.rows.disk = Disk(write=write)
    with pytest.raises(OutputFailed, match="No space left on device"):
        journal.append(rows(2))
    assert part(out).read_bytes() == row(1)
    assert 2 not in journal.done
    journal.close()


async def test_what_a_failed_sync_leaves_in_doubt_is_done_again(out: Path) -> None:
    """The kernel may say next time that all is well: the rows behind the last good sync go at once."""
    await begun(out, 1)
    calls = Calls()
    journal = open_journal(out, CLAIM, disk=calls.disk())
    journal.append(rows(2))
    calls.fails_at, calls.error = len(calls.names), OSError(errno.EIO, "Input/output error")
    with pytest.raises(OutputFailed, match="Input/output error"):
        await journal.sync()
    journal.close()
    assert part(out).read_bytes() == row(1)


FULL = """
import resource, signal, sys
from pathlib import Path
from scanner.journal import open_journal
from scanner.parts import OutputFailed
from tests.unit.journals import CLAIM, rows
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
journal = open_journal(Path(sys.argv[1]), CLAIM)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
n = 0
try:
    while n < 1000:
        n += 1
        journal.append(rows(n))
except OutputFailed as failed:
    journal.close()
    print(failed)
"""


def test_a_real_limit_on_the_file_leaves_no_torn_row(out: Path) -> None:
    """The kernel writes up to the limit, then refuses: rows are whole, and the next run goes on."""
    command = [sys.executable, "-c", FULL, str(out)]
    told = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True, timeout=50).stdout
    assert "File too large" in told
    whole = numbers(part(out))
    assert whole == list(range(1, len(whole) + 1))
    assert 1000 - len(row(100)) < part(out).stat().st_size <= 1000
    journal = open_journal(out, CLAIM)
    journal.append(rows(*range(1, 100)))
    assert numbers(part(out)) == list(range(1, 100))
    journal.close()


HOLDER = """
import sys
from pathlib import Path
from scanner.journal import open_journal
from tests.unit.journals import CLAIM, rows
journal = open_journal(Path(sys.argv[1]), CLAIM)
journal.append(rows(1))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_sent_away_and_a_dead_one_holds_nothing(out: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(Locked, match="another run"):
            open_journal(out, CLAIM)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    journal = open_journal(out, CLAIM)
    assert journal.done.count == 1
    journal.close()


def test_a_directory_that_is_missing_is_told_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(OutputFailed, match="No such file or directory"):
        open_journal(tmp_path / "missing" / "out.jsonl", CLAIM)


def test_a_symbolic_link_is_not_followed(out: Path, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious")
    part(out).symlink_to(victim)
    with pytest.raises((OutputFailed, Refused)):
        open_journal(out, CLAIM)
    assert victim.read_text() == "precious"


@given(st.sets(st.integers(min_value=1, max_value=5000)))
def test_a_bit_for_each_row_remembers_exactly_what_was_marked(marked: set[int]) -> None:
    done = Done()
    for n in marked:
        done.add(n)
    assert {n for n in range(5001) if n in done} == marked
    assert done.count == len(marked)


def test_ten_million_rows_cost_little_more_than_a_megabyte() -> None:
    done = Done()
    done.add(10_000_000)
    assert len(done.bits) <= 1_250_001


def test_a_list_is_known_by_its_bytes_and_a_pipe_by_nothing(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"example.test\n")
    found = identify(path)
    assert found is not None
    assert found.size_bytes == 13
    assert len(found.sha256) == 64
    read_end, write_end = os.pipe()
    os.close(write_end)
    assert identify(Path(f"/proc/self/fd/{read_end}")) is None
    os.close(read_end)
