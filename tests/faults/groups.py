"""A control group of our own: its processes share a limit of memory, and one of them is killed where that is passed."""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Group:
    """`limit` and `usage` are in bytes; `events` counts the kills. The files differ between the two versions."""

    folder: Path
    limit: Path
    usage: Path
    events: Path

    def take_in(self, pid: int) -> None:
        """Count what this process takes from now on."""
        (self.folder / "cgroup.procs").write_text(f"{pid}\n")

    def allow(self, most_bytes: int) -> None:
        """Set the limit."""
        self.limit.write_text(f"{most_bytes}\n")

    def used(self) -> int:
        """Count what they hold, in bytes."""
        return int(self.usage.read_text())

    def kills(self) -> int:
        """Count the processes that the kernel killed for it."""
        told = dict(line.split() for line in self.events.read_text().splitlines())
        return int(told["oom_kill"])


@contextlib.contextmanager
def group() -> Iterator[Group | None]:
    """Make one inside ours, and remove it; None where the kernel, or our rights, do not let us."""
    folder = own() / f"starttls-test-{os.getpid()}"
    try:
        folder.mkdir()
    except OSError:
        yield None
        return
    try:
        yield seen(folder)
    finally:
        folder.rmdir()


def own() -> Path:
    """Where our own control group is: the one that counts memory in the first version, else the only one."""
    lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    paths = {name: path.lstrip("/") for _, names, path in lines for name in names.split(",")}
    return ROOT / "memory" / paths["memory"] if "memory" in paths else ROOT / paths.get("", "")


def seen(folder: Path) -> Group | None:
    """Name its files; None where it does not count memory."""
    first = Group(
        folder,
        folder / "memory.limit_in_bytes",
        folder / "memory.usage_in_bytes",
        folder / "memory.oom_control",
    )
    second = Group(folder, folder / "memory.max", folder / "memory.current", folder / "memory.events")
    return next((each for each in (second, first) if each.limit.exists()), None)
