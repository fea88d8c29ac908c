"""One line becomes cells; what cannot be split costs that line only."""

import pytest

from scanner.model.fault import Fault, Kind
from scanner.targets.first_line import Form, decide
from scanner.targets.rows import Row


def split(first: str, text: str, column: str = "") -> Row | Fault:
    """Read `text` as the list that begins with `first` is read."""
    return decide(first, Form(column)).split(text)


@pytest.mark.parametrize(
    ("first", "text", "row"),
    [
        ("example.org", "a.example, b", Row("a.example, b")),
        ("domain,rank", "a.example,7", Row("a.example", (("rank", "7"),))),
        ("domain,rank", 'a.example, "7, or 8"', Row("a.example", (("rank", "7, or 8"),))),
        ("domain,rank", '"say ""a""",7', Row('say "a"', (("rank", "7"),))),
        ("domain,rank", "a.example", Row("a.example")),
        ("domain,rank", "a.example,7,8", Row("a.example", (("rank", "7"), ("column_3", "8")))),
        ("domain,,rank", "a.example,7,8", Row("a.example", (("column_2", "7"), ("rank", "8")))),
        ("1,example.org", "2,a.example", Row("a.example", (("column_1", "2"),))),
        ("rank\tdomain", "\ta.example", Row("a.example", (("rank", ""),))),
        ('{"domain": ""}', '{"domain": "a.example"}', Row("a.example")),
        (
            '{"domain": ""}',
            '{"rank": 7, "domain": "a.example", "tags": ["x", 1], "note": null, "text": "t", "ok": true}',
            Row("a.example", (("rank", "7"), ("tags", '["x",1]'), ("note", ""), ("text", "t"), ("ok", "true"))),
        ),
    ],
)
def test_a_line_is_split_as_the_first_one_was(first: str, text: str, row: Row) -> None:
    """Other cells keep the name of their column."""
    assert split(first, text) == row


def test_columns_of_one_name_stay_apart() -> None:
    """Chosen by number, a list may name two columns alike: the record could not hold both under one key."""
    row = split("domain,a,a,column_3,", "x.example,1,2,3,4", column="1")
    assert row == Row("x.example", (("a", "1"), ("column_3", "2"), ("column_4", "3"), ("column_5", "4")))


@pytest.mark.parametrize(
    ("first", "text", "kind"),
    [
        ("example.org", '"a.example', Kind.BAD_ROW),
        ("domain,rank", '"a.example,7', Kind.BAD_ROW),
        ("domain,rank", '"a.example"x,7', Kind.BAD_ROW),
        ("rank,domain", "7", Kind.MISSING_COLUMN),
        ('{"domain": ""}', "a.example", Kind.BAD_ROW),
        ('{"domain": ""}', '["a.example"]', Kind.BAD_ROW),
        ('{"domain": ""}', '{"domain": "a.example"', Kind.BAD_ROW),
        ('{"domain": ""}', '{"domain": "\\ud800.example"}', Kind.BAD_ROW),
        ('{"domain": ""}', '{"domain": "a.example", "deep": ' + "[" * 500 + "]" * 500 + "}", Kind.BAD_ROW),
        ('{"domain": ""}', '{"host": "a.example"}', Kind.MISSING_COLUMN),
        ('{"domain": ""}', '{"domain": null}', Kind.MISSING_COLUMN),
        ('{"domain": ""}', '{"domain": ["a.example"]}', Kind.MISSING_COLUMN),
    ],
)
def test_a_line_that_cannot_be_split_is_a_fault(first: str, text: str, kind: Kind) -> None:
    """A value, not an exception."""
    fault = split(first, text)
    assert isinstance(fault, Fault)
    assert fault.kind is kind
    assert fault.detail


@pytest.mark.parametrize(
    ("first", "text"),
    [
        ("domain,rank", "a.example" + ",1" * 70),
        ('{"domain": ""}', '{"domain": "a.example", ' + ", ".join(f'"k{i}": {i}' for i in range(70)) + "}"),
    ],
)
def test_passed_through_columns_are_capped_and_the_rest_is_counted(first: str, text: str) -> None:
    """A row cannot grow a record without end."""
    row = split(first, text)
    assert isinstance(row, Row)
    assert len(row.others) == 65
    assert row.others[-1] == ("columns_left_out", "6")


def test_a_long_cell_is_shortened_visibly() -> None:
    """The ellipsis says so."""
    row = split("domain,note", "a.example," + "x" * 3000)
    assert isinstance(row, Row)
    assert row.others == (("note", "x" * 1023 + "…"),)
