"""Handshakes that cost: huge keys, huge groups, long chains, and certificates that cannot be read.

What costs a client little passes; what no TLS library takes fails.

Touches: nothing. Source: RFC 8446 sections 4.4.2 and 4.6.1, RFC 5246 section 7.4, RFC 5280 section 4.2.1.6.
"""

from scanner.lab.scenario import Scenario, fails, passes, remote_fault, smtp
from scanner.lab.script import READY, Close, Encrypt, Flood, Hear, Play, Say, encrypted

HELLO = bytes.fromhex("0303") + b"\x11" * 32 + bytes.fromhex("00c02f00")
"""A ServerHello of TLS 1.2: no session, ECDHE-RSA-AES128-GCM-SHA256, no extensions."""


def _message(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3) + body


def _record(*messages: bytes) -> bytes:
    body = b"".join(messages)
    return b"\x16\x03\x03" + len(body).to_bytes(2) + body


def _certificate(der: bytes) -> bytes:
    """A list of one (RFC 5246 s7.4.2)."""
    listed = len(der).to_bytes(3) + der
    return _message(11, len(listed).to_bytes(3) + listed)


def _key(name: str, story: str, *findings: str) -> Scenario:
    """One identity of the pki, by its name."""
    expected = passes(webpki="pass", findings=findings)
    return smtp(f"certificate-{name}", story, "RFC 8446 4.4.2", expected, play=Play(starttls=encrypted(name)))


def _group(bits: int) -> Scenario:
    """Nothing but Diffie-Hellman over a finite field, which the first ClientHello does not offer."""
    return smtp(
        f"tls-dhe-{bits}",
        f"Finite-field Diffie-Hellman with {bits} bits and nothing else; a wider ClientHello finds it.",
        "RFC 9325 4.1",
        passes(fault=("handshake", "tls_alert"), findings=("usual-hello-refused",)),
        play=Play(starttls=encrypted("rsa-2048", f"dhe-{bits}")),
    )


SCENARIOS = (
    _key("rsa-4096", "An RSA key of 4096 bits."),
    _key("rsa-8192", "An RSA key of 8192 bits."),
    _key("rsa-16384", "An RSA key of 16384 bits, the largest that OpenSSL takes."),
    _key("rsa-exponent", "An RSA key of 3072 bits with an exponent almost as long."),
    _key("longest-chain", "A hundred and fifty superfluous certificates."),
    smtp(
        "certificate-garbled-names",
        "The only name is of bytes that no name has.",
        "RFC 5280 4.2.1.6",
        passes(webpki="unknown"),
        play=Play(starttls=encrypted("garbled-names")),
    ),
    smtp(
        "certificate-garbage",
        "A certificate that is no DER.",
        "RFC 5246 7.4.2",
        fails("handshake", "tls_failed"),
        play=Play(
            starttls=(
                *READY,
                Hear(),
                Say(_record(_message(2, HELLO), _certificate(b"\x30\x84" + b"\xff" * 62))),
                Close(),
            )
        ),
    ),
    smtp(
        "certificate-endless",
        "A message that announces sixteen megabytes of certificates, and sends them.",
        "RFC 5246 7.4.2",
        fails("handshake", "tls_failed"),
        play=Play(
            starttls=(
                *READY,
                Hear(),
                Say(_record(_message(2, HELLO), b"\x0b\xff\xff\xff")),
                Flood(b"\x16\x03\x03\x40\x00" + bytes(0x4000), 0xFFFFFF),
            )
        ),
    ),
    _group(2048),
    _group(8192),
    smtp(
        "tls-two-thousand-tickets",
        "Two thousand session tickets follow the handshake.",
        "RFC 8446 4.6.1",
        passes(webpki="pass"),
        play=Play(starttls=encrypted(manner="tickets")),
    ),
    smtp(
        "tls-flood-after-handshake",
        "What nobody asked for follows the handshake, without end.",
        "RFC 5321 4.2",
        remote_fault("ehlo_tls", "too_long", delivery_may=None),
        play=Play(starttls=(*READY, Encrypt(), Flood(b"x" * 65_536))),
    ),
)
