import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Kind
from scanner.model.session import Oddity, Reply
from scanner.protocols.replies import ReplyReader


def read(*packets: bytes) -> ReplyReader:
    reader = ReplyReader(max_bytes=16 * 1024, max_lines=256)
    for packet in packets:
        reader.feed(packet)
    return reader


REPLIES: list[tuple[str, bytes, int, tuple[bytes, ...], tuple[Oddity, ...]]] = [
    ("one line", b"220 mx ready\r\n", 220, (b"220 mx ready",), ()),
    ("code alone", b"220\r\n", 220, (b"220",), ()),
    ("several lines", b"220-a\r\n220-b\r\n220 c\r\n", 220, (b"220-a", b"220-b", b"220 c"), ()),
    ("bare LF", b"250-a\n250 b\n", 250, (b"250-a", b"250 b"), (Oddity.BARE_LF,)),
    ("CR inside", b"250 a\rb\r\n", 250, (b"250 a\rb",), (Oddity.BARE_CR,)),
    ("two CR", b"250 a\r\r\n", 250, (b"250 a\r",), (Oddity.BARE_CR,)),
    ("NUL and eight bits", b"220 \0\xff\r\n", 220, (b"220 \0\xff",), (Oddity.NUL, Oddity.EIGHT_BIT)),
    ("long line", b"220 " + b"x" * 3000 + b"\r\n", 220, (b"220 " + b"x" * 3000,), (Oddity.LONG_LINE,)),
    ("junk first", b"hello\r\n220 mx\r\n", 220, (b"hello", b"220 mx"), (Oddity.JUNK_LINE,)),
    ("junk between", b"250-h\r\nTLS\r\n250 SIZE\r\n", 250, (b"250-h", b"TLS", b"250 SIZE"), (Oddity.JUNK_LINE,)),
    ("mixed codes", b"220-a\r\n554 b\r\n", 554, (b"220-a", b"554 b"), (Oddity.MIXED_CODES,)),
    ("no separator", b"220hi\r\n220 mx\r\n", 220, (b"220hi", b"220 mx"), (Oddity.JUNK_LINE,)),
    ("digits of Python", b"2_0 a\r\n+22 b\r\n220 mx\r\n", 220, (b"2_0 a", b"+22 b", b"220 mx"), (Oddity.JUNK_LINE,)),
    ("first digit", b"120 a\r\n620 b\r\n220 c\r\n", 220, (b"120 a", b"620 b", b"220 c"), (Oddity.JUNK_LINE,)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("wire", "code", "lines", "oddities"), [row[1:] for row in REPLIES], ids=[r[0] for r in REPLIES]
)
def test_a_reply_is_read_whatever_it_looks_like(
    wire: bytes, code: int, lines: tuple[bytes, ...], oddities: tuple[Oddity, ...]
) -> None:
    for packets in ([wire], [wire[at : at + 1] for at in range(len(wire))]):
        reader = read(*packets)
        assert reader.reply == Reply(code, lines)
        assert reader.oddities == oddities
        assert reader.leftover == b""


def test_what_follows_the_last_line_is_left_over() -> None:
    reader = read(b"220 a\r\n220 b\r\n", b"more")
    assert reader.reply == Reply(220, (b"220 a",))
    assert reader.leftover == b"220 b\r\nmore"


def test_what_came_so_far_can_be_read() -> None:
    reader = read(b"220-a\r\n220 b")
    assert reader.reply is None
    assert reader.partial == Reply(0, (b"220-a", b"220 b"))


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (b"", None),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Kind.MALFORMED),
        (b"SSH-2.0-x", Kind.MALFORMED),
        (b"\x15\x03\x01\x00\x02\x02\x28", Kind.MALFORMED),
        (b"junk\r\n22", None),
        (b"220-half", None),
        (b"220-a\r\njunk\r\n", None),
        (b"220 a\r\n", None),
    ],
)
def test_at_the_end_only_what_never_was_a_reply_is_malformed(wire: bytes, kind: Kind | None) -> None:
    reader = read(wire)
    reader.end()
    assert reader.fault_kind is kind


@pytest.mark.parametrize("wire", [b"x" * 20_000, b"220-" + b"x" * 20_000, b"220-a\r\n" * 300, b"\n" * 300])
def test_what_never_ends_is_too_long(wire: bytes) -> None:
    reader = read(wire)
    assert reader.fault_kind is Kind.TOO_LONG
    assert reader.reply is None
    assert sum(map(len, reader.partial.lines)) <= 16 * 1024


def test_32_kb_in_tiny_packets_cost_no_more_than_in_one() -> None:
    reader = ReplyReader(max_bytes=64 * 1024, max_lines=10_000)
    before_s = time.process_time()
    for _ in range(32 * 1024 // 5):
        reader.feed(b"220-\n")
    assert time.process_time() - before_s < 0.5
    assert reader.reply is None


@given(
    st.lists(st.sampled_from([b"220", b"2", b"-", b" ", b"\r\n", b"\n", b"\r", b"x", b"\0", b"554 "]), max_size=40),
    st.data(),
)
def test_packets_make_no_difference(pieces: list[bytes], data: st.DataObject) -> None:
    wire = b"".join(pieces)
    cut = data.draw(st.integers(0, len(wire)))
    whole, parts = read(wire), read(wire[:cut], wire[cut:])
    assert (whole.reply, whole.oddities, whole.leftover, whole.partial) == (
        parts.reply,
        parts.oddities,
        parts.leftover,
        parts.partial,
    )


@given(st.binary(max_size=2000))
def test_no_bytes_raise_and_none_get_lost(wire: bytes) -> None:
    reader = read(wire)
    reader.end()
    bare = wire.translate(None, b"\r\n")
    lines = reader.reply.lines if reader.reply else reader.partial.lines
    assert (b"".join(lines) + reader.leftover).translate(None, b"\r\n") == bare
