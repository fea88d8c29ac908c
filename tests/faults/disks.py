"""A disk of our own that can fail: an ext4 file system in a file, which turns read-only when it finds itself broken.

Its mount lies in the namespace of the tests; the machine's root has to make it, and sees nothing of it afterwards.
"""

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.commands.starttls import PATIENCE_S

SIZE_BYTES = 16 << 20
TOOLS = ("losetup", "mkfs.ext4", "fsck.ext4", "nsenter", "mount")
REPAIRED = 1
"""What fsck(8) says when it had something to do."""


@dataclass(frozen=True, slots=True)
class FailingDisk:
    """`device` is the loop device, `place` where it is mounted in the namespace of `holder`."""

    device: str
    place: Path
    holder: int

    def mount(self) -> None:
        """Make it a place for files."""
        self._inside("mount", "-o", "errors=remount-ro", self.device, self.place)

    def unmount(self) -> None:
        """Take it away."""
        self._inside("umount", self.place)

    def fail(self) -> None:
        """Let the kernel find an error in it: from now on it is read-only, whatever is open."""
        trigger(self.device).write_text("a test\n")

    def repair(self) -> None:
        """Do what an administrator does."""
        self.unmount()
        done = subprocess.run(["fsck.ext4", "-y", self.device], capture_output=True, timeout=PATIENCE_S, check=False)
        assert done.returncode in {0, REPAIRED}, done.stderr.decode()
        self.mount()

    def _inside(self, *words: object) -> None:
        do("nsenter", "--target", self.holder, "--mount", *words)


@contextlib.contextmanager
def failing_disk(place: Path, holder: int) -> Iterator[FailingDisk | None]:
    """Mount one; None where the kernel, our rights, or what is installed, do not let us."""
    if os.geteuid() != 0 or not all(map(shutil.which, TOOLS)):
        yield None
        return
    image = place.with_name(f"{place.name}.ext4")
    image.touch()
    os.truncate(image, SIZE_BYTES)
    try:
        device = do("losetup", "--find", "--show", image).strip()
    except subprocess.CalledProcessError:
        yield None
        return
    with contextlib.ExitStack() as made:
        made.callback(do, "losetup", "--detach", device)
        do("mkfs.ext4", "-q", "-F", device)
        disk = FailingDisk(device, place, holder)
        disk.mount()
        made.callback(disk.unmount)
        yield disk if trigger(device).exists() else None


def trigger(device: str) -> Path:
    """Where the kernel can be told to find an error."""
    return Path("/sys/fs/ext4", Path(device).name, "trigger_fs_error")


def do(*words: object) -> str:
    """Run a small command, and return what it says. Raises CalledProcessError."""
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=PATIENCE_S, check=True).stdout
