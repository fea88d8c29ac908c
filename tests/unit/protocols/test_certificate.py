import datetime
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from hypothesis import given
from hypothesis import strategies as st

from scanner.protocols import certificate

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
END = datetime.datetime(2027, 1, 1, tzinfo=datetime.UTC)
EC = ec.generate_private_key(ec.SECP256R1())
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def name(common: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Test"), x509.NameAttribute(NameOID.COMMON_NAME, common)]
    )


def der(key: Key = EC, *extensions: x509.ExtensionType, issuer: str = "mx.test") -> bytes:
    builder = (
        x509.CertificateBuilder()
        .subject_name(name("mx.test"))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(0xABCDEF)
        .not_valid_before(START)
        .not_valid_after(END)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return builder.sign(key, algorithm).public_bytes(serialization.Encoding.DER)


NAMES = x509.SubjectAlternativeName([x509.DNSName("MX.Test"), x509.RFC822Name("a@b.test"), x509.DNSName("*.test")])


def test_every_field_is_read() -> None:
    made = der(EC, NAMES)
    read = certificate.read(made)
    assert read.unreadable == ()
    assert (read.der, read.sha256) == (made, hashlib.sha256(made).hexdigest())
    assert (read.common_name, read.dns_names) == ("mx.test", ("mx.test", "*.test"))
    assert (read.subject, read.issuer) == ("CN=mx.test,O=Test", "CN=mx.test,O=Test")
    assert (read.serial, read.signature_hash) == ("abcdef", "sha256")
    assert (read.not_before_at, read.not_after_at) == (START, END)
    assert read.self_issued
    assert read.server_auth
    encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    assert read.spki == EC.public_key().public_bytes(encoding, form)


@pytest.mark.parametrize(
    ("key", "kind", "bits", "digest"),
    [
        (EC, "ec", 256, "sha256"),
        (rsa.generate_private_key(65537, 2048), "rsa", 2048, "sha256"),
        (ed25519.Ed25519PrivateKey.generate(), "ed25519", 256, ""),
    ],
)
def test_keys_are_named_and_measured(key: Key, kind: str, bits: int, digest: str) -> None:
    read = certificate.read(der(key))
    assert (read.key_type, read.key_bits, read.signature_hash) == (kind, bits, digest)


def test_no_names_are_no_trouble() -> None:
    read = certificate.read(der(issuer="ca.test"))
    assert (read.dns_names, read.self_issued, read.unreadable) == ((), False, ())


@pytest.mark.parametrize(
    ("usage", "serves"),
    [
        (ExtendedKeyUsageOID.SERVER_AUTH, True),
        (ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE, True),
        (ExtendedKeyUsageOID.CLIENT_AUTH, False),
    ],
)
def test_the_extended_key_usage_decides(usage: x509.ObjectIdentifier, serves: bool) -> None:  # noqa: FBT001 - a column
    assert certificate.read(der(EC, x509.ExtendedKeyUsage([usage]))).server_auth is serves


def test_one_bad_field_leaves_the_others() -> None:
    made = der(EC, NAMES).replace(b"MX.Test", b"\xff\xff.Test")
    read = certificate.read(made)
    assert "dns_names" in read.unreadable
    assert read.common_name == "mx.test"


def test_a_negative_serial_is_read_without_a_warning() -> None:
    made = der().replace(bytes.fromhex("020400abcdef"), bytes.fromhex("020480abcdef"))
    read = certificate.read(made)
    assert read.serial.startswith("-")
    assert read.unreadable == ()


def test_a_version_of_the_future_keeps_digest_and_key() -> None:
    made = der().replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020107"))
    read = certificate.read(made)
    assert read.unreadable == ("certificate",)
    assert read.spki
    assert read.der == made


def test_our_own_lack_of_memory_is_no_word_about_a_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    def without_memory(_: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr(x509, "load_der_x509_certificate", without_memory)
    with pytest.raises(MemoryError):
        certificate.read(GOOD)


def test_garbage_is_evidence_too() -> None:
    read = certificate.read(b"\x30\x84\xff\xff\xff\xffgarbage")
    assert read.unreadable == ("spki", "certificate")
    assert read.sha256


GOOD = der(EC, NAMES)


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_no_flipped_byte_raises(at: int, byte: int) -> None:
    made = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    assert certificate.read(made).sha256 == hashlib.sha256(made).hexdigest()


@given(st.binary(max_size=300))
def test_no_bytes_raise(made: bytes) -> None:
    assert certificate.read(made).der == made
