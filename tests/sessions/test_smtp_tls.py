import contextlib
import ssl
import time
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello, Oddity
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, GREETING, OFFER, PATIENT, READY, SHORT_S, ending, hasty, knock, probe

NO_FAREWELL = replace(PATIENT, quit_s=SHORT_S)


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they differ in how they report the end of a connection."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate."""
    return play.self_signed(tmp_path_factory.mktemp("pki"))[0]


@pytest.fixture
def context(pem: Path) -> ssl.SSLContext:
    """A server's TLS, as good as it gets."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(pem)
    return made


async def test_a_good_server_is_followed_to_the_end(context: ssl.SSLContext, pem: Path) -> None:
    script = (*READY, play.encrypt(context), play.hear, play.say(b"250-mx\r\n250 SIZE\r\n"), *BYE)
    with play.serving(*script) as server:
        session = await knock(server.port)
    assert ending(session) == (Stage.DONE, None, None, None)
    assert session.oddities == ()
    assert session.egress == "203.0.113.9"
    assert session.handshake is not None
    assert (session.handshake.version, session.handshake.server_name) == ("TLSv1.3", play.NAME)
    assert (session.handshake.chain_count, session.handshake.chain[0].dns_names) == (1, (play.NAME,))
    assert [name for name, _ in session.times_ms] == [stage.word for stage in Stage if stage >= Stage.CONNECT]
    ehlo = b"EHLO scan.example.test"
    assert server.heard == [ehlo, b"STARTTLS", ehlo, b"QUIT"]


async def test_the_wide_hello_sends_no_server_name(context: ssl.SSLContext) -> None:
    names: list[str | None] = []
    context.sni_callback = lambda _socket, name, _context: names.append(name)
    session = await probe(*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), *BYE, hello=Hello.WIDE)
    assert names == [None]
    assert session.handshake is not None
    assert session.handshake.server_name == ""


async def test_an_anonymous_suite_is_a_handshake_without_certificate() -> None:
    anonymous = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    anonymous.maximum_version = ssl.TLSVersion.TLSv1_2
    anonymous.set_ciphers("AECDH-AES128-SHA:@SECLEVEL=0")
    script = (*READY, play.encrypt(anonymous), play.hear, play.say(b"250 mx\r\n"), *BYE)
    usual, wide = await probe(*script), await probe(*script, hello=Hello.WIDE)
    assert ending(usual) == (Stage.STARTTLS, Stage.HANDSHAKE, Kind.TLS_ALERT, 40)
    assert (wide.stage, wide.oddities) == (Stage.DONE, (Oddity.NO_CERTIFICATE,))


async def test_starttls_that_works_unadvertised_is_seen(context: ssl.SSLContext) -> None:
    plain = (*GREETING, play.say(b"250-mx\r\n250 XXXXXXXA\r\n"), play.hear, play.say(b"220 go\r\n"))
    session = await probe(*plain, play.encrypt(context), play.hear, play.say(b"250-mx\r\n250 STARTTLS\r\n"), *BYE)
    assert session.stage is Stage.DONE
    odd = (Oddity.STARTTLS_MANGLED, Oddity.STARTTLS_UNADVERTISED, Oddity.STARTTLS_AGAIN)
    assert session.oddities == odd


async def test_plain_text_behind_the_220_is_kept_and_discarded(context: ssl.SSLContext) -> None:
    injected = (*GREETING, *OFFER, play.say(b"220 go\r\n250-evil\r\n250 AUTH PLAIN\r\n"), play.encrypt(context))
    session = await probe(*injected, play.hear, play.say(b"250 mx\r\n"), *BYE)
    assert session.stage is Stage.DONE
    assert session.oddities == (Oddity.PLAINTEXT_AFTER_STARTTLS,)
    assert session.unsolicited == b"250-evil\r\n250 AUTH PLAIN\r\n"
    assert session.ehlo_tls is not None
    assert session.ehlo_tls.lines == (b"250 mx",)


def alert(number: int) -> play.Act:
    return play.say(b"\x15\x03\x01\x00\x02\x02" + bytes([number]))


HANDSHAKES: list[tuple[str, tuple[play.Act, ...], Kind, int | None]] = [
    ("handshake_failure", (alert(40), play.hold), Kind.TLS_ALERT, 40),
    ("protocol_version", (alert(70), play.hold), Kind.TLS_ALERT, 70),
    ("internal_error", (alert(80), play.hold), Kind.TLS_ALERT, 80),
    ("unrecognized_name", (alert(112), play.hold), Kind.TLS_ALERT, 112),
    ("plain text", (play.pause(0.05), play.say(b"500 what is that?\r\n"), play.hold), Kind.NOT_TLS, None),
    ("silence", (play.hold,), Kind.TIMEOUT, None),
    ("closed", (play.pause(0.05),), Kind.CLOSED, None),
    ("reset", (play.pause(0.05), play.reset), Kind.RESET, 104),
]


@pytest.mark.parametrize(
    ("script", "kind", "code"), [row[1:] for row in HANDSHAKES], ids=[row[0] for row in HANDSHAKES]
)
async def test_a_handshake_that_fails_is_named(script: tuple[play.Act, ...], kind: Kind, code: int | None) -> None:
    first = () if script[0] is play.hold else (play.hear_hello,)
    deadlines = hasty(Stage.HANDSHAKE) if kind is Kind.TIMEOUT else PATIENT
    session = await probe(*READY, *first, *script, deadlines=deadlines)
    assert ending(session) == (Stage.STARTTLS, Stage.HANDSHAKE, kind, code)


async def test_a_client_certificate_demanded_by_tls_1_3_is_seen_at_ehlo(context: ssl.SSLContext, pem: Path) -> None:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(pem)
    session = await probe(*READY, play.encrypt(context))
    assert ending(session) == (Stage.HANDSHAKE, Stage.EHLO_TLS, Kind.TLS_ALERT, 116)


@pytest.mark.parametrize(("reply", "kind"), [(b"421 4.7.1 no\r\n", Kind.REPLY_421), (b"550 no\r\n", Kind.REPLY_5XX)])
async def test_a_refusal_inside_tls_leaves_the_handshake(context: ssl.SSLContext, reply: bytes, kind: Kind) -> None:
    session = await probe(*READY, play.encrypt(context), play.hear, play.say(reply), *BYE)
    assert ending(session) == (Stage.HANDSHAKE, Stage.EHLO_TLS, kind, int(reply[:3]))


async def test_old_protocols_are_spoken(pem: Path) -> None:
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        old = ssl.SSLContext(ssl.PROTOCOL_TLSv1)
    old.set_ciphers("ALL:@SECLEVEL=0")
    old.load_cert_chain(pem)
    session = await probe(*READY, play.encrypt(old), play.hear, play.say(b"250 mx\r\n"), *BYE)
    assert session.handshake is not None
    assert session.handshake.version == "TLSv1"


async def test_a_peer_that_ignores_quit_is_left_behind(context: ssl.SSLContext) -> None:
    before_s = time.monotonic()
    script = (*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), play.hold)
    session = await probe(*script, deadlines=NO_FAREWELL)
    assert session.stage is Stage.DONE
    assert time.monotonic() - before_s < PATIENT.ehlo_s


async def test_a_flood_inside_tls_is_cut_off(context: ssl.SSLContext) -> None:
    session = await probe(*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), play.flood(b"x" * 4096))
    assert session.stage is Stage.DONE


def open_sockets() -> int:
    """Sockets of this process, the scripted server's included."""
    found = 0
    for entry in list(Path("/proc/self/fd").iterdir()):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += str(entry.readlink()).startswith("socket:")
    return found


async def sockets_settle(most: int) -> bool:
    """Give the server's threads a while to close their ends."""
    for _ in range(1000):
        if open_sockets() <= most:
            return True
        await anyio.sleep(0.02)
    return False


async def test_no_socket_is_left_after_cancellations_at_any_moment(context: ssl.SSLContext) -> None:
    script = (*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), play.hold)
    with play.serving(*script) as server:
        await knock(server.port, deadlines=NO_FAREWELL)
        await anyio.sleep(0.1)
        before = open_sockets()
        for turn in range(50):
            with anyio.move_on_after(turn * 0.0003):
                await knock(server.port, deadlines=NO_FAREWELL)
        for turn in range(20):
            with anyio.move_on_after(turn * 0.0003):
                async with anyio.create_task_group() as tasks:
                    for _ in range(5):
                        tasks.start_soon(knock, server.port, Hello.USUAL, NO_FAREWELL)
        assert await sockets_settle(before)
