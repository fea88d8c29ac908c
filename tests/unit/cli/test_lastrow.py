import io

from scanner.cli.lastrow import domain_of, split
from scanner.parts import LINE_BYTES


def test_lines_are_split_wherever_the_pieces_end() -> None:
    long = b"x" * 200_000
    assert list(split(io.BytesIO(b"one\n" + long + b"\n\nlast"))) == [b"one", long, b"", b"last"]


def test_what_is_longer_than_any_row_is_never_held_whole() -> None:
    lines = list(split(io.BytesIO(b"x" * (3 * LINE_BYTES) + b"\nrow\n")))
    assert lines[-1] == b"row"
    assert max(map(len, lines)) < 2 * LINE_BYTES


def test_the_domain_of_a_row_is_read_and_other_lines_have_none() -> None:
    assert domain_of(b'{"domain":"example.test"}') == "example.test"
    assert [domain_of(line) for line in (b"", b"{", b"[]", b"1", b'{"domain":null}', b'{"x":1}')] == [None] * 6
