"""Two tables: what a lab server shows (one row per identity) and how it shakes hands (one row per manner).

Dates are fixed, so that no clock is asked. There is no row with SHA-1: the certificate library refuses to sign with it.

Touches: nothing. Source: RFC 5280 section 4, RFC 8446, RFC 5246, RFC 2409 section 6.2 (the short group).
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from scanner.lab.primes import dh_pem, of_e, of_pi, rsa_key

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

LONG_AGO, BEGIN = datetime(2019, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)
PAST, FUTURE, END = (datetime(year, 1, 1, tzinfo=UTC) for year in (2021, 2048, 2049))
WILDCARDS = ("lab.test", "*.lab.test", "*.many.lab.test")
DH_PEM = dh_pem(1024)
"""RFC 2409 section 6.2, the second Oakley group, with generator 2."""

LONG_EXPONENT = (1 << 3070) + 1
"""With a larger modulus than 3072 bits OpenSSL refuses exponents beyond 64."""

KEYS: dict[str, Callable[[], Key]] = {
    "root ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "intermediate ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "other ec": lambda: ec.generate_private_key(ec.SECP256R1()),
    "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - the story of a weak key
    "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
    "rsa-4096": lambda: rsa_key(of_pi(2048), of_e(2048)),
    "rsa-8192": lambda: rsa_key(of_pi(4096), of_e(4096)),
    "rsa-16384": lambda: rsa_key(of_pi(8192), of_e(8192)),
    "rsa-exponent": lambda: rsa_key(of_pi(1024), of_pi(2048), LONG_EXPONENT),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@dataclass(frozen=True, slots=True)
class Identity:
    """What a server shows. `names` None stands for the usual ones; `issuer` is `intermediate` or `self`.

    `shown` are the authorities sent behind the leaf; `garbled` makes the only name of bytes beyond ASCII.
    """

    common_name: str = "lab.test"
    names: tuple[str, ...] | None = None
    key: str = "ec"
    begin: datetime = BEGIN
    end: datetime = END
    issuer: str = "intermediate"
    shown: tuple[str, ...] = ("intermediate",)
    garbled: bool = False


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
    "rsa-4096": Identity(key="rsa-4096"),
    "rsa-8192": Identity(key="rsa-8192"),
    "rsa-16384": Identity(key="rsa-16384"),
    "rsa-exponent": Identity(key="rsa-exponent"),
    "ed25519": Identity(key="ed25519"),
    "many-names": Identity(names=(*WILDCARDS, *(f"san{n:04}.lab.test" for n in range(3000)))),
    "too-many-names": Identity(names=(*WILDCARDS, *(f"a-rather-long-name-{n:04}.lab.test" for n in range(5000)))),
    "hostile-names": Identity(
        "\x1b[31mmx\r\n\u202e\u2028.lab.test", (*WILDCARDS, "mx\x00.lab.test", "a\r\nb.test", "'\"")
    ),
    "garbled-names": Identity(garbled=True),
    "long-chain": Identity(shown=("intermediate",) * 40),
    "longest-chain": Identity(shown=("intermediate",) * 150),
}


@dataclass(frozen=True, slots=True)
class Manner:
    """How a TLS server shakes hands: versions, ciphers, and what it demands of the client."""

    least: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    most: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: str = ""
    client_certificate: ssl.VerifyMode = ssl.CERT_NONE
    needs_sni: bool = False
    dh_bits: int = 0
    tickets: int = 2


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
    "dhe-1024": Manner(V12, V12, "kDHE:!aNULL:@SECLEVEL=0", dh_bits=1024),
    "dhe-2048": Manner(V12, V12, "kDHE:!aNULL:@SECLEVEL=0", dh_bits=2048),
    "dhe-8192": Manner(V12, V12, "kDHE:!aNULL:@SECLEVEL=0", dh_bits=8192),
    "tickets": Manner(V13, V13, tickets=2000),
    "anonymous": Manner(V12, V12, "AECDH-AES256-SHA:@SECLEVEL=0"),
    "null-cipher": Manner(V12, V12, "ECDHE-ECDSA-NULL-SHA:@SECLEVEL=0"),
    "weak-keys": Manner(V12, V13, "ALL:@SECLEVEL=0"),
    "client-1.2": Manner(V12, V12, client_certificate=ssl.CERT_REQUIRED),
    "client-1.3": Manner(V13, V13, client_certificate=ssl.CERT_REQUIRED),
    "client-optional": Manner(client_certificate=ssl.CERT_OPTIONAL),
    "needs-sni": Manner(needs_sni=True),
}

LARGE_KEYS = frozenset({"rsa-8192", "rsa-16384", "rsa-exponent"})
LARGE_GROUP_BITS = 8192


def is_slow(identity: str, manner: str) -> bool:
    """Tell whether a handshake costs the server more than a hundredth of a second of a processor."""
    return IDENTITIES[identity].key in LARGE_KEYS or MANNERS[manner].dh_bits >= LARGE_GROUP_BITS
