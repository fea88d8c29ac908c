"""The short way to read a usual reply: never another result than the long one."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Stage
from scanner.model.session import Reply
from scanner.net.tap import Ask, Tap
from scanner.protocols.replies import ReplyReader

MOST_BYTES, MOST_LINES = 200, 5
CODES = st.sampled_from([b"220", b"250", b"421", b"550", b"199", b"2_0"])
ENDS = st.sampled_from([b"\r\n", b"\n", b"\r\n\r\n", b""])
TEXTS = st.one_of(st.binary(max_size=12), st.sampled_from([b"STARTTLS", b"mx.test ESMTP", b"", b"x" * 520]))
LINES = st.builds(lambda *parts: b"".join(parts), CODES, st.sampled_from([b"-", b" ", b""]), TEXTS, ENDS)
WIRE = st.lists(LINES, max_size=7).map(b"".join)


def at_a_glance(data: bytes, *, skips_greeting: bool = False) -> Reply | None:
    loop = asyncio.new_event_loop()
    try:
        tap = Tap(loop, Ask(Stage.EHLO, b"EHLO a", 1.0, MOST_BYTES, MOST_LINES, skips_greeting))
        return tap._at_a_glance(data)
    finally:
        loop.close()


@given(WIRE)
def test_what_is_seen_at_a_glance_is_what_the_reader_reads(data: bytes) -> None:
    reader = ReplyReader(MOST_BYTES, MOST_LINES)
    reader.feed(data)
    seen = at_a_glance(data)
    if seen is not None:
        assert (reader.reply, reader.fault_kind, reader.oddities, reader.leftover) == (seen, None, (), b"")


def test_usual_replies_are_seen_at_a_glance() -> None:
    for data in (b"220 mx ESMTP\r\n", b"250-mx\r\n250-SIZE 1\r\n250 STARTTLS\r\n", b"250\r\n", b"421 4.7.0 no\r\n"):
        assert at_a_glance(data) == Reply(int(data[:3]), tuple(data.split(b"\r\n")[:-1]))


def test_a_greeting_that_comes_late_is_left_to_the_reader() -> None:
    assert at_a_glance(b"220 mx\r\n", skips_greeting=True) is None
    assert at_a_glance(b"250 mx\r\n", skips_greeting=True) is not None
