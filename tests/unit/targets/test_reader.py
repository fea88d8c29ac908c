"""Nothing of a list is dropped: every line that says something is a target, with a domain or with a fault."""

import gzip
import hashlib
import io
import os
import re
import tracemalloc

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from scanner.model.fault import Kind, Side, Stage
from scanner.model.target import Target
from scanner.settings import Limits
from scanner.targets import Form, ListRefused, TargetList, opened

LIMITS = Limits()


def listed(content: bytes, form: Form | None = None) -> TargetList:
    """A list of these bytes."""
    return TargetList(io.BytesIO(content), form or Form(), LIMITS)


def everything(targets: TargetList) -> list[Target]:
    """All targets, batch by batch."""
    found: list[Target] = []
    while batch := targets.batch():
        found += batch
    return found


@pytest.mark.parametrize(
    ("content", "domains"),
    [
        (b"", []),
        (b"\n# nothing\n\n", []),
        (b"domain\n", []),
        (b"a.example\nb.example\n", ["a.example", "b.example"]),
        (b"a.example\r\nb.example", ["a.example", "b.example"]),
        (b"a.example\rb.example\r", ["a.example", "b.example"]),
        (b"\xef\xbb\xbfdomain\na.example\n\xef\xbb\xbfb.example\n", ["a.example", "b.example"]),
        (b"# list\n\n  \ndomain,rank\n  # more\na.example,1\n\nb.example,2\n", ["a.example", "b.example"]),
        (b"rank;domain\n1;a.example\n", ["a.example"]),
        (b"rank\tdomain\n\ta.example\n\t\n", ["a.example"]),
        (b"1,a.example\n2,b.example\n", ["a.example", "b.example"]),
        (b'{"domain":"a.example"}\n{"domain":"b.example"}\n', ["a.example", "b.example"]),
        ("b\u00fccher.example\n".encode(), ["xn--bcher-kva.example"]),
        (b'domain,note\n"a.example","x"\n"b.example,"never closed\nc.example,y\n', ["a.example", "", "c.example"]),
    ],
)
def test_every_form_of_list_is_read(content: bytes, domains: list[str]) -> None:
    """Rows count from 1; header, comments and blank lines do not count."""
    targets = everything(listed(content))
    assert [target.domain for target in targets] == domains
    assert [target.n for target in targets] == list(range(1, len(domains) + 1))


@pytest.mark.parametrize(
    ("line", "kind", "raw"),
    [
        (b"a\0.example", Kind.NUL_BYTE, "a\0.example"),
        (b"a" * 5000, Kind.LINE_TOO_LONG, "a" * 1023 + "…"),
        (b"caf\xe9.example", Kind.BAD_ENCODING, "caf\\xe9.example"),
        (b"1,no name,x", Kind.NOT_A_HOST_NAME, "no name"),
        (b"1,,x", Kind.NOT_A_HOST_NAME, ""),
        (b"1,192.0.2.1,x", Kind.IP_ADDRESS, "192.0.2.1"),
        (b'1,"b.example', Kind.BAD_ROW, '1,"b.example'),
    ],
)
@pytest.mark.parametrize("first", [b"", b"0,a.example\n"])
def test_a_bad_row_is_a_target_that_says_why(first: bytes, line: bytes, kind: Kind, raw: str) -> None:
    """It costs itself only, even where it comes first."""
    form = Form(column="2", delimiter=",")
    targets = everything(listed(first + line + b"\n2,c.example\n", form))
    bad, good = targets[-2:]
    assert bad.fault is not None
    assert (bad.domain, bad.raw, bad.fault.kind) == ("", raw, kind)
    assert (bad.fault.stage, bad.fault.side) == (Stage.INPUT, Side.INPUT)
    assert bad.fault.detail
    assert (good.n, good.domain, good.fault) == (bad.n + 1, "c.example", None)


def test_a_row_without_the_column_is_a_target_that_says_why() -> None:
    """Not first in the list, where it would tell how many columns there are."""
    short, good = everything(listed(b"domain,x\n" + b"1\n2,c.example\n", Form("2")))
    assert short.fault is not None
    assert (short.raw, short.fault.kind, good.domain) == ("1", Kind.MISSING_COLUMN, "c.example")


def test_the_cell_is_kept_as_written_and_its_neighbours_are_passed_through() -> None:
    """For whoever joins the results with the list."""
    content = b"rank,domain,owner\n7,https://A.example:443/x, M\xc3\xbcller\n"
    assert listed(content).batch() == [
        Target(1, "a.example", "https://A.example:443/x", (("rank", "7"), ("owner", "Müller")))
    ]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_wide_encoding_is_refused_with_the_command_that_converts_it(encoding: str) -> None:
    """Every row would be bad."""
    with pytest.raises(ListRefused, match=f"iconv -f {encoding.upper().replace('-', '').replace('UTF', 'UTF-')}"):
        listed("\ufeffdomain\r\na.example\r\n".encode(encoding))


@pytest.mark.parametrize("form", [Form("web"), Form("2")])
def test_a_column_that_is_missing_refuses_the_list(form: Form) -> None:
    """Before a row is given out."""
    with pytest.raises(ListRefused, match="--column"):
        listed(b"domain\na.example\n", form)


def test_a_batch_has_a_size_and_after_the_end_there_is_nothing_for_ever() -> None:
    """The reader asks again."""
    targets = listed(b"".join(b"a%d.example\n" % i for i in range(10_000)))
    sizes = []
    while batch := targets.batch(64):
        sizes.append(len(batch))
    assert sum(sizes) == targets.rows == 10_000
    assert max(sizes) == 64
    assert [targets.batch(), targets.batch()] == [[], []]


def test_the_digest_is_that_of_the_unpacked_bytes() -> None:
    """So the manifest names the list, not its packing."""
    content = b"# list\n\ndomain\r\na.example"
    targets = listed(content)
    everything(targets)
    assert targets.digest() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("content", "decision"), [(b"", "empty"), (b"domain,x\n", "comma-separated, header, column 'domain'")]
)
def test_the_decision_is_told(content: bytes, decision: str) -> None:
    """On stderr, before the run."""
    assert listed(content).decision == decision


def test_a_pipe_hands_over_what_is_there() -> None:
    """A target is given out before the next line is written, and half a line waits for its end."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", buffering=0) as feeder:
        feeder.write(b"a.example\n# comment\nb.exa")
        targets = TargetList(opened("-", stdin), Form(), LIMITS)
        assert [target.domain for target in targets.batch()] == ["a.example"]
        feeder.write(b"mple\nc.example\n")
        assert [target.domain for target in targets.batch()] == ["b.example", "c.example"]
        feeder.close()
        assert targets.batch() == []


def test_a_buffered_pipe_hands_over_what_is_there() -> None:
    """Also where the stream was not opened by us."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stdin, os.fdopen(writing, "wb", buffering=0) as feeder:
        feeder.write(b"a.example\n")
        assert len(TargetList(stdin, Form(), LIMITS).batch()) == 1


LETTERS = b"x" * 2**15


class LongLine(io.BytesIO):
    """What is given, then one letter, 64 MiB of it, then a line end and a name."""

    def __init__(self, first: bytes) -> None:
        super().__init__(b"\nb.example\n")
        self.chunks = iter([first, *[LETTERS] * (64 * 32)])

    def read1(self, size: int | None = -1, /) -> bytes:
        """Give the same chunk over and over."""
        return next(self.chunks, b"") or super().read1(size)


@pytest.mark.parametrize("first", [b"x", b"a.example\n"])
def test_a_line_of_64_mib_costs_one_row_and_a_few_kilobytes(first: bytes) -> None:
    """Memory does not grow with the line."""
    stream = LongLine(first)
    tracemalloc.start()
    try:
        targets = everything(TargetList(stream, Form(), LIMITS))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    too_long, last = targets[-2:]
    assert too_long.fault is not None
    assert (too_long.fault.kind, last.domain) == (Kind.LINE_TOO_LONG, "b.example")
    assert len(targets) == 2 + first.count(b"\n")
    assert peak < 256 * 1024


def test_rows_before_the_damage_are_given_out() -> None:
    """Then the damage is told, each time."""
    packed = gzip.compress(b"".join(b"a%d.example\n" % (i * 2654435761) for i in range(10_000)))
    targets = TargetList(opened("-", io.BytesIO(packed[:-1000])), Form(), LIMITS)
    with pytest.raises(ListRefused, match="cut off"):
        everything(targets)
    assert targets.rows > 1000
    with pytest.raises(ListRefused, match="cut off"):
        targets.batch()


LINES = st.lists(
    st.sampled_from(
        [
            b"a.example",
            b"1,b.example",
            b'"c.example',
            b"# x",
            b"  ",
            b"domain,x",
            b'{"domain":"d.example"}',
            b"\0",
            b"\xff",
        ]
    )
    | st.binary(max_size=30),
)
ENDS = st.sampled_from([b"\n", b"\r\n", b"\r", b"\n\n"])
FORMS = st.builds(Form, st.sampled_from(["", "", "1", "2", "domain"]), st.sampled_from(["", "", ",", ";"]))


@given(LINES, ENDS, FORMS)
@example([b"\xef\xbb\xbf", b"\xef\xbb\xbf# x", b"domain"], b"\n", Form())
def test_as_many_rows_come_out_as_lines_went_in(lines: list[bytes], end: bytes, form: Form) -> None:
    """One law: any bytes; nothing is raised but ListRefused, and nothing but header, blanks and comments is missing."""
    content = end.join(lines)
    try:
        targets = listed(content, form)
    except ListRefused:
        return
    said = [line.removeprefix(b"\xef\xbb\xbf").strip() for line in re.split(b"[\r\n]", content)]
    count = sum(1 for line in said if line and not line.startswith(b"#"))
    found = everything(targets)
    assert len(found) == count - (", header" in targets.decision)
    assert all(bool(target.domain) is (target.fault is None) for target in found)
    assert [target.n for target in found] == list(range(1, len(found) + 1))
