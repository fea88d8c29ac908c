import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import text

ANY_STR = st.text(st.characters(exclude_categories=()))


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"220 mx.test ESMTP", "220 mx.test ESMTP"),
        ("220 Grüße, 你好 🙂".encode(), "220 Grüße, 你好 🙂"),
        (b"C:\\mail", "C:\\\\mail"),
        (b"\\x1b", "\\\\x1b"),
        (b"\x00\t\x1b[31m\x7f", "\\x00\\x09\\x1b[31m\\x7f"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xed\xa0\x80", "\\xed\\xa0\\x80"),
        ("\u0085\u009b".encode(), "\\u{0085}\\u{009b}"),
        ("\u202e\u2066\u200f".encode(), "\\u{202e}\\u{2066}\\u{200f}"),
        ("\u2028\u2029\ufeff".encode(), "\\u{2028}\\u{2029}\\u{feff}"),
        ("\u200b\u200d\u00ad\U000e0041".encode(), "\\u{200b}\\u{200d}\\u{00ad}\\u{e0041}"),
    ],
)
def test_what_nobody_can_see_becomes_visible(raw: bytes, shown: str) -> None:
    assert text.from_bytes(raw) == shown
    assert text.to_bytes(shown) == raw


@pytest.mark.parametrize(
    ("words", "shown"),
    [("\ud800x", "\\u{d800}x"), ("\udce9", "\\u{dce9}"), ("a\\b\n", "a\\\\b\\x0a"), ("é", "é")],
)
def test_text_with_lone_surrogates_is_shown_too(words: str, shown: str) -> None:
    assert text.from_str(words) == shown
    assert text.to_str(shown) == words


def test_every_control_format_and_separator_character_is_escaped() -> None:
    """Whatever this Python knows as Cc, Cf, Cs, Zl or Zp."""
    everything = map(chr, range(0x110000))
    hidden = [letter for letter in everything if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"}]
    assert [letter for letter in hidden if letter in text.from_str(letter)] == []


@given(st.binary())
def test_bytes_come_back_exactly(raw: bytes) -> None:
    assert text.to_bytes(text.from_bytes(raw)) == raw


@given(ANY_STR)
def test_text_comes_back_exactly(words: str) -> None:
    assert text.to_str(text.from_str(words)) == words


@given(ANY_STR)
def test_shown_text_is_sound_utf_8(words: str) -> None:
    text.from_str(words).encode("utf-8")
