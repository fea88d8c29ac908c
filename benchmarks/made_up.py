"""A world without a network: a list, its DNS, its mail servers and their certificates, all by rule.

The list is made so that everything that remembers has to forget: more than a fifth of its domains have a mail server of
their own, with its own name and address, and most of these a certificate that nobody else has. The rest is shared, as
in life, or receives no mail.

Touches: clock. Source: none.
"""

import asyncio
import hashlib
import ipaddress
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from benchmarks import fleet
from benchmarks.inside import NODATA, NXDOMAIN
from scanner.assess import trust
from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Handshake, Hello, Reply, Session, Source
from scanner.net.clock import Clock
from scanner.protocols import certificate

FIRST = int(ipaddress.IPv4Address("11.0.0.0"))
GOOGLES, TENANTS, HOSTERS = 5, 16, 200
SHARED_ADDRESSES = 1_000
OWN = "mx.o"
KINDS = "".join(kind * share for kind, share in zip("gmhonez", (14, 8, 14, 22, 20, 16, 6), strict=True))
"""Of a hundred domains: Google, Microsoft (a name each), hosters, servers of their own; NXDOMAIN, nothing, null MX."""


def domains(rows: int, until_s: float) -> Iterator[str]:
    """The list: the first letter says where the mail of a domain goes. Every share is even all along the list.

    It ends early at `until_s` on the monotonic clock.
    """
    for number in takewhile(lambda _: time.monotonic() < until_s, range(rows)):
        yield f"{KINDS[number * 61 % 100]}{number}.test"


def number_of(name: str) -> int:
    """The number that the first or second label of a name carries."""
    label = next(label for label in name.split(".") if label[1:].isdigit())
    return int(label[1:])


@dataclass(frozen=True, slots=True)
class World:
    """Implements survey.Resolver by rule. No packet is sent; an answer comes on the next turn of the loop."""

    name: str = "in memory"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """The hosts of the domain."""
        await asyncio.sleep(0)
        kind, number = domain[0], number_of(domain)
        if kind in "ne":
            return Answer(domain, fault=NXDOMAIN if kind == "n" else NODATA)
        hosts = {
            "g": lambda: [f"mx{rank}.google.test" for rank in range(GOOGLES)],
            "m": lambda: [f"t{number}.outlook.test"],
            "h": lambda: [f"mx.h{number % HOSTERS}.test"],
            "o": lambda: [f"mx.o{number}.test"],
            "z": lambda: [""],
        }[kind]()
        return Answer(domain, tuple(MxRecord(10 * rank, host) for rank, host in enumerate(hosts)), domain, 3600)

    async def ipv4(self, host: str) -> Answer[str]:
        """The addresses of the host; Microsoft's tenants share a few."""
        await asyncio.sleep(0)
        if host[0] == "e":
            return Answer(host, fault=NODATA)
        if host[0] == "t":
            place = GOOGLES + number_of(host) % TENANTS
        elif host.endswith(".google.test"):
            place = int(host[2])
        else:
            place = number_of(host) + (SHARED_ADDRESSES if host.startswith(OWN) else 100)
        return Answer(host, (str(ipaddress.IPv4Address(FIRST + place)),), host, 300)

    async def ipv6(self, host: str) -> Answer[str]:
        """None."""
        return Answer(host, canonical_name=host, fault=NODATA)

    async def cname(self, host: str) -> Answer[str]:
        """None."""
        return Answer(host, canonical_name=host, fault=NODATA)

    async def txt(self, name: str) -> Answer[bytes]:
        """TLS-RPT for every twentieth domain, MTA-STS for every fiftieth."""
        number = number_of(name)
        if name.startswith("_smtp") and number % 20 == 0:
            return Answer(name, (b"v=TLSRPTv1; rua=mailto:tls@%b" % name.encode(),))
        if name.startswith("_mta-sts") and number % 50 == 0:
            return Answer(name, (b"v=STSv1; id=%d" % number,))
        return Answer(name, fault=NXDOMAIN)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """None."""
        return Answer(name, fault=NXDOMAIN)


class Policies:
    """Implements survey.PolicyFetcher: a policy that covers the hosts of the domain, or not."""

    async def fetch(self, domain: str) -> PolicyFetch:
        """Answer on the next turn of the loop."""
        await asyncio.sleep(0)
        body = b"version: STSv1\r\nmode: testing\r\nmx: mx.%b\r\nmax_age: 604800\r\n" % domain.encode()
        return PolicyFetch("192.0.2.80", 200, "text/plain", body)


@dataclass(frozen=True, slots=True)
class MadeUp:
    """Implements survey.Prober: nobody is connected to. `chain` is what servers show, leaf first.

    Seven of ten servers that belong to one domain show a leaf of their own: a copy with another digest, so that it is
    verified, remembered, written and forgotten as in life. Some of them are silent, busy, or offer no STARTTLS.
    """

    chain: tuple[Certificate, ...]
    now: Clock = field(default_factory=Clock)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Answer on the next turn of the loop."""
        await asyncio.sleep(0)
        is_own = endpoint.mx.startswith(OWN)
        number = number_of(endpoint.mx) if is_own else 0
        made = replace(self._good(endpoint, source, number), hello=hello, follow_up=follow_up)
        ill = ILL.get(number % 40) if is_own else None
        return made if ill is None else ill(made)

    def _good(self, endpoint: Endpoint, source: Source, number: int) -> Session:
        host = endpoint.mx.encode()
        chain = self._own(endpoint.mx, number) if number % 10 < 7 and number else self.chain
        told = b"250-PIPELINING", b"250-SIZE 52428800", b"250-ETRN", b"250-ENHANCEDSTATUSCODES", b"250-8BITMIME"
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name=source.ehlo_name,
            observed_at=self.now.now(),
            stage=Stage.DONE,
            egress=source.address,
            greeting=Reply(220, (b"220 %b ESMTP ready" % host,)),
            ehlo=Reply(250, (b"250-%b" % host, *told, b"250-STARTTLS", b"250 DSN")),
            starttls=Reply(220, (b"220 2.0.0 ready",)),
            handshake=Handshake("TLSv1.3", "TLS_AES_256_GCM_SHA384", "X25519", endpoint.server_name, chain, 2),
            ehlo_tls=Reply(250, (b"250-%b" % host, *told, b"250 DSN")),
            times_ms=tuple((stage, 5 + (number + turn) % 60) for turn, stage in enumerate(STAGES)),
        )

    def _own(self, host: str, number: int) -> tuple[Certificate, ...]:
        leaf, *others = self.chain
        der = bytes(bytearray(leaf.der))
        digest = hashlib.sha256(b"%d" % number).hexdigest()
        return (replace(leaf, sha256=digest, der=der, common_name=host, dns_names=(host,)), *others)


STAGES = tuple(stage.word for stage in Stage if stage >= Stage.CONNECT)


def _unencrypted(session: Session) -> Session:
    return replace(session, starttls=None, handshake=None, ehlo_tls=None)


def silent(session: Session) -> Session:
    """Nobody answers there."""
    fault = Fault(Stage.CONNECT, Kind.TIMEOUT)
    return replace(_unencrypted(session), stage=Stage.RESOLVE, greeting=None, ehlo=None, egress="", fault=fault)


def busy(session: Session) -> Session:
    """A 421 instead of a greeting."""
    said = Reply(421, (b"421 4.3.2 %b too busy" % session.endpoint.mx.encode(),))
    fault = Fault(Stage.GREETING, Kind.REPLY_421, detail="4.3.2 too busy", code=421)
    return replace(_unencrypted(session), stage=Stage.CONNECT, greeting=said, ehlo=None, fault=fault)


def plain(session: Session) -> Session:
    """No STARTTLS."""
    said = Reply(250, (b"250-%b" % session.endpoint.mx.encode(), b"250 8BITMIME"))
    return replace(_unencrypted(session), ehlo=said)


ILL = {3: silent, 7: busy, 11: plain}


def shown(directory: Path) -> tuple[tuple[Certificate, ...], trust.Trust]:
    """A chain of two, and trust in its root."""
    fleet.contexts(directory, 1)
    ders = [
        it.public_bytes(Encoding.DER) for it in x509.load_pem_x509_certificates((directory / "leaf.pem").read_bytes())
    ]
    leaf, root = map(certificate.read, ders)
    names = ("*.google.test", "*.outlook.test", *(f"mx.h{number}.test" for number in range(HOSTERS)))
    return (replace(leaf, dns_names=names), root), trust.trust("bench", (directory / "ca.pem").read_bytes())
