"""Files that only grow until they are finished: append, sync, cut, publish; and the lock that leaves one writer.

A row is whole or it is not there: whatever the disk does in the middle of a write, the file is cut back to its last
whole row, at once where that is possible and when it is opened again where it is not. In a compressed file the same
holds for frames: rows are kept in memory until there are enough for one, or until the next sync.

Touches: files. Source: open(2), write(2), fdatasync(2), rename(2), flock(2); docs/adr/0004-journal.md.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from scanner import frames
from scanner.frames import FRAME_BYTES, Packing

OPEN = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
MODE = 0o640
LINE_BYTES = 1 << 20
"""Four times the longest row there may be (docs/record.md); a longer line is no line of ours."""


class OutputFailed(Exception):  # noqa: N818 - an event, told to the user
    """What was to be written could not be: no space, no permission, no such directory, a broken disk."""


class Locked(Exception):  # noqa: N818 - a state, told to the user
    """Another process is writing this output."""


def boot_id() -> str:
    """Name this boot of this machine; empty where the kernel does not tell, which is treated as another boot."""
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""


@dataclass(frozen=True, slots=True)
class Disk:
    """The calls that make bytes lasting, and the boot in which they are made. Tests put failing ones in their place."""

    write: Callable[[int, memoryview], int] = os.write
    datasync: Callable[[int], None] = os.fdatasync
    sync: Callable[[int], None] = os.fsync
    cut: Callable[[int, int], None] = os.ftruncate
    rename: Callable[[Path, Path], None] = os.replace
    boot_id: Callable[[], str] = boot_id


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Tell in one line what the disk did not do."""
    try:
        yield
    except OSError as error:
        raise OutputFailed(f"{path}: {error.strerror or error}") from error


def beside(path: Path, ending: str) -> Path:
    """A file with the same name and an ending more."""
    return path.with_name(path.name + ending)


@dataclass(frozen=True, slots=True)
class Names:
    """The files of one output."""

    rows: Path

    @property
    def part(self) -> Path:
        """The rows of an unfinished run."""
        return beside(self.rows, ".part")

    @property
    def certificates(self) -> Path:
        """Every certificate that a row refers to, compressed as the rows are."""
        packing = frames.packing_of(self.rows)
        plain = self.rows if packing is None else self.rows.with_suffix("")
        return beside(plain, ".certificates.jsonl" + ("" if packing is None else packing.ending))

    @property
    def checkpoint(self) -> Path:
        """There while the run is unfinished."""
        return beside(self.rows, ".checkpoint.json")

    @property
    def manifest(self) -> Path:
        """Written last: its presence means complete."""
        return beside(self.rows, ".run.json")


def write_all(disk: Disk, fd: int, chunk: bytes) -> None:
    """Write until all is written: a full disk takes a part of a row and refuses only the next call."""
    rest = memoryview(chunk)
    while rest:
        written = disk.write(fd, rest)
        if written == 0:
            raise OSError(errno.EIO, "nothing was written")
        rest = rest[written:]


@dataclass(slots=True)
class Part:
    """One growing file, `path` with `.part` at the end until `publish`. `size` counts whole appends, in bytes; in a
    compressed file whole frames. `held` is what waits there for a frame: plain lines that are in no file yet.
    """

    path: Path
    disk: Disk
    fd: int
    size: int
    synced: int = 0
    packing: Packing | None = None
    held: bytearray = field(default_factory=bytearray)

    @property
    def is_behind(self) -> bool:
        """Whether a sync has anything to do."""
        return bool(self.held) or self.size != self.synced

    def fills(self, chunk: bytes) -> bool:
        """Whether something is written when `chunk` is appended."""
        return self.packing is None or len(self.held) + len(chunk) >= FRAME_BYTES

    def append(self, chunk: bytes) -> None:
        """Put whole rows at the end, or none of them. Raises OutputFailed."""
        if self.packing is None:
            self._write(chunk)
            return
        is_full = self.fills(chunk)
        self.held += chunk
        if is_full:
            self.flush()

    def flush(self) -> None:
        """Write what is held as whole frames. Raises OutputFailed."""
        if self.packing is not None and self.held:
            self._write(frames.packed(bytes(self.held), self.packing))
            self.held.clear()

    def finish(self) -> None:
        """Write what is held; a compressed file without rows gets an empty frame. Raises OutputFailed."""
        self.flush()
        if self.packing is not None and not self.size:
            self._write(frames.packed(b"", self.packing))

    def _write(self, chunk: bytes) -> None:
        with told(self.path):
            try:
                write_all(self.disk, self.fd, chunk)
            except OSError:
                self._cut_if_possible(self.size)
                raise
        self.size += len(chunk)

    def sync(self) -> None:
        """Make lasting what was appended. Raises OutputFailed; then nothing since the last sync is there any more.

        The kernel forgets a page that it failed to write, and the next sync would say that all is well.
        """
        self.flush()
        if self.size == self.synced:
            return
        with told(self.path):
            try:
                self.disk.datasync(self.fd)
            except OSError:
                self._cut_if_possible(self.synced)
                raise
        self.synced = self.size

    def cut(self, size: int) -> None:
        """Drop everything behind `size` bytes, for good. Raises OutputFailed."""
        with told(self.path):
            self.disk.cut(self.fd, size)
            self.disk.sync(self.fd)
        self.size = self.synced = size

    def _cut_if_possible(self, size: int) -> None:
        """Without complaint: the next start cuts as well."""
        with suppress(OSError):
            self.disk.cut(self.fd, size)

    def pieces(self) -> Iterator[tuple[int, Sequence[bytes]]]:
        """What was written whole, from the beginning: lines, or the lines of one frame, after the offset of its end.

        Raises OutputFailed, and in a compressed file Damaged or CutOff where the next frame is not whole.
        """
        with told(self.path), os.fdopen(os.dup(self.fd), "rb", 1 << 20) as stream:
            stream.seek(0)
            if self.packing is None:
                yield from _lines(stream)
            else:
                for end, plain in frames.unpacked(stream.read, self.packing):
                    yield end, plain.split(b"\n")[:-1]

    def publish(self) -> None:
        """Give the file its final name. The caller syncs before, and the directory after. Raises OutputFailed."""
        with told(self.path):
            self.disk.rename(beside(self.path, ".part"), self.path)

    def close(self) -> None:
        """Let go of the file; nothing is written."""
        os.close(self.fd)


def _lines(stream: BinaryIO) -> Iterator[tuple[int, Sequence[bytes]]]:
    end = 0
    while (line := stream.readline(LINE_BYTES)).endswith(b"\n"):
        end += len(line)
        yield end, (line,)


def open_part(path: Path, disk: Disk) -> Part:
    """Open or make `path`.part, compressed as its name says, never through a symbolic link. Raises OutputFailed."""
    with told(path):
        fd = os.open(beside(path, ".part"), OPEN, MODE)
        return Part(path, disk, fd, os.fstat(fd).st_size, packing=frames.packing_of(path))


def sync_directory(path: Path, disk: Disk) -> None:
    """Make the names in the directory of `path` lasting. Raises OutputFailed."""
    with told(path):
        fd = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            disk.sync(fd)
        finally:
            os.close(fd)


def replace(path: Path, content: bytes, disk: Disk) -> None:
    """Put `content` in the place of a file: at any moment the old or the new one is there. Raises OutputFailed."""
    new = beside(path, ".new")
    with told(path):
        fd = os.open(new, OPEN | os.O_TRUNC, MODE)
        try:
            write_all(disk, fd, content)
            disk.sync(fd)
        finally:
            os.close(fd)
        disk.rename(new, path)
    sync_directory(path, disk)


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock that the kernel drops with the process that holds it."""

    path: Path
    fd: int

    def release(self) -> None:
        """Remove the file while it is still ours, then let go. One that stays, on a disk gone bad, keeps nobody out."""
        with suppress(OSError):
            self.path.unlink()
        os.close(self.fd)


def lock(path: Path) -> Lock:
    """Take `path`.lock. Raises Locked where another holds it, OutputFailed where it cannot be made."""
    lock_path = beside(path, ".lock")
    while True:
        with told(path):
            fd = os.open(lock_path, OPEN, MODE)
        held = Lock(lock_path, fd)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(fd)
            raise Locked(f"{path}: another run is writing it") from error
        if _is_there(held):
            return held
        os.close(fd)


def _is_there(held: Lock) -> bool:
    """Whether the locked file still has its name: its last holder may have removed it between open and flock."""
    with suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(held.fd), held.path.stat())
    return False
