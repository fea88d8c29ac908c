"""Records that tell a story, with their certificates, and the pieces to make others of."""

import hashlib
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from scanner.model.assessment import Assessment, Cause, Finding, Outcome, Prediction, Status, Verdict, Wait
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Canary, Handshake, Hello, Oddity, Reply, Role, Session
from scanner.model.target import Target, TlsPolicy
from scanner.protocols import certificate

AT = datetime(2026, 11, 24, 12, 30, 15, 250_000, UTC)
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
_KEY = ec.derive_private_key(7, ec.SECP256R1())  # always the same: golden rows hold its digest
MODELS = ("may", "encrypt", "verify", "secure", "dane", "dane_only", "mta_sts")


def der(subject: str, issuer: str, names: tuple[str, ...] = ()) -> bytes:
    """Make a certificate; the same words make the same bytes."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(_KEY.public_key())
        .serial_number(int.from_bytes(hashlib.sha256(subject.encode()).digest()[:16], "big"))
        .not_valid_before(AT - timedelta(days=30))
        .not_valid_after(AT + timedelta(days=60))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name) for name in names or (subject,)]), critical=False
        )
    )
    signed = builder.sign(_KEY, hashes.SHA256(), ecdsa_deterministic=True)
    return signed.public_bytes(serialization.Encoding.DER)


LEAF = der("mx.test", "ca.test", ("mx.test", "mail.test"))
CA = der("ca.test", "ca.test")
MANY_NAMES = der("many.test", "ca.test", tuple(f"n{number}.many.test" for number in range(60)))
DERS = (LEAF, CA, MANY_NAMES, b"no certificate", b"\x30\x03\x02\x01\x01")
CERTIFICATES = {hashlib.sha256(each).hexdigest(): each for each in DERS}


def reply(*shown: bytes) -> Reply:
    """A reply of these lines."""
    return Reply(int(shown[-1][:3]), shown)


def session(**changes: object) -> Session:
    """One good session, changed."""
    usual: dict[str, object] = {
        "endpoint": Endpoint("mx.example.test", "192.0.2.1", 25, "mx.example.test"),
        "source": "mail",
        "source_address": "198.51.100.10",
        "ehlo_name": "probe.test",
        "observed_at": AT,
        "stage": Stage.DONE,
        "egress": "198.51.100.10",
        "greeting": reply(b"220 mx.example.test ESMTP Postfix"),
        "ehlo": reply(
            b"250-mx.example.test", b"250-PIPELINING", b"250-SIZE 52428800", b"250-STARTTLS", b"250 8BITMIME"
        ),
        "starttls": reply(b"220 2.0.0 Ready to start TLS"),
        "handshake": Handshake(
            "TLSv1.3",
            "TLS_AES_256_GCM_SHA384",
            "X25519",
            "mx.example.test",
            (certificate.read(LEAF), certificate.read(CA)),
            2,
        ),
        "ehlo_tls": reply(
            b"250-mx.example.test", b"250-PIPELINING", b"250-SIZE 52428800", b"250-8BITMIME", b"250 DSN"
        ),
        "times_ms": (
            ("connect", 11), ("greeting", 120), ("ehlo", 12), ("starttls", 13), ("handshake", 40), ("ehlo_tls", 12),
            ("done", 11),
        ),
    }  # fmt: skip
    return Session(**{**usual, **changes})  # type: ignore[arg-type] # a table of any fields


def host(name: str = "mx.example.test", **changes: object) -> MxHost:
    """One MX host with one address, changed."""
    usual: dict[str, object] = {
        "name": name,
        "preference": 10,
        "ipv4": Answer(name, ("192.0.2.1",), name, 300),
        "ipv6": Answer(name, fault=NODATA),
        "tlsa": Answer(f"_25._tcp.{name}", fault=NODATA),
        "tlsa_base": name,
    }
    return MxHost(**{**usual, **changes})  # type: ignore[arg-type] # a table of any fields


def predicted(outcome: Outcome, source: str = "mail") -> tuple[Prediction, ...]:
    """The same outcome for every Postfix model."""
    return tuple(Prediction(model, source, outcome, "RFC 3207 s4") for model in MODELS)


TYPICAL = Record(
    "0193a5f0-0000-7000-8000-000000000001",
    Target(1, "example.test", "Example.test", (("rank", "1"),)),
    AT,
    Evidence(
        Route(
            "example.test",
            Answer("example.test", (MxRecord(10, "mx.example.test"),), "example.test", 3600),
            (host(),),
            1,
            resolver="192.0.2.53",
        ),
        MtaSts(Answer("_mta-sts.example.test", fault=Fault(Stage.RESOLVE, Kind.NXDOMAIN))),
        TlsRpt(Answer("_smtp._tls.example.test", fault=Fault(Stage.RESOLVE, Kind.NXDOMAIN))),
        (session(),),
    ),
    Assessment(
        status=Status.OK,
        starttls=Verdict.PASS,
        webpki=Verdict.FAIL,
        dane=Verdict.ABSENT,
        mta_sts=Verdict.ABSENT,
        tls_rpt=Verdict.ABSENT,
        findings=(
            Finding("certificate-not-trusted", "RFC 5280 s6", "mx.example.test", "192.0.2.1", "mail", "CN=ca.test"),
        ),
        predictions=predicted(Outcome.ENCRYPTED),
    ),
)
"""One MX, one session, a chain of two."""

SIGNED = Record(
    "0193a5f0-0000-7000-8000-000000000001",
    Target(2, "signed.test", "signed.test", policy=TlsPolicy.MUST_TLS),
    AT,
    Evidence(
        Route(
            "signed.test",
            Answer("signed.test", (MxRecord(10, "mx.signed.test"),), "signed.test", 300, Validity.SECURE),
            (
                host(
                    "mx.signed.test",
                    ipv4=Answer("mx.signed.test", ("192.0.2.2",), "mx.signed.test", 300, Validity.SECURE),
                    ipv6=Answer("mx.signed.test", ("2001:db8::2",), "mx.signed.test", 300, Validity.SECURE),
                    tlsa=Answer(
                        "_25._tcp.mx.signed.test",
                        (TlsaRecord(3, 1, 1, bytes(range(32))),),
                        "_25._tcp.mx.signed.test",
                        300,
                        Validity.SECURE,
                    ),
                ),
            ),
            1,
            resolver="192.0.2.53",
        ),
        MtaSts(
            Answer("_mta-sts.signed.test", (b"v=STSv1; id=20261124",)),
            "20261124",
            PolicyFetch(
                "192.0.2.3",
                200,
                "text/plain",
                b"version: STSv1\r\nmode: enforce\r\nmx: mx.signed.test\r\nmax_age: 604800\r\n",
            ),
            StsPolicy(StsMode.ENFORCE, 604800, ("mx.signed.test",)),
        ),
        TlsRpt(
            Answer("_smtp._tls.signed.test", (b"v=TLSRPTv1; rua=mailto:tls@signed.test",)), ("mailto:tls@signed.test",)
        ),
        (
            session(
                endpoint=Endpoint("mx.signed.test", "192.0.2.2", 25, "mx.signed.test"),
                stage=Stage.STARTTLS,
                handshake=None,
                ehlo_tls=None,
                fault=Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, Side.REMOTE, "SSLV3_ALERT_HANDSHAKE_FAILURE", 40),
                times_ms=(("connect", 9), ("handshake", 12)),
            ),
            session(
                endpoint=Endpoint("mx.signed.test", "2001:db8::2", 25, "mx.signed.test"),
                source="witness",
                role=Role.WITNESS,
                follow_up=1,
                source_address="2001:db8:1::1",
                hello=Hello.WIDE,
                greeting=reply(b"220-\x1b]0;pwn\x07 caf\xe9", "220 Grüße \u202e".encode()),
                ehlo=Reply(0, (b"250-mx.signed.test",)),
                oddities=(Oddity.EIGHT_BIT, Oddity.UNSOLICITED),
                unsolicited=b"250 \x00\xff\r\n",
                handshake=Handshake("TLSv1.2", "ADH-AES256-GCM-SHA384", None, ""),
                inherited=True,
            ),
        ),
        (Canary("mail", offered=2, unseen=1), Canary("witness", mangled=3)),
    ),
    Assessment(
        status=Status.OK,
        starttls=Verdict.FAIL,
        webpki=Verdict.UNKNOWN,
        dane=Verdict.FAIL,
        mta_sts=Verdict.FAIL,
        tls_rpt=Verdict.PASS,
        differs_by_source=True,
        findings=(Finding("starttls-not-supported", "RFC 8460 s4.3.1"),),
        causes=(Cause("middle box", 60, ("masked banner",)),),
        predictions=(
            *predicted(Outcome.DEFER),
            Prediction("strict-rfc", "mail", Outcome.BOUNCE, "RFC 7672 s2.2", "4.7.5", certain=False, reason="time"),
        ),
        would_wait=True,
        waits=(
            Wait("mail", Role.MAIL, would_wait=True, outcome=Outcome.DEFER, words="Cannot start TLS"),
            Wait("witness", Role.WITNESS, would_wait=None, outcome=Outcome.UNKNOWN),
        ),
    ),
)
"""DANE, MTA-STS, two sources, hostile bytes."""

REFUSED = Record(
    "0193a5f0-0000-7000-8000-000000000001",
    Target(3, "", "192.0.2.1", fault=Fault(Stage.INPUT, Kind.IP_ADDRESS, Side.INPUT, "an IP address, not a domain")),
    AT,
    None,
    Assessment(
        status=Status.INPUT_ERROR,
        starttls=Verdict.NOT_APPLICABLE,
        webpki=Verdict.NOT_APPLICABLE,
        dane=Verdict.NOT_APPLICABLE,
        mta_sts=Verdict.NOT_APPLICABLE,
        tls_rpt=Verdict.NOT_APPLICABLE,
        findings=(Finding("ip_address", "docs/record.md", detail="an IP address, not a domain"),),
    ),
)
"""A bad row of the list."""
