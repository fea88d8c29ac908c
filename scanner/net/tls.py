"""TLS as a sender that wants to see everything: contexts that verify nothing, and the words for what fails.

Verification happens later, on the chain as presented. No CA store is loaded, because OpenSSL would verify and ignore.

Touches: nothing itself; its contexts are used on the network. Source: RFC 8446 section 6 and RFC 5246 section 7.2
(alerts), RFC 6066 section 3 (server name), RFC 7435 (some protection most of the time).
"""

import ssl
import warnings
from typing import Any, cast

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Hello

_LEGACY_SERVER_CONNECT = 0x4  # OP_LEGACY_SERVER_CONNECT, named since Python 3.12: servers without RFC 5746
_DER = 2  # ENCODING_DER of the private module
_OLDEST, _NEWEST = ssl.TLSVersion.TLSv1, ssl.TLSVersion.MAXIMUM_SUPPORTED
_USUAL = "ALL:!aNULL:!eNULL:!kDHE:!PSK:!SRP:@SECLEVEL=0"  # DHE: see LONG
_VERSIONS = {
    Hello.ONLY_TLS_1_3: ssl.TLSVersion.TLSv1_3,
    Hello.ONLY_TLS_1_2: ssl.TLSVersion.TLSv1_2,
    Hello.ONLY_TLS_1_1: ssl.TLSVersion.TLSv1_1,
    Hello.ONLY_TLS_1_0: ssl.TLSVersion.TLSv1,
}
_SUITES = {
    Hello.ONLY_STATIC_RSA: "kRSA:!eNULL:!PSK:!SRP:@SECLEVEL=0",
    Hello.ONLY_FINITE_FIELD: "kDHE:!aNULL:!eNULL:!PSK:@SECLEVEL=0",
    Hello.ONLY_CBC: f"{_USUAL}:!AESGCM:!AESCCM:!AESCCM8:!ARIAGCM:!CHACHA20",
    Hello.ONLY_ANONYMOUS: "aNULL:!eNULL:!PSK:!SRP:@SECLEVEL=0",
    Hello.ONLY_NULL: "eNULL:!PSK:@SECLEVEL=0",
}
_OFFERS = {
    Hello.USUAL: (_USUAL, _OLDEST, _NEWEST),
    Hello.WIDE: ("ALL:!eNULL:!PSK:!SRP:@SECLEVEL=0", _OLDEST, _NEWEST),
    **{hello: (_USUAL, version, version) for hello, version in _VERSIONS.items()},
    **{hello: (ciphers, _OLDEST, ssl.TLSVersion.TLSv1_2) for hello, ciphers in _SUITES.items()},
}
"""Suites, and the oldest and newest version, of each ClientHello."""

LONG = frozenset({Hello.WIDE, Hello.ONLY_FINITE_FIELD, Hello.ONLY_ANONYMOUS})
"""Those that offer DHE: half a second of work where the server has a prime of 8,192 bits."""

ALERTS = {
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": 10,
    "SSLV3_ALERT_BAD_RECORD_MAC": 20,
    "TLSV1_ALERT_DECRYPTION_FAILED": 21,
    "TLSV1_ALERT_RECORD_OVERFLOW": 22,
    "SSLV3_ALERT_DECOMPRESSION_FAILURE": 30,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": 40,
    "SSLV3_ALERT_NO_CERTIFICATE": 41,
    "SSLV3_ALERT_BAD_CERTIFICATE": 42,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": 43,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": 44,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": 45,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": 46,
    "SSLV3_ALERT_ILLEGAL_PARAMETER": 47,
    "TLSV1_ALERT_UNKNOWN_CA": 48,
    "TLSV1_ALERT_ACCESS_DENIED": 49,
    "TLSV1_ALERT_DECODE_ERROR": 50,
    "TLSV1_ALERT_DECRYPT_ERROR": 51,
    "TLSV1_ALERT_EXPORT_RESTRICTION": 60,
    "TLSV1_ALERT_PROTOCOL_VERSION": 70,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": 71,
    "TLSV1_ALERT_INTERNAL_ERROR": 80,
    "TLSV1_ALERT_INAPPROPRIATE_FALLBACK": 86,
    "TLSV1_ALERT_USER_CANCELLED": 90,
    "TLSV1_ALERT_NO_RENEGOTIATION": 100,
    "TLSV13_ALERT_MISSING_EXTENSION": 109,
    "TLSV1_UNSUPPORTED_EXTENSION": 110,
    "TLSV1_CERTIFICATE_UNOBTAINABLE": 111,
    "TLSV1_UNRECOGNIZED_NAME": 112,
    "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE": 113,
    "TLSV1_BAD_CERTIFICATE_HASH_VALUE": 114,
    "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY": 115,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": 116,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": 120,
    "TLSV1_NO_APPLICATION_PROTOCOL": 120,
}
"""Alerts received, by the name OpenSSL gives the reason."""

_NOT_TLS = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "HTTPS_PROXY_REQUEST",
        "UNKNOWN_PROTOCOL",
        "PACKET_LENGTH_TOO_LONG",
        "RECORD_LAYER_FAILURE",
    }
)
_NO_MEMORY = "malloc failure"
"""Words of OpenSSL for which Python has no name."""
_ENDED = frozenset({"UNEXPECTED_EOF_WHILE_READING"})


def context(hello: Hello) -> ssl.SSLContext:
    """One ClientHello shape. Costs milliseconds: build once, share.

    Raises ssl.SSLError where the library was built without all suites of one.
    """
    ciphers, least, most = _OFFERS[hello]
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # TLS 1.0 is what some servers speak; we only look
        made.minimum_version, made.maximum_version = least, most
    made.set_ciphers(ciphers)
    made.options |= _LEGACY_SERVER_CONNECT | ssl.OP_NO_RENEGOTIATION
    return made


def sni(name: str) -> str | None:
    """Make it a name that can be sent (RFC 6066 s3): without final dot; None where it is none."""
    name = name.removesuffix(".")
    labels = name.split(".")
    is_sound = name.isascii() and name.isprintable() and " " not in name and len(name) <= 253
    is_sound = is_sound and all(1 <= len(label) <= 63 for label in labels)
    is_address = ":" in name or labels[-1].isdigit()
    return name if is_sound and not is_address else None


def presented_chain(tls: ssl.SSLObject) -> list[bytes]:
    """DER of every certificate as sent, leaf first; empty for anonymous suites."""
    seen = cast("Any", tls)
    public = getattr(seen, "get_unverified_chain", None)  # since Python 3.13
    chain = public() if public else seen._sslobj.get_unverified_chain()  # noqa: SLF001 - before it
    return [each if isinstance(each, bytes) else each.public_bytes(_DER) for each in chain or ()]


def group(tls: ssl.SSLObject) -> str | None:
    """Tell the key exchange group, where the TLS library can tell it."""
    ask = getattr(tls, "group", None)
    return ask() if ask else None


def tls_fault(error: ssl.SSLError, stage: Stage) -> Fault:
    """Alert, something that is no TLS, or a failure in our library's words."""
    reason = error.reason or ""
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError) or reason in _ENDED:
        return Fault(stage, Kind.CLOSED, Side.REMOTE, "closed inside TLS")
    alert = ALERTS.get(reason)
    if alert is not None:
        return Fault(stage, Kind.TLS_ALERT, Side.REMOTE, reason, alert)
    if _NO_MEMORY in str(error):
        return Fault(stage, Kind.NO_BUFFERS, Side.OURS, _NO_MEMORY)
    kind = Kind.NOT_TLS if reason in _NOT_TLS else Kind.TLS_FAILED
    return Fault(stage, kind, Side.REMOTE, reason or str(error))
