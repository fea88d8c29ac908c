"""A ClientHello that may cost much work, against real servers: the same outcomes as ever."""

import ssl
from pathlib import Path

import pytest

from scanner.lab.primes import dh_pem
from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, PATIENT, READY, ending, hasty, probe

TALK = (play.hear, play.say(b"250 mx\r\n"), *BYE)


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they differ in how they report the end of a connection."""
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def context(folder: Path) -> ssl.SSLContext:
    """A server's TLS with finite-field Diffie-Hellman only."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(play.self_signed(folder)[0])
    made.load_cert_chain(play.self_signed(folder, is_rsa=True)[0])
    made.maximum_version = ssl.TLSVersion.TLSv1_2
    made.set_ciphers("kDHE:@SECLEVEL=0")
    parameters = folder / "dh.pem"
    parameters.write_bytes(dh_pem(2048))
    made.load_dh_params(str(parameters))
    return made


@pytest.mark.parametrize("hello", [Hello.WIDE, Hello.ONLY_FINITE_FIELD])
async def test_a_server_with_dhe_only_is_followed_to_the_end(context: ssl.SSLContext, hello: Hello) -> None:
    session = await probe(*READY, play.encrypt(context), *TALK, hello=hello)
    assert ending(session) == (Stage.DONE, None, None, None)
    assert session.handshake is not None
    assert "DHE-RSA" in session.handshake.cipher


async def test_what_is_said_right_behind_a_handshake_is_heard(context: ssl.SSLContext) -> None:
    """It may come in while the last step is still worked out."""
    first = play.say(b"421 4.3.2 go away\r\n")
    session = await probe(*READY, play.encrypt(context), first, play.hear, *BYE, hello=Hello.WIDE)
    assert session.handshake is not None
    assert session.unsolicited + b"".join(session.ehlo_tls.lines if session.ehlo_tls else ()) != b""


def alert(number: int) -> play.Act:
    return play.say(b"\x15\x03\x01\x00\x02\x02" + bytes([number]))


ENDS: list[tuple[str, tuple[play.Act, ...], Kind, int | None]] = [
    ("an alert", (play.hear_hello, alert(40), play.hold), Kind.TLS_ALERT, 40),
    ("an alert, and gone", (play.hear_hello, alert(40)), Kind.TLS_ALERT, 40),
    ("plain text", (play.hear_hello, play.say(b"500 what is that?\r\n"), play.hold), Kind.NOT_TLS, None),
    ("silence", (play.hold,), Kind.TIMEOUT, None),
    ("gone", (play.hear_hello,), Kind.CLOSED, None),
    ("a reset", (play.hear_hello, play.reset), Kind.RESET, 104),
]


@pytest.mark.parametrize(("script", "kind", "code"), [row[1:] for row in ENDS], ids=[row[0] for row in ENDS])
async def test_a_handshake_that_fails_apart_is_named(
    script: tuple[play.Act, ...], kind: Kind, code: int | None
) -> None:
    deadlines = hasty(Stage.HANDSHAKE) if kind is Kind.TIMEOUT else PATIENT
    session = await probe(*READY, *script, hello=Hello.WIDE, deadlines=deadlines)
    assert ending(session) == (Stage.STARTTLS, Stage.HANDSHAKE, kind, code)
