"""Small builders: evidence in one line, and a certificate authority made once."""

import datetime
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from scanner.assess.findings import FINDING_TYPES
from scanner.assess.judgement import Judge
from scanner.assess.trust import trust
from scanner.model.assessment import Assessment, Outcome, Prediction
from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy, TlsRpt
from scanner.model.record import Evidence
from scanner.model.route import Answer, Endpoint, MxHost, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Handshake, Hello, Oddity, Reply, Role, Session
from scanner.protocols import certificate

AT = datetime.datetime(2026, 11, 24, 12, tzinfo=datetime.UTC)
DAY = datetime.timedelta(days=1)
MINUTE = datetime.timedelta(minutes=1)
DOMAIN, MX, ADDRESS = "example.test", "mx.example.test", "192.0.2.1"
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
NXDOMAIN = Fault(Stage.RESOLVE, Kind.NXDOMAIN)
SERVFAIL = Fault(Stage.RESOLVE, Kind.SERVFAIL)
HELD = (AT - 100 * DAY, AT + 100 * DAY)
PAST = (AT - 300 * DAY, AT - 100 * DAY)
FOR_EVER = datetime.datetime(9999, 12, 31, 23, 59, 59, tzinfo=datetime.UTC)
OF_OLD = datetime.datetime(1950, 1, 1, tzinfo=datetime.UTC)
FUTURE = (AT + 100 * DAY, AT + 300 * DAY)


@dataclass(frozen=True)
class Party:
    """A certificate with its key."""

    made: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def read(self) -> Certificate:
        return certificate.read(self.made.public_bytes(Encoding.DER))

    @property
    def pem(self) -> bytes:
        return self.made.public_bytes(Encoding.PEM)


def issue(
    name: str,
    issuer: Party | None,
    *names: str,
    held: tuple[datetime.datetime, datetime.datetime] = HELD,
    is_ca: bool = False,
    digest: hashes.SHA256 | hashes.SHA384 | None = None,
    usage: x509.ObjectIdentifier | None = None,
) -> Party:
    """One certificate; without an issuer it signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.made.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(held[0])
        .not_valid_after(held[1])
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False
        )
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return Party(builder.sign(issuer.key if issuer else key, digest or hashes.SHA256()), key)


@dataclass(frozen=True)
class Authority:
    """One root that is trusted, one that is not, and the chains of the table in the research."""

    root: Party
    chains: dict[str, tuple[Party, ...]]
    judge: Judge

    def chain(self, name: str) -> tuple[Certificate, ...]:
        return tuple(party.read for party in self.chains[name])


@cache
def authority() -> Authority:
    """Made once: nothing in it changes."""
    root = issue("Root", None, is_ca=True, held=(AT - 2000 * DAY, AT + 2000 * DAY))
    other = issue("Other Root", None, is_ca=True)
    middle = issue("Middle", root, is_ca=True, held=(AT - 1000 * DAY, AT + 1000 * DAY))
    stale = issue("Stale", root, is_ca=True, held=PAST)
    alien = issue("Alien", other, is_ca=True)
    expired = issue(MX, middle, MX, held=PAST)
    brief = issue("Brief", root, is_ca=True)
    lone = issue(MX, None, MX)
    chains = {
        "good": (issue(MX, middle, MX), middle),
        "with root": (issue(MX, middle, MX), middle, root),
        "wildcard": (issue(MX, middle, f"*.{DOMAIN}"), middle),
        "expired": (expired, middle),
        "not yet valid": (issue(MX, middle, MX, held=FUTURE), middle),
        "wrong host": (issue("other.test", middle, "other.test"), middle),
        "cn only": (issue(MX, middle), middle),
        "self-signed": (lone,),
        "missing intermediate": (issue(MX, middle, MX),),
        "untrusted ca": (issue(MX, alien, MX), alien),
        "untrusted ca with root": (issue(MX, alien, MX), alien, other),
        "expired intermediate": (issue(MX, stale, MX), stale),
        "expired wrong host": (issue("other.test", middle, "other.test", held=PAST), middle),
        "client only": (issue(MX, middle, MX, usage=ExtendedKeyUsageOID.CLIENT_AUTH), middle),
        "long leaf": (issue(MX, brief, MX, held=(AT - DAY, AT + 300 * DAY)), brief),
        "for ever": (issue(MX, middle, MX, held=(AT - DAY, FOR_EVER)), middle),
        "of old": (issue(MX, middle, MX, held=(OF_OLD, OF_OLD)), middle),
        "other name below": (issue("a", middle, DOMAIN), middle),
    }
    return Authority(root, chains, Judge(trust("test", root.pem)))


def reply(code: int, *lines: str) -> Reply:
    """A reply as on the wire: `lines` follow the first."""
    texts = ["mx.example.test", *lines]
    last = len(texts) - 1
    return Reply(code, tuple(f"{code}{' ' if at == last else '-'}{text}".encode() for at, text in enumerate(texts)))


def spoken(*lines: str) -> Reply:
    """A reply of these lines, codes included; cut short where the last one has none."""
    code = lines[-1][:4] if lines else ""
    return Reply(int(code[:3]) if code[3:] in {"", " "} and code[:3].isdigit() else 0, tuple(map(str.encode, lines)))


GREETING = reply(220)
OFFER, SILENCE = reply(250, "SIZE 1000", "STARTTLS"), reply(250, "SIZE 1000")


def session(**facts: Any) -> Session:
    """A bare session with one endpoint from one source."""
    mx, address = facts.pop("mx", MX), facts.pop("address", ADDRESS)
    base: dict[str, Any] = {
        "endpoint": Endpoint(mx, address, 25, mx),
        "source": "mail",
        "source_address": "198.51.100.10",
        "ehlo_name": "c.test",
        "observed_at": AT,
    }
    return Session(**{**base, **facts})


def encrypted(chain: str = "good", **facts: Any) -> Session:
    """Everything went well."""
    presented = authority().chain(chain) if chain else ()
    version = facts.pop("version", "TLSv1.3")
    name = facts.pop("sni", facts.get("mx", MX))
    handshake = Handshake(version, "TLS_AES_256_GCM_SHA384", None, name, presented, len(presented))
    base: dict[str, Any] = {
        "stage": Stage.DONE,
        "greeting": GREETING,
        "ehlo": OFFER,
        "starttls": reply(220),
        "handshake": handshake,
        "ehlo_tls": SILENCE,
        "oddities": () if presented else (Oddity.NO_CERTIFICATE,),
    }
    return session(**{**base, **facts})


def plain(**facts: Any) -> Session:
    """A clean dialogue without STARTTLS."""
    base: dict[str, Any] = {
        "stage": Stage.EHLO,
        "greeting": GREETING,
        "ehlo": SILENCE,
        "starttls": reply(502),
    }
    return session(**{**base, **facts})


REPLIES = {Kind.REPLY_421: 421, Kind.REPLY_4XX: 450, Kind.REPLY_5XX: 554}


def cut(stage: Stage, kind: Kind, side: Side = Side.REMOTE, **facts: Any) -> Session:
    """A session that offered STARTTLS, as far as it came, and ended in a fault."""
    code = facts.pop("code", REPLIES.get(kind))
    said = {Stage.GREETING: "greeting", Stage.EHLO: "ehlo", Stage.STARTTLS: "starttls", Stage.EHLO_TLS: "ehlo_tls"}
    whole = encrypted(facts.pop("chain", "good"))
    kept = {
        "greeting": whole.greeting if stage > Stage.GREETING else None,
        "ehlo": whole.ehlo if stage > Stage.EHLO else None,
        "starttls": whole.starttls if stage > Stage.STARTTLS else None,
        "handshake": whole.handshake if stage > Stage.HANDSHAKE else None,
    }
    if kind in REPLIES and stage in said and code is not None:
        kept[said[stage]] = reply(code)
    return session(**{**kept, "stage": Stage(stage - 1), "fault": Fault(stage, kind, side, "", code), **facts})


def host(name: str = MX, preference: int = 10, addresses: Iterable[str] = (ADDRESS,), **facts: Any) -> MxHost:
    """One MX host; `tlsa` are records, `status` their validity and that of the addresses."""
    status = facts.pop("status", Validity.INDETERMINATE)
    records = tuple(facts.pop("tlsa", ()))
    found = tuple(addresses)
    base: dict[str, Any] = {
        "ipv4": Answer(name, found, name, validity=status, fault=None if found else NODATA),
        "ipv6": Answer(name, validity=status, fault=NODATA),
        "tlsa": Answer(f"_25._tcp.{name}", records, validity=status, fault=None if records else NODATA),
        "tlsa_base": name,
    }
    return MxHost(name, preference, **{**base, **facts})


def route(*hosts: MxHost, **facts: Any) -> Route:
    """A route; `status` is the validity of its MX records, `fault` what became of the lookup."""
    status, fault = facts.pop("status", Validity.INDETERMINATE), facts.pop("fault", None)
    records = facts.pop("records", tuple(MxRecord(it.preference, it.name) for it in hosts))
    base: dict[str, Any] = {"hosts": hosts, "mx_count": len(records), "resolver": "table"}
    return Route(DOMAIN, Answer(DOMAIN, records, validity=status, fault=fault), **{**base, **facts})


NO_POLICY = MtaSts(Answer("_mta-sts." + DOMAIN, fault=NODATA))
NO_REPORTS = TlsRpt(Answer("_smtp._tls." + DOMAIN, fault=NODATA))


def policy(mode: StsMode = StsMode.ENFORCE, *mx: str, max_age_s: int = 604800) -> MtaSts:
    """A policy that was found and is well-formed."""
    fetch = PolicyFetch("192.0.2.80", 200)
    return MtaSts(NO_POLICY.txt, "1", fetch, StsPolicy(mode, max_age_s, mx or (MX,)))


def seen(*sessions: Session, way: Route | None = None, **policies: Any) -> Evidence:
    """Evidence of a domain with one MX host, unless told otherwise."""
    base: dict[str, Any] = {"mta_sts": NO_POLICY, "tls_rpt": NO_REPORTS}
    return Evidence(way or route(host()), **{**base, **policies}, sessions=sessions)


def judged(*sessions: Session, way: Route | None = None, **policies: Any) -> Assessment:
    """The assessment of that evidence."""
    return authority().judge(seen(*sessions, way=way, **policies), AT)


_TYPES = list(FINDING_TYPES)
HYGIENE = frozenset(_TYPES[_TYPES.index("only-old-tls") :])
"""The last group of the table."""


def types(assessment: Assessment) -> list[str]:
    """The types of its findings, in order, hygiene left out."""
    return [finding.type for finding in assessment.findings if finding.type not in HYGIENE]


def hygiene(assessment: Assessment) -> list[str]:
    """The types of the other findings."""
    return [finding.type for finding in assessment.findings if finding.type in HYGIENE]


def predicted(assessment: Assessment, model: str, source: str = "mail") -> Prediction:
    """What one model from one source would do."""
    return next(it for it in assessment.predictions if (it.model, it.source) == (model, source))


def outcomes(assessment: Assessment, source: str = "mail") -> dict[str, Outcome]:
    """Every model's outcome from one source."""
    return {it.model: it.outcome for it in assessment.predictions if it.source == source}


def tlsa_of(party: str, usage: int = 3, selector: int = 1, matching_type: int = 1, depth: int = 0) -> TlsaRecord:
    """The record that matches a certificate of a chain."""
    held = authority().chain(party)[depth]
    data = held.spki if selector else held.der
    digested = {0: data, 1: hashlib.sha256(data).digest(), 2: hashlib.sha512(data).digest()}
    return TlsaRecord(usage, selector, matching_type, digested[matching_type])


def secured(*records: TlsaRecord, mx_status: Validity = Validity.SECURE, **facts: Any) -> Route:
    """A route with TLSA records in a signed zone."""
    return route(host(tlsa=records, status=Validity.SECURE, **facts), status=mx_status)


WITNESS = "203.0.113.20"
"""In another network than the usual source."""


def witnessed(made: Session, **facts: Any) -> Session:
    """The same session, held from the other source."""
    return replace(made, **{"source": "witness", "source_address": WITNESS, "role": Role.WITNESS, **facts})


def again(*sessions: Session) -> tuple[Session, ...]:
    """These sessions, and each of them once more a minute later, in the opposite order."""
    later = [replace(it, follow_up=it.follow_up + 1, observed_at=it.observed_at + MINUTE) for it in sessions]
    return (*sessions, *later[::-1])


def wide(made: Session) -> Session:
    """The same session, held with the wider ClientHello."""
    return replace(made, hello=Hello.WIDE)
