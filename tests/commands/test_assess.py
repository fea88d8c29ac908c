"""What was judged at once and what is judged again from the file are the same, to the byte."""

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STARTTLS = [sys.executable, "-m", "scanner"]
HANGS_S = 190
"""Only a command that hangs takes so long; the limit of a test here is longer than two of them."""


@dataclass(frozen=True)
class Scanned:
    """A file of rows, and the anchor that they were judged with."""

    rows: Path
    anchor: Path


@pytest.fixture(scope="module")
def scanned(tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """The lab's whole list, scanned once."""
    folder = tmp_path_factory.mktemp("assess")
    with subprocess.Popen([*STARTTLS[:2], "scanner.lab"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lab:
        assert lab.stdin is not None
        assert lab.stdout is not None
        told = json.loads(lab.stdout.readline())
        shutil.copy(told["ca_file"], folder / "anchor.pem")
        places = ["--resolver", told["resolver"], "--port", str(told["smtp_port"]), "--ca-file", told["ca_file"]]
        places += ["--https-port", str(told["https_port"]), "--profile", "lab", "--i-am-testing", "--sources", "each"]
        places += [word for net in told["allow_networks"] for word in ("--allow-net", net)]
        places += [word for each in told["sources"] for word in ("--source", f"{each['address']}={each['name']}")]
        words = ["scan", str(ROOT / "inputs" / "lab.csv"), "-q", "-o", str(folder / "rows.jsonl"), *places]
        subprocess.run([*STARTTLS, *words], check=True, timeout=HANGS_S)
        lab.stdin.close()
        lab.wait(30)
    return Scanned(folder / "rows.jsonl", folder / "anchor.pem")


def assess(*words: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command."""
    return subprocess.run([*STARTTLS, "assess", *words], capture_output=True, check=False, timeout=HANGS_S)


def test_stored_evidence_gives_the_verdict_that_was_given_at_once(scanned: Scanned) -> None:
    again = assess(str(scanned.rows), "--ca-file", str(scanned.anchor))
    assert (again.returncode, again.stderr) == (0, b"")
    assert again.stdout.splitlines() == scanned.rows.read_bytes().splitlines()


def test_other_anchors_give_other_verdicts_and_the_same_evidence(scanned: Scanned) -> None:
    before = [json.loads(line) for line in scanned.rows.read_bytes().splitlines()]
    after = [json.loads(line) for line in assess(str(scanned.rows)).stdout.splitlines()]
    assert [row["sessions"] for row in before] == [row["sessions"] for row in after]
    assert [row["route"] for row in before] == [row["route"] for row in after]
    assert "pass" in {row["webpki"] for row in before}
    assert "pass" not in {row["webpki"] for row in after}


def test_only_the_sender_models_that_are_asked_for_are_predicted(scanned: Scanned) -> None:
    words = (str(scanned.rows), "--ca-file", str(scanned.anchor), "--models", "gmail,may")
    rows = [json.loads(line) for line in assess(*words).stdout.splitlines()]
    assert {told["model"] for row in rows for told in row["predictions"]} == {"may", "gmail"}
    assert {row["delivery"]["encrypt"] for row in rows} == {None}
    assert {row["delivery"]["may"] for row in rows} > {"encrypted", "clear"}


def test_an_unknown_sender_model_is_refused_in_one_line(scanned: Scanned) -> None:
    refused = assess(str(scanned.rows), "--models", "posfix")
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"no sender model: posfix; there are none, may, encrypt" in refused.stderr
    assert refused.stderr.count(b"\n") == 1


def test_without_its_certificates_no_chain_is_judged(scanned: Scanned, tmp_path: Path) -> None:
    nothing = tmp_path / "none.jsonl"
    nothing.touch()
    words = (str(scanned.rows), "--ca-file", str(scanned.anchor), "--certificates", str(nothing))
    after = [json.loads(line) for line in assess(*words).stdout.splitlines()]
    assert "pass" not in {row["webpki"] for row in after}


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"{}\n", b"rows, line 1: schema None is not 1.x"),
        (b"not json\n", b"rows, line 1: "),
        (b'{"schema":"1.0"}\n', b"rows, line 1: not a row of schema 1.0"),
        (b'{"schema":"2.0"}\n', b"rows, line 1: schema '2.0' is not 1.x"),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(content: bytes, line: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(content)
    (tmp_path / "rows.certificates.jsonl").touch()
    refused = assess(str(tmp_path / "rows"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert line in refused.stderr
    assert refused.stderr.count(b"\n") == 1


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = assess(str(tmp_path / "none"))
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert b"No such file" in refused.stderr


def test_a_file_that_is_not_named_is_asked_for_in_one_line() -> None:
    refused = assess()
    assert (refused.returncode, refused.stdout) == (2, b"")
    assert refused.stderr == b"starttls: which file? starttls assess FILE\n"
