"""Rows by domain: from files in any order, in memory that does not grow with what the rows hold."""

import os
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from scanner import jsonl
from scanner.cli.exits import Exit, Refused
from scanner.cli.rowfile import reading
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.protocols import certificate
from tests.unit.stories import CA, LEAF, REFUSED, SIGNED, TYPICAL


def named(domain: str, n: int = 1) -> Record:
    return replace(TYPICAL, target=Target(n, domain, domain))


def written(path: Path, *rows: Record) -> str:
    path.write_bytes(b"".join(map(jsonl.encode, rows)))
    return str(path)


def test_rows_are_found_by_domain_and_given_in_the_order_of_the_file(tmp_path: Path) -> None:
    names = [f"d{number}.example" for number in (5, 3, 9, 1)]
    with reading(written(tmp_path / "rows", *map(named, names))) as file:
        assert [domain for domain, _ in file.not_found()] == names
        for name in reversed(names[1:]):
            found = file.find(name)
            assert found is not None
            assert (found[0].target.domain, found[1]) == (name, found[0].evidence)
        assert file.find("d2.example") is None
        assert [domain for domain, _ in file.not_found()] == names[:1]


@pytest.mark.parametrize("domain", ["a\\b.example", "a\x1b.example", "b\u00fc.example", "\u202e.example"])
def test_a_domain_is_found_by_what_it_is_and_not_by_how_it_is_shown(domain: str, tmp_path: Path) -> None:
    with reading(written(tmp_path / "rows", named(domain))) as file:
        found = file.find(domain)
        assert found is not None
        assert found[0].target.domain == domain


def test_what_cannot_be_judged_is_left_out_and_counted(tmp_path: Path) -> None:
    long = replace(named("long.example"), target=Target(1, "long.example", columns=(("x", "y" * 5000),)))
    twice = [named("twice.example", 1), named("twice.example", 2)]
    with reading(written(tmp_path / "rows", REFUSED, long, *twice, SIGNED)) as file:
        assert file.left_out == Counter({"without evidence": 1, "truncated": 1, "repeated": 1})
        assert [(domain, record.target.n) for domain, (record, _) in file.not_found()] == [
            ("twice.example", 1),
            ("signed.test", 2),
        ]
        assert file.find("long.example") is None


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    with reading(written(tmp_path / "rows")) as file:
        assert list(file.not_found()) == []
        assert file.find("a.example") is None


def test_certificates_are_those_beside_the_file_where_there_are_any(tmp_path: Path) -> None:
    path = written(tmp_path / "rows", TYPICAL)
    for has_certificates in (False, True):
        with reading(path) as file:
            (_, (_, evidence)), *_ = file.not_found()
            handshake = evidence.sessions[0].handshake
            assert handshake is not None
            assert bool(handshake.chain[0].der) is has_certificates
        beside = b"".join(jsonl.encode_certificate(certificate.read(der)) for der in (LEAF, CA))
        (tmp_path / "rows.certificates.jsonl").write_bytes(beside)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"{}\n", "line 1: schema None is not 1.x"),
        (b'{"schema":"2.0"}\n', "line 1: schema '2.0' is not 1.x"),
        (b'{"schema":"1.0"}\n', "line 1: not a row: KeyError: 'domain'"),
        (b'{"schema":"1.0","domain":7,"route":{},"truncated":false}\n', "line 1: not a row: TypeError: int is no text"),
        (b'{"schema":"1.0","domain":"a","route":{},"truncated":0}\n', "line 1: not a row: TypeError: int is no flag"),
        (b"[]\n", "line 1: schema None is not 1.x"),
        (b"nothing\n", "line 1: not a row: JSONDecodeError"),
        (jsonl.encode(TYPICAL)[:200], "line 1: not a row: JSONDecodeError"),
        (jsonl.encode(TYPICAL) + b"\n", "line 2: not a row: JSONDecodeError"),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(content)
    with pytest.raises(Refused) as refused, reading(str(tmp_path / "rows")):
        pass
    assert refused.value.code is Exit.USAGE
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_row_that_is_found_wrong_later_is_named_by_its_line(tmp_path: Path) -> None:
    wrong = jsonl.encode(named("wrong.example")).replace(b'"status":"ok"', b'"status":"fine"')
    (tmp_path / "rows").write_bytes(jsonl.encode(named("first.example")) + jsonl.encode(REFUSED) + wrong)
    with reading(str(tmp_path / "rows")) as file, pytest.raises(Refused, match="rows, line 3: unknown word 'fine'"):
        file.find("wrong.example")


def test_a_pipe_is_refused_because_it_cannot_be_read_twice() -> None:
    given, fed = os.pipe()
    with (
        os.fdopen(given),
        os.fdopen(fed, "w"),
        pytest.raises(Refused, match="not a file that can be read twice"),
        reading(f"/dev/fd/{given}"),
    ):
        pass


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file"), reading(str(tmp_path / "none")):
        pass


def test_the_index_holds_some_bytes_a_row(tmp_path: Path) -> None:
    """25 for each, and some 170 while it is made: a million rows are some 170 MB at the peak."""
    count = 20_000
    with (tmp_path / "rows").open("wb") as stream:
        for number in range(count):
            head = b'"schema":"1.0","domain":"d%d.example","route":{},"truncated":false' % number
            stream.write(b'{%s,"x":"%s"}\n' % (head, b"x" * 500))
    tracemalloc.start()
    with reading(str(tmp_path / "rows")) as file:
        kept, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(file.offsets) == count
        assert file.index.first("d7.example") is not None
    assert kept < 40 * count
    assert peak < 200 * count + 2**21
