"""What `--deep` asks, held against TLS servers that take some of it."""

import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from scanner.lab.identities import DH_PEM
from scanner.model.fault import Kind, Stage
from scanner.model.session import Hello, Session
from scanner.protocols.deep import SESSIONS_MOST, SUITES, next_hello
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, READY, ending, knock, probe

V10, V11, V12, V13 = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
Serve = Callable[..., ssl.SSLContext]
MODERN = "ECDHE+AESGCM:ECDHE+CHACHA20"


@pytest.fixture(scope="module")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with an RSA key, which suits every suite."""
    return play.self_signed(tmp_path_factory.mktemp("pki"), is_rsa=True)[0]


@pytest.fixture
def serve(rsa: Path, tmp_path: Path) -> Serve:
    """Make a server's TLS."""
    group = tmp_path / "dh.pem"
    group.write_bytes(DH_PEM)

    def made(least: ssl.TLSVersion = V12, most: ssl.TLSVersion = V13, ciphers: str = MODERN) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version, context.maximum_version = least, most
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        context.load_dh_params(str(group))
        context.load_cert_chain(rsa)
        return context

    return made


def script(context: ssl.SSLContext) -> tuple[play.Act, ...]:
    """A whole session."""
    return (*READY, play.encrypt(context), play.hear, play.say(b"250 mx\r\n"), *BYE)


@pytest.mark.parametrize(
    ("hello", "version", "name"),
    [
        (Hello.ONLY_TLS_1_0, V10, "TLSv1"),
        (Hello.ONLY_TLS_1_1, V11, "TLSv1.1"),
        (Hello.ONLY_TLS_1_2, V12, "TLSv1.2"),
        (Hello.ONLY_TLS_1_3, V13, "TLSv1.3"),
    ],
)
async def test_a_version_is_agreed_where_the_server_has_it_and_refused_elsewhere(
    serve: Serve, hello: Hello, version: ssl.TLSVersion, name: str
) -> None:
    there = await probe(*script(serve(version, version, "ALL")), hello=hello)
    assert (there.hello, there.stage, there.fault) == (hello, Stage.DONE, None)
    assert there.handshake is not None
    assert (there.handshake.version, there.handshake.server_name) == (name, play.NAME)
    other = V12 if version is not V12 else V13
    missing = await probe(*script(serve(other, other, "ALL")), hello=hello)
    assert ending(missing) == (Stage.STARTTLS, Stage.HANDSHAKE, Kind.TLS_ALERT, 70)


@pytest.mark.parametrize(
    ("hello", "ciphers", "agreed"),
    [
        (Hello.ONLY_STATIC_RSA, "kRSA+AESGCM", "AES256-GCM-SHA384"),
        (Hello.ONLY_CBC, "ECDHE+AES256:!AESGCM:!AESCCM", "ECDHE-RSA-AES256-SHA384"),
        (Hello.ONLY_ANONYMOUS, "AECDH-AES256-SHA", "AECDH-AES256-SHA"),
        (Hello.ONLY_FINITE_FIELD, "DHE+AESGCM", "DHE-RSA-AES256-GCM-SHA384"),
        (Hello.ONLY_NULL, "NULL-SHA256", "NULL-SHA256"),
    ],
)
async def test_a_kind_of_suite_is_agreed_where_the_server_has_it_and_refused_elsewhere(
    serve: Serve, hello: Hello, ciphers: str, agreed: str
) -> None:
    there = await probe(*script(serve(ciphers=f"{MODERN}:{ciphers}")), hello=hello)
    assert there.fault is None
    assert there.handshake is not None
    assert (there.handshake.version, there.handshake.cipher) == ("TLSv1.2", agreed)
    missing = await probe(*script(serve()), hello=hello)
    assert ending(missing) == (Stage.STARTTLS, Stage.HANDSHAKE, Kind.TLS_ALERT, 40)


@pytest.mark.parametrize(
    ("least", "ciphers", "versions", "suites"),
    [
        (V12, MODERN, {"TLSv1.2", "TLSv1.3"}, set()),
        (V13, MODERN, {"TLSv1.3"}, set()),
        (V10, "ALL:!kDHE:!aNULL", {"TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"}, {Hello.ONLY_STATIC_RSA}),
        (V12, f"{MODERN}:AECDH-AES256-SHA", {"TLSv1.2", "TLSv1.3"}, {Hello.ONLY_ANONYMOUS}),
    ],
)
async def test_a_server_is_asked_to_the_end_in_ordinary_sessions(
    serve: Serve, least: ssl.TLSVersion, ciphers: str, versions: set[str], suites: set[Hello]
) -> None:
    seen: list[Session] = []
    with play.serving(*script(serve(least, V13, ciphers))) as server:
        hello: Hello | None = Hello.USUAL
        while hello is not None:
            seen.append(await knock(server.port, hello))
            hello = next_hello(seen)
    taken = [each for each in seen if each.handshake is not None]
    assert {each.handshake.version for each in taken if each.handshake} == versions
    assert {each.hello for each in taken} & SUITES.keys() == suites
    assert len(seen) - 1 <= SESSIONS_MOST
    assert set(server.heard) == {b"EHLO scan.example.test", b"STARTTLS", b"QUIT"}
    assert server.heard.count(b"QUIT") == len(taken)
