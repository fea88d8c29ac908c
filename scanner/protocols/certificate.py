"""From DER bytes to a Certificate value, one field at a time: what cannot be read is named, never raised.

Touches: nothing. Source: RFC 5280 section 4.1 (structure), 4.2.1.6 (names), 4.2.1.12 (extended key usage);
RFC 6698 section 2.1.2 (the digest of a public key is over its bytes as sent).
"""

import hashlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.utils import CryptographyDeprecationWarning
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scanner.model.certificate import Certificate

NAME_LETTERS = 1024
DNS_NAMES_MOST = 4096

_KEY_TYPES = (
    (rsa.RSAPublicKey, "rsa"),
    (ec.EllipticCurvePublicKey, "ec"),
    (ed25519.Ed25519PublicKey, "ed25519"),
    (ed448.Ed448PublicKey, "ed448"),
    (dsa.DSAPublicKey, "dsa"),
)
_KEY_BITS = {"ed25519": 256, "ed448": 456}
_SERVER_AUTH = {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE}


def read(der: bytes) -> Certificate:
    """All that can be read. `sha256` and `der` are always there."""
    facts: dict[str, Any] = {}
    unreadable: list[str] = []
    _try("spki", partial(_spki, der), facts, unreadable)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # odd serial numbers are evidence too
        parsed: dict[str, Any] = {}
        _try("certificate", partial(x509.load_der_x509_certificate, der), parsed, unreadable)
        if parsed:
            for field, reader in _FIELDS.items():
                _try(field, partial(reader, parsed["certificate"]), facts, unreadable)
    return Certificate(hashlib.sha256(der).hexdigest(), der, unreadable=tuple(unreadable), **facts)


def _try(field: str, reader: Callable[[], Any], facts: dict[str, Any], unreadable: list[str]) -> None:
    """One field, into `facts` or into `unreadable`."""
    try:
        facts[field] = reader()
    except MemoryError:  # ours, and no word about the certificate
        raise
    except Exception:  # noqa: BLE001 - hostile DER raises what no list foresees
        unreadable.append(field)


def _spki(der: bytes) -> bytes:
    """SubjectPublicKeyInfo as sent. Encoding a parsed key again could change bytes that TLSA records digest."""
    _, outer, _, _ = _element(der, 0)
    _, at, _, _ = _element(der, outer)  # tbsCertificate
    tag, _, end, _ = _element(der, at)
    if tag == 0xA0:  # version, [0] EXPLICIT, optional
        at = end
    for _ in range(5):  # serialNumber, signature, issuer, validity, subject
        _, _, at, _ = _element(der, at)
    _, _, _, whole = _element(der, at)
    return whole


def _element(der: bytes, at: int) -> tuple[int, int, int, bytes]:
    """Tag, start of content, end, and the whole of the DER element at an offset."""
    tag, first = der[at], der[at + 1]
    octets = first & 0x7F if first & 0x80 else 0
    start = at + 2 + octets
    length = int.from_bytes(der[at + 2 : start]) if octets else first
    if octets > 4 or start + length > len(der):
        raise ValueError("not DER")
    return tag, start, start + length, der[at : start + length]


def _dns_names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in names.get_values_for_type(x509.DNSName)[:DNS_NAMES_MOST])


def _common_name(certificate: x509.Certificate) -> str:
    """Take the most specific one, which is the last."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[-1].value)[:NAME_LETTERS] if names else ""


def _server_auth(certificate: x509.Certificate) -> bool:
    """RFC 5280 s4.2.1.12: any use where the extension is absent."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return any(usage in _SERVER_AUTH for usage in usages)


def _key_type(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    return next((name for kind, name in _KEY_TYPES if isinstance(key, kind)), type(key).__name__.lower())


def _key_bits(certificate: x509.Certificate) -> int | None:
    size = getattr(certificate.public_key(), "key_size", None)
    return size if isinstance(size, int) else _KEY_BITS.get(_key_type(certificate))


def _signature_hash(certificate: x509.Certificate) -> str:
    """Empty where the signature has no separate hash (Ed25519)."""
    algorithm = certificate.signature_hash_algorithm
    return algorithm.name if algorithm else ""


_FIELDS: dict[str, Callable[[x509.Certificate], Any]] = {
    "subject": lambda it: it.subject.rfc4514_string()[:NAME_LETTERS],
    "issuer": lambda it: it.issuer.rfc4514_string()[:NAME_LETTERS],
    "serial": lambda it: f"{it.serial_number:x}",
    "common_name": _common_name,
    "dns_names": _dns_names,
    "not_before_at": lambda it: it.not_valid_before_utc,
    "not_after_at": lambda it: it.not_valid_after_utc,
    "key_type": _key_type,
    "key_bits": _key_bits,
    "signature_hash": _signature_hash,
    "self_issued": lambda it: it.subject == it.issuer,
    "server_auth": _server_auth,
}
