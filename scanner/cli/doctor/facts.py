"""What this machine has, gathered; nothing is judged here.

Touches: files (limits, a file made and removed beside the output, trust anchors), clock. Source: proc(5), fsync(2).
"""

import os
import re
import resource
import shutil
import tempfile
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import certifi

from scanner.cli.doctor.machine import ADDRESS_SPACE, Machine, OutputSeen, TrustSeen
from scanner.cli.exits import Refused
from scanner.cli.job import read_bytes, trusted
from scanner.cli.options import Chosen
from scanner.cli.version import deciding
from scanner.net.clock import utc_now
from scanner.protocols import certificate, special_blocks

PORTS = "/proc/sys/net/ipv4/ip_local_port_range"
CONNTRACK = "/proc/sys/net/netfilter/nf_conntrack_max"
MOUNTS = "/proc/self/mounts"
CONTROL_GROUPS = "/proc/self/cgroup"
ALL_OF_THEM = "/sys/fs/cgroup"
MEMORY = "/proc/meminfo"
NO_LIMIT_BYTES = 1 << 60
"""What the first version of control groups writes where there is none is larger."""
_AVAILABLE = re.compile(r"^MemAvailable:\s+(\d+) kB$", re.MULTILINE)
_DATE = re.compile(r"(\d{4})\.(\d{1,2})\.(\d{1,2})")


def machine(chosen: Chosen) -> Machine:
    """Gather all of it."""
    published_at = anchors_published_at()
    made_at = datetime.fromisoformat(special_blocks.PUBLISHED).replace(tzinfo=UTC)
    now = utc_now()
    return Machine(
        open_files=resource.getrlimit(resource.RLIMIT_NOFILE),
        ports=port_range(read(PORTS)),
        conntrack_most=next(iter(whole_numbers(read(CONNTRACK))), None),
        output=output(chosen["output"]) if chosen["output"] else None,
        now=now,
        built_at=max(made_at, published_at or made_at),
        trust=anchors(chosen["ca-file"], now, published_at),
        versions=deciding(),
        memory_bytes=memory_bytes(),
        processes=chosen["processes"],
    )


def memory_bytes() -> dict[str, int]:
    """Read how much memory this process may use, by who says so."""
    groups = [whole_numbers(read(path)) for path in group_files(read(CONTROL_GROUPS), ALL_OF_THEM)]
    available = _AVAILABLE.search(read(MEMORY))
    found = {
        "control group": min((each for numbers in groups for each in numbers), default=NO_LIMIT_BYTES),
        ADDRESS_SPACE: resource.getrlimit(resource.RLIMIT_AS)[0],
        "available now": int(available[1]) * 1024 if available else NO_LIMIT_BYTES,
    }
    return {who: most for who, most in found.items() if 0 <= most < NO_LIMIT_BYTES}


def group_files(groups: str, root: str) -> list[str]:
    """Name the files that limit memory: those of our control group and of all above it, in either version."""
    found = []
    for line in groups.splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        top, name = (Path(root, "memory"), "memory.limit_in_bytes") if controllers else (Path(root), "memory.max")
        own = top / path.lstrip("/")
        found += [str(each / name) for each in (own, *own.parents) if each.is_relative_to(top)]
    return found


def read(path: str) -> str:
    """Read a small file of the kernel; empty where there is none."""
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError:
        return ""


def whole_numbers(text: str) -> tuple[int, ...]:
    """Read the numbers of a line."""
    return tuple(int(word) for word in text.split() if word.isdecimal())


def port_range(text: str) -> tuple[int, int] | None:
    """Read the first and the last ephemeral port."""
    found = whole_numbers(text)
    return (found[0], found[1]) if len(found) == 2 else None


def output(path: str) -> OutputSeen:
    """Try the directory of an output: a file is written, synced, renamed and removed."""
    directory = Path(path).absolute().parent
    try:
        free_bytes = shutil.disk_usage(directory).free
        write_once(directory)
    except OSError as error:
        return OutputSeen(str(directory), problem=f"cannot be written: {error.strerror}")
    return OutputSeen(str(directory), file_system(directory, read(MOUNTS)), free_bytes)


def write_once(directory: Path) -> None:
    """Do what the journal does. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=".starttls-doctor-", dir=directory)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(b"\n")
            stream.flush()
            os.fsync(stream.fileno())
        made = made.rename(made.with_suffix(".renamed"))
        sync_directory(directory)
    finally:
        made.unlink(missing_ok=True)


def sync_directory(directory: Path) -> None:
    """Make a rename lasting. Raises OSError."""
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def file_system(directory: Path, mounts: str) -> str:
    """Find the kind of file system that holds a directory: that of the longest mount point above it."""
    found = [line.split()[1:3] for line in mounts.splitlines() if len(line.split()) > 2]
    above = [(point, kind) for point, kind in found if directory.is_relative_to(point)]
    return max(above, key=lambda each: len(each[0]), default=("", ""))[1]


def anchors_published_at() -> datetime | None:
    """Read the date of the Mozilla list from the version of certifi."""
    found = _DATE.match(metadata.version("certifi"))
    return None if found is None else datetime(*map(int, found.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]


def anchors(ca_file: str, now: datetime, published_at: datetime | None) -> TrustSeen:
    """Read the trust anchors."""
    name = Path(ca_file).name if ca_file else "certifi"
    try:
        held = trusted(name, read_bytes(ca_file or certifi.where(), "--ca-file"))
    except Refused as refused:
        return TrustSeen(name, problem=str(refused))
    read_ones = [certificate.read(der) for der in held.anchors]
    current = sum(is_current(each.not_before_at, each.not_after_at, now) for each in read_ones)
    return TrustSeen(name, len(read_ones), current, None if ca_file else published_at)


def is_current(begins_at: datetime | None, ends_at: datetime | None, now: datetime) -> bool:
    """Tell whether a certificate is valid now."""
    return begins_at is not None and ends_at is not None and begins_at <= now <= ends_at
