from scanner.cli.lastrow import domain_of


def test_the_domain_of_a_row_is_read_and_other_lines_have_none() -> None:
    assert domain_of(b'{"domain":"example.test"}') == "example.test"
    assert [domain_of(line) for line in (b"", b"{", b"[]", b"1", b'{"domain":null}', b'{"x":1}')] == [None] * 6
