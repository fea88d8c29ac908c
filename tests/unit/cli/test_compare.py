"""What people see of a comparison: one line a domain, and a few lines about what could not be compared."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import orjson
import pytest

from scanner import jsonl
from scanner.cli.compare import duration, named, run
from scanner.cli.exits import Exit, Refused
from scanner.model.assessment import Verdict
from scanner.model.record import Evidence, Record
from scanner.model.target import Target
from tests.unit.assess.evidence import AT, authority, encrypted, host, plain, route, seen


def row(domain: str, evidence: Evidence, n: int = 1, late: timedelta = timedelta()) -> Record:
    return Record("run", Target(n, domain, domain), AT + late, evidence, authority().judge(evidence, AT))


def files(folder: Path, **rows: list[Record]) -> list[str]:
    for name, each in rows.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(map(jsonl.encode, each)))
    return [str(folder / f"{name}.jsonl") for name in rows]


HIDDEN, SHOWN = seen(plain()), seen(encrypted(source_address="203.0.113.9"))


def elsewhere(evidence: Evidence) -> Evidence:
    return replace(evidence, sessions=tuple(replace(it, source_address="203.0.113.7") for it in evidence.sessions))


@pytest.mark.parametrize(
    ("words", "paths"),
    [
        (["out/a.jsonl", "b.jsonl"], {"a": "out/a.jsonl", "b": "b.jsonl"}),
        (["berlin=x.jsonl", "paris=x.jsonl"], {"berlin": "x.jsonl", "paris": "x.jsonl"}),
        (["a.2026.jsonl", "b=c=d"], {"a": "a.2026.jsonl", "b": "c=d"}),
        (["dir/x=y/a.jsonl", "b"], {"a": "dir/x=y/a.jsonl", "b": "b"}),
    ],
)
def test_a_vantage_point_is_called_as_told_or_as_its_file(words: list[str], paths: dict[str, str]) -> None:
    assert named(words) == paths


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ([], "two files are needed"),
        (["a.jsonl"], "two files are needed"),
        (["x/a.jsonl", "y/a.jsonl"], "'a' is there twice: call a file NAME=FILE"),
        (["a=x", "a=y"], "'a' is there twice"),
        (["\x1b[31m.jsonl", "b"], "'\\x1b[31m' cannot be a name"),
        ([".jsonl", "b"], "'' cannot be a name"),
    ],
)
def test_names_that_tell_nothing_apart_are_refused(words: list[str], why: str) -> None:
    with pytest.raises(Refused) as refused:
        named(words)
    assert refused.value.code is Exit.USAGE
    assert why in str(refused.value)


def test_what_differs_is_a_line_and_the_rest_is_counted(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    a = [row("alike.example", SHOWN), row("hidden.example", HIDDEN), row("only-a.example", SHOWN)]
    b = [row("only-b.example", HIDDEN), row("hidden.example", SHOWN), row("alike.example", elsewhere(SHOWN))]
    assert run(files(tmp_path, a=a, b=b), {}) is Exit.OK
    out, err = (stream.decode().splitlines() for stream in capsysbinary.readouterr())
    assert [line.split()[:3] for line in out] == [["domain", "a", "b"], ["hidden.example", "-", "Y"]]
    assert err[0].startswith("2 domains seen from two places or more: 1 differ, 1 alike, 0 cannot be told")
    assert "a: 3 rows, 1 missing that others have, first only-b.example" in err
    assert "b: 3 rows, 1 missing that others have, first only-a.example" in err
    assert sum("no certificates beside" in line for line in err) == 2


def test_all_domains_are_listed_on_demand_each_once(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    a = [row("x.example", SHOWN), row("y.example", HIDDEN)]
    b = [row("z.example", HIDDEN), row("x.example", elsewhere(SHOWN)), row("x.example", HIDDEN, n=3)]
    c = [row("z.example", SHOWN), row("w.example", seen())]
    run([*files(tmp_path, a=a, b=b, c=c), "--all"], {})
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    assert [line.split()[:4] for line in out.splitlines()[1:]] == [
        ["x.example", "Y", "Y", "."],
        ["y.example", "-", ".", "."],
        ["z.example", ".", "-", "Y"],
        ["w.example", ".", ".", "?"],
    ]
    assert "b: 3 rows, 1 repeated" in err


def test_every_row_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a = [row("x.example", SHOWN), row("y.example", HIDDEN)]
    b = [row("z.example", HIDDEN), row("x.example", SHOWN)]
    c = [row("z.example", SHOWN), row("y.example", SHOWN), row("w.example", seen())]
    read: list[str] = []
    decode = jsonl.decode

    def counted(line: bytes, certificates: jsonl.Certificates) -> Record:
        record = decode(line, certificates)
        read.append(record.target.domain)
        return record

    monkeypatch.setattr(jsonl, "decode", counted)
    run([*files(tmp_path, a=a, b=b, c=c), "--all"], {})
    assert sorted(read) == sorted(each.target.domain for each in (*a, *b, *c))


def test_joined_rows_are_written_as_json_lines(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    paths = files(tmp_path, a=[row("h.example", HIDDEN), row("x.example", SHOWN)], b=[row("h.example", SHOWN)])
    for flags, domains in (([], ["h.example"]), (["--all"], ["h.example", "x.example"])):
        run([*paths, "--json", *flags], {})
        rows = [orjson.loads(line) for line in capsysbinary.readouterr().out.splitlines()]
        assert [each["domain"] for each in rows] == domains
        assert [it["source"] for it in rows[0]["sessions"]] == ["a/mail", "b/mail"]
        assert (rows[0]["differs_by_source"], rows[0]["starttls"]) == (True, Verdict.PARTIAL)


def test_files_of_other_times_say_so(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    late = timedelta(hours=26, minutes=5)
    near = [row("h.example", SHOWN), row("n.example", SHOWN)]
    far = [row("h.example", HIDDEN, late=late), row("n.example", SHOWN, late=timedelta(minutes=59))]
    run(files(tmp_path, a=near, b=far), {})
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    assert out.splitlines()[1].endswith("seen 26 h 05 min apart")
    assert "up to 26 h 05 min lie between two rows of one domain, h.example" in err
    run(files(tmp_path, a=near[1:], b=far[1:]), {})
    assert "lie between" not in capsysbinary.readouterr().err.decode()


def test_nothing_of_a_file_reaches_the_terminal_raw(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    hostile = "\x1b[2J\u202e.example"
    a = [row(hostile, HIDDEN), row("\x1b]0;a\x07", SHOWN)]
    run(files(tmp_path, a=a, b=[row(hostile, SHOWN)]), {})
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    assert all(line.isprintable() for line in (*out.splitlines(), *err.splitlines()))
    assert out.splitlines()[1].startswith("\\x1b[2J\\u{202e}.example")


@pytest.mark.parametrize(
    ("seconds", "words"), [(3660, "1 h 01 min"), (3600 * 100, "100 h 00 min"), (3601.5, "1 h 00 min")]
)
def test_a_duration_is_hours_and_minutes(seconds: float, words: str) -> None:
    assert duration(timedelta(seconds=seconds)) == words


def test_another_route_by_place_is_counted_where_starttls_is_alike(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    other = seen(encrypted(mx="mx2.example.test"), way=route(host("mx2.example.test")))
    run(files(tmp_path, a=[row("x.example", SHOWN), row("y.example", SHOWN)], b=[row("y.example", other)]), {})
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    assert out == ""
    assert "1 with other MX hosts by place, first y.example" in err.splitlines()
    assert "starttls diff names them, for two files" in err
    run(files(tmp_path, a=[row("y.example", SHOWN)], b=[row("y.example", SHOWN)]), {})
    assert "by place" not in capsysbinary.readouterr().err.decode()
