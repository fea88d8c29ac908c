import os
import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import jsonschema_rs
import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import (
    COMMAND,
    PATIENCE_S,
    PATIENT,
    SILENT,
    Ended,
    Lab,
    Silent,
    begun,
    ended,
    environment,
    listed,
    many,
    read,
    rows_of,
    starttls,
    stopped,
)

FOREIGN = ["hostile-escapes", "certificate-hostile-names", "dns-hostile-label", "greeting-nul", "greeting-eight-bit"]
ORDINARY = [
    "plain-good",
    "dane-good",
    "sts-enforce",
    "rpt-good",
    "greeting-554",
    "ehlo-without-starttls",
    "dns-null-mx",
]


@pytest.fixture(scope="module")
def mixed(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """One scan of peers good and bad, and of rows that are none."""
    names = [f"{name}.lab.test" for name in (*FOREIGN, *ORDINARY)]
    path = listed(tmp_path_factory.mktemp("mixed") / "list.csv", [*names, "two words", "\x1b[31mred"])
    return starttls("scan", path, "--sources", "each", *lab.flags)


def test_standard_output_carries_rows_that_keep_the_contract(mixed: Ended, row_schema: jsonschema_rs.Validator) -> None:
    assert mixed.code == Exit.OK
    assert len(mixed.rows) == len(FOREIGN) + len(ORDINARY) + 2
    for row in mixed.rows:
        row_schema.validate(row)


def test_no_control_of_a_peer_or_of_the_list_reaches_a_terminal(mixed: Ended) -> None:
    assert not [byte for byte in mixed.out if byte < 0x20 and byte != 0x0A]
    assert not [letter for letter in mixed.err if not letter.isprintable() and letter != "\n"]


def test_stderr_holds_a_summary_and_nothing_that_a_peer_wrote(mixed: Ended) -> None:
    lines = mixed.err.splitlines()
    assert lines[0].startswith("list: ")
    assert re.fullmatch(r"resolver: 127\S+: validates DNSSEC", lines[1])
    assert lines[2].startswith("14 rows, ")
    assert [line.split()[0] for line in lines[3:-1]] == [
        "starttls",
        "webpki",
        "dane",
        "mta_sts",
        "tls_rpt",
        "first_finding",
    ]
    said = {line for row in mixed.rows for session in row["sessions"] for line in session["greeting"]}
    assert said
    assert not [line for line in said if line in mixed.err]


@pytest.mark.parametrize("words", [("-",), ()])
def test_a_list_may_come_through_a_pipe(lab: Lab, words: Sequence[str]) -> None:
    ending = starttls("scan", *words, *lab.flags, given=b"d0.many.lab.test\nd1.many.lab.test\n")
    assert ending.code == Exit.OK
    assert {row["n"] for row in ending.rows} == {1, 2}


def test_an_empty_list_has_no_rows(lab: Lab) -> None:
    ending = starttls("scan", *lab.flags, given=b"")
    assert (ending.code, ending.out) == (Exit.OK, b"")


def test_the_first_row_comes_before_the_list_ends(lab: Lab) -> None:
    with begun("scan", *lab.flags, stdin=subprocess.PIPE) as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for number, name in enumerate(many(3), 1):
            run.stdin.write(f"{name}\n".encode())
            run.stdin.flush()
            row = orjson.loads(run.stdout.readline())
            assert (row["n"], row["domain"]) == (number, name)
        assert ended(run).code == Exit.OK


def test_a_quiet_scan_says_nothing(lab: Lab, tmp_path: Path) -> None:
    ending = starttls("scan", listed(tmp_path / "l", many(1)), "--quiet", *lab.flags)
    assert (ending.code, ending.err, len(ending.rows)) == (Exit.OK, "", 1)


@pytest.mark.parametrize("quiet", [(), ("--quiet",)])
def test_the_last_line_may_be_an_object(lab: Lab, tmp_path: Path, quiet: tuple[str, ...]) -> None:
    ending = starttls("scan", listed(tmp_path / "l", many(1)), "--log-format", "json", *quiet, *lab.flags)
    assert orjson.loads(ending.last) == {
        "type": "exit",
        "code": 0,
        "reason": Exit.OK.words,
        "detail": "every row concluded: 1 rows",
    }


def test_the_object_tells_of_a_refusal_too(tmp_path: Path) -> None:
    ending = starttls("scan", tmp_path / "nowhere", "--log-format", "json")
    assert ending.code == Exit.USAGE
    assert orjson.loads(ending.err)["code"] == Exit.USAGE


def test_a_terminal_sees_one_line_that_is_written_anew(lab: Lab, tmp_path: Path, silent: Silent) -> None:
    screen, terminal = os.openpty()
    shown = b""
    with begun("scan", listed(tmp_path / "l", [SILENT]), *PATIENT, *lab.flags, stderr=terminal) as run:
        os.close(terminal)
        while shown.count(b"\r\x1b[K0 rows, ") < 2:
            shown += os.read(screen, 4096)
        assert stopped(run, signal.SIGTERM, signal.SIGTERM).code == Exit.TERMINATED
    os.close(screen)
    assert shown.startswith(b"list: ")
    assert shown.count(b"\n") == 2  # the list, the resolver, and then one line for ever


def in_a_shell(redirection: str, *words: str | Path) -> Ended:
    """Run with a descriptor that the shell has closed."""
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {redirection}', "sh", *COMMAND, *map(str, words)],
        capture_output=True,
        env=environment(),
        timeout=PATIENCE_S,
        check=False,
    )
    return Ended(done.returncode, done.stdout, read(done.stderr))


def test_a_scan_goes_on_without_stderr(lab: Lab, tmp_path: Path) -> None:
    ending = in_a_shell("2>&-", "scan", listed(tmp_path / "l", many(3)), *lab.flags)
    assert (ending.code, len(ending.rows)) == (Exit.OK, 3)


def test_a_scan_goes_on_when_nobody_reads_its_stderr(lab: Lab, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with begun("scan", listed(tmp_path / "l", many(3)), *lab.flags, stderr=writer) as run:
        os.close(writer)
        ending = ended(run)
    assert (ending.code, len(ending.rows)) == (Exit.OK, 3)


def test_a_closed_standard_output_is_an_output_that_failed(lab: Lab, tmp_path: Path) -> None:
    ending = in_a_shell(">&-", "scan", listed(tmp_path / "l", many(3)), *lab.flags)
    assert ending.code == Exit.OUTPUT
    assert "standard output" in ending.last


def test_a_closed_standard_input_is_no_list() -> None:
    assert "reading the list failed" in in_a_shell("<&-", "scan").refused(Exit.USAGE)


@pytest.mark.parametrize("read_first", [0, 3])
def test_a_consumer_that_leaves_ends_the_run(lab: Lab, tmp_path: Path, silent: Silent, read_first: int) -> None:
    """The run would go on: one peer is silent for a minute."""
    with begun("scan", listed(tmp_path / "l", [SILENT, *many(8)]), *PATIENT, *lab.flags) as run:
        assert run.stdout is not None
        for _ in range(read_first):
            assert orjson.loads(run.stdout.readline())
        run.stdout.close()
        assert run.stderr is not None
        err = read(run.stderr.read())
        assert run.wait(PATIENCE_S) == Exit.CONSUMER_GONE
    assert err.splitlines()[-1] == "starttls: the consumer closed the pipe"


def test_a_consumer_that_was_never_there_ends_the_run(lab: Lab, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with begun("scan", listed(tmp_path / "l", many(3)), *lab.flags, stdout=writer) as run:
        os.close(writer)
        assert ended(run).code == Exit.CONSUMER_GONE


@pytest.mark.parametrize("words", [("schema",), ("version", "-v")])
def test_other_commands_leave_quietly_too(words: tuple[str, ...]) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with begun(*words, stdout=writer) as run:
        os.close(writer)
        ending = ended(run)
    assert (ending.code, ending.err) == (Exit.CONSUMER_GONE, "")


def test_a_slow_consumer_loses_nothing(lab: Lab, tmp_path: Path) -> None:
    """More rows than any pipe holds; all are excluded, so that they come at once."""
    (tmp_path / "exclude").write_text("lab.test\n")
    flags = ("--exclude", tmp_path / "exclude", *lab.flags)
    with begun("scan", listed(tmp_path / "l", many(500)), *flags) as run:
        assert run.stdout is not None
        first = run.stdout.readline()
        time.sleep(1)
        rest = ended(run)
    assert rest.code == Exit.OK
    assert sorted(row["n"] for row in rows_of(first + rest.out)) == list(range(1, 501))
