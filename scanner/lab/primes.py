"""Large primes without a search: those of the published Diffie-Hellman groups, worked out from their formulas.

Two of them make an RSA key of any size at once. Both factors are known to everybody: such a key protects nothing, and
nothing is what the lab has to protect.

Touches: nothing. Source: RFC 2409 section 6.2, RFC 3526 sections 3, 5 and 7 (from pi), RFC 7919 appendix A (from e).
"""

import base64

from cryptography.hazmat.primitives.asymmetric import rsa

SPARE_BITS = 64
OF_PI = {1024: 129093, 2048: 124476, 4096: 240904, 8192: 4743158}
OF_E = {2048: 560316, 4096: 5736041, 8192: 10965728}
"""What each group adds in the middle, by its bits."""


def of_pi(bits: int) -> int:
    """The prime of a MODP group: 2^n - 2^(n-64) - 1 + 2^64 * (floor(2^(n-130) pi) + c)."""
    return _prime(bits, _pi(bits - 130) + OF_PI[bits])


def of_e(bits: int) -> int:
    """The prime of an ffdhe group: 2^n - 2^(n-64) + (floor(2^(n-130) e) + c) * 2^64 - 1."""
    return _prime(bits, _e(bits - 130) + OF_E[bits])


def rsa_key(p: int, q: int, exponent: int = 65537) -> rsa.RSAPrivateKey:
    """Make the key of two primes. Raises ValueError where the exponent has no inverse."""
    d = pow(exponent, -1, (p - 1) * (q - 1))
    public = rsa.RSAPublicNumbers(exponent, p * q)
    crt = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *crt, public).private_key(unsafe_skip_rsa_key_validation=True)


def dh_pem(bits: int) -> bytes:
    """The parameters of a MODP group, with generator 2, as OpenSSL reads them (PKCS #3)."""
    der = _der(0x30, _der(0x02, b"\0" + of_pi(bits).to_bytes(bits // 8)) + _der(0x02, b"\2"))
    return b"-----BEGIN DH PARAMETERS-----\n" + base64.encodebytes(der) + b"-----END DH PARAMETERS-----\n"


def _der(tag: int, content: bytes) -> bytes:
    """One element; no length here needs more than two octets."""
    octets = max(1, (len(content).bit_length() + 7) // 8)
    length = len(content).to_bytes(octets)
    return bytes([tag]) + (length if len(content) < 128 else bytes([0x80 | octets]) + length) + content


def _prime(bits: int, middle: int) -> int:
    return (1 << bits) - (1 << (bits - 64)) - 1 + (middle << 64)


def _pi(bits: int) -> int:
    """floor(2^bits * pi), by Machin's formula."""
    one = 1 << (bits + SPARE_BITS)
    return 4 * (4 * _arctan_of_inverse(5, one) - _arctan_of_inverse(239, one)) >> SPARE_BITS


def _arctan_of_inverse(x: int, one: int) -> int:
    """One times arctan(1/x), by its series."""
    power, total, n = one // x, 0, 1
    while power:
        total += power // n if n % 4 == 1 else -(power // n)
        power //= x * x
        n += 2
    return total


def _e(bits: int) -> int:
    """floor(2^bits * e), by its series."""
    term, total, n = 1 << (bits + SPARE_BITS), 0, 1
    while term:
        total += term
        term //= n
        n += 1
    return total >> SPARE_BITS
