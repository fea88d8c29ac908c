"""What the lab's resolver knows, and how it answers one question: from records, or with the fault of a scenario.

It plays a validating recursive resolver: aliases are followed, AD says that everything on the way was signed, and bogus
data is SERVFAIL unless the question switches validation off (CD).

Touches: nothing. Source: RFC 1035 section 4.1, RFC 2308, RFC 4035 sections 3.2.2 and 3.2.3, RFC 6840 section 5.7.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from scanner.lab.cast import MANY, many
from scanner.lab.scenario import ZONE, Record, Scenario

ORIGIN = dns.name.from_text(ZONE)
MANY_ORIGIN = dns.name.from_text(MANY, ORIGIN)
TTL_S = 60
ALIASES_MOST = 8
RCODES = {
    "servfail": dns.rcode.SERVFAIL,
    "refused": dns.rcode.REFUSED,
    "notimp": dns.rcode.NOTIMP,
    "formerr": dns.rcode.FORMERR,
}
ALIASES = {"long_chain": (200, False), "alias_loop": (1, True)}
"""How many further names an alias leads through, and whether the last one leads back to the first."""

Association = Callable[[int, int, str], bytes]
Key = tuple[dns.name.Name, dns.rdatatype.RdataType]


@dataclass(frozen=True, slots=True)
class Zone:
    """`status` is the security status of an owner and what lies below it; `faults` are words of the table."""

    rrsets: dict[Key, dns.rrset.RRset]
    owners: frozenset[dns.name.Name]
    status: dict[dns.name.Name, str]
    faults: dict[tuple[dns.name.Name, str], str]

    def fault(self, question: dns.rrset.RRset) -> str:
        """The word of the fault that this question meets, or nothing."""
        kind = dns.rdatatype.to_text(question.rdtype)
        return self.faults.get((question.name, kind)) or self.faults.get((question.name, "*"), "")

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The whole answer, however long."""
        response = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        question = query.question[0]
        word = self.fault(question)
        if word in RCODES:
            response.set_rcode(RCODES[word])
            return response
        if word in ALIASES:
            response.answer += list(_walk(question.name, ALIASES[word]))
            return response
        passed = self._collect(question, response)
        if "bogus" in passed and not query.flags & dns.flags.CD:  # RFC 4035 s5.5
            return self._servfail(query)
        wants_status = bool(query.flags & dns.flags.AD) or bool(query.ednsflags & dns.flags.DO)  # RFC 6840 s5.7
        if wants_status and passed == {"secure"}:
            response.flags |= dns.flags.AD
        return response

    def _collect(self, question: dns.rrset.RRset, response: dns.message.Message) -> set[str]:
        """Put in what there is, alias by alias; say which security statuses were met."""
        name, passed = question.name, set()
        for _ in range(ALIASES_MOST):
            passed.add(self._status(name))
            found = self._find(name, question.rdtype)
            if found is not None:
                response.answer.append(found)
                return passed
            alias = self._find(name, dns.rdatatype.CNAME)
            if alias is None:
                break
            response.answer.append(alias)
            name = alias[0].target
        self._deny(name, response)
        return passed

    def _deny(self, name: dns.name.Name, response: dns.message.Message) -> None:
        """NODATA or NXDOMAIN, with the SOA that RFC 2308 s3 wants; a loop of aliases is neither."""
        if self._find(name, dns.rdatatype.CNAME) is not None:
            response.set_rcode(dns.rcode.SERVFAIL)  # RFC 1034 s3.6.2: loops are an error
            response.answer.clear()
            return
        response.authority.append(self.rrsets[ORIGIN, dns.rdatatype.SOA])
        if name not in self.owners and _many_record(name) is None:
            response.set_rcode(dns.rcode.NXDOMAIN)

    def _find(self, name: dns.name.Name, kind: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        found = self.rrsets.get((name, kind))
        if found is not None:
            return found
        record = _many_record(name)
        if record is None or dns.rdatatype.from_text(record[1]) != kind:
            return None
        return dns.rrset.from_rdata(name, TTL_S, _rdata(record, None))

    def _status(self, name: dns.name.Name) -> str:
        """That of the nearest name above it that the table speaks of."""
        while name != dns.name.root:
            if name in self.status:
                return self.status[name]
            name = name.parent()
        return "secure" if not self.status.get(name) else self.status[name]

    @staticmethod
    def _servfail(query: dns.message.Message) -> dns.message.Message:
        response = dns.message.make_response(query, recursion_available=True, our_payload=1232)
        response.set_rcode(dns.rcode.SERVFAIL)
        return response


def _walk(owner: dns.name.Name, aliases: tuple[int, bool]) -> Iterator[dns.rrset.RRset]:
    """Go from alias to alias; whoever follows the last one gets no further."""
    count, returns = aliases
    names = [owner, *(dns.name.from_text(f"a{number}", owner) for number in range(1, count + 1)), *([owner] * returns)]
    for alias, target in pairwise(names):
        yield dns.rrset.from_text(alias, TTL_S, dns.rdataclass.IN, dns.rdatatype.CNAME, target.to_text())


def build(records: tuple[Record, ...], scenarios: tuple[Scenario, ...], association: Association) -> Zone:
    """Read the table."""
    rrsets: dict[Key, dns.rrset.RRset] = {}
    for record in records:
        rdata = _rdata(record, association)
        owner = _owner(record[0])
        rrset = rrsets.setdefault((owner, rdata.rdtype), dns.rrset.RRset(owner, rdata.rdclass, rdata.rdtype))
        rrset.add(rdata, TTL_S)
    status = {ORIGIN: "insecure"}
    for word in ("secure", "bogus"):
        status |= {_owner(name): word for scenario in scenarios for name in getattr(scenario.dns, word)}
    faults = {(_owner(owner), kind): word for scenario in scenarios for owner, kind, word in scenario.dns.faults}
    owners = {name for owner, _ in rrsets for name in _ancestors(owner)}
    return Zone(rrsets, frozenset(owners), status, faults)


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    """The name and all above it: none of them is NXDOMAIN (RFC 8020 s2)."""
    found = [name]
    while name != dns.name.root:
        name = name.parent()
        found.append(name)
    return found


def _owner(text: str) -> dns.name.Name:
    return dns.name.from_text(text, ORIGIN)


def _rdata(record: Record, association: Association | None) -> dns.rdata.Rdata:
    _, kind, text = record
    if kind == "TLSA" and association is not None:
        usage, selector, matching_type, what = text.split()
        is_hex = all(letter in "0123456789abcdef" for letter in what)
        hexadecimal = what if is_hex else association(int(selector), int(matching_type), what).hex()
        wire = bytes([int(usage), int(selector), int(matching_type)]) + bytes.fromhex(hexadecimal)
        return dns.rdata.GenericRdata(dns.rdataclass.IN, dns.rdatatype.TLSA, wire)  # odd ones are wanted here
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(kind), text, ORIGIN, relativize=False)


def _many_record(name: dns.name.Name) -> Record | None:
    if len(name.labels) != len(MANY_ORIGIN.labels) + 1 or not name.is_subdomain(MANY_ORIGIN):
        return None
    return many(name.labels[0].decode("ascii", "replace").lower())
