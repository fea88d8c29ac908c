"""Whoever asks to be left alone in mid-run is left alone, without a restart."""

import hashlib
import signal
from pathlib import Path

import orjson

from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENT, SILENT, Lab, Silent, begun, ended, listed, many, rows_of, wait_until

PEERS = "127.25.200.0/24"
"""Where the well-behaved mail servers of the lab are."""
SLOWLY = ("--no-share", "--run-rate", "10/s", "--source", "127.9.0.1=mail@scanner.lab.test")


def test_peers_that_ask_in_mid_run_are_knocked_at_no_more(lab: Lab, tmp_path: Path) -> None:
    """The rows wait for their turn when the rule comes: what waits is left alone too, and what is done stays."""
    asked, out = tmp_path / "exclude", tmp_path / "rows.jsonl"
    asked.write_text("# nobody yet\n")
    before = hashlib.sha256(asked.read_bytes()).hexdigest()
    names = many(90)
    words = ("scan", listed(tmp_path / "l", names), "-o", out, "--exclude", asked, *SLOWLY, *lab.sourceless)
    with begun(*words) as run:
        wait_until(lambda: (part := tmp_path / "rows.jsonl.part").exists() and part.read_bytes().count(b"\n") >= 3)
        asked.write_text(f"{PEERS}  # asked us on the phone\n")
        after = hashlib.sha256(asked.read_bytes()).hexdigest()
        ending = ended(run)
    assert ending.code == Exit.OK, ending
    assert f"--exclude {asked}: 1 rules are in force now" in ending.err.splitlines()
    rows = rows_of(out.read_bytes())
    assert sorted(row["n"] for row in rows) == list(range(1, len(names) + 1))
    assert {(row["status"], row["starttls"]) for row in rows} == {("ok", "pass"), ("excluded", "unknown")}
    assert rows[-1]["sessions"][0]["fault"]["kind"] == "excluded"
    manifest = orjson.loads((tmp_path / "rows.jsonl.run.json").read_bytes())
    assert [each["sha256"] for each in manifest["exclusions_versions"]] == [before, after]
    assert manifest["exclusions"]["sha256"] == after


def test_a_broken_version_is_told_and_changes_nothing_and_a_run_goes_on_under_another(
    lab: Lab, tmp_path: Path, silent: Silent
) -> None:
    asked, out = tmp_path / "exclude", tmp_path / "rows.jsonl"
    asked.write_text("nobody.test\n")
    names = [SILENT, "d1.many.lab.test"]
    words = ("scan", listed(tmp_path / "l", names), "-o", out, "--exclude", asked, *PATIENT, *lab.sourceless)
    with begun(*words) as run:
        wait_until(silent.connections)
        asked.write_text("10.0.0.0/99\n")
        assert run.stderr is not None
        said = [run.stderr.readline().decode() for _ in range(3)][-1]
        run.send_signal(signal.SIGTERM)
        run.send_signal(signal.SIGTERM)
        assert ended(run).code == Exit.TERMINATED
    assert said.startswith(f"--exclude {asked}: line 1: ")
    assert said.endswith("; the rules read before stay in force\n")
    asked.write_text(f"{SILENT}\n")
    with begun(*words) as again:
        assert ended(again).code == Exit.OK
    rows = {row["domain"]: row["status"] for row in rows_of(out.read_bytes())}
    assert rows == {SILENT: "excluded", "d1.many.lab.test": "ok"}
