"""A policy host on loopback: certificates of a small PKI, and the acts of an HTTPS server that plays a script."""

import datetime
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.sessions import scripted_smtp as play

POLICY = b"version: STSv1\nmode: enforce\nmx: mx.example.test\nmax_age: 86400\n"
HOST = "mta-sts.example.test"
PEM = serialization.Encoding.PEM


def answer(body: bytes = POLICY, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """One whole response."""
    lines = [b"HTTP/1.1 " + status, b"Content-Type: text/plain", b"Content-Length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def hear_request(stage: play.Stage) -> None:
    """Read one request."""
    while b"\r\n\r\n" not in b"".join(stage.heard):
        more = stage.wire.recv(4096)
        if not more:
            raise ConnectionError("the scanner left")
        stage.heard.append(more)


@dataclass(frozen=True)
class Leaf:
    """What a server certificate says: names in the SAN, the common name, days from now, whether our CA signed it."""

    names: tuple[str, ...] = (HOST,)
    common_name: str = "policy host"
    from_days: int = -10
    to_days: int = 10
    is_signed: bool = True


@dataclass(frozen=True)
class Pki:
    """One root, its file, and a maker of servers."""

    folder: Path
    ca_file: str
    ca_name: x509.Name
    ca_key: ec.EllipticCurvePrivateKey

    def server(self, leaf: Leaf = Leaf()) -> ssl.SSLContext:
        """The context of a server with this certificate."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(leaf.common_name)
        issuer, signer = (self.ca_name, self.ca_key) if leaf.is_signed else (name, key)
        made = _builder(name, issuer, key, (leaf.from_days, leaf.to_days))
        if leaf.names:
            made = made.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, leaf.names))), critical=False)
        path = self.folder / "server.pem"
        secret = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        path.write_bytes(secret + made.sign(signer, hashes.SHA256()).public_bytes(PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context


def pki(folder: Path) -> Pki:
    """Make a root."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("root of the tests")
    root = _builder(name, name, key, (-100, 100)).add_extension(x509.BasicConstraints(ca=True, path_length=None), True)  # noqa: FBT003
    path = folder / "root.pem"
    path.write_bytes(root.sign(key, hashes.SHA256()).public_bytes(PEM))
    return Pki(folder, str(path), name, key)


Shape = Callable[[Pki], tuple[play.Act, ...]]


def after_request(*acts: play.Act, leaf: Leaf = Leaf()) -> Shape:
    """Shake hands, hear the request, then play."""
    return lambda made: (play.encrypt(made.server(leaf)), hear_request, *acts)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _builder(
    name: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: tuple[int, int]
) -> x509.CertificateBuilder:
    today = datetime.datetime.now(datetime.UTC)  # noqa: TID251 - OpenSSL judges by the clock of the machine
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today + datetime.timedelta(days=days[0]))
        .not_valid_after(today + datetime.timedelta(days=days[1]))
    )
