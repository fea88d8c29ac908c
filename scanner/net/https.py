"""One HTTPS GET: the MTA-STS policy file, from an address that we looked up and checked ourselves.

One fetch, one session, one connection: nothing is shared but the TLS context, and nothing is kept. The certificate of
the policy host is verified inside the handshake, because RFC 8461 section 3.3 makes it part of the fetch. A policy host
is a stranger: no redirect, no decompression (809 bytes of brotli are 2 GB), no cookie, no proxy, one deadline over all.

Touches: network, files (`policy_context` reads the trust anchors). Source: RFC 8461 sections 3.2 and 3.3, RFC 9110
section 8.4 (content codings).
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import aiohttp
import aiohttp.abc
import anyio
import certifi
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from scanner import __version__
from scanner.model.fault import Fault, Kind, Side, Stage, is_of_memory
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer
from scanner.net.sockets import blame, open_socket
from scanner.net.tls import ENDED, reason_of, tls_fault
from scanner.protocols.mx import in_turn, is_host_name
from scanner.settings import Settings
from scanner.survey import Resolver

PATH = "/.well-known/mta-sts.txt"
CHUNK_BYTES = 16 * 1024
CONNECT_S = 5.0
"""For one address, handshake included, so that a dead one leaves time for the next."""
ANSWERS_MOST = 16
RECEIVED_MOST_BYTES = 1024 * 1024
"""More than any policy host can need: interim answers, headers and chunk lines included."""

NEXT_ADDRESS = frozenset(
    {Kind.REFUSED_ADDRESS, Kind.REFUSED, Kind.UNREACHABLE, Kind.TIMEOUT, Kind.NO_ROUTE, Kind.NO_FAMILY, Kind.NO_SOURCE}
)
"""What ended an attempt before anything was said: the next address may do better."""


class Stopped(Exception):  # noqa: N818 - a fault, carried through the HTTP library
    """Ends an attempt from inside a hook."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class HttpsPolicyFetcher:
    """Implements survey.PolicyFetcher. `context` comes from `policy_context`; `contact` is told to the policy host.

    `places` bounds the fetches at a time, and with them the open sockets; waiting for one is not the peer's delay.
    """

    resolver: Resolver
    settings: Settings
    context: ssl.SSLContext
    places: anyio.CapacityLimiter
    contact: str = ""

    async def fetch(self, domain: str) -> PolicyFetch:
        """GET https://mta-sts.<domain>/.well-known/mta-sts.txt. Raises nothing for what a peer does.

        Faults: stage POLICY; DNS and connection kinds, `tls_alert`, `tls_failed`, `not_tls`, `certificate`,
        `http_status`, `content_encoded`, `too_long`, `malformed`, `timeout`; those of our own side.
        """
        host = f"mta-sts.{domain}"
        if not is_host_name(host):
            return _failed("", Kind.DNS_MALFORMED, "not a host name")
        async with self.places:
            with anyio.move_on_after(self.settings.deadlines.policy_s):
                return await self._resolved(host)
        return _failed("", Kind.TIMEOUT, f"not done in {self.settings.deadlines.policy_s:g} s")

    async def _resolved(self, host: str) -> PolicyFetch:
        """Try one address after the other, both families in turn, until one has something to say."""
        ipv4, ipv6 = await self.resolver.ipv4(host), await self.resolver.ipv6(host)
        addresses = in_turn(ipv4.records, ipv6.records)[: self.settings.limits.addresses_per_host]
        if not addresses:
            return PolicyFetch(fault=_unresolved(ipv4, ipv6))
        silent: list[PolicyFetch] = []
        for address in addresses:
            fetched = await self._attempt(host, address)
            if fetched.status is not None or fetched.fault is None or fetched.fault.kind not in NEXT_ADDRESS:
                return fetched
            silent.append(fetched)
        return next((each for each in silent if each.fault and each.fault.side is Side.REMOTE), silent[0])

    async def _attempt(self, host: str, address: str) -> PolicyFetch:
        """One address. Every trouble comes back as a fault; the socket is gone afterwards, whatever the peer does."""
        path = _Path(address, self.settings)
        try:
            async with self._session(path) as session, self._asked(session, host) as response:
                return await self._read(address, response)
        except Stopped as stopped:
            return PolicyFetch(address, fault=stopped.fault)
        except (aiohttp.ClientError, OSError) as error:  # a TimeoutError is an OSError
            if is_of_memory(error):  # inside the library, which blames the peer for it
                return PolicyFetch(address, fault=Fault(Stage.POLICY, Kind.NO_BUFFERS, Side.OURS, "no memory"))
            return PolicyFetch(address, fault=_without_family(address, fault_of(error)))
        finally:
            path.end()

    def _session(self, path: "_Path") -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            resolver=path, socket_factory=path.open, ssl=self.context, use_dns_cache=False, force_close=True
        )
        made: Any = connector
        made._factory = partial(_Brief, asyncio.get_running_loop())  # noqa: SLF001 - pinned by tests/unit/net/test_https
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S),
            headers={"User-Agent": self._agent(), "Accept": "text/plain", "Accept-Encoding": "identity"},
        )

    def _asked(self, session: aiohttp.ClientSession, host: str) -> Any:
        url = URL.build(scheme="https", host=host, port=self.settings.https_port, path=PATH)
        return session.get(url, allow_redirects=False)  # RFC 8461 s3.3: MUST NOT follow

    def _agent(self) -> str:
        return f"starttls-scanner/{__version__}" + (f" (+{self.contact})" if self.contact else "")

    async def _read(self, address: str, response: aiohttp.ClientResponse) -> PolicyFetch:
        """Status 200 and plain bytes up to the cap, or the fault of what it is instead."""
        seen = PolicyFetch(address, response.status, response.content_type[:100])
        if response.status != 200:  # RFC 8461 s3.3: only 200
            return replace(seen, fault=_fault(Kind.HTTP_STATUS, response.reason or "", response.status))
        coding = response.headers.get("Content-Encoding", "identity").strip().lower()
        if coding != "identity":
            return replace(seen, fault=_fault(Kind.CONTENT_ENCODED, coding[:100]))
        body = b""
        most_bytes = self.settings.limits.policy_bytes
        while chunk := await response.content.read(CHUNK_BYTES):
            body += chunk
            if len(body) > most_bytes:
                return replace(seen, fault=_fault(Kind.TOO_LONG, f"more than {most_bytes} bytes"))
        return replace(seen, body=body)


@dataclass(slots=True)
class _Path(aiohttp.abc.AbstractResolver):
    """The way to one address, in the two hooks that the HTTP library has: where to, and with what socket."""

    address: str
    settings: Settings
    opened: list[socket.socket] = field(default_factory=list)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[aiohttp.abc.ResolveResult]:
        """Lead the host to the address that was chosen, and nowhere else."""
        family = socket.AF_INET6 if ":" in self.address else socket.AF_INET
        flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        return [{"hostname": host, "host": self.address, "port": port, "family": family, "proto": 0, "flags": flags}]

    async def close(self) -> None:
        """Nothing is held."""

    def open(self, there: Any) -> socket.socket:
        """Check the very address that is connected to next. Raises Stopped."""
        opened = open_socket(there[4][0], "", self.settings.allow_networks)
        if isinstance(opened, Fault):
            raise Stopped(replace(opened, stage=Stage.POLICY))
        self.opened.append(opened)
        return opened

    def end(self) -> None:
        """Hang up: TLS would wait for the farewell of a peer that never says it."""
        for opened in self.opened:
            with contextlib.suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)


class _Brief(ResponseHandler):
    """Hangs up on a peer that never comes to the end of what is no body: interim answers (RFC 9110 s15.2 allows any
    number), the length of a chunk.

    The library would take it all; interim answers it takes without a turn for anybody else, deadlines included.
    """

    _answers = 0
    _bytes = 0

    def data_received(self, data: bytes) -> None:
        """Count what comes; of a body no more is read than it may have."""
        self._bytes += len(data)
        if self._bytes > RECEIVED_MOST_BYTES:
            self._hang_up(f"more than {RECEIVED_MOST_BYTES} bytes received")
        else:
            super().data_received(data)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Pass on the first few answers."""
        self._answers += 1
        if self._answers <= ANSWERS_MOST:
            super().feed_data(data, size)
        else:
            self._hang_up(f"more than {ANSWERS_MOST} answers")

    def _hang_up(self, why: str) -> None:
        stopped = Stopped(_fault(Kind.TOO_LONG, why))
        self.set_exception(stopped)
        if self._payload is not None:
            self._payload.set_exception(stopped)
        if self.transport is not None:
            self.transport.abort()


def policy_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS that verifies as RFC 8461 section 3.3 asks: names from the SAN only. Reads a file; build once, share.

    The flags are named one by one, because what Python sets differs between 3.12 and 3.13. Raises OSError.
    """
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.check_hostname = True
    made.hostname_checks_common_name = False
    made.verify_mode = ssl.CERT_REQUIRED
    made.verify_flags = ssl.VERIFY_X509_TRUSTED_FIRST
    made.set_alpn_protocols(["http/1.1"])
    made.load_verify_locations(ca_file or certifi.where())
    return made


def fault_of(error: Exception) -> Fault:
    """Name the fault that an error of the HTTP library stands for: the first line of the table that fits."""
    return next(read(error) for kind, read in READERS if isinstance(error, kind))


def _certificate(error: Any) -> Fault:
    found = error.certificate_error
    number = getattr(found, "verify_code", None)
    return _fault(Kind.CERTIFICATE, str(getattr(found, "verify_message", "") or found)[:300], number)


def _system(error: Any) -> Fault:
    """What the operating system, or the loop in the middle of a handshake, said."""
    found = getattr(error, "os_error", error)
    if isinstance(error.__cause__, ssl.SSLError):  # its errno 1 is no EPERM
        found = error.__cause__
    if isinstance(found, ssl.SSLError):
        is_end = isinstance(found, ssl.SSLEOFError | ssl.SSLZeroReturnError)
        return tls_fault(ENDED if is_end else reason_of(found.reason or str(found)), Stage.POLICY)
    if isinstance(found, TimeoutError) and found.errno is None:
        return _fault(Kind.TIMEOUT, "no answer")
    if found.errno is None:  # the loops raise ConnectionError without a number where a peer just leaves
        return _fault(Kind.CLOSED if isinstance(found, ConnectionError) else Kind.TLS_FAILED, str(found)[:300])
    return blame(found, Stage.POLICY)


READERS: tuple[tuple[type[Exception], Callable[[Any], Fault]], ...] = (
    (aiohttp.ClientConnectorCertificateError, _certificate),
    (aiohttp.ServerDisconnectedError, lambda _: _fault(Kind.CLOSED, "closed before an answer")),
    (aiohttp.ServerTimeoutError, lambda _: _fault(Kind.TIMEOUT, f"no connection in {CONNECT_S:g} s")),
    (asyncio.TimeoutError, lambda _: _fault(Kind.TIMEOUT, "no answer")),
    (aiohttp.ClientPayloadError, lambda _: _fault(Kind.CLOSED, "the body was cut short")),
    (aiohttp.ClientResponseError, lambda error: _fault(Kind.MALFORMED, error.message[:300])),
    (OSError, _system),
    (Exception, lambda error: _fault(Kind.MALFORMED, type(error).__name__)),
)
"""Errors of the HTTP library, the special before the general."""


def _fault(kind: Kind, detail: str, code: int | None = None) -> Fault:
    return Fault(Stage.POLICY, kind, Side.REMOTE, detail, code)


def _failed(address: str, kind: Kind, detail: str) -> PolicyFetch:
    return PolicyFetch(address, fault=_fault(kind, detail))


def _without_family(address: str, fault: Fault) -> Fault:
    """A machine without IPv6 is set up so; trying again would not help."""
    if ":" in address and fault.kind in {Kind.NO_ROUTE, Kind.NO_SOURCE}:
        return replace(fault, kind=Kind.NO_FAMILY)
    return fault


def _unresolved(ipv4: Answer[str], ipv6: Answer[str]) -> Fault:
    """Choose the fault that says most: ours first, then trouble, then "nothing there"."""
    faults = [answer.fault for answer in (ipv4, ipv6) if answer.fault is not None]
    rank = {True: 0, False: 1}
    faults.sort(key=lambda fault: (rank[fault.side is Side.OURS], fault.kind is Kind.NODATA))
    return replace(faults[0], stage=Stage.POLICY) if faults else _fault(Kind.NODATA, "no address")
