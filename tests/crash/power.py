"""A disk that writes down what it was asked, and what could be left of it if the power went at any moment.

Harsher than a real file system: of what was not synced, any sector may be new, old, empty or of another file, while the
size of the file may be any between; names are sure only with a sync of their directory, and come in the order in which
they were made.
"""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scanner.parts import Disk

PAGE, SECTOR = 4096, 512
STALE = b'{"run_id":"run","n":1,"body":""}\n{"sha256":"0"}\n' * 90
Call = tuple[Any, ...]
"""What was done, to which file (or name), and how."""


@dataclass
class Recorder:
    """Does all that is asked of it in `folder`, and writes it down; `mark` adds what only the writer knows."""

    folder: Path
    log: list[Call] = field(default_factory=list)
    _names: dict[str, int] = field(default_factory=dict)
    _inodes: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    def disk(self, boot: str) -> Disk:
        return Disk(self._write, self._sync, self._sync, self._cut, self._rename, lambda: boot)

    def mark(self, what: object) -> None:
        self._look()
        self.log.append(("mark", what))

    def _look(self) -> None:
        """Note which names came and went by calls that are not the disk's."""
        there = {each.name: each.inode() for each in os.scandir(self.folder) if not each.name.endswith(".lock")}
        for name in self._names.keys() - there.keys():
            self.log.append(("unlink", name))
            del self._names[name], self._inodes[name]
        for name, inode in there.items():
            if self._inodes.get(name) != inode:
                self._count += 1
                self._names[name], self._inodes[name] = self._count, inode
                self.log.append(("create", name, self._count))

    def _file(self, fd: int) -> int:
        self._look()
        return self._names[Path(f"/proc/self/fd/{fd}").readlink().name]

    def _write(self, fd: int, chunk: memoryview) -> int:
        file, offset = self._file(fd), os.fstat(fd).st_size
        written = os.write(fd, chunk)
        self.log.append(("write", file, offset, bytes(chunk[:written])))
        return written

    def _sync(self, fd: int) -> None:
        is_folder = Path(f"/proc/self/fd/{fd}").readlink() == self.folder
        self._look()
        self.log.append(("sync_names",) if is_folder else ("sync", self._file(fd)))

    def _cut(self, fd: int, size: int) -> None:
        self.log.append(("cut", self._file(fd), size))
        os.ftruncate(fd, size)

    def _rename(self, old: Path, new: Path) -> None:
        self._look()
        self._names[new.name], self._inodes[new.name] = self._names.pop(old.name), self._inodes.pop(old.name)
        self.log.append(("rename", old.name, new.name))
        old.rename(new)


@dataclass
class Content:
    """A file as programs see it, and as it was when last synced."""

    seen: bytearray = field(default_factory=bytearray)
    lasting: bytes = b""

    def image(self, chance: random.Random) -> bytes:
        """What could be found of it."""
        if self.seen == self.lasting:
            return self.lasting
        sizes = sorted((len(self.lasting), len(self.seen)))
        size = chance.choice((*sizes, chance.randint(*sizes)))
        pages = (self._page(at, chance) for at in range(0, size, PAGE))
        return b"".join(pages)[:size]

    def _page(self, at: int, chance: random.Random) -> bytes:
        """New, old, or some sectors of each; where nothing was before, old is empty or what another file left."""
        new = bytes(self.seen[at : at + PAGE]).ljust(PAGE, b"\0")
        old = self.lasting[at : at + PAGE]
        old += chance.choice((b"", STALE))[len(old) :]
        old = old[:PAGE].ljust(PAGE, b"\0")
        if new == old or chance.random() < 0.6:
            return chance.choice((new, old))
        return b"".join(chance.choice((new, old))[each : each + SECTOR] for each in range(0, PAGE, SECTOR))


@dataclass
class Machine:
    """Files and names, with all that was done to them so far."""

    files: dict[int, Content] = field(default_factory=dict)
    names: dict[str, int] = field(default_factory=dict)
    pending: list[Callable[[dict[str, int]], object]] = field(default_factory=list)
    marks: list[Any] = field(default_factory=list)

    def do(self, call: Call) -> None:
        """What the recorder wrote down: in memory at once, and lasting only by a sync."""
        verb, *words = call
        getattr(self, f"_{verb}")(*words)

    def _create(self, name: str, file: int) -> None:
        self.files[file] = Content()
        self.pending.append(lambda names: names.__setitem__(name, file))

    def _unlink(self, name: str) -> None:
        self.pending.append(lambda names: names.pop(name, None))

    def _rename(self, old: str, new: str) -> None:
        self.pending.append(lambda names: names.__setitem__(new, names.pop(old)))

    def _write(self, file: int, offset: int, chunk: bytes) -> None:
        self.files[file].seen[offset:] = chunk

    def _cut(self, file: int, size: int) -> None:
        del self.files[file].seen[size:]

    def _sync(self, file: int) -> None:
        self.files[file].lasting = bytes(self.files[file].seen)

    def _sync_names(self) -> None:
        self._settle(len(self.pending))

    def _mark(self, what: object) -> None:
        self.marks.append(what)

    def _settle(self, count: int) -> None:
        for change in self.pending[:count]:
            change(self.names)
        del self.pending[:count]

    def lose_power(self, folder: Path, chance: random.Random) -> None:
        """Make a folder of what is left. The machine is of no use afterwards."""
        folder.mkdir()
        self._settle(chance.randint(0, len(self.pending)))
        for name, file in self.names.items():
            (folder / name).write_bytes(self.files[file].image(chance))
