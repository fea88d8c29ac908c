"""A real server on loopback that plays a script, in a thread of its own, so that no event loop of ours helps it."""

import contextlib
import datetime
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

HOST = "127.0.0.1"
NAME = "mx.example.test"


@dataclass
class Stage:
    """The server's end of one connection."""

    wire: socket.socket
    heard: list[bytes]


Act = Callable[[Stage], None]


def say(text: bytes) -> Act:
    """Send, in one packet."""
    return lambda stage: stage.wire.sendall(text)


def drip(text: bytes, pause_s: float = 0.0) -> Act:
    """Send, one byte per packet."""

    def act(stage: Stage) -> None:
        for at in range(len(text)):
            stage.wire.sendall(text[at : at + 1])
            time.sleep(pause_s)

    return act


def pause(pause_s: float) -> Act:
    """Let time pass."""
    return lambda _: time.sleep(pause_s)


def hear(stage: Stage) -> None:
    """Read one command."""
    line = b""
    while not line.endswith(b"\n"):
        more = stage.wire.recv(1)
        if not more:
            raise ConnectionError("the scanner left")
        line += more
    stage.heard.append(line.strip())


def hear_hello(stage: Stage) -> None:
    """Read a ClientHello."""
    stage.wire.recv(4096)


def encrypt(context: ssl.SSLContext) -> Act:
    """Shake hands as the server; where that fails, stay until the scanner leaves."""

    def act(stage: Stage) -> None:
        if not stage.wire.recv(1, socket.MSG_PEEK):  # wrapping a dead connection leaves an open socket behind
            raise ConnectionError("the scanner left")
        stage.wire = context.wrap_socket(stage.wire, server_side=True, do_handshake_on_connect=False)
        try:
            stage.wire.do_handshake()
        except ssl.SSLError:
            while socket.socket.recv(stage.wire, 4096):
                pass
            raise

    return act


def reset(stage: Stage) -> None:
    """Close with RST."""
    stage.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    stage.wire.close()


def hold(stage: Stage) -> None:
    """Say nothing until the scanner leaves."""
    while stage.wire.recv(4096):
        pass


def flood(text: bytes) -> Act:
    """Send the same again and again, until the scanner has had enough."""

    def act(stage: Stage) -> None:
        while True:
            stage.wire.sendall(text)

    return act


@dataclass
class Server:
    """Where it listens, and what it heard, connection after connection."""

    port: int
    heard: list[bytes] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def serving(*script: Act) -> Iterator[Server]:
    """Play the script for every connection."""
    with socket.create_server((HOST, 0)) as listener:
        server = Server(listener.getsockname()[1])
        threading.Thread(target=_accept, args=(listener, script, server), daemon=True).start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, script: tuple[Act, ...], server: Server) -> None:
    with contextlib.suppress(OSError):
        while True:
            wire, _ = listener.accept()
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.settimeout(20)
            threading.Thread(target=_play, args=(wire, script, server), daemon=True).start()


def _play(wire: socket.socket, script: tuple[Act, ...], server: Server) -> None:
    stage = Stage(wire, server.heard)
    with contextlib.suppress(OSError):
        for act in script:
            act(stage)
    stage.wire.close()
    server.ended.set()


@dataclass(frozen=True)
class TlsInMemory:
    """A server of TLS between two buffers: Python's own, of another library than ours."""

    tls: ssl.SSLObject
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def answer(self, sent: bytes) -> bytes:
        """Take bytes of a handshake, and give what follows them."""
        self.incoming.write(sent)
        with contextlib.suppress(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()


def in_memory(pem: Path) -> TlsInMemory:
    """A server with this key and certificate that has heard nothing yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    return TlsInMemory(context.wrap_bio(incoming, outgoing, server_side=True), incoming, outgoing)


def self_signed(folder: Path, name: str = NAME, *, is_rsa: bool = False) -> tuple[Path, bytes]:
    """A PEM file with key and certificate, and the DER of the certificate."""
    key = rsa.generate_private_key(65537, 2048) if is_rsa else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(4711)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name.upper())]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, nothing = serialization.Encoding.PEM, serialization.NoEncryption()
    path = folder / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, nothing) + made.public_bytes(pem),
    )
    return path, made.public_bytes(serialization.Encoding.DER)
