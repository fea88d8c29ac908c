"""TLS as a sender that wants to see everything: contexts that verify nothing, and the words for what fails.

The library is the OpenSSL that pyOpenSSL brings along: the same one for every Python and distribution, out of reach of
policies of the system that would keep us from looking at old servers, and faster than Python's own (ADR 8).
Verification happens later, on the chain as presented. No CA store is loaded, because OpenSSL would verify and ignore.

Touches: nothing itself; its contexts are used on the network. Source: RFC 8446 section 6 and RFC 5246 section 7.2
(alerts), RFC 6066 section 3 (server name), RFC 7435 (some protection most of the time). Private names used are pinned
by tests/unit/net/test_tls.py.
"""

import re

from OpenSSL import SSL, crypto

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Hello

Context = SSL.Context
_OLDEST, _NEWEST = SSL.TLS1_VERSION, 0
_USUAL = "ALL:!aNULL:!eNULL:!kDHE:!PSK:!SRP:@SECLEVEL=0"  # DHE: see LONG
_VERSIONS = {
    Hello.ONLY_TLS_1_3: SSL.TLS1_3_VERSION,
    Hello.ONLY_TLS_1_2: SSL.TLS1_2_VERSION,
    Hello.ONLY_TLS_1_1: SSL.TLS1_1_VERSION,
    Hello.ONLY_TLS_1_0: SSL.TLS1_VERSION,
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
    **{hello: (ciphers, _OLDEST, SSL.TLS1_2_VERSION) for hello, ciphers in _SUITES.items()},
}
"""Suites, and the oldest and newest version, of each ClientHello."""

LONG = frozenset({Hello.WIDE, Hello.ONLY_FINITE_FIELD, Hello.ONLY_ANONYMOUS})
"""Those that offer DHE: half a second of work where the server has a prime of 8,192 bits."""
_GROUPS = "X25519:P-256:X448:P-521:P-384:ffdhe2048:ffdhe3072"
_ALL_GROUPS = f"{_GROUPS}:ffdhe4096:ffdhe6144:ffdhe8192"
"""Groups in the order of OpenSSL 3.0, as most mail servers send them; a key share for the first. The hybrid ones that
OpenSSL sends since 3.5 make a ClientHello of two packets, which some middleboxes lose.
"""

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
_OLD_ALERT = re.compile(r"\A(SSL/)?TLS_ALERT_")
_NO_MEMORY = "MALLOC_FAILURE"
ENDED = "UNEXPECTED_EOF_WHILE_READING"
_PIECE_BYTES = 16 * 1024  # RFC 8446 s5.1: no record holds more


class TlsError(Exception):
    """TLS came to its end. The text is the reason, by the name that OpenSSL has for it: `TLSV1_ALERT_UNKNOWN_CA`."""


class Tls:
    """One connection between two buffers: `receive` and `take` are the wire, `hear` and `say` what is said inside."""

    def __init__(self, context: Context, server_name: str | None) -> None:
        self._tls = SSL.Connection(context)
        self._tls.set_connect_state()
        if server_name is not None:
            self._tls.set_tlsext_host_name(server_name.encode("ascii"))

    def receive(self, data: bytes) -> None:
        """Take bytes of the wire."""
        if data:
            self._tls.bio_write(data)  # a buffer in memory takes all

    def take(self) -> bytes:
        """Hand over what is to be sent, empty where there is nothing."""
        taken = b""
        try:
            while len(taken) % _PIECE_BYTES == 0:  # a read that was not filled was the last
                taken += self._tls.bio_read(_PIECE_BYTES)
        except SSL.WantReadError:
            pass
        return taken

    def shake(self) -> bool:
        """Take a step of the handshake, and tell whether it was the last. Raises TlsError."""
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            return False
        except SSL.Error as error:
            raise TlsError(_reason(error)) from error
        return True

    def hear(self) -> bytes | None:
        """Give the next thing that the peer said: None until more comes, empty for its farewell (RFC 8446 s6.1).

        Raises TlsError.
        """
        try:
            return self._tls.recv(_PIECE_BYTES)
        except SSL.WantReadError:
            return None
        except SSL.ZeroReturnError:
            return b""
        except SSL.Error as error:
            raise TlsError(_reason(error)) from error

    def say(self, data: bytes) -> None:
        """Say something. Raises TlsError."""
        try:
            self._tls.sendall(data)
        except SSL.Error as error:
            raise TlsError(_reason(error)) from error

    @property
    def version(self) -> str:
        """The protocol that was agreed on, as OpenSSL names it."""
        return self._tls.get_protocol_version_name()

    @property
    def cipher(self) -> str:
        """The suite that was agreed on, as OpenSSL names it; empty where there is none."""
        return self._tls.get_cipher_name() or ""

    @property
    def group(self) -> str | None:
        """The key exchange group; None where there is none."""
        return self._tls.get_group_name()

    @property
    def chain(self) -> list[bytes]:
        """DER of every certificate as sent, leaf first; empty for anonymous suites."""
        return [crypto.dump_certificate(crypto.FILETYPE_ASN1, it) for it in self._tls.get_peer_cert_chain() or ()]


def _reason(error: SSL.Error) -> str:
    """Name the last reason on OpenSSL's list."""
    if isinstance(error, SSL.SysCallError):
        return ENDED
    listed = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return reason_of(str(listed[-1][-1]) if listed else "")


def reason_of(words: str) -> str:
    """Make a name of OpenSSL's words, as Python does. What they say of old alerts changed in 3.2 and again in 4.0."""
    name = words.upper().replace(" ", "_")
    return _OLD_ALERT.sub("SSLV3_ALERT_", name, count=1)


def context(hello: Hello) -> Context:
    """One ClientHello shape. Costs milliseconds: build once, share.

    Raises TlsError where the library was built without all suites of one.
    """
    ciphers, least, most = _OFFERS[hello]
    made = Context(SSL.TLS_CLIENT_METHOD)
    made.set_min_proto_version(least)
    made.set_max_proto_version(most)
    made.set_options(SSL.OP_ALL | SSL.OP_LEGACY_SERVER_CONNECT | SSL.OP_NO_RENEGOTIATION)  # RFC 5746: old servers
    made.set_mode(SSL.MODE_RELEASE_BUFFERS)
    groups = _ALL_GROUPS if hello in LONG else _GROUPS
    if not SSL._lib.SSL_CTX_set1_curves_list(made._context, groups.encode()):  # type: ignore[attr-defined] # noqa: SLF001
        raise TlsError("these groups are not there")
    try:
        made.set_cipher_list(ciphers.encode())
    except SSL.Error as error:
        raise TlsError(_reason(error)) from error
    return made


def sni(name: str) -> str | None:
    """Make it a name that can be sent (RFC 6066 s3): without final dot; None where it is none."""
    name = name.removesuffix(".")
    labels = name.split(".")
    is_sound = name.isascii() and name.isprintable() and " " not in name and len(name) <= 253
    is_sound = is_sound and all(1 <= len(label) <= 63 for label in labels)
    is_address = ":" in name or labels[-1].isdigit()
    return name if is_sound and not is_address else None


def tls_fault(reason: str, stage: Stage) -> Fault:
    """Alert, something that is no TLS, or a failure in the library's words."""
    if reason == ENDED:
        return Fault(stage, Kind.CLOSED, Side.REMOTE, "closed inside TLS")
    alert = ALERTS.get(reason)
    if alert is not None:
        return Fault(stage, Kind.TLS_ALERT, Side.REMOTE, reason, alert)
    if _NO_MEMORY in reason:
        return Fault(stage, Kind.NO_BUFFERS, Side.OURS, "no memory for TLS")
    kind = Kind.NOT_TLS if reason in _NOT_TLS else Kind.TLS_FAILED
    return Fault(stage, kind, Side.REMOTE, reason or "OpenSSL gives no reason")
