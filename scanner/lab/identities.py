"""Two tables: what a lab server shows (one row per identity) and how it shakes hands (one row per manner).

Dates are fixed, so that no clock is asked. There is no row with SHA-1: the certificate library refuses to sign with it.

Touches: nothing. Source: RFC 5280 section 4, RFC 8446, RFC 5246, RFC 2409 section 6.2 (the short group).
"""

import base64
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

LONG_AGO, BEGIN = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
PAST, FUTURE, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2048, 2049))
WILDCARDS = ("lab.test", "*.lab.test", "*.many.lab.test")
MODP_1024 = bytes.fromhex(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF"
)
DH_DER = bytes.fromhex("30818702818100") + MODP_1024 + bytes.fromhex("020102")
DH_PEM = b"-----BEGIN DH PARAMETERS-----\n" + base64.encodebytes(DH_DER) + b"-----END DH PARAMETERS-----\n"
"""RFC 2409 section 6.2, the second Oakley group, with generator 2."""

KEYS: dict[str, Callable[[], Key]] = {
    "root ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "intermediate ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "other ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - the story of a weak key
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server shows. `names` None stands for the usual ones; `issuer` is `intermediate` or `self`.

    `shown` are the authorities sent behind the leaf.
    """

    common_name: str = "lab.test"
    names: tuple[str, ...] | None = None
    key: str = "ec"
    begin: datetime = BEGIN
    end: datetime = END
    issuer: str = "intermediate"
    shown: tuple[str, ...] = ("intermediate",)


IDENTITIES = {
    "good": Identity(),
    "whole": Identity(shown=("intermediate", "root")),
    "other": Identity(key="other ec"),
    "bare": Identity(shown=()),
    "expired": Identity(begin=LONG_AGO, end=PAST),
    "expired-whole": Identity(begin=LONG_AGO, end=PAST, shown=("intermediate", "root")),
    "not-yet-valid": Identity(begin=FUTURE),
    "wrong-name": Identity("mx.elsewhere.test", ("mx.elsewhere.test",)),
    "wrong-name-whole": Identity("mx.elsewhere.test", ("mx.elsewhere.test",), shown=("intermediate", "root")),
    "self-signed": Identity(issuer="self", shown=()),
    "cn-only": Identity("mx-certificate-cn-only.lab.test", ()),
    "rsa-1024": Identity(key="rsa-1024"),
    "rsa-2048": Identity(key="rsa-2048"),
    "ed25519": Identity(key="ed25519"),
    "many-names": Identity(names=(*WILDCARDS, *(f"san{n:04}.lab.test" for n in range(3000)))),
    "too-many-names": Identity(names=(*WILDCARDS, *(f"a-rather-long-name-{n:04}.lab.test" for n in range(5000)))),
    "hostile-names": Identity(
        "\x1b[31mmx\r\n\u202e\u2028.lab.test", (*WILDCARDS, "mx\x00.lab.test", "a\r\nb.test", "'\"")
    ),
    "long-chain": Identity(shown=("intermediate",) * 40),
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a TLS server shakes hands: versions, ciphers, and what it demands of the client."""

    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = ""
    client_certificate: ssl.VerifyMode = ssl.CERT_NONE
    needs_sni: bool = False
    dh: bool = False


V10, V11, V12, V13 = (
    ssl.TLSVersion.TLSv1,
    ssl.TLSVersion.TLSv1_1,
    ssl.TLSVersion.TLSv1_2,
    ssl.TLSVersion.TLSv1_3,
)
MANNERS = {
    "modern": Manner(),
    "tls-1.0": Manner(V10, V10, "ALL:@SECLEVEL=0"),
    "tls-1.1": Manner(V11, V11, "ALL:@SECLEVEL=0"),
    "tls-1.2": Manner(V12, V12),
    "tls-1.3": Manner(V13, V13),
    "rsa-exchange": Manner(V12, V12, "kRSA:@SECLEVEL=0"),
    "dhe-1024": Manner(V12, V12, "kDHE:!aNULL:@SECLEVEL=0", dh=True),
    "anonymous": Manner(V12, V12, "AECDH-AES256-SHA:@SECLEVEL=0"),
    "null-cipher": Manner(V12, V12, "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"),
    "weak-keys": Manner(V12, V13, "ALL:@SECLEVEL=0"),
    "client-1.2": Manner(V12, V12, client_certificate=ssl.CERT_REQUIRED),
    "client-1.3": Manner(V13, V13, client_certificate=ssl.CERT_REQUIRED),
    "client-optional": Manner(client_certificate=ssl.CERT_OPTIONAL),
    "needs-sni": Manner(needs_sni=True),
}
