"""Where mail for a domain goes according to DNS.

Touches: nothing. Source: RFC 5321 section 5.1, RFC 7505 (null MX), RFC 4035 section 4.3 (validity), RFC 6698 (TLSA).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, TypeVar

from scanner.model.fault import Fault

T = TypeVar("T")


class Validity(StrEnum):
    """Security status of an RRset, RFC 4035 section 4.3. Not knowing is the default."""

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """One RRset. NXDOMAIN and NODATA are answers (RFC 7672 section 2.1.1) and still ride in `fault`, with no records.

    Write `Answer(...)`, not `Answer[str](...)`: before Python 3.12 a frozen slotted generic refuses the latter.
    `canonical_name` is where CNAMEs led, `name` itself when there was none. Faults: the DNS kinds, stage RESOLVE.
    """

    name: str
    records: tuple[T, ...] = ()
    canonical_name: str = ""
    ttl_s: int | None = None
    validity: Validity = Validity.INDETERMINATE
    fault: Fault | None = None


@dataclass(frozen=True, slots=True, order=True)
class MxRecord:
    """One MX record as published; `exchange` without final dot, empty for the root (RFC 7505)."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class TlsaRecord:
    """RFC 6698 section 2.1."""

    usage: int
    selector: int
    matching_type: int
    association: bytes


@dataclass(frozen=True, slots=True)
class MxHost:
    """One MX host with everything DNS says of it.

    `tlsa_base` is the TLSA base domain (RFC 7672 section 2.2.2-3): the name whose `_25._tcp` RRset `tlsa` is, and the
    SNI under DANE. `alias_validity` is the security status of the host's own CNAME, where it has one.
    """

    name: str
    preference: int
    ipv4: Answer[str]
    ipv6: Answer[str]
    tlsa: Answer[TlsaRecord]
    tlsa_base: str
    alias_validity: Validity = Validity.INDETERMINATE

    @property
    def addresses(self) -> tuple[str, ...]:
        """Every address, IPv4 first, in resolver order."""
        return self.ipv4.records + self.ipv6.records


@dataclass(frozen=True, slots=True)
class Route:
    """MX hosts in the order of delivery (RFC 5321 section 5.1), capped; `mx_count` is the number published.

    `null_mx`: the single `0 .` of RFC 7505. `implicit`: no MX, the domain itself is the host. `resolver` names who
    answered. A `mx.fault` other than NODATA means that the hosts are not known.
    """

    domain: str
    mx: Answer[MxRecord]
    hosts: tuple[MxHost, ...] = ()
    mx_count: int = 0
    implicit: bool = False
    null_mx: bool = False
    resolver: str = ""

    @property
    def lookup_faults(self) -> tuple[Fault, ...]:
        """What became of the questions for MX records and addresses, where there are none."""
        answers: tuple[Answer[Any], ...] = (
            self.mx,
            *(answer for host in self.hosts for answer in (host.ipv4, host.ipv6)),
        )
        return tuple(answer.fault for answer in answers if answer.fault is not None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What one session connects to: `server_name` is the SNI (the TLSA base domain under DANE, else the MX host)."""

    mx: str
    address: str
    port: int
    server_name: str


def ip_version(address: str) -> int:
    """Tell 4 from 6, of what is known to be an address."""
    return 6 if ":" in address else 4
