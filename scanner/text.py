r"""Foreign text made visible, and turned back into exactly what it was.

What a peer or a list sends may hold terminal commands, invisible letters and bytes that are no text at all. Here
printable Unicode stays, a backslash is doubled, and all else becomes an escape that people can read and that nothing
interprets: `\xNN` for C0, DEL and bytes that are not UTF-8, `\u{NNNN}` for C1, bidirectional controls, line and
paragraph separators, the byte order mark, lone surrogates, and letters that show nothing. Bytes come back exactly
from the escaped form: the wire is evidence.

Touches: nothing. Source: RFC 3629 section 10 (hostile UTF-8), UAX 9 (bidirectional controls), UAX 44 (ignorable).
"""

import re

_UNSEEN = (
    (0x00, 0x1F),  # C0
    (0x5C, 0x5C),  # the backslash itself
    (0x7F, 0x9F),  # DEL and C1
    (0xAD, 0xAD),
    (0x34F, 0x34F),
    (0x600, 0x605),
    (0x61C, 0x61C),
    (0x6DD, 0x6DD),
    (0x70F, 0x70F),
    (0x890, 0x891),
    (0x8E2, 0x8E2),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),  # zero width, direction marks
    (0x2028, 0x202E),  # line and paragraph separators, bidirectional controls
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xD800, 0xDFFF),  # surrogates
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),  # byte order mark
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB),
    (0x110BD, 0x110BD),
    (0x110CD, 0x110CD),
    (0x13430, 0x1343F),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),  # tags: a hidden alphabet
)
"""First and last of each range that is escaped: written out, so that no Python release moves the border."""

_ESCAPED = re.compile("[" + "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in _UNSEEN) + "]")
_ESCAPE = re.compile(r"\\(?:\\|x([0-9a-f]{2})|u\{([0-9a-f]{4,6})\})")
_FIRST_STRAY, _LAST_STRAY = 0xDC80, 0xDCFF
"""Where Python keeps bytes that are not UTF-8 (PEP 383)."""


def is_plain(words: str) -> bool:
    """Tell whether text is shown as it stands, as most is."""
    return words.isascii() and words.isprintable() and "\\" not in words


def from_bytes(raw: bytes) -> str:
    """Show bytes of a peer."""
    if raw.isascii():
        shown = raw.decode("ascii")
        return shown if is_plain(shown) else _ESCAPED.sub(_escape, shown)
    return _ESCAPED.sub(_escape_stray, raw.decode("utf-8", "surrogateescape"))


def from_str(words: str) -> str:
    """Show text of a peer, a list, or a library."""
    return words if is_plain(words) else _ESCAPED.sub(_escape, words)


def to_bytes(shown: str) -> bytes:
    """Undo `from_bytes`."""
    if "\\" not in shown:
        return shown.encode("utf-8")
    return _ESCAPE.sub(_restore_stray, shown).encode("utf-8", "surrogateescape")


def to_str(shown: str) -> str:
    """Undo `from_str`."""
    return _ESCAPE.sub(_restore, shown) if "\\" in shown else shown


def _escape(found: re.Match[str]) -> str:
    letter = found[0]
    if letter == "\\":
        return "\\\\"
    code = ord(letter)
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{{{code:04x}}}"


def _escape_stray(found: re.Match[str]) -> str:
    """Show a stray byte by its value, all else as text."""
    code = ord(found[0])
    return f"\\x{code & 0xFF:02x}" if _FIRST_STRAY <= code <= _LAST_STRAY else _escape(found)


def _restore(found: re.Match[str]) -> str:
    digits = found[1] or found[2]
    return chr(int(digits, 16)) if digits else "\\"


def _restore_stray(found: re.Match[str]) -> str:
    """Bring a byte above ASCII back to where Python keeps strays."""
    if found[1] and found[1] >= "80":
        return chr(0xDC00 + int(found[1], 16))
    return _restore(found)
