"""What is weak about a cipher suite, told by the name that OpenSSL gives it. The suites of TLS 1.3 are all sound.

Touches: nothing. Source: RFC 9325 sections 4.1 (what is not to be negotiated) and 4.2 (what is).
"""

import re
from enum import StrEnum
from functools import lru_cache


class Weakness(StrEnum):
    """A suite may have several."""

    BROKEN = "broken encryption"
    NULL = "no encryption"
    ANONYMOUS = "no certificate"
    STATIC_RSA = "no forward secrecy"
    FINITE_FIELD = "finite-field Diffie-Hellman"
    NO_AEAD = "no AEAD"


_SHOWN_BY = {
    Weakness.BROKEN: re.compile(r"EXP|.*(RC[24]|3DES|DES-CBC|IDEA|SEED|MD5)"),
    Weakness.NULL: re.compile(r".*NULL"),
    Weakness.ANONYMOUS: re.compile(r"(EXP-)?(ADH|AECDH)-"),
    Weakness.STATIC_RSA: re.compile(r"(?!TLS_|(EXP-)?(ECDHE|DHE|EDH|ADH|AECDH)-)."),
    Weakness.FINITE_FIELD: re.compile(r"(EXP-)?(DHE|EDH|ADH)-"),
    Weakness.NO_AEAD: re.compile(r"(?!.*(GCM|CCM|POLY1305|NULL))."),
}


@lru_cache(256)
def weaknesses(cipher: str) -> frozenset[Weakness]:
    """Everything that is weak about a suite."""
    return frozenset(weakness for weakness, pattern in _SHOWN_BY.items() if pattern.match(cipher))
