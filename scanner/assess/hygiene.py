"""What is poor and still works. These findings never change a verdict, nor what happens to mail.

Touches: nothing. Source: RFC 8996 (TLS 1.0 and 1.1), RFC 9325 sections 4.1, 4.2 and 4.5; section 5.2 says why to refuse
old TLS would be worse.
"""

from collections.abc import Iterator

from scanner.assess.case import Case, View
from scanner.assess.webpki import chain_of
from scanner.model.assessment import Finding
from scanner.model.session import Handshake

OLD_VERSIONS = frozenset({"SSLv3", "TLSv1", "TLSv1.1"})
WEAK_CIPHER_WORDS = ("RC4", "3DES", "DES-CBC", "NULL", "EXP", "IDEA", "SEED", "MD5")
LEAST_BITS = {"rsa": 2048, "dsa": 2048, "ec": 224}


def findings(case: Case) -> Iterator[Finding]:
    """Look at every handshake."""
    for view in case.views:
        session = view.encrypted
        if session is not None and session.handshake is not None:
            yield from _of_handshake(view, session.handshake)
            yield from _of_keys(view)


def _of_handshake(view: View, handshake: Handshake) -> Iterator[Finding]:
    if handshake.version in OLD_VERSIONS:
        yield view.finding("only-old-tls", handshake.version)
    if any(word in handshake.cipher for word in WEAK_CIPHER_WORDS):
        yield view.finding("weak-cipher", handshake.cipher)


def _of_keys(view: View) -> Iterator[Finding]:
    for certificate in chain_of(view):
        least_bits = LEAST_BITS.get(certificate.key_type)
        if least_bits is not None and certificate.key_bits is not None and certificate.key_bits < least_bits:
            yield view.finding("weak-key", f"{certificate.key_type} {certificate.key_bits} bits: {certificate.subject}")
