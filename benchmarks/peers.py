"""What does a mail server cost others who look at its STARTTLS? Processor time for each target, in turns.

Everybody visits the same fleet, each target a server of its own, and says what he saw of it; whoever did not see TLS at
every target is left out. Figures are those of the whole process, as the kernel counts them, TLS library and
DNS included. Where one process takes many targets, what a process with a single target costs is taken off and shown as
its start; where each target needs a process, starting is part of the target.

    scan            `starttls scan`: domain, MX, A, AAAA, TLSA, MTA-STS, TLS-RPT, session, judgement, row
    sslyze          `--certinfo`: certificates of a server whose address is given
    checkdmarc      `check_mx` with TLS: domain, MX, A, DNSSEC, TLSA, PTR, session
    posttls-finger  of Postfix, one process a server: session
    openssl         `s_client`, one process a server: session

They do not do the same, and none of them was made for lists like ours: this says what a list would cost, not who is
better. Start it with `benchmarks/peers`, which installs the others and makes a network that ends at loopback.

Touches: network (loopback, in a namespace of its own), files, processes. Source: docs/performance.md.
"""

import argparse
import contextlib
import fcntl
import os
import re
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import certifi

from benchmarks.fleet import ORIGIN, address, fleet
from benchmarks.inside import machine
from benchmarks.nameserver import nameserver

SET_FLAGS, UP_AND_LOOPBACK = 0x8914, 0x49
"""ioctl(2) of netdevice(7)."""
KERNEL = Path("/proc/sys/net/ipv4")
LONGEST_S = 120.0
OURS = "scan"
POSTFIX = """
compatibility_level = 3.6
mail_owner = daemon
setgid_group = mail
"""
"""Names that every Debian has; posttls-finger does not start without."""
LOOKING = """
import json, sys
from checkdmarc.smtp import check_mx
for domain in sys.argv[1:]:
    print(json.dumps(check_mx(domain, check_mx_tls=True, nameservers=["127.0.0.1"])))
"""


@dataclass(frozen=True, slots=True)
class Place:
    """Where this takes place: what is installed, and the files of this run. `root` is that of the fleet, `bundle` the
    public ones as well, which is what a scan of the Internet has to read.
    """

    store: Path
    directory: Path
    root: Path
    bundle: Path

    @property
    def environment(self) -> dict[str, str]:
        """What every child sees."""
        plain = {name: value for name, value in os.environ.items() if not name.startswith("STARTTLS_")}
        tree, config = str(self.store / "postfix/usr/lib/postfix"), str(self.directory)
        return plain | {"SSL_CERT_FILE": str(self.bundle), "LD_LIBRARY_PATH": tree, "MAIL_CONFIG": config}

    def listed(self, lines: Sequence[str]) -> str:
        """A file of these lines."""
        path = self.directory / "list.txt"
        path.write_text("".join(f"{line}\n" for line in lines))
        return str(path)


Command = list[str]


@dataclass(frozen=True, slots=True)
class Tool:
    """Somebody who looks at servers. `commands` visit those of these numbers; `seen` is what each good one leaves in
    what they print, or in `output`; `is_there` tells whether it is installed.
    """

    commands: Callable[[Place, range], list[Command]]
    seen: bytes
    is_there: Callable[[Place], bool]
    many: int
    output: str = ""

    def visit(self, place: Place, numbers: range) -> float:
        """Processor time for these targets, in seconds. Raises RuntimeError unless TLS was seen at each."""
        spent_s, seen = 0.0, 0
        for command in self.commands(place, numbers):
            took_s, said = held(command, place)
            spent_s += took_s
            seen += len(re.findall(self.seen, (place.directory / self.output).read_bytes() if self.output else said))
        if seen != len(numbers):
            raise RuntimeError(f"TLS seen at {seen} targets of {len(numbers)}; the last said: {said[-500:]!r}")
        return spent_s


def held(command: Command, place: Place) -> tuple[float, bytes]:
    """Run one process; return its processor time, that of its children included, and what it said."""
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as words:
        words.write(b"QUIT\r\n")
        words.seek(0)
        child = subprocess.Popen(
            ["timeout", str(LONGEST_S), *command], stdin=words, stdout=said, stderr=said, env=place.environment
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        return used.ru_utime + used.ru_stime, said.read()


def scan(place: Place, numbers: range) -> list[Command]:
    """Ours, as it is installed."""
    listed = place.listed([f"d{number}.{ORIGIN}" for number in numbers])
    words = f"scan {listed} -q -o {place.directory}/rows.jsonl --overwrite --resume never --resolver 127.0.0.1"
    words += f" --ca-file {place.bundle} --allow-net 127.0.0.0/8 --source 127.9.0.1=mail@scanner.{ORIGIN}"
    return [[sys.executable, "-m", "scanner", *words.split(), "--profile", "lab", "--i-am-testing"]]


def sslyze(place: Place, numbers: range) -> list[Command]:
    """Addresses are given, so that it asks no DNS."""
    listed = place.listed([f"mx{number}.{ORIGIN}:25{{{address(number)}}}" for number in numbers])
    words = f"--starttls smtp --certinfo --certinfo_ca_file {place.root} --mozilla_config disable --targets_in {listed}"
    python = str(place.store / "sslyze/bin/python")
    return [[python, "-m", "sslyze", *words.split(), "--quiet", "--json_out", f"{place.directory}/sslyze.json"]]


def checkdmarc(place: Place, numbers: range) -> list[Command]:
    """Its library, because its command asks for much more than mail servers."""
    python = str(place.store / "checkdmarc/bin/python")
    return [[python, "-c", LOOKING, *(f"d{number}.{ORIGIN}" for number in numbers)]]


def posttls_finger(place: Place, numbers: range) -> list[Command]:
    """Opportunistic TLS to one address."""
    tool = str(place.store / "postfix/usr/sbin/posttls-finger")
    return [[tool, "-c", "-l", "may", f"[{address(number)}]:25"] for number in numbers]


def openssl(place: Place, numbers: range) -> list[Command]:
    """One address, verified against the root of the fleet."""
    words = f"s_client -starttls smtp -CAfile {place.root} -connect"
    return [["openssl", *words.split(), f"{address(number)}:25"] for number in numbers]


def installed(name: str) -> Callable[[Place], bool]:
    """Whether this file is in the store."""
    return lambda place: (place.store / name).exists()


TOOLS = {
    OURS: Tool(scan, rb'"starttls":"pass"', lambda _: True, 300, "rows.jsonl"),
    "sslyze": Tool(sslyze, rb'"scan_status": "COMPLETED"', installed("sslyze/complete"), 40, "sslyze.json"),
    "checkdmarc": Tool(checkdmarc, rb'"starttls": true', installed("checkdmarc/complete"), 40),
    "posttls-finger": Tool(
        posttls_finger, rb"TLS connection established", installed("postfix/usr/sbin/posttls-finger"), 40
    ),
    "openssl": Tool(openssl, rb"(?m)^Verification: OK", lambda _: bool(shutil.which("openssl")), 40),
}


@dataclass(slots=True)
class Turns:
    """Milliseconds for each target, and of starting, tool by tool and round by round."""

    ms_each: dict[str, list[float]] = field(default_factory=dict)
    ms_start: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def all(self, place: Place, rounds: int) -> None:
        """Everybody who is there, in turns; somebody else who does not see TLS everywhere is left out from then on.

        Raises RuntimeError where that is ours.
        """
        self.missing = {name: "is not installed" for name, tool in TOOLS.items() if not tool.is_there(place)}
        for turn in range(rounds):
            for name in [name for name in TOOLS if name not in self.missing]:
                try:
                    self.take(name, place, 1000 * turn)
                except RuntimeError as error:
                    if name == OURS:
                        raise
                    self.missing[name] = f"left out: {error}"

    def take(self, name: str, place: Place, first: int) -> None:
        """One turn of one tool."""
        tool = TOOLS[name]
        is_one_process = len(tool.commands(place, range(2))) == 1
        start_s = tool.visit(place, range(first, first + 1)) if is_one_process else 0.0
        spent_s = tool.visit(place, range(first, first + tool.many))
        others = tool.many - is_one_process
        self.ms_start.setdefault(name, []).append(start_s * 1000)
        self.ms_each.setdefault(name, []).append((spent_s - start_s) * 1000 / others)

    def show(self) -> None:
        """Print."""
        print("                 start   CPU ms  a target    targets a    times ours")
        print("                    ms   median     least   CPU second   (of rounds)")
        for name, each in [it for it in self.ms_each.items() if it[0] not in self.missing]:
            middle = statistics.median(each)
            times = statistics.median(a / b for a, b in zip(each, self.ms_each[OURS], strict=True))
            start = statistics.median(self.ms_start[name])
            print(f"{name:<14} {start:7.0f} {middle:8.2f} {min(each):9.2f} {1000 / middle:12.0f} {times:13.1f}")
        for name, why in self.missing.items():
            print(f"{name:<14} {why}")


@contextlib.contextmanager
def on_port(number: int) -> Iterator[None]:
    """Within this, whoever lets the kernel choose a port gets this one."""
    usual = (KERNEL / "ip_local_port_range").read_text()
    (KERNEL / "ip_unprivileged_port_start").write_text("0")
    (KERNEL / "ip_local_port_range").write_text(f"{number} {number}")
    try:
        yield
    finally:
        (KERNEL / "ip_local_port_range").write_text(usual)


def refuse_the_world() -> None:
    """Raise RuntimeError where a packet could leave; then switch loopback on."""
    if len(Path("/proc/self/net/route").read_text().splitlines()) > 1:
        raise RuntimeError("there is a route to somewhere: start this with benchmarks/peers")
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SET_FLAGS, struct.pack("16sH14x", b"lo", UP_AND_LOOPBACK))


@contextlib.contextmanager
def servers(store: Path) -> Iterator[Place]:
    """The fleet on port 25 and its name server on port 53."""
    with contextlib.ExitStack() as stack:
        with on_port(25):
            peers = stack.enter_context(fleet())
        with on_port(53):
            stack.enter_context(nameserver())
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="starttls-bench-")))
        (directory / "main.cf").write_text(POSTFIX)
        bundle = directory / "bundle.pem"
        bundle.write_bytes(Path(certifi.where()).read_bytes() + Path(peers.ca_file).read_bytes())
        yield Place(store, directory, Path(peers.ca_file), bundle)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="What others cost for the same servers.")
    parser.add_argument("--rounds", type=int, default=5, help="how many times everybody visits (default 5)")
    flags = parser.parse_args()
    refuse_the_world()
    turns = Turns()
    with servers(Path(os.environ["PEERS_STORE"])) as place:
        turns.all(place, flags.rounds)
    print(f"{machine()}\n{flags.rounds} rounds, every target a server of its own\n")
    turns.show()


if __name__ == "__main__":
    main()
