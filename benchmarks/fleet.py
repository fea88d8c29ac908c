"""A fleet of mail servers on loopback: one process, one port, every address of 127.32.0.0/11 a server of its own.

It is there to cost a client exactly what a real server costs it, and itself as little as possible: an epoll loop by
hand, ECDSA P-256, a leaf and its root sent, TLS 1.3 with two tickets as OpenSSL sends them. So it is never slower than
the client that is measured, which has the other core. `fleet()` starts it and says where it is; it ends when its
standard input does.

Touches: network (loopback), processes, files (certificates, in a temporary directory). Source: none.
"""

import argparse
import contextlib
import ipaddress
import select
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

ORIGIN = "fleet.test"
FIRST = int(ipaddress.IPv4Address("127.32.0.0"))
SERVERS_MOST = 1 << 21
SO_BINDTODEVICE = 25
GREETING = b"220 mx.fleet.test ESMTP ready\r\n"
CAPABILITIES = (b"PIPELINING", b"SIZE 52428800", b"ETRN", b"STARTTLS", b"ENHANCEDSTATUSCODES", b"8BITMIME", b"DSN")
EHLO = b"250-mx.fleet.test\r\n" + b"".join(b"250-%b\r\n" % word for word in CAPABILITIES[:-1]) + b"250 DSN\r\n"
EHLO_TLS = EHLO.replace(b"250-STARTTLS\r\n", b"")


def address(number: int) -> str:
    """The address of one server."""
    return str(ipaddress.IPv4Address(FIRST + number % SERVERS_MOST))


@dataclass(frozen=True, slots=True)
class Fleet:
    """Where it is. `ca_file` is the PEM file of its root."""

    pid: int
    port: int
    ca_file: str


@contextlib.contextmanager
def fleet(delay_s: float = 0.0, certificates: int = 1) -> Iterator[Fleet]:
    """Start it. `delay_s` before each greeting; `certificates` are shared out among the servers."""
    words = [sys.executable, __file__, "--delay", str(delay_s), "--certificates", str(certificates)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("both were asked for")
        try:
            told = orjson.loads(child.stdout.readline())
            yield Fleet(child.pid, told["port"], told["ca_file"])
        finally:
            child.stdin.close()


class Guest:
    """One connection."""

    __slots__ = ("at", "context", "is_done", "over")

    def __init__(self, over: Any, context: ssl.SSLContext) -> None:
        self.over = over
        self.context = context
        self.at = "plain"
        self.is_done = False

    def heard(self) -> None:
        """Take what has come. Raises OSError for what ends the connection, and Want errors for what may come yet."""
        if self.at == "handshake":
            self.over.do_handshake()
            self.at = "secure"
        while not self.is_done and self.at != "handshake":
            self._answer(self.over.recv(4096))

    def _answer(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"EHLO":
            self.over.send(EHLO_TLS if self.at == "secure" else EHLO)
        elif verb == b"STAR":
            self.over.send(b"220 2.0.0 ready\r\n")
            self.over = self.context.wrap_socket(self.over, server_side=True, do_handshake_on_connect=False)
            self.at = "handshake"
        else:
            if line:
                self.over.send(b"221 2.0.0 bye\r\n")
            self.is_done = True


class Servers:
    """All of them, in one loop."""

    def __init__(self, listening: socket.socket, contexts: list[ssl.SSLContext], delay_s: float) -> None:
        self._listening = listening
        self._contexts = contexts
        self._delay_s = delay_s
        self._waiting: deque[tuple[float, Guest]] = deque()
        self._guests: dict[int, Guest] = {}
        self._poll = select.epoll()
        self._poll.register(listening, select.EPOLLIN)
        self._poll.register(sys.stdin, select.EPOLLIN)

    def serve(self) -> None:
        """Until nobody holds the other end of standard input."""
        while True:
            until_s = self._waiting[0][0] - time.monotonic() if self._waiting else 1.0
            for number, _ in self._poll.poll(max(0.0, until_s), 256):
                if number == sys.stdin.fileno():
                    return
                if number == self._listening.fileno():
                    self._accept()
                else:
                    self._hear(number)
            self._greet()

    def _accept(self) -> None:
        for _ in range(64):
            try:
                plain, _ = self._listening.accept()
            except BlockingIOError:
                return
            plain.setblocking(False)  # noqa: FBT003 - its own signature
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = int(ipaddress.IPv4Address(plain.getsockname()[0])) - FIRST
            guest = Guest(plain, self._contexts[server % len(self._contexts)])
            self._guests[plain.fileno()] = guest
            self._waiting.append((time.monotonic() + self._delay_s, guest))
        self._greet()

    def _greet(self) -> None:
        """Those whose time has come."""
        while self._waiting and self._waiting[0][0] <= time.monotonic():
            _, guest = self._waiting.popleft()
            with contextlib.suppress(OSError):
                guest.over.send(GREETING)
            self._poll.register(guest.over, select.EPOLLIN)

    def _hear(self, number: int) -> None:
        guest = self._guests[number]
        try:
            guest.heard()
        except (ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError:
            guest.is_done = True
        if guest.is_done:
            del self._guests[number]
            self._poll.unregister(number)
            guest.over.close()


def listener() -> socket.socket:
    """One socket for every address of the loopback device, and of that alone."""
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo")
    made.bind(("0.0.0.0", 0))
    made.listen(65_535)
    made.setblocking(False)  # noqa: FBT003 - its own signature
    return made


def certificate(subject: str, key: Any, signer: tuple[str, Any], names: tuple[str, ...]) -> x509.Certificate:
    """A leaf for these names, or an authority where there are none."""
    now = datetime.now(UTC)  # noqa: TID251 - no row is made of it
    made = (
        x509.CertificateBuilder(_name(signer[0]), _name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer[1].public_key()), critical=False)
    )
    if names:
        made = made.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
    else:
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(_certifies(), critical=True)
    return made.sign(signer[1], hashes.SHA256())


def _certifies() -> x509.KeyUsage:
    words = [
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "encipher_only",
        "decipher_only",
    ]
    unused = dict.fromkeys(words, False)
    return x509.KeyUsage(digital_signature=True, key_cert_sign=True, crl_sign=True, **unused)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def contexts(directory: Path, count: int) -> list[ssl.SSLContext]:
    """A TLS server for each certificate; the root is written to `ca.pem`."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    root = certificate("fleet root", root_key, ("fleet root", root_key), ())
    root_pem = root.public_bytes(Encoding.PEM)
    (directory / "ca.pem").write_bytes(root_pem)
    key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made = []
    for number in range(count):
        names = (f"*.{ORIGIN}", f"*.google.{ORIGIN}", f"*.outlook.{ORIGIN}", f"s{number}.{ORIGIN}")
        leaf = certificate(f"server {number}", key, ("fleet root", root_key), names)
        (directory / "leaf.pem").write_bytes(key_pem + leaf.public_bytes(Encoding.PEM) + root_pem)
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(directory / "leaf.pem")
        made.append(server)
    return made


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description="A fleet of mail servers on loopback.")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before each greeting")
    parser.add_argument("--certificates", type=int, default=1, help="how many of them")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="starttls-fleet-") as name, listener() as listening:
        servers = Servers(listening, contexts(Path(name), flags.certificates), flags.delay)
        told = {"port": listening.getsockname()[1], "ca_file": str(Path(name) / "ca.pem")}
        sys.stdout.buffer.write(orjson.dumps(told) + b"\n")
        sys.stdout.buffer.flush()
        servers.serve()


if __name__ == "__main__":
    main()
