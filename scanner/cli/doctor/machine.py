"""The machine itself: open files, ports, disk, clock, trust anchors, versions.

Touches: nothing; `facts` gathers. Source: docs/guarantees.md (floors, P2), docs/operations.md (doctor).
"""

import ipaddress
import re
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from scanner.cli.doctor.check import Check, fail, ok, warn
from scanner.cli.motion import WORKERS_PER_SESSION
from scanner.cli.preflight import raised, that_fit
from scanner.run import WAITING_MOST
from scanner.settings import Settings

FLOORS = {"aiosmtplib": (5, 1, 3), "c-ares": (1, 34, 8)}
"""docs/guarantees.md: older ones take plain text for TLS data, or lose answers."""
TIME_WAIT_S = 60
"""How long Linux keeps the ports of a closed connection."""
TRACKED_S = 120
"""How long its firewall does (nf_conntrack_tcp_timeout_time_wait)."""
FREE_LEAST_BYTES = 64 * 1024 * 1024
FREE_ENOUGH_BYTES = 2 * 1024 * 1024 * 1024
BASE_BYTES = 130 * 10**6
"""A scan before its first row, and with what it remembers filled (docs/performance.md)."""
ADDRESS_SPACE = "address space"
UNTOUCHED_BYTES = 400 * 10**6
"""Addresses that are taken and hold nothing: libraries, stacks of threads. Only `ulimit -v` counts them."""
PROCESS_BYTES = 60 * 10**6
ROW_BYTES = 15 * 1024
"""One row at work, or waiting for its turn."""
TRUST_AGE_MOST = timedelta(days=365)
FAR_FILE_SYSTEMS = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs", "9p", "ceph", "glusterfs"})
PASSING_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay"})
_VERSION = re.compile(r"\d+(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class OutputSeen:
    """The directory of the rows. `problem` says what failed in writing, syncing, renaming a file there."""

    directory: str
    file_system: str = ""
    free_bytes: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TrustSeen:
    """The trust anchors. `published_at` is None where nobody dates them; `problem` says why they cannot be read."""

    name: str
    anchors: int = 0
    current: int = 0
    published_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """What this machine has. `open_files` are the soft and the hard limit, `ports` the first and the last ephemeral
    one; `conntrack_most` is None where nothing tracks connections, `output` where rows go to standard output.
    `built_at`: this program is not older than that. `memory_bytes`: what may be used, by who says so; `processes`:
    how many a scan is to have.
    """

    open_files: tuple[int, int]
    ports: tuple[int, int] | None
    conntrack_most: int | None
    output: OutputSeen | None
    now: datetime
    built_at: datetime
    trust: TrustSeen
    versions: Mapping[str, str]
    memory_bytes: Mapping[str, int] = field(default_factory=dict)
    processes: int = 1


def machine_checks(seen: Machine, settings: Settings) -> Iterator[Check]:
    """Judge all of it."""
    yield open_files(seen.open_files, settings.limits.open_sessions)
    yield ports(seen.ports, settings)
    if seen.conntrack_most is not None and not stays_here(settings):
        yield conntrack(seen.conntrack_most, settings)
    yield memory(seen.memory_bytes, seen.processes, settings.limits.open_sessions)
    yield from output(seen.output)
    yield clock(seen.now, seen.built_at)
    yield trust(seen.trust, seen.now)
    yield from versions(seen.versions)


def open_files(limits: tuple[int, int], wanted: int) -> Check:
    """Judge whether as many sessions fit as may be open."""
    soft, hard = limits
    limit = raised(wanted, soft, hard)
    fitting = that_fit(wanted, limit)
    shown = "no limit" if limit == resource.RLIM_INFINITY else f"a limit of {limit}"
    reason = f"{fitting} of {wanted} sessions fit into {shown}"
    if fitting == wanted:
        return ok("open_files", reason)
    return warn("open_files", reason, "raise it (LimitNOFILE=65536 in the unit, `ulimit -Hn`), or lower --open")


def ports(seen: tuple[int, int] | None, settings: Settings) -> Check:
    """Judge the ephemeral ports. One of them serves many destinations, so what counts is the busiest destination."""
    if seen is None:
        return ok("ports", "this kernel does not tell its range")
    pace, count = settings.pace, seen[1] - seen[0] + 1
    wanted = pace.address_open + int(TIME_WAIT_S / min(pace.address_floor_s, pace.address_interval_s))
    reason = f"{count} ports from {seen[0]} to {seen[1]}; one destination takes {wanted} at most"
    if count >= wanted:
        return ok("ports", reason)
    return warn("ports", reason, "sysctl net.ipv4.ip_local_port_range='32768 60999', which is usual")


def conntrack(most: int, settings: Settings) -> Check:
    """Judge the table of a firewall on this machine: what does not fit into it is lost, and looks like a time-out."""
    wanted = settings.limits.open_sessions + int(settings.pace.run_per_s * TRACKED_S)
    reason = f"the firewall tracks {most} connections, a scan takes {wanted} of them at most"
    if most >= wanted:
        return ok("conntrack", reason)
    return warn("conntrack", reason, f"sysctl net.netfilter.nf_conntrack_max={2 * wanted}, or lower --run-rate")


def memory(seen: Mapping[str, int], processes: int, open_sessions: int) -> Check:
    """Judge whether a scan fits into the memory that it may use. One that does not is killed, and can be resumed."""
    rows = open_sessions * WORKERS_PER_SESSION + WAITING_MOST
    wanted = BASE_BYTES + rows * ROW_BYTES + (processes * PROCESS_BYTES if processes > 1 else 0)
    if not seen:
        return ok("memory", f"no limit is known; a scan takes {wanted / 2**20:,.0f} MiB at most")
    room = {who: most - UNTOUCHED_BYTES * (who == ADDRESS_SPACE) for who, most in seen.items()}
    who = min(room, key=lambda each: room[each])
    reason = f"{seen[who] / 2**20:,.0f} MiB ({who}); a scan takes {wanted / 2**20:,.0f} MiB at most"
    if room[who] >= wanted:
        return ok("memory", reason)
    return warn("memory", reason, "allow more (MemoryMax= in the unit, the limit of the container), or lower --open")


def stays_here(settings: Settings) -> bool:
    """Tell whether no packet leaves this machine: all sources are loopback."""
    return all(each.address and ipaddress.ip_address(each.address).is_loopback for each in settings.sources)


def output(seen: OutputSeen | None) -> Iterator[Check]:
    """Judge where rows go."""
    if seen is None:
        yield ok("output", "rows go to standard output; name --output to check its disk")
        return
    where = seen.directory
    if seen.problem:
        yield fail("output", seen.problem, "name a directory on a local disk that this user may write", where)
        return
    yield file_system(seen)
    yield free_space(seen)


def file_system(seen: OutputSeen) -> Check:
    """Judge whether a sync there lasts."""
    where, name = seen.directory, seen.file_system or "unknown"
    if name in FAR_FILE_SYSTEMS:
        return warn("output", f"written and synced, but on {name}: locks may not hold", "use a local disk", where)
    if name in PASSING_FILE_SYSTEMS:
        return ok("output", f"written, synced and renamed, on {name}: a restart may lose it", where)
    return ok("output", f"written, synced and renamed, on {name}", where)


def free_space(seen: OutputSeen) -> Check:
    """Judge the room on the disk. `starttls plan LIST` says what a list wants."""
    reason = f"{seen.free_bytes / 2**20:,.0f} MiB free"
    if seen.free_bytes >= FREE_ENOUGH_BYTES:
        return ok("disk", reason, seen.directory)
    judged = warn if seen.free_bytes >= FREE_LEAST_BYTES else fail
    return judged("disk", reason, "make room; `starttls plan LIST` says how much a list wants", seen.directory)


def clock(now: datetime, built_at: datetime) -> Check:
    """Judge the clock: certificates are judged by it, and rows carry it."""
    if now >= built_at:
        return ok("clock", f"{now:%Y-%m-%d %H:%M} UTC, after this program was made")
    reason = f"it says {now:%Y-%m-%d}, but this program was made after {built_at:%Y-%m-%d}"
    return fail("clock", reason, "set the clock (`timedatectl set-ntp true`)")


def trust(seen: TrustSeen, now: datetime) -> Check:
    """Judge the trust anchors."""
    if seen.problem:
        return fail("trust", seen.problem, "name a readable PEM file, or leave --ca-file out", seen.name)
    if not seen.current:
        return fail("trust", f"none of {seen.anchors} anchors is valid today", "name current anchors", seen.name)
    if seen.published_at is None:
        return ok("trust", f"{seen.current} of {seen.anchors} anchors are valid today", seen.name)
    reason = f"{seen.anchors} anchors, published {seen.published_at:%Y-%m-%d}"
    if now - seen.published_at > TRUST_AGE_MOST:
        return warn("trust", f"{reason}, more than a year ago", "update certifi", seen.name)
    return ok("trust", reason, seen.name)


def versions(seen: Mapping[str, str]) -> Iterator[Check]:
    """Judge libraries that were wrong once."""
    for name, floor in FLOORS.items():
        found, wanted = seen.get(name, ""), ".".join(map(str, floor))
        if numbers(found) >= floor:
            yield ok("version", f"{found}, at least {wanted}", name)
        else:
            yield fail("version", f"{found or 'unknown'} is older than {wanted}", "install the locked versions", name)


def numbers(version: str) -> tuple[int, ...]:
    """Read the numbers of a version; none where there are none."""
    found = _VERSION.match(version)
    return tuple(map(int, found[0].split("."))) if found else ()
