"""What every real server of these tests shares: addresses, certificates, waiting, and one session of our prober.

All of it is only reachable inside the namespaces that `tests/servers/run` makes.
"""

import contextlib
import ipaddress
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from scanner.model.certificate import Certificate
from scanner.model.fault import Kind, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.net.clock import Clock
from scanner.net.smtp import SmtpProber
from scanner.protocols.ehlo import keywords
from scanner.settings import Deadlines, Limits
from tests.servers.certificates import Pairs, make_pairs

HIDDEN_FROM = "198.51.100.10"
"""The address from which servers hide STARTTLS."""
BLOCKED_FROM = "198.51.100.12"
GREYLISTED_FROM = "198.51.100.13"
DELAYED_FROM = "198.51.100.15"
TLS_LATER_FROM = "198.51.100.16"
TLS_DENIED_FROM = "198.51.100.17"
SEEN_FROM = "198.51.100.20"
"""The address to which every server shows what it has."""

HOME = Path("/run/lab")
ALLOWED = tuple(ipaddress.ip_network(block) for block in ("192.0.2.0/24", "203.0.113.0/24", "2001:db8::/64"))
DEADLINES = Deadlines(connect_s=10, greeting_s=20, ehlo_s=20, starttls_s=20, handshake_s=20, session_s=60)
START_S = 40.0
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Lab:
    """A folder that every server may read, and the certificates in it."""

    home: Path
    pairs: Pairs

    def folder(self, name: str, owner: str = "root") -> Path:
        """Make a folder of one server."""
        made = self.home / name
        made.mkdir()
        made.chmod(0o755)
        run("chown", owner, str(made))
        return made


def make_lab(hosts: tuple[str, ...]) -> Lab:
    """The folder, with certificates for these MX hosts."""
    return Lab(HOME, make_pairs(HOME, hosts))


def is_inside() -> bool:
    """Whether this process is where nothing can leave: a network of loopback, and a cable with both ends in here."""
    return HOME.is_dir() and {name for _, name in socket.if_nameindex()} == {"lo", "far0", "far1"}


def run(*words: str) -> str:
    """Run one command to its end; its output. Fails loudly."""
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=START_S)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


@dataclass(frozen=True, slots=True)
class Running:
    """A server in the foreground, and the file that it writes to."""

    process: subprocess.Popen[bytes]
    log: Path

    def wait_until_open(self, *addresses: str, port: int = 25, client: str = SEEN_FROM) -> None:
        """Until somebody accepts on each of these addresses; where nobody does, what the server wrote is shown."""
        until_s = time.monotonic() + START_S
        for address in addresses:
            while not accepts(address, port, client):
                is_alive = self.process.poll() is None and time.monotonic() < until_s
                assert is_alive, f"nobody listens on {address}:{port}: {self.log.read_text(errors='replace')[-2000:]}"
                time.sleep(POLL_S)


@contextlib.contextmanager
def running(log: Path, *words: str) -> Iterator[Running]:
    """Run a server in the foreground; it is ended at the end, whatever happened."""
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    try:
        yield Running(process, log)
    finally:
        process.terminate()
        try:
            process.wait(5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)


def accepts(address: str, port: int, client: str) -> bool:
    """Whether a TCP connection comes about."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as asking:
        asking.settimeout(1)
        if family == socket.AF_INET:
            asking.bind((client, 0))
        return asking.connect_ex((address, port)) == 0


async def seen(
    address: str,
    client: str = SEEN_FROM,
    ehlo_name: str = "c.lab.test",
    hello: Hello = Hello.USUAL,
    greeting_s: float = DEADLINES.greeting_s,
) -> Session:
    """One session of our prober with a server, from one of our addresses."""
    prober = SmtpProber(replace(DEADLINES, greeting_s=greeting_s), Limits(), ALLOWED, Clock())
    endpoint = Endpoint("mx.lab.test", address, 25, "mx.lab.test")
    return await prober.converse(endpoint, Source("mail", client, ehlo_name), hello)


def faulted(session: Session) -> tuple[Stage, Kind, int | None] | None:
    """Where, what, and with which code; None where all went well."""
    fault = session.fault
    return None if fault is None else (fault.stage, fault.kind, fault.code)


def code(session: Session, step: str) -> int | None:
    """The reply code of one step: `greeting`, `ehlo`, `starttls` or `ehlo_tls`; None where it was not reached."""
    reply = getattr(session, step)
    return None if reply is None else int(reply.code)


def offered(session: Session) -> tuple[str, ...]:
    """The keywords of the first EHLO reply."""
    assert session.ehlo is not None
    return keywords(session.ehlo)


def leaf(session: Session) -> Certificate:
    """The certificate of the server itself."""
    assert session.handshake is not None
    return session.handshake.chain[0]
