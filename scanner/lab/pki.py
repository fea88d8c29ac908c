"""The lab's certificates and TLS servers, made from the rows of `identities`.

Keys are made new at every start and die with the process.

Touches: files (in a temporary directory). Source: RFC 5280 section 4, RFC 6698 section 2.1.
"""

import hashlib
import ssl
import warnings
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from cryptography.x509.oid import ExtensionOID, NameOID

from scanner.lab.identities import BEGIN, END, IDENTITIES, KEYS, MANNERS, WILDCARDS, Identity, Key
from scanner.lab.primes import dh_pem

AUTHORITIES = {"root": "root", "intermediate": "root"}
"""Who signs whom."""
CERTIFIES = x509.KeyUsage(
    digital_signature=True,
    content_commitment=False,
    key_encipherment=False,
    data_encipherment=False,
    key_agreement=False,
    key_cert_sign=True,
    crl_sign=True,
    encipher_only=False,
    decipher_only=False,
)
SAN = ExtensionOID.SUBJECT_ALTERNATIVE_NAME
UNRECOGNIZED_NAME = ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME


class Pki:
    """All certificates, made on first use; `directory` takes the files that the ssl module wants to read."""

    def __init__(self, directory: Path, policy_hosts: tuple[str, ...]) -> None:
        self._directory = directory
        self._usual = (*WILDCARDS, *policy_hosts)
        self._keys: dict[str, Key] = {}
        self.certificate = lru_cache(None)(self._certificate)
        self.context = lru_cache(None)(self._context)
        self.ca_file = directory / "lab-ca.pem"
        self.ca_file.write_bytes(_pem(self.certificate("root")))

    def association(self, selector: int, matching_type: int, identity: str) -> bytes:
        """Certificate association data of a TLSA record (RFC 6698 s2.1)."""
        certificate = self.certificate(identity)
        spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        selected = spki if selector == 1 else certificate.public_bytes(Encoding.DER)
        digests = {1: hashlib.sha256, 2: hashlib.sha512}
        return digests[matching_type](selected).digest() if matching_type in digests else selected

    def _key(self, kind: str) -> Key:
        if kind not in self._keys:
            self._keys[kind] = KEYS[kind]()
        return self._keys[kind]

    def _certificate(self, identity: str) -> x509.Certificate:
        if identity in AUTHORITIES:
            return self._authority(identity)
        row = IDENTITIES[identity]
        issuer = _name(row.common_name if row.issuer == "self" else "lab " + row.issuer)
        key = self._key(row.key)
        made = _begun(_name(row.common_name), issuer, key, (row.begin, row.end))
        names = self._usual if row.names is None else row.names
        if row.garbled:
            made = made.add_extension(x509.UnrecognizedExtension(SAN, b"\x30\x04\x82\x02\xff\xfe"), critical=False)
        elif names:
            made = made.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, names))), critical=False)
        signer = key if row.issuer == "self" else self._key("intermediate ec")
        return _signed(made, signer)

    def _authority(self, name: str) -> x509.Certificate:
        """Root and intermediate have keys of their own, so that no key identifies two names."""
        above = AUTHORITIES[name]
        key = self._key(_authority_key(name))
        made = _begun(_name("lab " + name), _name("lab " + above), key, (BEGIN, END))
        made = made.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        made = made.add_extension(CERTIFIES, critical=True)
        return _signed(made, self._key(_authority_key(above)))

    def _context(self, identity: str, manner: str) -> ssl.SSLContext:
        """Make a TLS server. What is weak here is weak on purpose, and its warnings are known."""
        row = MANNERS[manner]
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version, made.maximum_version = row.least, row.most
        if row.ciphers:
            made.set_ciphers(row.ciphers)
        if row.dh_bits:
            made.load_dh_params(str(self._file("dh", dh_pem(row.dh_bits))))
        made.num_tickets = row.tickets
        if row.needs_sni:
            made.sni_callback = _insist_on_name
        made.verify_mode = row.client_certificate
        if row.client_certificate is not ssl.CERT_NONE:
            made.load_verify_locations(self.ca_file)
        made.load_cert_chain(self._files(identity))
        return made

    def _files(self, identity: str) -> Path:
        """Write key and chain into one file."""
        row: Identity = IDENTITIES[identity]
        key = self._key(row.key).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        chain = [self.certificate(name) for name in (identity, *row.shown)]
        return self._file(identity, key + b"".join(map(_pem, chain)))

    def _file(self, stem: str, content: bytes) -> Path:
        path = self._directory / f"{stem}.pem"
        path.write_bytes(content)
        return path


def _begun(
    subject: x509.Name, issuer: x509.Name, key: Key, valid: tuple[datetime, datetime]
) -> x509.CertificateBuilder:
    begin, end = valid
    return (
        x509.CertificateBuilder(issuer, subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _signed(made: x509.CertificateBuilder, key: Key) -> x509.Certificate:
    """Name the signer's key, as strict verifiers want (RFC 5280 s4.2.1.1)."""
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())
    made = made.add_extension(signer, critical=False)
    if isinstance(key, ed25519.Ed25519PrivateKey):
        return made.sign(key, None)
    return made.sign(key, hashes.SHA256())


def _authority_key(name: str) -> str:
    return f"{name} ec"


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _insist_on_name(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> int | None:
    """Refuse a client that names no server, as RFC 7672 s8.1 forbids."""
    return None if name else UNRECOGNIZED_NAME
