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
from tests.servers import dns, exim, opensmtpd, postfix, sendmail
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

    `tlsa` is the key whose hash is published, `records` the zone lines where MX and A are not simply that.
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

DOMAINS = (
    _postfix("hides", TLS, "good", {HIDDEN_FROM: CLEAR}),
    _postfix("tls10"),
    _postfix("tls13"),
    _postfix("expired", tlsa="expired"),
    _postfix("misnamed", tlsa="good"),
    _postfix("required"),
    _postfix("plain", CLEAR, tlsa="good"),
    _postfix("anonymous"),
    _postfix("busy", UNCLEAR),
    _postfix("unreadable", UNCLEAR),
    _postfix("names"),
    _postfix("blocks", otherwise={BLOCKED_FROM: REFUSED}),
    _postfix("client-certificate", UNCLEAR),
    _postfix("teaser"),
    Domain("exim", exim.ADDRESS, TLS, _EXIM, tlsa="good"),
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
        records=f"@ MX 10 mx\nmx A {_HIDES}\n_25._tcp.mx CNAME dane\ndane TLSA 3 1 1 {{good}}\n",
        otherwise={HIDDEN_FROM: CLEAR},
    ),
    Domain("tlsa-bogus", _PLAIN, CLEAR),
    Domain("sixth", usually=UNCLEAR, records=f"@ MX 10 mx\nmx AAAA {postfix.SIXTH}\n"),  # our sources are IPv4
    Domain("null", usually=NO_MAIL, records="@ MX 0 .\n"),
    Domain("empty", usually=NO_MAIL, records='@ TXT "nothing here"\n'),
    Domain("hollow", usually=REFUSED, records="@ MX 10 mx\n"),
    Domain("inside", usually=REFUSED, records="@ MX 10 mx\nmx A 10.0.0.1\n"),
)

HOSTS = tuple(f"mx.{row.name}.lab.test" for row in DOMAINS)
NAMES = f"""\
c.lab 300 A {SEEN_FROM}
big.lab 300 TXT {" ".join('"' + 250 * "x" + '"' for _ in range(16))}
lame 300 NS ns2.test.
silent 300 NS ns.silent
ns.silent 300 A {dns.SILENT}
"""
INSECURE = dns.Zone(
    "insecure.test.", f"@ NS ns2.test.\n@ MX 10 mx\nmx A {_PLAIN}\n_25._tcp.mx TLSA 3 1 1 {64 * '0'}\n", is_signed=False
)
BOGUS = dns.Zone("bogus.test.", f"@ NS ns2.test.\n@ MX 10 mx\nmx A {_PLAIN}\n", is_bogus=True)
TLSA_BOGUS = dns.Zone("_tcp.mx.tlsa-bogus.lab.test.", f"@ NS ns2.test.\n_25 TLSA 3 1 1 {64 * '0'}\n", is_bogus=True)

ELSEWHERE = {
    "insecure.test": CLEAR,
    "bogus.test": UNCLEAR,  # to who does not validate it is a SERVFAIL like any other
    "lame.test": UNCLEAR,
    "silent.test": UNCLEAR,
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
    return MailWorld(dns.RESOLVER, lab.good.certificate, (*(f"{row.name}.lab.test" for row in DOMAINS), *ELSEWHERE))


def records(lab: Lab) -> str:
    """The zone lines of every domain."""
    keys = {"good": lab.good.spki_sha256, "expired": lab.expired.spki_sha256}
    return "".join(_rows(row, keys) for row in DOMAINS) + NAMES


def zones() -> tuple[dns.Zone, ...]:
    """The zones below `test.`."""
    return (INSECURE, BOGUS, TLSA_BOGUS)


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


def _rows(row: Domain, keys: dict[str, str]) -> str:
    lines = row.records.format(**keys) or f"@ MX 10 mx\nmx A {row.address}\n"
    if row.tlsa:
        lines += f"_25._tcp.mx TLSA 3 1 1 {keys[row.tlsa]}\n"
    return f"$ORIGIN {row.name}.lab.test.\n{lines}$ORIGIN test.\n"
