"""DNS with security status: a validating resolver on our own machine, asked by dnspython, and its AD bit.

AD is believed over a loopback path only (RFC 4035 section 4.9.3): anyone on the way could set it. SERVFAIL that turns
into an answer when checking is disabled means bogus; SERVFAIL that stays means dead.

Touches: network. Source: RFC 4035 sections 3.2.2, 3.2.3, 4.3 and 4.9.3 (CD, AD, status), RFC 6840 section 5.7 (AD in
queries), RFC 7672 section 2.1, RFC 8914 (extended errors).
"""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import anyio
import dns.asyncbackend
import dns.edns
import dns.exception
import dns.flags
import dns.inet
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.wire
from anyio.streams.buffered import BufferedByteReceiveStream

from scanner.model.fault import Fault, Kind, Side, Stage, is_of_memory
from scanner.model.route import Answer, MxRecord, TlsaRecord, Validity
from scanner.net.answers import assembled, follow, is_askable, server_address, unaskable
from scanner.net.sockets import blame

T = TypeVar("T")

UDP_BYTES = 1232
TLSA_LEAST_BYTES = 3
"""RFC 6698 section 2.1: usage, selector, matching type; the rest is the association."""
FIRST_TRY_S = 2.0
CANARY_S = 5.0
ASKED = dns.flags.RD | dns.flags.AD
BOGUS = Fault(Stage.RESOLVE, Kind.BOGUS)

KINDS = {
    dns.rcode.NXDOMAIN: Kind.NXDOMAIN,
    dns.rcode.SERVFAIL: Kind.SERVFAIL,
    dns.rcode.REFUSED: Kind.DNS_REFUSED,
    dns.rcode.NOTIMP: Kind.NOTIMP,
    dns.rcode.FORMERR: Kind.FORMERR,
}


@dataclass(frozen=True, slots=True)
class ValidatingResolver:
    """Implements survey.Resolver. `server` is `address` or `address:port`; `deadline_s` holds for one query with all
    its tries. Raises nothing for what DNS does; a `server` that is no address raises ValueError at the first query.
    """

    server: str
    deadline_s: float

    @property
    def name(self) -> str:
        """Who answers."""
        return self.server

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order."""
        return await self._ask(domain, "MX", lambda found: MxRecord(found.preference, _text(found.exchange)))

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._ask(host, "A", lambda found: str(found.address))

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._ask(host, "AAAA", lambda found: str(found.address))

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record, whose status may be better than that of its target (RFC 7672 s2.1.3)."""
        return await self._ask(host, "CNAME", lambda found: _text(found.target))

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""
        return await self._ask(name, "TXT", lambda found: b"".join(found.strings))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name` (with its `_25._tcp.`)."""
        return await self._ask(name, "TLSA", None)

    async def canary(self) -> Fault | None:
        """Ask for the root's name servers; say what went wrong, if anything did."""
        outcome = await self._outcome(".", "NS", ASKED, min(self.deadline_s, CANARY_S))
        return outcome if isinstance(outcome, Fault) else _rcode_fault(outcome)

    async def proves_validation(self) -> bool:
        """Tell whether its word on security counts: asked for the root's name servers, it says AD, over loopback."""
        outcome = await self._outcome(".", "NS", ASKED, min(self.deadline_s, CANARY_S))
        return not isinstance(outcome, Fault) and self._validity(outcome) is Validity.SECURE

    async def _ask(self, name: str, kind: str, read: Callable[[Any], T] | None) -> Answer[T]:
        """One RRset and its status. Faults: the DNS kinds; `resolver_down` and `no_descriptors` on our side."""
        if not is_askable(name):
            return Answer(name, fault=unaskable(name))
        outcome = await self._outcome(name, kind, ASKED, self.deadline_s)
        if isinstance(outcome, Fault):
            return Answer(name, fault=outcome)
        fault = _rcode_fault(outcome)
        if fault is not None and fault.kind is Kind.SERVFAIL and await self._is_bogus(name, kind):
            return Answer(name, validity=Validity.BOGUS, fault=replace(BOGUS, detail=fault.detail))
        if fault is not None:
            status = self._validity(outcome) if fault.kind is Kind.NXDOMAIN else Validity.INDETERMINATE
            return Answer(name, validity=status, fault=fault)
        answer = _answer(name, kind, outcome, read)
        is_sound = answer.fault is None or answer.fault.kind is Kind.NODATA
        return replace(answer, validity=self._validity(outcome)) if is_sound else answer

    async def _is_bogus(self, name: str, kind: str) -> bool:
        """RFC 4035 section 3.2.2: with checking disabled a bogus answer is handed out."""
        outcome = await self._outcome(name, kind, ASKED | dns.flags.CD, self.deadline_s)
        return not isinstance(outcome, Fault) and outcome.rcode() in {dns.rcode.NOERROR, dns.rcode.NXDOMAIN}

    def _validity(self, response: dns.message.Message) -> Validity:
        if not trusted_path(self.server):
            return Validity.INDETERMINATE
        return Validity.SECURE if response.flags & dns.flags.AD else Validity.INSECURE

    async def _outcome(self, name: str, kind: str, flags: int, deadline_s: float) -> dns.message.Message | Fault:
        """Ask again and again, with doubled patience, within one deadline."""
        try_s = min(FIRST_TRY_S, deadline_s / 4)
        with anyio.move_on_after(deadline_s):
            while True:
                outcome = await self._try(_query(name, kind, flags), try_s)
                if outcome is not None:
                    return outcome
                try_s *= 2
        return Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT, Side.REMOTE, f"no answer in {deadline_s:g} s")

    async def _try(self, query: dns.message.Message, try_s: float) -> dns.message.Message | Fault | None:
        """One query by UDP, and by TCP where its answer was cut; None when the time was up."""
        try:
            return await _exchange(query, *server_address(self.server), try_s)
        except dns.exception.Timeout:
            return None
        except ConnectionRefusedError as error:
            return Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS, "refused", error.errno)
        except OSError as error:
            return _on_our_side(error)
        except (dns.exception.DNSException, anyio.EndOfStream, anyio.IncompleteRead) as error:
            return Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, Side.REMOTE, type(error).__name__)


def trusted_path(server: str) -> bool:
    """Tell whether nobody sits between us and the server. Raises ValueError for what is no address."""
    ip = ipaddress.ip_address(server_address(server)[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback


def _query(name: str, kind: str, flags: int) -> dns.message.QueryMessage:
    return dns.message.make_query(name, kind, use_edns=0, payload=UDP_BYTES, flags=flags)


async def _exchange(query: dns.message.Message, host: str, port: int, try_s: float) -> dns.message.Message:
    """Ask by UDP, and by TCP where the answer was cut. A socket of its own per query, connected, so that "connection
    refused" is heard and strangers are not.
    """
    with anyio.move_on_after(try_s) as time_is_up:
        response = await _by_udp(query, host, port)
        if response.flags & dns.flags.TC:
            response = await _by_tcp(query, host, port)
    if time_is_up.cancelled_caught:
        raise dns.exception.Timeout
    return response


async def _by_udp(query: dns.message.Message, host: str, port: int) -> dns.message.Message:
    backend: Any = dns.asyncbackend.get_backend("asyncio")
    family = dns.inet.af_for_address(host)
    async with await backend.make_socket(family, socket.SOCK_DGRAM, 0, None, (host, port)) as opened:
        await opened.sendto(query.to_wire(), None, None)
        while True:
            wire, _ = await opened.recvfrom(UDP_BYTES, None)
            response = _read(wire)
            if response is not None and query.is_response(response):
                return response


async def _by_tcp(query: dns.message.Message, host: str, port: int) -> dns.message.Message:
    """RFC 7766 section 8: a length of two bytes, then the message."""
    async with await anyio.connect_tcp(host, port) as stream:
        wire = query.to_wire()
        await stream.send(len(wire).to_bytes(2, "big") + wire)
        buffered = BufferedByteReceiveStream(stream)
        size = int.from_bytes(await buffered.receive_exactly(2), "big")
        response = _read(await buffered.receive_exactly(size))
    if response is None or not query.is_response(response):
        raise dns.exception.FormError
    return response


def _read(wire: bytes) -> dns.message.Message | None:
    """Read a message; records that make no sense to dnspython are left out and listed in its `errors`.

    Raises MemoryError where records would be left out for want of memory: what is missing would be believed.
    """
    try:
        response = dns.message.from_wire(wire, continue_on_error=True, ignore_trailing=True)
    except (dns.exception.DNSException, ValueError) as error:
        if is_of_memory(error):
            raise MemoryError from error
        return None
    if any(is_of_memory(each.exception) for each in response.errors):
        raise MemoryError
    return response


def _tlsa_records(wire: bytes) -> tuple[TlsaRecord, ...]:
    """Read TLSA records as they are. dnspython drops those whose digest has a wrong length, but they are evidence:
    RFC 7672 section 2.2.3 makes TLS mandatory where all records are unusable.
    """
    parser = dns.wire.Parser(wire)
    _, _, questions, answers, _, _ = parser.get_struct("!HHHHHH")
    for _ in range(questions):
        parser.get_name(decompress=True)
        parser.get_struct("!HH")
    found = []
    for _ in range(answers):
        parser.get_name(decompress=True)
        kind, _, _, size = parser.get_struct("!HHIH")
        rdata = parser.get_bytes(size)
        if kind == dns.rdatatype.TLSA and size >= TLSA_LEAST_BYTES:
            found.append(TlsaRecord(rdata[0], rdata[1], rdata[2], rdata[TLSA_LEAST_BYTES:]))
    return tuple(found)


def _answer(name: str, kind: str, response: dns.message.Message, read: Callable[[Any], T] | None) -> Answer[Any]:
    """Take the records of the type asked for, and what the CNAME records say. Without `read` they are TLSA records."""
    wanted = dns.rdatatype.from_text(kind)
    ours = [
        each for each in response.answer if each.rdclass == dns.rdataclass.IN
    ]  # of others dnspython reads no fields
    sets = [each for each in ours if each.rdtype in {wanted, dns.rdatatype.CNAME}]
    aliases = {
        _text(each.name).lower(): _text(each[0].target).lower() for each in sets if each.rdtype == dns.rdatatype.CNAME
    }
    try:
        found: tuple[Any, ...] = (
            _tlsa_records(response.wire or b"")
            if read is None
            else tuple(read(record) for each in sets if each.rdtype == wanted for record in each)
        )
    except dns.exception.DNSException as error:  # what was read leniently may end too soon
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, detail=str(error)[:300]))
    end = name if kind == "CNAME" and found else follow(name, aliases)
    return assembled(name, found, end, min((each.ttl for each in sets), default=None))


def _text(name: dns.name.Name) -> str:
    return "" if name == dns.name.root else name.to_text(omit_final_dot=True)


def _rcode_fault(response: dns.message.Message) -> Fault | None:
    rcode = response.rcode()
    if rcode == dns.rcode.NOERROR:
        return None
    return Fault(Stage.RESOLVE, KINDS.get(rcode, Kind.DNS_MALFORMED), Side.REMOTE, _words(response), int(rcode))


def _words(response: dns.message.Message) -> str:
    """What the resolver says of its trouble (RFC 8914), else the name of the RCODE."""
    said = [option.to_text() for option in response.options if isinstance(option, dns.edns.EDEOption)]
    return "; ".join(said)[:300] or dns.rcode.to_text(response.rcode())


def _on_our_side(error: OSError) -> Fault:
    """No trouble on the way to a resolver is a word about the domain."""
    fault = blame(error, Stage.RESOLVE)
    return fault if fault.side is Side.OURS else replace(fault, kind=Kind.RESOLVER_DOWN, side=Side.OURS)
