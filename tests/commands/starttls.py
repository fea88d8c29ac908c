"""The command as a shell starts it: a process of its own, with the places of a lab to point it at."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import dns.message
import dns.query
import orjson

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "scanner")
PATIENCE_S = 100
"""Only a command that hangs takes so long: where ten others want the processor, its start alone may take half of it."""
SILENT = "connect-refused.lab.test"
"""In the lab nobody listens where its mail goes: the address is free for a peer of the test's own."""
PATIENT = ("--greeting-deadline", "600s", "--session-deadline", "600s")
"""A silent peer is waited for longer than any test."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What a process left behind."""

    code: int
    out: bytes
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Standard output, of which every line must be whole."""
        return rows_of(self.out)

    @property
    def last(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1]

    def refused(self, code: int) -> str:
        """Demand that there is one clear line and nothing else; return it."""
        assert (self.code, self.out) == (code, b""), self
        assert self.err.startswith("starttls: ")
        assert self.err.count("\n") == 1, self.err
        return self.err


@dataclass(frozen=True, slots=True)
class Lab:
    """A lab in motion, as its ready line tells."""

    told: dict[str, Any]

    @property
    def flags(self) -> tuple[str, ...]:
        """Point a scan at it, from its two sources."""
        named = [("--source", f"{each['address']}={each['name']}@scanner.lab.test") for each in self.told["sources"]]
        return (*self.sourceless, *(word for pair in named for word in pair))

    @property
    def sourceless(self) -> tuple[str, ...]:
        """Point a scan at it, from wherever the kernel likes."""
        pairs = {
            "--resolver": self.told["resolver"],
            "--port": str(self.told["smtp_port"]),
            "--https-port": str(self.told["https_port"]),
            "--ca-file": self.told["ca_file"],
            "--profile": "lab",
        }
        allowed = [word for network in self.told["allow_networks"] for word in ("--allow-net", network)]
        return (*(word for pair in pairs.items() for word in pair), *allowed, "--i-am-testing")

    def address(self, host: str) -> str:
        """Ask its resolver."""
        server, port = self.told["resolver"].split(":")
        answer = dns.query.udp(dns.message.make_query(host, "A"), server, PATIENCE_S, int(port))
        return str(answer.answer[-1][0])


class Silent:
    """A peer that takes connections and says nothing. The kernel alone answers for it, so it costs no thread."""

    def __init__(self, lab: Lab) -> None:
        self.address = lab.address(f"mx-{SILENT}")
        self._listening = socket.socket()
        self._listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listening.bind((self.address, lab.told["smtp_port"]))
        self._listening.listen(64)
        self._listening.settimeout(0)
        self._held: list[socket.socket] = []

    def connections(self) -> int:
        """How many there were so far."""
        with contextlib.suppress(BlockingIOError):
            while True:
                self._held.append(self._listening.accept()[0])
        return len(self._held)

    def leaves(self) -> None:
        """Hang up on everybody, and refuse whoever comes later."""
        for each in (*self._held, self._listening):
            each.close()


def environment(variables: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """The environment of the tests without what would change the command, and with `variables`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STARTTLS_", "PYTHON"))}
    return kept | {"PYTHONPATH": str(ROOT)} | dict(variables)


def starttls(
    *words: object, given: bytes = b"", cwd: Path = ROOT, variables: Mapping[str, str] = MappingProxyType({})
) -> Ended:
    """Run a command to its end. `given` is its standard input, `variables` are added to its environment."""
    done = subprocess.run(
        [*COMMAND, *map(str, words)],
        input=given,
        capture_output=True,
        cwd=cwd,
        env=environment(variables),
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, read(done.stderr))


@contextlib.contextmanager
def begun(
    *words: object, stdin: int = subprocess.DEVNULL, stdout: int = subprocess.PIPE, stderr: int = subprocess.PIPE
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a command; whatever is still running at the end is killed. No buffer of ours hides what it wrote."""
    command = [*COMMAND, *map(str, words)]
    with subprocess.Popen(
        command, bufsize=0, stdin=stdin, stdout=stdout, stderr=stderr, cwd=ROOT, env=environment()
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[bytes]) -> Ended:
    """Wait for the end."""
    out, err = process.communicate(timeout=PATIENCE_S)
    return Ended(process.returncode, out or b"", read(err or b""))


def stopped(process: subprocess.Popen[bytes], *signals: signal.Signals) -> Ended:
    """Send signals, a moment apart, and wait for the end."""
    for number in signals:
        process.send_signal(number)
        time.sleep(0.3)
    return ended(process)


def read(err: bytes) -> str:
    """Standard error, which never shows an exception that nobody caught."""
    assert b"Traceback" not in err, err.decode()
    assert b"Exception" not in err, err.decode()
    return err.decode()


def rows_of(out: bytes) -> list[dict[str, Any]]:
    """Rows, each with its line end."""
    assert out == b"" or out.endswith(b"\n")
    return [orjson.loads(line) for line in out.splitlines()]


def wait_until(condition: Callable[[], object]) -> None:
    """Look again until it is true."""
    gives_up_at_s = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < gives_up_at_s, "it never came true"
        time.sleep(0.02)


def listed(path: Path, names: Sequence[str]) -> Path:
    """Write a list of one name per line."""
    path.write_text("".join(f"{name}\n" for name in ("domain", *names)))
    return path


def many(count: int, first: int = 0) -> list[str]:
    """Names of well-behaved domains of the lab."""
    return [f"d{number}.many.lab.test" for number in range(first, first + count)]
