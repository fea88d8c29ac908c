"""Chunks become lines, whatever the chunks, and no line grows past its cap."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.targets.lines import Lines


def split(chunks: list[bytes], most: int) -> list[bytes]:
    """All lines of a stream."""
    lines = Lines(most)
    ended = [line for chunk in chunks for line in lines.feed(chunk)]
    return [*ended, lines.finish()]


@pytest.mark.parametrize(
    ("chunks", "lines"),
    [
        ([b"a\nb"], [b"a", b"b"]),
        ([b"a\r", b"\nb"], [b"a", b"", b"b"]),
        ([b"a\rb\r"], [b"a", b"b", b""]),
        ([b"a", b"b", b"\n"], [b"ab", b""]),
        ([b"12345678\n12345678"], [b"123456", b"123456"]),
        ([b"1234", b"5678", b"90\nab"], [b"123456", b"ab"]),
    ],
)
def test_a_line_ends_at_lf_or_cr_and_keeps_one_byte_more_than_the_cap(chunks: list[bytes], lines: list[bytes]) -> None:
    """That byte tells that it was too long."""
    assert split(chunks, most=5) == lines


@given(st.lists(st.binary(max_size=8) | st.sampled_from([b"\n", b"\r\n", b"\r"])))
def test_lines_do_not_depend_on_how_the_bytes_arrive(chunks: list[bytes]) -> None:
    """One law: any chunks of the same bytes are the same lines."""
    expected = [line[:6] for line in re.split(b"[\r\n]", b"".join(chunks))]
    assert split(chunks, most=5) == expected
