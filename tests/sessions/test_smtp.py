import time

import pytest

from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Oddity, Source
from scanner.settings import Deadlines
from tests.sessions import scripted_smtp as play
from tests.sessions.probing import BYE, GREETING, OFFER, PATIENT, ending, hasty, impatient, knock, probe, prober


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Both loops: they differ in how they report the end of a connection."""
    return "asyncio", {"use_uvloop": request.param}


async def test_a_teasing_greeting_is_awaited_whole() -> None:
    teaser = (play.say(b"220-mx ESMTP\r\n"), play.pause(0.2), play.say(b"220 mx ESMTP\r\n"), play.hear)
    session = await probe(*teaser, play.say(b"250 mx\r\n"), play.hear, play.say(b"502 no\r\n"), *BYE)
    assert session.greeting is not None
    assert session.greeting.lines == (b"220-mx ESMTP", b"220 mx ESMTP")
    assert session.unsolicited == b""


async def test_one_byte_per_packet_changes_nothing() -> None:
    session = await probe(
        play.drip(b"220 mx\r\n"),
        play.hear,
        play.drip(b"250-mx\r\n250 SIZE\r\n"),
        play.hear,
        play.drip(b"502 no\r\n"),
        *BYE,
    )
    assert ending(session) == (Stage.EHLO, None, None, None)
    assert session.starttls is not None
    assert session.starttls.code == 502
    assert session.oddities == ()


@pytest.mark.parametrize("wait_s", [0.0, 0.1], ids=["one packet", "two packets"])
async def test_a_second_greeting_never_answers_ehlo(wait_s: float) -> None:
    second = (play.say(b"220 a\r\n220 b\r\n"),) if not wait_s else (
        play.say(b"220 a\r\n"), play.hear, play.say(b"220 b\r\n"), play.pause(wait_s)
    )  # fmt: skip
    heard = (play.hear,) if not wait_s else ()
    session = await probe(*second, *heard, *OFFER[:1], play.hear, play.say(b"454 no\r\n"), *BYE)
    assert session.ehlo is not None
    assert session.ehlo.code == 250
    assert session.oddities == (Oddity.UNSOLICITED,)
    assert session.unsolicited == b"220 b\r\n"
    assert ending(session) == (Stage.EHLO, Stage.STARTTLS, Kind.REPLY_4XX, 454)


GREETINGS: list[tuple[str, tuple[play.Act, ...], Kind, int | None]] = [
    ("too many connections", (play.say(b"421 4.7.0 too many\r\n"),), Kind.REPLY_421, 421),
    ("blocked, then polite", (play.say(b"554 5.7.1 blocked\r\n"), *BYE), Kind.REPLY_5XX, 554),
    ("greylisted", (play.say(b"450 4.7.1 later\r\n"), *BYE), Kind.REPLY_4XX, 450),
    ("a code nobody greets with", (play.say(b"354 go ahead\r\n"), play.hold), Kind.DESYNC, 354),
    ("silence", (play.hold,), Kind.TIMEOUT, None),
    ("half a greeting", (play.say(b"220-mx\r\n"), play.hold), Kind.TIMEOUT, None),
    ("one byte at a time, for ever", (play.drip(b"220-" + b"x" * 100, 0.05),), Kind.TIMEOUT, None),
    ("closed", (), Kind.CLOSED, None),
    ("closed after half", (play.say(b"220-mx\r\n"),), Kind.CLOSED, None),
    ("reset", (play.reset,), Kind.RESET, 104),
    ("HTTP, then closed", (play.say(b"HTTP/1.1 400 Bad Request\r\n\r\n"),), Kind.MALFORMED, None),
    ("SSH, then silence", (play.say(b"SSH-2.0-OpenSSH_9.2\r\n"), play.hold), Kind.MALFORMED, None),
    ("a TLS alert", (play.say(b"\x15\x03\x01\x00\x02\x02\x28"), play.hold), Kind.MALFORMED, None),
    ("endless lines", (play.flood(b"220-mx\r\n" * 1000),), Kind.TOO_LONG, None),
    ("an endless line", (play.flood(b"x" * 8000),), Kind.TOO_LONG, None),
]


@pytest.mark.parametrize(("script", "kind", "code"), [row[1:] for row in GREETINGS], ids=[row[0] for row in GREETINGS])
async def test_a_greeting_that_is_none_ends_the_session(
    script: tuple[play.Act, ...], kind: Kind, code: int | None
) -> None:
    session = await probe(*script, deadlines=impatient(kind, Stage.GREETING))
    assert ending(session) == (Stage.CONNECT, Stage.GREETING, kind, code)
    assert session.ehlo is None
    assert session.fault is not None
    assert session.fault.side is Side.REMOTE


async def test_a_reply_cut_short_keeps_its_lines() -> None:
    session = await probe(play.say(b"220-one\r\n220-two"), play.hold, deadlines=hasty(Stage.GREETING))
    assert session.greeting is not None
    assert (session.greeting.code, session.greeting.lines) == (0, (b"220-one", b"220-two"))


async def test_after_a_bad_greeting_only_quit_is_sent() -> None:
    with play.serving(play.say(b"554 blocked\r\n"), *BYE) as server:
        await knock(server.port)
    assert server.heard == [b"QUIT"]


async def test_where_ehlo_is_unknown_helo_is_said() -> None:
    with play.serving(*GREETING, play.say(b"502 what?\r\n"), play.hear, play.say(b"250 mx\r\n"), *BYE) as server:
        session = await knock(server.port)
    assert ending(session) == (Stage.EHLO, None, None, None)
    assert session.oddities == (Oddity.HELO_ONLY,)
    assert server.heard == [b"EHLO scan.example.test", b"HELO scan.example.test", b"QUIT"]


EHLOS: list[tuple[str, tuple[play.Act, ...], Kind, int | None]] = [
    ("refused both ways", (play.say(b"550 no\r\n"), play.hear, play.say(b"501 no\r\n"), *BYE), Kind.REPLY_5XX, 550),
    ("refused, then closed", (play.say(b"550 no\r\n"),), Kind.REPLY_5XX, 550),
    ("for now", (play.say(b"450 helo\r\n"), *BYE), Kind.REPLY_4XX, 450),
    ("too many", (play.say(b"421 too many\r\n"),), Kind.REPLY_421, 421),
    ("a second greeting and no answer", (play.say(b"220 again\r\n"), play.hold), Kind.DESYNC, 220),
    ("closed in the middle", (play.say(b"250-mx\r\n250-STARTTLS\r\n"),), Kind.CLOSED, None),
    ("reset", (play.reset,), Kind.RESET, 104),
]


@pytest.mark.parametrize(("script", "kind", "code"), [row[1:] for row in EHLOS], ids=[row[0] for row in EHLOS])
async def test_an_ehlo_that_fails_is_named(script: tuple[play.Act, ...], kind: Kind, code: int | None) -> None:
    session = await probe(*GREETING, *script, deadlines=impatient(kind, Stage.EHLO))
    assert ending(session) == (Stage.GREETING, Stage.EHLO, kind, code)


STARTTLS: list[tuple[str, tuple[play.Act, ...], Kind, int | None]] = [
    ("refused", (play.say(b"502 no\r\n"), *BYE), Kind.REPLY_5XX, 502),
    ("a late EHLO reply", (play.say(b"250 STARTTLS\r\n"), play.hold), Kind.DESYNC, 250),
    ("silence", (play.hold,), Kind.TIMEOUT, None),
    ("closed", (), Kind.CLOSED, None),
]


@pytest.mark.parametrize(("script", "kind", "code"), [row[1:] for row in STARTTLS], ids=[row[0] for row in STARTTLS])
async def test_a_promise_not_kept_is_a_fault(script: tuple[play.Act, ...], kind: Kind, code: int | None) -> None:
    session = await probe(*GREETING, *OFFER, *script, deadlines=impatient(kind, Stage.STARTTLS))
    assert ending(session) == (Stage.EHLO, Stage.STARTTLS, kind, code)


async def test_the_whole_session_has_one_deadline() -> None:
    slow = Deadlines(greeting_s=60, ehlo_s=60, session_s=2)
    before_s = time.monotonic()
    session = await probe(play.pause(0.2), *GREETING, play.hold, deadlines=slow)
    assert ending(session) == (Stage.GREETING, Stage.EHLO, Kind.TIMEOUT, None)
    assert time.monotonic() - before_s < 30


async def test_32_kb_in_tiny_packets_cost_next_to_nothing() -> None:
    lines = tuple(play.say(b"220-\n") for _ in range(6400))
    before_s = time.process_time()
    session = await probe(*lines, play.hold, deadlines=PATIENT)
    assert session.fault is not None
    assert session.fault.kind is Kind.TOO_LONG
    assert time.process_time() - before_s < 0.5


async def test_nobody_listening_is_refused() -> None:
    with play.serving() as server:
        port = server.port
    session = await knock(port)
    assert ending(session) == (Stage.RESOLVE, Stage.CONNECT, Kind.REFUSED, 111)


async def test_without_a_name_we_introduce_ourselves_by_address() -> None:
    endpoint_script = (*GREETING, play.say(b"250 mx\r\n"), play.hear, play.say(b"502 no\r\n"), *BYE)
    with play.serving(*endpoint_script) as server:
        endpoint = Endpoint(play.NAME, play.HOST, server.port, play.NAME)
        session = await prober().converse(endpoint, Source("any"), Hello.USUAL)
    assert session.ehlo_name == "[127.0.0.1]"
    assert server.heard[0] == b"EHLO [127.0.0.1]"
