"""DNS for the bulk of the names, by aiodns (c-ares): fast, without DNSSEC status.

Five things that c-ares does are undone here. It shortens its own timeouts after fast answers, so it gets many tries and
the deadline is ours. It keeps every answer in a cache without a bound, so a channel is replaced after a number of
queries, and closed when its last query is home. It asks again where a resolver says SERVFAIL, so its answers are taken
as they are; a further server is asked where one is silent or dead. It cuts names at a NUL, so no such name reaches it.
A reply that makes no sense, or a TCP connection that the resolver closes, ends all queries of its socket, so whoever
got none is asked for again alone, on a channel of its own, before anything is said about it.

Touches: network. Source: RFC 1034 section 3.6.2 (CNAME), RFC 1035 sections 2.3.4 and 4.1.1 (sizes, RCODE), RFC 2308
section 2 (NODATA), RFC 7505 (null MX), RFC 3596 section 2.5 (reverse names).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self, TypeVar

import aiodns
import anyio
import pycares

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.net.answers import assembled, follow, is_askable, server_address, unaskable
from scanner.net.sockets import blame, call_late, settle

T = TypeVar("T")

RECYCLE_AFTER = 4_000
"""Queries per channel: about 2 KB of cache each. With five times as many a long run needs 100 MB more."""

TRIES = 6
FIRST_TIMEOUT_S = 2.0
ALONE_AT_ONCE = 16
RETRY_PAUSE_S = 0.2
CANARY_S = 5.0
FLAGS = pycares.ARES_FLAG_EDNS | pycares.ARES_FLAG_NOCHECKRESP  # any flag without EDNS would turn EDNS off

ERRNO = pycares.errno
FAULTS = {
    ERRNO.ARES_ENODATA: (Kind.NODATA, Side.REMOTE),
    ERRNO.ARES_ENOTFOUND: (Kind.NXDOMAIN, Side.REMOTE),
    ERRNO.ARES_ESERVFAIL: (Kind.SERVFAIL, Side.REMOTE),
    ERRNO.ARES_EREFUSED: (Kind.DNS_REFUSED, Side.REMOTE),
    ERRNO.ARES_ENOTIMP: (Kind.NOTIMP, Side.REMOTE),
    ERRNO.ARES_EFORMERR: (Kind.FORMERR, Side.REMOTE),
    ERRNO.ARES_ETIMEOUT: (Kind.DNS_TIMEOUT, Side.REMOTE),
    ERRNO.ARES_EBADRESP: (Kind.DNS_MALFORMED, Side.REMOTE),
    ERRNO.ARES_EBADNAME: (Kind.DNS_MALFORMED, Side.REMOTE),
    ERRNO.ARES_EBADQUERY: (Kind.DNS_MALFORMED, Side.REMOTE),
    ERRNO.ARES_ECONNREFUSED: (Kind.RESOLVER_DOWN, Side.OURS),
    ERRNO.ARES_ECANCELLED: (Kind.RESOLVER_DOWN, Side.OURS),
    ERRNO.ARES_EDESTRUCTION: (Kind.RESOLVER_DOWN, Side.OURS),
    ERRNO.ARES_ENOMEM: (Kind.NO_BUFFERS, Side.OURS),
}
"""What an errno of c-ares means, and on whose side. One that is not here is our bug until it is."""

TYPES = {
    "A": pycares.QUERY_TYPE_A,
    "AAAA": pycares.QUERY_TYPE_AAAA,
    "CNAME": pycares.QUERY_TYPE_CNAME,
    "MX": pycares.QUERY_TYPE_MX,
    "NS": pycares.QUERY_TYPE_NS,
    "PTR": pycares.QUERY_TYPE_PTR,
    "TLSA": pycares.QUERY_TYPE_TLSA,
    "TXT": pycares.QUERY_TYPE_TXT,
}
aiodns.query_type_map.setdefault("TLSA", pycares.QUERY_TYPE_TLSA)  # c-ares knows the type, aiodns does not name it


@dataclass(slots=True)
class _Channel:
    """One c-ares channel and its wear."""

    resolver: aiodns.DNSResolver
    asked: int = 0
    in_flight: int = 0


class AiodnsResolver:
    """Implements survey.Resolver. Make it inside the running loop; close it, or use it as `async with`.

    `servers` are `address` or `address:port`, the first preferred; none means those of the system. `deadline_s` holds
    for one query with all its tries. Raises ValueError for a server that is no address.
    """

    def __init__(self, servers: tuple[str, ...], deadline_s: float, recycle_after: int = RECYCLE_AFTER) -> None:
        self._servers = tuple(_place(*server_address(server)) for server in servers)
        self._deadline_s = deadline_s
        self._late = Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT, Side.REMOTE, f"no answer in {deadline_s:g} s")
        self._recycle_after = recycle_after
        self._channel = _Channel(self._open())
        self._retired: list[_Channel] = []
        self._alone = anyio.CapacityLimiter(ALONE_AT_ONCE)
        self._name = ", ".join(servers or [server.strip("[]") for server in self._channel.resolver.nameservers])

    @property
    def name(self) -> str:
        """Who answers: the servers, in order."""
        return self._name

    @property
    def channels(self) -> int:
        """How many channels are open: one, and those worn out whose last query is not home."""
        return 1 + len(self._retired)

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """MX records of the domain, in no order; the exchange of a null MX is empty (RFC 7505 section 3)."""
        return await self._ask(domain, "MX", lambda found: MxRecord(found.priority, found.exchange))

    async def ipv4(self, host: str) -> Answer[str]:
        """A records, in resolver order."""
        return await self._ask(host, "A", lambda found: str(found.addr))

    async def ipv6(self, host: str) -> Answer[str]:
        """AAAA records, in resolver order."""
        return await self._ask(host, "AAAA", lambda found: str(found.addr))

    async def cname(self, host: str) -> Answer[str]:
        """The host's own CNAME record."""
        return await self._ask(host, "CNAME", lambda found: str(found.cname))

    async def txt(self, name: str) -> Answer[bytes]:
        """TXT records, the strings of each joined."""
        return await self._ask(name, "TXT", lambda found: bytes(found.data))

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """TLSA records at `name`; nothing is known of their security status."""
        return await self._ask(name, "TLSA", _tlsa)

    async def ptr(self, address: str) -> Answer[str]:
        """Names of an address. Raises ValueError for what is no address."""
        return await self._ask(ipaddress.ip_address(address).reverse_pointer, "PTR", lambda found: str(found.dname))

    async def canary(self) -> Fault | None:
        """Ask for the root's name servers, past every cache of ours; say what went wrong, if anything did."""
        try:
            fresh = AiodnsResolver(self._servers, min(self._deadline_s, CANARY_S))
        except pycares.AresError as error:
            return _no_socket() or Fault(Stage.RESOLVE, Kind.NO_BUFFERS, Side.OURS, str(error))
        async with fresh:
            outcome = await fresh._outcome(".", "NS")
        return outcome if isinstance(outcome, Fault) else None

    async def close(self) -> None:
        """End every query. Those still waiting get a fault on our side."""
        for channel in (self._channel, *self._retired):
            await channel.resolver.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _ask(self, name: str, kind: str, read: Callable[[Any], T]) -> Answer[T]:
        """One RRset. Faults: the DNS kinds; `resolver_down`, `no_descriptors` and `no_buffers` on our side."""
        if not is_askable(name):
            return Answer(name, fault=unaskable(name))
        outcome = await self._outcome(name, kind)
        if not isinstance(outcome, Fault):
            return _answer(name, kind, outcome, read)
        return Answer(name, canonical_name=name if outcome.kind is Kind.NODATA else "", fault=outcome)

    async def _outcome(self, name: str, kind: str) -> pycares.DNSResult | Fault:
        """Within our deadline; c-ares gives up too early now and then, so its time-out is never believed before.

        Nearly every name is settled by the first try, which takes a timer and no scope.
        """
        loop = asyncio.get_running_loop()
        ends_at_s = loop.time() + self._deadline_s
        outcome = await self._try(name, kind)
        if not isinstance(outcome, Fault) or not _is_doubtful(outcome):
            return outcome
        with anyio.move_on_after(max(0.0, ends_at_s - loop.time())):
            return await self._until_sure(name, kind, outcome)
        return self._late

    async def _until_sure(self, name: str, kind: str, outcome: pycares.DNSResult | Fault) -> pycares.DNSResult | Fault:
        """Try again, until cancelled."""
        while True:
            if isinstance(outcome, Fault) and _may_owe_to_others(outcome):
                outcome = await self._try_alone(name, kind)
            if not isinstance(outcome, Fault) or outcome.kind is not Kind.DNS_TIMEOUT:
                return outcome
            await anyio.sleep(RETRY_PAUSE_S)
            outcome = await self._try(name, kind)

    async def _try(self, name: str, kind: str) -> pycares.DNSResult | Fault:
        """Ask once, and wait as long as the deadline is at most."""
        if self._channel.asked >= self._recycle_after:
            self._replace()
            await self._clear()
        channel = self._channel
        channel.asked += 1
        channel.in_flight += 1
        timer: asyncio.TimerHandle | None = None
        try:
            answer = channel.resolver.query_dns(name, kind)
            timer = call_late(self._deadline_s, settle, answer, self._late)
            return await answer
        except aiodns.error.DNSError as error:
            return _fault(error)
        except RuntimeError:  # the channel was closed under us
            return Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS, "closed")
        finally:
            if timer is not None:
                timer.cancel()
            channel.in_flight -= 1
            if self._retired:
                await self._clear()

    async def _try_alone(self, name: str, kind: str) -> pycares.DNSResult | Fault:
        """Ask where no other name's reply can do harm."""
        async with self._alone:
            channel = self._open()
            try:
                return await channel.query_dns(name, kind)
            except aiodns.error.DNSError as error:
                return _fault(error)
            finally:
                await channel.close()

    async def _clear(self) -> None:
        """Close what is worn out and idle."""
        for channel in [each for each in self._retired if not each.in_flight]:
            self._retired.remove(channel)
            await channel.resolver.close()

    def _replace(self) -> None:
        """A new channel where the old is worn out, the old one as long as there is no new."""
        try:
            fresh = _Channel(self._open())
        except pycares.AresError:  # out of descriptors: worn is better than none
            self._channel.asked = 0
            return
        self._retired.append(self._channel)
        self._channel = fresh

    def _open(self) -> aiodns.DNSResolver:
        first_s = min(FIRST_TIMEOUT_S, self._deadline_s / 4)
        return aiodns.DNSResolver(self._servers or None, timeout=first_s, tries=TRIES, flags=FLAGS)


def _answer(name: str, kind: str, result: pycares.DNSResult, read: Callable[[Any], T]) -> Answer[T]:
    """Take the records of the type asked for, and what the CNAME records say."""
    if not result.answer:  # c-ares: neither records nor NODATA, so an RCODE that it has no name for
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.DNS_MALFORMED, detail="an unknown RCODE, or no record"))
    alias = TYPES["CNAME"]
    records: list[Any] = result.answer
    wanted = [record for record in records if record.type == TYPES[kind]]
    aliases = {_plain(record.name): _plain(record.data.cname) for record in records if record.type == alias}
    end = name if kind == "CNAME" and wanted else follow(name, aliases)
    ttl_s = min((record.ttl for record in records if record.type in {alias, TYPES[kind]}), default=None)
    return assembled(name, tuple(read(record.data) for record in wanted), end, ttl_s)


def _plain(name: str) -> str:
    return name.removesuffix(".").lower()


def _tlsa(found: Any) -> TlsaRecord:
    return TlsaRecord(found.cert_usage, found.selector, found.matching_type, found.cert_association_data)


def _fault(error: aiodns.error.DNSError) -> Fault:
    fault = _told(error.args[0])
    own = _no_socket() if fault.kind in {Kind.RESOLVER_DOWN, Kind.DNS_TIMEOUT} else None
    return own or fault


@lru_cache(64)  # most questions come to one of two
def _told(number: int) -> Fault:
    return Fault(Stage.RESOLVE, *FAULTS.get(number, (Kind.BUG, Side.OURS)), str(ERRNO.strerror(number)), number)


def _is_doubtful(fault: Fault) -> bool:
    return fault.kind is Kind.DNS_TIMEOUT or _may_owe_to_others(fault)


def _may_owe_to_others(fault: Fault) -> bool:
    return fault.kind is Kind.DNS_MALFORMED or fault.code == ERRNO.ARES_ECONNREFUSED


def _no_socket() -> Fault | None:
    """Tell why no socket can be opened: c-ares calls that "timeout" (at once) or "connection refused"."""
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()
    except OSError as error:
        return blame(error, Stage.RESOLVE)
    return None


def _place(address: str, port: int) -> str:
    """Write a server as c-ares reads it."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
