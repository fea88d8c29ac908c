"""A world that can be broken: a lab, and where the kernel allows it a network and a mount table of its own.

The namespace belongs to a user namespace, so that nobody has to be root; its first process holds it open. Whatever is
broken in there, the machine does not notice.
"""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.commands.starttls import COMMAND, PATIENCE_S, ROOT, Ended, Lab, environment, listed, rows_of, wait_until
from tests.commands.starttls import ended as ended_of

SOURCES = tuple(f"10.77.0.{number}" for number in range(1, 10))
"""Addresses of ours that can be taken away; those of 127.0.0.0/8 cannot."""
TABLES = {source: str(100 + number) for number, source in enumerate(SOURCES)}
"""A routing table for each source, asked before the one that knows the way."""
SLOWLY = ("--no-share", "--run-rate", "20/s")
PEERS = "127.25.0.0/16"
"""Where the mail servers of the lab are; its resolver is among them, but is asked from an address that stays."""
FIRST = " && ".join(
    (
        "ip link set lo up && ip rule add pref 200 lookup local && ip rule del pref 0",
        *(
            f"ip addr add {each}/32 dev lo && ip rule add from {each} pref {TABLES[each]} lookup {TABLES[each]}"
            for each in SOURCES
        ),
        "ip link add hole type veth peer name bottom && ip link set hole up && ip link set bottom up",
        "ip addr add 10.88.0.1/24 dev hole && ip neigh add 10.88.0.2 lladdr 02:00:00:00:00:02 dev hole nud permanent",
        "echo ready && exec cat",
    )
)
"""A wire is there too, at the other end of which nobody listens: a route into it is a black hole."""


@dataclass(frozen=True, slots=True)
class World:
    """`holder` is the process that holds the namespace; None where there is none."""

    lab: Lab
    holder: int | None = None

    @property
    def prefix(self) -> tuple[str, ...]:
        """Words that bring a command inside."""
        return entering(self.holder)

    def do(self, *words: object) -> None:
        """Run a small command inside."""
        done = subprocess.run([*self.prefix, *map(str, words)], capture_output=True, timeout=PATIENCE_S, check=False)
        assert done.returncode == 0, done.stderr.decode()

    def seen(self, path: Path) -> Path:
        """Where a file of the inside is seen from outside."""
        return path if self.holder is None else Path(f"/proc/{self.holder}/root{path}")

    def flags(self, *sources: str) -> tuple[str, ...]:
        """Point a scan at the lab, from these sources; slowly, so that what breaks does so in the middle."""
        named = [word for source in sources for word in ("--source", f"{source}@scanner.lab.test")]
        return (*self.lab.sourceless, *named, *SLOWLY)

    @contextlib.contextmanager
    def run(self, out: Path, names: list[str], *flags: object) -> Iterator["Run"]:
        """Start a scan; whatever is still running at the end is killed. The list lies beside the directory of `out`."""
        path = listed(out.parent.with_name(f"{out.parent.name}-{out.name}.list"), names)
        words = [*self.prefix, *COMMAND, "scan", path, "-o", out, *flags]
        with subprocess.Popen(
            list(map(str, words)),
            bufsize=0,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=ROOT,
            env=environment(),
        ) as process:
            try:
                yield Run(process, self.seen(out), len(names))
            finally:
                process.kill()


@dataclass(frozen=True, slots=True)
class Run:
    """A scan in motion, of a list of which every domain is well-behaved: any other verdict is a false one."""

    process: subprocess.Popen[bytes]
    out: Path
    count: int

    @property
    def part(self) -> Path:
        """Its rows, while it is unfinished."""
        return self.out.with_name(f"{self.out.name}.part")

    def reaches(self, rows: int) -> None:
        """Wait until so many rows are written."""
        wait_until(lambda: self.written() >= rows or self.process.poll() is not None)
        assert self.process.poll() is None, self.ended()

    def written(self) -> int:
        """Count them."""
        return self.part.read_bytes().count(b"\n") if self.part.exists() else 0

    def says(self, words: str) -> list[str]:
        """Wait for a line on stderr that has these words; all lines so far."""
        assert self.process.stderr is not None
        lines: list[str] = []
        for line in iter(self.process.stderr.readline, b""):
            lines.append(line.decode())
            if words in lines[-1]:
                return lines
        raise AssertionError(lines)

    def ended(self) -> Ended:
        """Wait for the end."""
        return ended_of(self.process)

    def is_complete(self) -> bool:
        """Hold the finished file against the law: every row once, and no false verdict."""
        assert not self.part.exists()
        rows = rows_of(self.out.read_bytes())
        assert sorted(row["n"] for row in rows) == list(range(1, self.count + 1))
        return verdicts(rows) == {("ok", "pass")}

    def is_unfinished(self) -> bool:
        """Hold what there is against the law: whole rows, none twice, no false verdict, and not the final name."""
        assert not self.out.exists()
        whole = self.part.read_bytes()
        rows = rows_of(whole[: whole.rfind(b"\n") + 1])
        numbers = [row["n"] for row in rows]
        assert len(numbers) == len(set(numbers)) < self.count
        return verdicts(rows) <= {("ok", "pass")}


def verdicts(rows: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """What was said about anybody."""
    return {(row["status"], row["starttls"]) for row in rows}


def entering(holder: int | None) -> tuple[str, ...]:
    """Words that bring a command into the namespace of a process."""
    if holder is None:
        return ()
    return ("nsenter", "--target", str(holder), "--user", "--net", "--mount", "--preserve-credentials", "--wd=/")


@contextlib.contextmanager
def namespace() -> Iterator[int | None]:
    """Make one; None where the kernel, or what is installed, does not let us."""
    words = ["unshare", "--user", "--map-root-user", "--net", "--mount", "sh", "-c", FIRST]
    with contextlib.ExitStack() as opened:
        try:
            holder = opened.enter_context(subprocess.Popen(words, stdin=-1, stdout=-1, stderr=subprocess.DEVNULL))
        except FileNotFoundError:
            yield None
            return
        assert holder.stdin is not None
        assert holder.stdout is not None
        yield holder.pid if holder.stdout.readline() == b"ready\n" else None
        holder.stdin.close()


@contextlib.contextmanager
def world() -> Iterator[World]:
    """Serve the lab, inside a namespace if there can be one."""
    with namespace() as holder:
        words = [*entering(holder), sys.executable, "-m", "scanner.lab"]
        with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment()) as lab:
            assert lab.stdin is not None
            assert lab.stdout is not None
            yield World(Lab(orjson.loads(lab.stdout.readline())), holder)
            lab.stdin.close()
            lab.wait(PATIENCE_S)
