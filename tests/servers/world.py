"""The world of mail inside the namespaces: one domain per face of a server, its DNS records, and what a scan must say.

`DOMAINS` is the table. Every domain is `<name>.lab.test`, its MX host `mx.<name>.lab.test`, unless its records say
otherwise. `expected(domain, source address)` is the verdict from one of our addresses.
"""

import contextlib
import errno
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from scanner.model.assessment import Assessment, Status, Verdict
from tests.servers import dns, exim, founding, opensmtpd, postfix, sendmail, sts
from tests.servers.certificates import Pairs
from tests.servers.lab import (
    BLOCKED_FROM,
    GREYLISTED_FROM,
    HIDDEN_FROM,
    SEEN_FROM,
    TLS_DENIED_FROM,
    TLS_LATER_FROM,
    Lab,
)

SOURCES = (HIDDEN_FROM, BLOCKED_FROM, GREYLISTED_FROM, TLS_LATER_FROM, TLS_DENIED_FROM, SEEN_FROM)
"""Addresses to scan from; servers treat each in a way of its own."""
EHLO_NAME = "c.lab.test"
"""A name of ours that resolves; some servers look."""
UNHEARD = "192.0.2.98"
CLOSED_PORT = "192.0.2.97"
UNREACHABLE = "203.0.113.9"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the record of a domain must say."""

    status: Status
    starttls: Verdict

    def is_met_by(self, assessment: Assessment) -> bool:
        """Whether the judgement says so."""
        return (assessment.status, assessment.starttls) == (self.status, self.starttls)


TLS = Expected(Status.OK, Verdict.PASS)
PART = Expected(Status.OK, Verdict.PARTIAL)
CLEAR = Expected(Status.OK, Verdict.ABSENT)
BROKEN = Expected(Status.OK, Verdict.FAIL)
NO_MAIL = Expected(Status.OK, Verdict.NOT_APPLICABLE)
NO_DOMAIN = Expected(Status.REMOTE_FAULT, Verdict.NOT_APPLICABLE)
REFUSED = Expected(Status.REMOTE_FAULT, Verdict.UNKNOWN)
UNCLEAR = Expected(Status.INCONCLUSIVE, Verdict.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Domain:
    """One row: where its mail goes, what that must mean, and from which sources it means something else.

    `tlsa` is what is published for the MX host, one record a line; `records` are the zone lines where MX and A are not
    simply that. Both may name the digests of our certificates.
    """

    name: str
    address: str = ""
    usually: Expected = TLS
    otherwise: dict[str, Expected] = field(default_factory=dict)
    tlsa: str = ""
    records: str = ""


def _postfix(
    name: str, usually: Expected = TLS, tlsa: str = "", otherwise: dict[str, Expected] | None = None
) -> Domain:
    address = {"teaser": postfix.TEASER}.get(name) or postfix.FACES[name.replace("-", "_")][0]
    return Domain(name, address, usually, otherwise or {}, tlsa)


_EXIM = {
    HIDDEN_FROM: CLEAR,
    BLOCKED_FROM: REFUSED,
    GREYLISTED_FROM: UNCLEAR,
    TLS_LATER_FROM: UNCLEAR,
    TLS_DENIED_FROM: BROKEN,
}
_OPENSMTPD = {name: address for name, (address, _) in opensmtpd.FACES.items()}
_HIDES = postfix.FACES["hides"][0]
_PLAIN = postfix.FACES["plain"][0]
_CHAINED = postfix.FACES["chained"][0]
_CROWD = "".join(f"@ MX 10 c{n}\nc{n} A 192.0.2.{n}\n" for n in range(91, 97))
_OF_NOBODY = 64 * "0"

DOMAINS = (
    _postfix("hides", TLS, "3 1 1 {good.spki_sha256}", {HIDDEN_FROM: CLEAR}),
    _postfix("tls10"),
    _postfix("tls13"),
    _postfix("expired", tlsa="3 1 1 {expired.spki_sha256}"),
    _postfix("misnamed", tlsa="3 1 1 {good.spki_sha256}"),
    _postfix("required"),
    _postfix("plain", CLEAR, tlsa="3 1 1 {good.spki_sha256}"),
    _postfix("anonymous"),
    _postfix("busy", UNCLEAR),
    _postfix("unreadable", UNCLEAR),
    _postfix("names"),
    _postfix("chained", tlsa="3 1 1 {chained.spki_sha256}"),
    _postfix("blocks", otherwise={BLOCKED_FROM: REFUSED}),
    _postfix("client-certificate", UNCLEAR),
    _postfix("teaser"),
    Domain("exim", exim.ADDRESS, TLS, _EXIM, tlsa="3 1 1 {good.spki_sha256}"),
    # Debian 12's OpenSMTPD cannot finish a handshake: test_opensmtpd.py
    Domain("osd-tls", _OPENSMTPD["tls"], BROKEN),
    Domain("osd-plain", _OPENSMTPD["plain"], CLEAR),
    Domain("osd-required", _OPENSMTPD["required"], BROKEN),
    Domain("osd-filtered", _OPENSMTPD["filtered"], BROKEN, {BLOCKED_FROM: REFUSED}),
    Domain("sendmail", sendmail.ADDRESS, TLS, {HIDDEN_FROM: CLEAR, BLOCKED_FROM: CLEAR}),
    Domain("refused", CLOSED_PORT, REFUSED),
    Domain("unreachable", UNREACHABLE, REFUSED),
    Domain("unheard", UNHEARD, UNCLEAR),
    Domain(
        "backup",
        usually=PART,
        records=f"@ MX 10 a\n@ MX 20 b\na A {_HIDES}\nb A {_PLAIN}\n",
        otherwise={HIDDEN_FROM: CLEAR},
    ),
    Domain("implicit", usually=TLS, records=f"@ A {_HIDES}\n", otherwise={HIDDEN_FROM: CLEAR}),
    Domain("alias", usually=TLS, records="@ MX 10 mx\nmx CNAME mx.hides.lab.test.\n", otherwise={HIDDEN_FROM: CLEAR}),
    Domain(
        "tlsa-alias",
        usually=TLS,
        records=f"@ MX 10 mx\nmx A {_HIDES}\n_25._tcp.mx CNAME dane\ndane TLSA 3 1 1 {{good.spki_sha256}}\n",
        otherwise={HIDDEN_FROM: CLEAR},
    ),
    Domain("tlsa-bogus", _PLAIN, CLEAR),
    Domain("tlsa-wrong", _CHAINED, tlsa="3 1 1 {good.spki_sha256}"),
    Domain("tlsa-unusable", _CHAINED, tlsa=f"3 1 9 {_OF_NOBODY}\n1 1 1 {_OF_NOBODY}"),
    Domain("tlsa-unusable-plain", _PLAIN, CLEAR, tlsa=f"1 1 1 {_OF_NOBODY}"),
    Domain("tlsa-beside-pkix", _CHAINED, tlsa=f"1 1 1 {_OF_NOBODY}\n3 1 1 {{chained.spki_sha256}}"),
    Domain("tlsa-stronger-wrong", _CHAINED, tlsa=f"3 1 1 {{chained.spki_sha256}}\n3 1 2 {2 * _OF_NOBODY}"),
    Domain("tlsa-anchor", _CHAINED, tlsa="2 0 1 {root.sha256}"),
    Domain("tlsa-anchor-key", _CHAINED, tlsa="2 1 1 {root.spki_sha256}"),
    Domain("tlsa-anchor-misnamed", postfix.FACES["misnamed"][0], tlsa="2 0 1 {root.sha256}"),
    Domain("tlsa-anchor-expired", postfix.FACES["expired"][0], tlsa="2 0 1 {root.sha256}"),
    Domain("tlsa-anchor-itself", postfix.FACES["tls13"][0], tlsa="2 0 1 {good.sha256}"),
    Domain("tlsa-old", postfix.FACES["tls10"][0], tlsa="3 1 1 {good.spki_sha256}"),
    Domain("tlsa-nameless", postfix.FACES["anonymous"][0], tlsa="3 1 1 {good.spki_sha256}"),
    Domain("tlsa-elsewhere", records=f"@ MX 10 mx\nmx A {_CHAINED}\n_25._tcp.mx CNAME _25._tcp.mx.insecure.test.\n"),
    Domain(
        "alias-outside", records="@ MX 10 mx\nmx CNAME chained.insecure.test.\n", tlsa="3 1 1 {chained.spki_sha256}"
    ),
    Domain("tlsa-second", records="@ MX 10 mx.tlsa-wrong.lab.test.\n@ MX 20 mx.chained.lab.test.\n"),
    Domain("next", usually=REFUSED, records="@ MX 10 mx.refused.lab.test.\n@ MX 20 mx.chained.lab.test.\n"),
    Domain("next-of-lost", records="@ MX 10 mx.nowhere.lab.test.\n@ MX 20 mx.tls13.lab.test.\n"),
    Domain("next-of-lame", usually=UNCLEAR, records="@ MX 10 mx.lame.test.\n@ MX 20 mx.tls13.lab.test.\n"),
    Domain(
        "next-of-blocked",
        otherwise={BLOCKED_FROM: REFUSED},
        records="@ MX 10 mx.blocks.lab.test.\n@ MX 20 mx.tls13.lab.test.\n",
    ),
    Domain(
        "next-of-exim",
        otherwise=_EXIM | {HIDDEN_FROM: PART},
        records="@ MX 10 mx.exim.lab.test.\n@ MX 20 mx.tls13.lab.test.\n",
    ),
    Domain("refused-last", usually=REFUSED, records="@ MX 10 mx.blocks.lab.test.\n@ MX 20 mx.refused.lab.test.\n"),
    Domain("blocked-last", usually=REFUSED, records="@ MX 10 mx.refused.lab.test.\n@ MX 20 mx.blocks.lab.test.\n"),
    Domain("crowd", usually=REFUSED, records=_CROWD + "@ MX 20 mx.tls13.lab.test.\n"),
    Domain("equal", usually=PART, records="@ MX 10 mx.plain.lab.test.\n@ MX 10 mx.tls13.lab.test.\n"),
    Domain("under", records="@ MX 10 m_x\nm_x CNAME mx.tls13.lab.test.\n"),
    Domain("address", usually=REFUSED, records="@ MX 10 192.0.2.208.\n"),
    Domain("loop", usually=REFUSED, records="@ MX 10 mx\nmx A 127.0.0.1\n"),
    Domain("loop-behind", usually=REFUSED, records="@ MX 10 mx.tls13.lab.test.\n@ MX 20 mx\nmx A 127.0.0.1\n"),
    Domain("loop-nowhere", usually=REFUSED, records="@ MX 10 mx\nmx A 0.0.0.0\n"),
    Domain("equal-refused", usually=REFUSED, records="@ MX 10 mx.refused.lab.test.\n@ MX 10 mx.tls13.lab.test.\n"),
    Domain("lost", usually=UNCLEAR, records="@ MX 10 mx.lame.test.\n"),
    Domain("textual", usually=REFUSED, records='@ MX 10 mx\nmx TXT "no address"\n'),
    Domain("dash", records=f"@ MX 10 -mx\n-mx A {_CHAINED}\n"),
    Domain("dash-first", records=f"@ MX 10 -mx\n-mx A {_PLAIN}\n@ MX 20 mx.tls13.lab.test.\n", usually=PART),
    Domain("implicit-tlsa", records=f"@ A {_CHAINED}\n_25._tcp TLSA 3 1 1 {{chained.spki_sha256}}\n"),
    Domain("tlsa-lost", records=f"@ MX 10 mx\nmx A {_CHAINED}\n_tcp.mx NS ns2.test.\n"),
    Domain("null-ten", usually=REFUSED, records="@ MX 10 .\n"),
    Domain("null-beside", records="@ MX 0 .\n@ MX 10 mx.tls13.lab.test.\n"),
    Domain("sixth", usually=UNCLEAR, records=f"@ MX 10 mx\nmx AAAA {postfix.SIXTH}\n"),  # our sources are IPv4
    Domain("null", usually=NO_MAIL, records="@ MX 0 .\n"),
    Domain("empty", usually=NO_MAIL, records='@ TXT "nothing here"\n'),
    Domain("hollow", usually=REFUSED, records="@ MX 10 mx\n"),
    Domain("inside", usually=REFUSED, records="@ MX 10 mx\nmx A 10.0.0.1\n"),
)

HOSTS = tuple(f"mx.{row.name}.lab.test" for row in DOMAINS)
NAMES = f"""\
{"".join(f"c.lab 300 A {source}" + chr(10) for source in SOURCES)}\
big.lab 300 TXT {" ".join('"' + 250 * "x" + '"' for _ in range(16))}
lame 300 NS ns2.test.
silent 300 NS ns.silent
ns.silent 300 A {dns.SILENT}
mute 300 NS ns.mute
ns.mute 300 A {dns.MUTE}
"""
INSECURE = dns.Zone(
    "insecure.test.",
    f"@ NS ns2.test.\n@ MX 10 mx\nmx A {_PLAIN}\n_25._tcp.mx TLSA 3 1 1 {_OF_NOBODY}\nchained A {_CHAINED}\n"
    f"bare A {_CHAINED}\nhalf MX 10 mx.chained.lab.test.\nhalf-wrong MX 10 mx.tlsa-wrong.lab.test.\n",
    is_signed=False,
)
BOGUS = dns.Zone("bogus.test.", f"@ NS ns2.test.\n@ MX 10 mx\nmx A {_PLAIN}\n", is_bogus=True)
TLSA_BOGUS = dns.Zone("_tcp.mx.tlsa-bogus.lab.test.", f"@ NS ns2.test.\n_25 TLSA 3 1 1 {_OF_NOBODY}\n", is_bogus=True)
REVERSE = dns.Zone(
    dns.REVERSE, "@ NS ns2.test.\n" + "".join(f"{it.rsplit('.')[-1]} PTR {EHLO_NAME}.\n" for it in SOURCES)
)

ELSEWHERE = {
    "insecure.test": CLEAR,
    "bare.insecure.test": TLS,
    "half.insecure.test": TLS,
    "half-wrong.insecure.test": TLS,
    "bogus.test": REFUSED,
    "lame.test": UNCLEAR,
    "mute.test": UNCLEAR,
    "nowhere.lab.test": NO_DOMAIN,
}
"""Domains outside the table: what DNS itself says of them decides, from every source."""


@dataclass(frozen=True, slots=True)
class MailWorld:
    """Everything runs. `domains` are all of them, in the order of the table; `anchor` is what to trust (PEM)."""

    resolver: str
    anchor: Path
    domains: tuple[str, ...]
    sources: tuple[str, ...] = SOURCES
    ehlo_name: str = EHLO_NAME

    def expected(self, domain: str, source: str) -> Expected:
        """What a scan from this source address alone must say of the domain."""
        if domain in ELSEWHERE:
            return ELSEWHERE[domain]
        row = next(row for row in DOMAINS if f"{row.name}.lab.test" == domain)
        return row.otherwise.get(source, row.usually)


def make_world(lab: Lab) -> MailWorld:
    """The world of the table; the servers are the fixtures' business."""
    return MailWorld(dns.RESOLVER, lab.pairs.anchors, (*(f"{row.name}.lab.test" for row in DOMAINS), *ELSEWHERE))


def records(lab: Lab) -> str:
    """The zone lines of every domain."""
    return "".join(_rows(row, lab.pairs) for row in DOMAINS) + NAMES


def zones() -> tuple[dns.Zone, ...]:
    """The zones below `test.`, and the one of reverse names."""
    return (INSECURE, BOGUS, TLSA_BOGUS, REVERSE, founding.zone(), sts.zone())


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """A host that takes no more connections: its queue is full, and further SYNs go unanswered."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((UNHEARD, 25))
        listener.listen(0)
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            assert waiting.connect_ex((UNHEARD, 25)) in {0, errno.EINPROGRESS}
        yield


def _rows(row: Domain, pairs: Pairs) -> str:
    lines = row.records or f"@ MX 10 mx\nmx A {row.address}\n"
    lines += "".join(f"_25._tcp.mx TLSA {record}\n" for record in row.tlsa.splitlines())
    named = {name: getattr(pairs, name) for name in ("good", "root", "chained", "expired")}
    return f"$ORIGIN {row.name}.lab.test.\n{lines.format(**named)}$ORIGIN test.\n"
