import contextlib
import errno
import ipaddress
import socket
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import anyio
import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.net.https import HttpsPolicyFetcher, fault_of, policy_context
from scanner.settings import Deadlines, Network, Settings
from tests.sessions import scripted_smtp as play
from tests.unit.net.scripted_https import HOST, POLICY, Leaf, Pki, Shape, after_request, answer, hear_request, pki

LOOPBACK: tuple[Network, ...] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
DRIP = play.drip(b"HTTP/1.1 200 OK\r\n" + b"X-Filler: 1\r\n" * 500, 0.02)
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"


def _turn_away(stage: play.Stage) -> None:
    """End our half of the connection, and stay until the scanner leaves."""
    stage.wire.shutdown(socket.SHUT_WR)
    play.hold(stage)


@dataclass(frozen=True)
class Zone:
    """A resolver that knows the addresses of one host."""

    v4: Answer[str] = field(default_factory=lambda: Answer(HOST, ("127.0.0.1",)))
    v6: Answer[str] = field(default_factory=lambda: Answer(HOST, fault=NODATA))
    name: str = "table"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Answer(domain)

    async def ipv4(self, host: str) -> Answer[str]:
        return self.v4 if host == HOST else Answer(host, fault=NODATA)

    async def ipv6(self, host: str) -> Answer[str]:
        return self.v6 if host == HOST else Answer(host, fault=NODATA)

    async def cname(self, host: str) -> Answer[str]:
        return Answer(host)

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return Answer(name)


@pytest.fixture
def made(tmp_path: Path) -> Pki:
    return pki(tmp_path)


def fetcher(
    context: ssl.SSLContext,
    port: int,
    zone: Zone = Zone(),
    allow: tuple[Network, ...] = LOOPBACK,
    policy_s: float = 10,
) -> HttpsPolicyFetcher:
    """A fetcher that may connect to loopback."""
    settings = Settings((), https_port=port, allow_networks=allow, deadlines=Deadlines(policy_s=policy_s))
    return HttpsPolicyFetcher(zone, settings, context, anyio.CapacityLimiter(2), "scan@example.test")


async def fetched(made: Pki, shape: Shape, policy_s: float = 10) -> tuple[PolicyFetch, list[bytes]]:
    """One fetch from a policy host of this shape, and what the host heard."""
    with play.serving(*shape(made)) as server:
        found = await fetcher(policy_context(made.ca_file), server.port, policy_s=policy_s).fetch("example.test")
        return found, server.heard


async def test_rfc_8461_s3_3_a_policy_is_fetched_by_https(made: Pki) -> None:
    found, heard = await fetched(made, after_request(play.say(answer())))
    assert found == PolicyFetch("127.0.0.1", 200, "text/plain", POLICY)
    lines = b"".join(heard).decode().split("\r\n")
    assert lines[0] == "GET /.well-known/mta-sts.txt HTTP/1.1"
    assert "User-Agent: starttls-scanner/" in lines[2] + lines[3]
    assert "Accept-Encoding: identity" in lines
    assert not any(line.startswith(("Cookie", "Authorization", "Proxy")) for line in lines)


@pytest.mark.parametrize(
    ("shape", "kind", "code"),
    [
        (after_request(play.say(answer(status=b"404 Not Found"))), Kind.HTTP_STATUS, 404),
        (after_request(play.say(answer(b"", b"Location: /other", status=b"301 Moved"))), Kind.HTTP_STATUS, 301),
        (after_request(play.say(answer(status=b"206 Partial"))), Kind.HTTP_STATUS, 206),
        (after_request(play.say(answer(POLICY, b"Content-Encoding: gzip"))), Kind.CONTENT_ENCODED, None),
        (after_request(play.say(answer(POLICY, b"Content-Encoding: br"))), Kind.CONTENT_ENCODED, None),
        (after_request(play.say(answer(b"x" * 65537))), Kind.TOO_LONG, None),
        (after_request(play.say(CHUNKED), play.flood(b"1000\r\n" + b"x" * 4096 + b"\r\n")), Kind.TOO_LONG, None),
        (after_request(play.flood(HINTS)), Kind.TOO_LONG, None),
        (after_request(play.say(CHUNKED), play.flood(b"0" * 65536)), Kind.TOO_LONG, None),
        (after_request(play.say(answer()[:-9])), Kind.CLOSED, None),
        (after_request(_turn_away), Kind.CLOSED, None),
        (after_request(play.say(b"220 mx ESMTP\r\n\r\n")), Kind.MALFORMED, None),
        (after_request(play.say(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 20000 + b"\r\n\r\n")), Kind.MALFORMED, None),
        (after_request(leaf=Leaf(names=("other.test",))), Kind.CERTIFICATE, 62),
        (after_request(leaf=Leaf(names=(), common_name=HOST)), Kind.CERTIFICATE, 62),
        (after_request(leaf=Leaf(to_days=-1)), Kind.CERTIFICATE, 10),
        (after_request(leaf=Leaf(from_days=1)), Kind.CERTIFICATE, 9),
        (after_request(leaf=Leaf(is_signed=False)), Kind.CERTIFICATE, 18),
        (lambda _: (play.hear_hello, play.say(b"\x15\x03\x03\x00\x02\x02\x28"), play.hold), Kind.TLS_ALERT, 40),
        (lambda _: (play.hear_hello, play.say(b"220 mx ESMTP\r\n"), play.hold), Kind.NOT_TLS, None),
        (lambda _: (play.hear_hello, play.reset), Kind.RESET, None),
    ],
    ids=[
        "404",
        "301",
        "206",
        "gzip",
        "brotli",
        "a byte too long",
        "endless",
        "endless interim answers",
        "an endless chunk line",
        "cut short",
        "no answer",
        "junk",
        "a huge header",
        "wrong name",
        "name in the CN only",
        "expired",
        "not yet valid",
        "self-signed",
        "alert",
        "no TLS",
        "reset in the handshake",
    ],
)
async def test_every_way_to_have_no_policy_keeps_its_name(
    made: Pki, shape: Shape, kind: Kind, code: int | None
) -> None:
    found, _ = await fetched(made, shape)
    assert found.fault is not None, found
    seen = found.fault
    assert (seen.stage, seen.kind, seen.side) == (Stage.POLICY, kind, Side.REMOTE)
    assert code is None or seen.code == code
    assert (found.address, found.body) == ("127.0.0.1", b"")


async def test_a_body_of_exactly_the_cap_is_taken(made: Pki) -> None:
    found, _ = await fetched(made, after_request(play.say(answer(b"x" * 65536))))
    assert (found.fault, len(found.body)) == (None, 65536)


async def test_rfc_9110_s15_2_an_answer_may_follow_interim_ones(made: Pki) -> None:
    found, _ = await fetched(made, after_request(play.say(HINTS * 3), play.say(answer())))
    assert found == PolicyFetch("127.0.0.1", 200, "text/plain", POLICY)


async def test_a_wildcard_covers_the_policy_host(made: Pki) -> None:
    found, _ = await fetched(made, after_request(play.say(answer()), leaf=Leaf(names=("*.example.test",))))
    assert found.fault is None


@pytest.mark.parametrize(
    "shape",
    [
        after_request(DRIP),
        after_request(play.say(CHUNKED), play.drip(b"1\r\nx\r\n" * 500, 0.02)),
        after_request(play.drip(HINTS * 16, 0.02)),
        after_request(play.hold),
        lambda _: (play.hear_hello, play.hold),
    ],
    ids=["dripping headers", "dripping body", "dripping 103", "silence", "silence in the handshake"],
)
async def test_one_deadline_holds_over_all(made: Pki, shape: Shape) -> None:
    found, _ = await fetched(made, shape, policy_s=1)
    assert found.fault is not None
    assert (found.fault.stage, found.fault.kind, found.fault.side) == (Stage.POLICY, Kind.TIMEOUT, Side.REMOTE)


async def test_rfc_8461_s3_3_a_redirect_is_not_followed(made: Pki) -> None:
    with play.serving() as other:
        moved = answer(b"", b"Location: https://127.0.0.1:%d/" % other.port, status=b"302 Found")
        await fetched(made, after_request(play.say(moved)))
        assert not other.ended.is_set()


async def test_a_special_address_is_never_connected_to(made: Pki) -> None:
    with play.serving() as server:
        found = await fetcher(policy_context(made.ca_file), server.port, allow=()).fetch("example.test")
        assert not server.ended.is_set()
    assert found.fault is not None
    assert (found.fault.stage, found.fault.kind, found.fault.side) == (
        Stage.POLICY,
        Kind.REFUSED_ADDRESS,
        Side.REMOTE,
    )


async def test_the_next_address_is_tried_where_one_is_dead(made: Pki) -> None:
    zone = Zone(Answer(HOST, ("127.0.0.77", "127.0.0.1")))
    with play.serving(*after_request(play.say(answer()))(made)) as server:
        found = await fetcher(policy_context(made.ca_file), server.port, zone).fetch("example.test")
    assert (found.address, found.fault) == ("127.0.0.1", None)


async def test_nobody_listening_is_refused(made: Pki) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    found = await fetcher(policy_context(made.ca_file), port).fetch("example.test")
    assert found.fault is not None
    assert (found.fault.kind, found.fault.side, found.fault.code) == (Kind.REFUSED, Side.REMOTE, errno.ECONNREFUSED)


@pytest.mark.parametrize(
    ("v4", "v6", "kind"),
    [
        (Kind.NODATA, Kind.NODATA, Kind.NODATA),
        (Kind.NXDOMAIN, Kind.NXDOMAIN, Kind.NXDOMAIN),
        (Kind.NODATA, Kind.SERVFAIL, Kind.SERVFAIL),
        (Kind.DNS_TIMEOUT, Kind.RESOLVER_DOWN, Kind.RESOLVER_DOWN),
    ],
)
async def test_a_policy_host_without_address_says_why(made: Pki, v4: Kind, v6: Kind, kind: Kind) -> None:
    def empty(kind: Kind) -> Answer[str]:
        side = Side.OURS if kind is Kind.RESOLVER_DOWN else Side.REMOTE
        return Answer(HOST, fault=Fault(Stage.RESOLVE, kind, side))

    found = await fetcher(policy_context(made.ca_file), 1, Zone(empty(v4), empty(v6))).fetch("example.test")
    assert found.fault is not None
    assert (found.fault.stage, found.fault.kind) == (Stage.POLICY, kind)
    assert (found.fault.side is Side.OURS) == (kind is Kind.RESOLVER_DOWN)


@pytest.mark.parametrize("domain", ["user@evil.test/", "a b.test", "x" * 250, "evil.test:444", "1"])
async def test_what_is_no_host_name_is_never_asked_for(made: Pki, domain: str) -> None:
    found = await fetcher(policy_context(made.ca_file), 1).fetch(domain)
    assert found.fault is not None
    assert (found.fault.stage, found.fault.kind) == (Stage.POLICY, Kind.DNS_MALFORMED)


async def test_a_host_that_never_says_farewell_does_not_keep_our_socket(made: Pki) -> None:
    deaf = (play.encrypt(made.server()), hear_request, play.say(answer()), _listen_below_tls)
    with play.serving(*deaf) as server:
        found = await fetcher(policy_context(made.ca_file), server.port).fetch("example.test")
        assert found.fault is None
        assert await anyio.to_thread.run_sync(server.ended.wait, 10)


def _listen_below_tls(stage: play.Stage) -> None:
    """Wait for the end of the TCP connection, and never answer the close of TLS."""
    with contextlib.closing(socket.socket(fileno=stage.wire.detach())) as bare:
        bare.settimeout(20)
        while bare.recv(4096):
            pass


async def test_cancellation_passes_and_leaves_nothing_open(made: Pki) -> None:
    with play.serving(*after_request(play.hold)(made)) as server:
        with anyio.move_on_after(0.3) as scope:
            await fetcher(policy_context(made.ca_file), server.port).fetch("example.test")
        assert scope.cancelled_caught
        assert await anyio.to_thread.run_sync(server.ended.wait, 10)


def test_the_verdict_does_not_depend_on_the_version_of_python() -> None:
    context = policy_context()
    assert context.verify_flags == ssl.VERIFY_X509_TRUSTED_FIRST
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.hostname_checks_common_name is False
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 50


@pytest.mark.parametrize(
    ("error", "kind", "side"),
    [
        (OSError(errno.EMFILE, "full"), Kind.NO_DESCRIPTORS, Side.OURS),
        (OSError(errno.ENETUNREACH, "nowhere"), Kind.NO_ROUTE, Side.OURS),
        (OSError(errno.ECONNRESET, "reset"), Kind.RESET, Side.REMOTE),
        (ConnectionResetError(), Kind.CLOSED, Side.REMOTE),
        (TimeoutError(), Kind.TIMEOUT, Side.REMOTE),
    ],
    ids=["full", "no route", "reset", "reset without a number", "timeout"],
)
def test_every_error_has_its_side(error: Exception, kind: Kind, side: Side) -> None:
    fault = fault_of(error)
    assert (fault.stage, fault.kind, fault.side) == (Stage.POLICY, kind, side)


def test_an_error_of_tls_inside_the_connection_is_not_read_as_a_number_of_the_system() -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    incoming.write(b"220 mx ESMTP\r\n")
    with pytest.raises(ssl.SSLError) as caught:
        policy_context().wrap_bio(incoming, outgoing, server_hostname=HOST).do_handshake()
    assert caught.value.errno == errno.EPERM  # the trap: a number of OpenSSL
    error = aiohttp.ClientOSError(*caught.value.args)
    error.__cause__ = caught.value
    fault = fault_of(error)
    assert (fault.kind, fault.side) == (Kind.NOT_TLS, Side.REMOTE)


async def test_memory_that_runs_out_inside_the_library_is_no_fault_of_the_host(
    made: Pki, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library calls whatever breaks in its parser a malformed answer."""

    def without_memory(*_: object) -> None:
        raise aiohttp.ClientPayloadError from MemoryError()

    monkeypatch.setattr(HttpsPolicyFetcher, "_asked", without_memory)
    found, _ = await fetched(made, after_request(play.say(answer())))
    assert found.fault is not None
    assert (found.fault.kind, found.fault.side) == (Kind.NO_BUFFERS, Side.OURS)


async def test_more_hosts_than_places_are_fetched_one_after_the_other(made: Pki) -> None:
    """A list full of policies must not take all descriptors; waiting for a place is no host's delay."""
    answers: list[PolicyFetch] = []
    at_a_time: list[int] = []

    async def keep(one: HttpsPolicyFetcher) -> None:
        answers.append(await one.fetch("example.test"))
        at_a_time.append(int(one.places.borrowed_tokens))

    with play.serving(*after_request(play.say(answer()))(made)) as server:
        one = fetcher(policy_context(made.ca_file), server.port)
        async with anyio.create_task_group() as group:
            for _ in range(8):
                group.start_soon(keep, one)
    assert [found.status for found in answers] == [200] * 8
    assert max(at_a_time) == 2
