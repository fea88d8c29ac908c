import gzip
import os
import resource
import signal
import subprocess
from pathlib import Path

import pytest

from scanner.cli import main
from scanner.cli.exits import Exit
from scanner.frames import zstd_packed
from tests.commands.starttls import (
    COMMAND,
    PATIENCE_S,
    PATIENT,
    SILENT,
    Ended,
    Lab,
    Silent,
    begun,
    environment,
    listed,
    many,
    read,
    starttls,
    stopped,
    wait_until,
)

LIST = {"list.csv": b"domain\nplain-good.lab.test\n"}
REFUSALS: dict[str, tuple[dict[str, bytes], str, str]] = {
    "a_list_that_is_not_there": ({}, "nowhere.csv", "No such file"),
    "a_directory": ({}, ".", "Is a directory"),
    "a_list_that_cannot_be_read": ({}, "/proc/self/mem", "reading the list failed"),
    "a_list_in_utf_16": ({"list.csv": "domain\na.test\n".encode("utf-16")}, "list.csv", "UTF-16"),
    "a_spreadsheet": ({"list.csv": b"PK\x03\x04" + bytes(64)}, "list.csv", "save it as CSV"),
    "a_name_that_its_bytes_belie": ({"list.gz": b"a.test\n"}, "list.gz", "not gzip inside"),
    "two_columns_of_which_none_is_known": ({"list.csv": b"a.test,b.test\n"}, "list.csv", "--column"),
    "a_column_that_is_not_there": (LIST, "list.csv --column nothing", "no column 'nothing'"),
    "a_second_list": (LIST, "list.csv list.csv", "unknown: 'list.csv'"),
    "a_flag_that_nobody_knows": (LIST, "list.csv --nonsense", "--nonsense"),
    "a_flag_cut_short": (LIST, "list.csv --resol 127.0.0.1", "--resol"),
    "a_flag_without_its_value": (LIST, "list.csv --rate", "--rate"),
    "a_value_without_a_unit": (LIST, "list.csv --rate 50", "--rate (flag)"),
    "a_limit_misspelt_in_the_file": (LIST | {"c": b"rat = '1/s'\n"}, "list.csv -c c", "rat (in the file)"),
    "a_bad_value_in_the_file": (LIST | {"c": b"rate = 'fast'\n"}, "list.csv -c c", "--rate (file)"),
    "a_file_that_is_no_toml": (LIST | {"c": b"rate\n"}, "list.csv -c c", "--config c"),
    "a_file_of_options_that_is_not_there": (LIST, "list.csv -c nowhere", "No such file"),
    "a_network_that_is_none": (LIST | {"x": b"10.0.0.0/99\n"}, "list.csv --exclude x", "line 1"),
    "exclusions_that_are_not_there": (LIST, "list.csv --exclude nowhere", "No such file"),
    "trust_anchors_that_are_none": (LIST | {"ca": b"nonsense\n"}, "list.csv --ca-file ca", "--ca-file ca"),
    "trust_anchors_that_are_not_there": (LIST, "list.csv --ca-file nowhere", "No such file"),
    "one_source_to_compare": (LIST, "list.csv --sources each", "two sources"),
    "one_source_twice": (LIST, "list.csv --source 127.0.0.1 --source 127.0.0.1", "there twice"),
}


def written(directory: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (directory / name).write_bytes(content)
    return directory


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_is_wrong_is_said_in_one_line_and_nothing_is_sent(refusal: str, tmp_path: Path) -> None:
    files, words, said = REFUSALS[refusal]
    assert said in starttls("scan", *words.split(), cwd=written(tmp_path, files)).refused(Exit.USAGE)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("STARTTLS_RAT", "1/s", "STARTTLS_RAT"), ("STARTTLS_RATE", "fast", "--rate (environment)")],
)
def test_the_environment_is_held_against_the_same_options(variable: str, value: str, said: str, tmp_path: Path) -> None:
    ending = starttls("scan", "list.csv", cwd=written(tmp_path, LIST), variables={variable: value})
    assert said in ending.refused(Exit.USAGE)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_list_that_we_may_not_read_is_refused(tmp_path: Path) -> None:
    listed(tmp_path / "list.csv", many(1)).chmod(0)
    assert "Permission denied" in starttls("scan", tmp_path / "list.csv").refused(Exit.USAGE)


def test_a_word_that_is_no_command_is_refused() -> None:
    assert "no such command: 'sacn'" in starttls("sacn").refused(Exit.USAGE)


def test_words_of_the_caller_are_shown_and_not_obeyed() -> None:
    assert r"unknown: '--\x1b[31m\nred'" in starttls("scan", "--\x1b[31m\nred").refused(Exit.USAGE)
    assert r"\x1b[31m\n: No such file" in starttls("scan", "--exclude", "\x1b[31m\n").refused(Exit.USAGE)


def test_a_bug_is_told_with_its_place_and_its_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(main.COMMANDS, "broken", ("\x1b[31mno-such-module", ""))
    assert main.run(["broken"], {}) == Exit.INTERNAL
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert "\x1b" not in err
    assert err.splitlines()[-1].startswith("starttls: internal error")


def test_rows_in_a_compression_that_has_no_frames_of_ours_are_not_begun(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "rows.jsonl.xz"
    ending = starttls("scan", listed(tmp_path / "l", many(1)), "-o", out, *lab.flags)
    assert ending.code == Exit.USAGE
    assert ".xz" in ending.last
    assert list(tmp_path.iterdir()) == [tmp_path / "l"]


def test_a_good_list_ends_well_whatever_the_posture(lab: Lab, tmp_path: Path) -> None:
    names = ["plain-good.lab.test", "ehlo-without-starttls.lab.test", "greeting-554.lab.test", "dns-nxdomain.lab.test"]
    ending = starttls("scan", listed(tmp_path / "list.csv", names), *lab.flags)
    assert ending.code == Exit.OK
    assert [row["domain"] for row in sorted(ending.rows, key=lambda row: row["n"])] == names
    assert ending.last == "starttls: every row concluded: 4 rows"


@pytest.mark.parametrize(("most", "code"), [("50%", Exit.INCOMPLETE), ("90%", Exit.OK)])
def test_a_list_of_which_most_is_invalid_is_told_by_the_code(lab: Lab, tmp_path: Path, most: str, code: Exit) -> None:
    out = tmp_path / "rows.jsonl"
    names = ["two words", "192.0.2.1", "d0.many.lab.test"]
    ending = starttls("scan", listed(tmp_path / "l", names), "-o", out, "--max-bad-input", most, *lab.flags)
    assert ending.code == code
    assert out.with_name("rows.jsonl.run.json").exists()
    assert ("2 of 3 input rows are invalid" in ending.last) == (code == Exit.INCOMPLETE)


@pytest.mark.parametrize("name", ["list.csv.gz", "list.csv.zst"])
def test_a_list_that_is_cut_off_gives_its_rows_and_is_never_called_complete(
    lab: Lab, tmp_path: Path, name: str
) -> None:
    """All rows are excluded: nothing needs to be sent for this."""
    halves = ("".join(f"{os.urandom(8).hex()}.lab.test\n" for _ in range(1000)).encode() for _ in range(2))
    packed = b"".join(map(gzip.compress if name.endswith("gz") else zstd_packed, halves))
    (tmp_path / name).write_bytes(packed[: len(packed) * 3 // 4])
    (tmp_path / "exclude").write_text("lab.test\n")
    flags = ("--exclude", tmp_path / "exclude", *lab.flags)
    ending = starttls("scan", tmp_path / name, *flags)
    assert ending.code == Exit.INCOMPLETE
    assert "could not be read to its end" in ending.last
    assert 1000 <= len(ending.rows) < 2000
    assert {row["status"] for row in ending.rows} == {"excluded"}
    to_file = starttls("scan", tmp_path / name, "-o", tmp_path / "rows.jsonl", *flags)
    assert to_file.code == Exit.INCOMPLETE
    assert not list(tmp_path.glob("rows.jsonl*.run.json"))
    assert not (tmp_path / "rows.jsonl").exists()
    assert (tmp_path / "rows.jsonl.part").read_bytes().count(b"\n") == len(ending.rows)


def test_a_dead_resolver_ends_the_run_without_a_row(tmp_path: Path) -> None:
    dead = ("--resolver", "127.0.0.1:1", "--resolver-patience", "300ms", "--open", "2", "--i-am-testing")
    ending = starttls("scan", listed(tmp_path / "list.csv", many(5000)), *dead)
    assert ending.code == Exit.ENVIRONMENT
    assert ending.out == b""
    assert "resolver_down" in ending.last


def test_nothing_is_sent_under_a_name_that_does_not_lead_back(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    words = listed(tmp_path / "l", [SILENT]), *lab.sourceless[:-1], "--ehlo-name", "scanner.example.org"
    ending = starttls("scan", *words)
    assert ending.code == Exit.ENVIRONMENT
    assert ending.out == b""
    assert "scanner.example.org has no address" in ending.last
    assert silent.connections() == 0


def test_a_scan_without_a_name_of_our_own_does_not_begin(lab: Lab, tmp_path: Path) -> None:
    ending = starttls("scan", listed(tmp_path / "l", many(1)), *lab.sourceless[:-1])
    assert ending.code == Exit.ENVIRONMENT
    assert "give --ehlo-name" in ending.last


def test_a_name_that_leads_back_is_good_enough(lab: Lab, tmp_path: Path) -> None:
    flags = [flag for flag in lab.flags if flag != "--i-am-testing"]
    assert starttls("scan", listed(tmp_path / "l", many(1)), *flags).code == Exit.OK


@pytest.mark.parametrize("place", ["missing/rows.jsonl", "list.csv/rows.jsonl", "/sys/rows.jsonl"])
def test_an_output_that_cannot_be_made_ends_the_run_before_it_begins(
    lab: Lab, tmp_path: Path, silent: Silent, place: str
) -> None:
    ending = starttls("scan", listed(tmp_path / "list.csv", [SILENT]), "-o", tmp_path / place, *lab.flags)
    assert ending.code == Exit.OUTPUT
    assert "rows.jsonl" in ending.last
    assert silent.connections() == 0


def test_certificates_that_cannot_be_written_are_an_output_that_failed(lab: Lab, tmp_path: Path) -> None:
    flags = ("--certificates", tmp_path / "missing" / "certificates", *lab.flags)
    assert starttls("scan", listed(tmp_path / "l", many(1)), *flags).code == Exit.OUTPUT


@pytest.mark.parametrize("words", ["scan", "schema", "scan --help"])
def test_a_full_device_is_an_output_that_failed(lab: Lab, words: str) -> None:
    flags = lab.flags if words == "scan" else ()
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*COMMAND, *words.split(), *flags],
            input=b"d0.many.lab.test\n",
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            timeout=PATIENCE_S,
            check=False,
        )
    assert (done.returncode, read(done.stderr).splitlines()[-1:]) == (
        Exit.OUTPUT,
        ["starttls: standard output: No space left on device"],
    )


def test_a_disk_that_fills_up_loses_no_row_that_was_written(lab: Lab, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    words = ["scan", str(listed(tmp_path / "l", many(40))), "-o", str(tmp_path / "rows.jsonl"), *lab.flags]
    full = subprocess.run(
        [*COMMAND, *words],
        capture_output=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000)),
    )
    assert full.returncode == Exit.OUTPUT
    assert "File too large" in read(full.stderr).splitlines()[-1]
    assert starttls(*words).code == Exit.OK
    rows = Ended(0, (tmp_path / "rows.jsonl").read_bytes(), "").rows
    assert sorted(row["n"] for row in rows) == list(range(1, 41))


def test_a_second_run_on_the_same_file_is_told_so(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    out = tmp_path / "rows.jsonl"
    words = ("scan", listed(tmp_path / "l", [SILENT]), "-o", out, *PATIENT, *lab.flags)
    with begun(*words) as first:
        wait_until(out.with_name("rows.jsonl.checkpoint.json").exists)
        second = starttls(*words)
        assert second.code == Exit.LOCKED
        assert "another run is writing it" in second.last
        wait_until(silent.connections)
        assert stopped(first, signal.SIGTERM, signal.SIGTERM).code == Exit.TERMINATED
