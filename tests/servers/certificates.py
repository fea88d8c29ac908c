"""The certificates of these tests: one that signs itself, and a small authority with a good and two poor children.

Both the first and the authority are trusted anchors. Leaves come with their authority behind them, because DANE-TA(2)
needs that (RFC 7672 section 3.1.2).
"""

import datetime
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID

PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
HELD, PAST = (2020, 2049), (2020, 2021)


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A chain and its key as files, and what TLSA records say of the leaf: `3 1 1` and `3 0 1`."""

    certificate: Path
    key: Path
    spki_sha256: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who signs."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Pairs:
    """Every key pair. `anchors` is what to trust (PEM): `good`, which signs itself, and `root`, which signs others."""

    anchors: Path
    good: KeyPair
    root: KeyPair
    chained: KeyPair
    expired: KeyPair
    misnamed: KeyPair


def make_pairs(home: Path, hosts: tuple[str, ...]) -> Pairs:
    """Write all of them to files. Those that are not misnamed name these MX hosts."""
    names = ("*.lab.test", *hosts)
    good, _ = _pair(home, "good", names, HELD, None)
    root, issuer = _pair(home, "root", (), HELD, None)
    anchors = home / "anchors.pem"
    anchors.write_bytes(good.certificate.read_bytes() + root.certificate.read_bytes())
    return Pairs(
        anchors=anchors,
        good=good,
        root=root,
        chained=_pair(home, "chained", names, HELD, issuer)[0],
        expired=_pair(home, "expired", names, PAST, issuer)[0],
        misnamed=_pair(home, "misnamed", ("www.other.test",), HELD, issuer)[0],
    )


def _pair(
    home: Path, name: str, dns_names: tuple[str, ...], years: tuple[int, int], issuer: Issuer | None
) -> tuple[KeyPair, Issuer]:
    """One certificate; who names no host is an authority, and who has no issuer signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dns_names[0] if dns_names else name)])
    made = (
        _of(dns_names, years)
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .sign(issuer.key if issuer else key, SHA256())
    )
    spki = key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digests = hashlib.sha256(spki).hexdigest(), hashlib.sha256(made.public_bytes(DER)).hexdigest()
    pair = KeyPair(home / f"{name}.pem", home / f"{name}.key", *digests)
    pair.certificate.write_bytes(made.public_bytes(PEM) + (issuer.certificate.public_bytes(PEM) if issuer else b""))
    pair.key.write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    pair.key.chmod(0o600)
    return pair, Issuer(made, key)


def _of(dns_names: tuple[str, ...], years: tuple[int, int]) -> x509.CertificateBuilder:
    builder = (
        x509.CertificateBuilder()
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(years[0], 1, 1, tzinfo=datetime.UTC))
        .not_valid_after(datetime.datetime(years[1], 1, 1, tzinfo=datetime.UTC))
    )
    if not dns_names:
        return builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.add_extension(
        x509.SubjectAlternativeName([x509.DNSName(each) for each in dns_names]), critical=False
    )
