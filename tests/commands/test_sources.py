"""Several sources against the lab: who is asked again, what canaries say, and what a file says of a source."""

import signal
import time
from pathlib import Path
from typing import Any

import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENT, SILENT, Lab, Silent, begun, listed, starttls, stopped, wait_until

STEPS = ("connect", "greeting", "ehlo", "starttls", "handshake", "session")
EACH = ("--sources", "each", *(word for step in STEPS for word in (f"--{step}-deadline", "30s")))
"""A loaded machine must not look like a server that answers differently."""
WITHIN_S = 15


def held(row: dict[str, Any]) -> list[tuple[str, int]]:
    """Source and repetition of every session, as they were held."""
    return [(each["source"], each["follow_up"]) for each in row["sessions"]]


@pytest.mark.parametrize(
    ("name", "follow_ups"),
    [
        ("plain-good", []),
        ("ehlo-without-starttls", []),
        ("source-hidden", [("witness", 1), ("mail", 1)]),
        ("source-witness-only-hidden", [("witness", 1), ("mail", 1)]),
        ("source-hidden-on-path", [("witness", 1), ("mail", 1)]),
        ("source-554", [("witness", 1)]),
    ],
)
def test_sources_ask_again_only_where_they_disagree(lab: Lab, name: str, follow_ups: list[tuple[str, int]]) -> None:
    [row] = starttls("scan", *lab.flags, *EACH, given=f"{name}.lab.test\n".encode()).rows
    assert sorted(held(row)[:2]) == [("mail", 0), ("witness", 0)]
    assert held(row)[2:] == follow_ups


def test_a_source_that_meets_backends_in_turn_asks_until_the_rounds_are_used_up(lab: Lab) -> None:
    """One backend of four has STARTTLS: who comes first meets it again on the fifth visit, the other one never."""
    [row] = starttls("scan", *lab.flags, *EACH, given=b"flapping.lab.test\n").rows
    assert [number for _, number in held(row)] == [0, 0, 1, 1, 2, 3]
    last = {who for who, number in held(row) if number > 1}
    answers = {bool(each["tls"]) for each in row["sessions"] if each["source"] in last}
    assert (len(last), answers) == (1, {True, False})
    assert row["starttls"] == "partial"


def test_nobody_is_asked_again_where_that_is_not_wanted(lab: Lab) -> None:
    [row] = starttls("scan", *lab.flags, *EACH, "--no-follow-up", given=b"source-hidden.lab.test\n").rows
    assert len(row["sessions"]) == 2
    assert row["differs_by_source"] is True


def test_a_file_names_sources_with_their_roles_and_their_pace(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'sources = "each"\n[[source]]\nname = "office"\naddress = "127.9.0.1"\nehlo_name = "scanner.lab.test"\n'
        'rate = "100/s"\nopen = 3\n[[source]]\nname = "elsewhere"\naddress = "127.9.0.2"\nrole = "witness"\n'
    )
    words = (*lab.sourceless, "--config", tmp_path / "c.toml", "-o", tmp_path / "out.jsonl")
    ending = starttls("scan", listed(tmp_path / "list", ["plain-good.lab.test"]), *words)
    assert ending.code == Exit.OK, ending.err
    row = orjson.loads((tmp_path / "out.jsonl").read_bytes())
    told = {each["source"]: (each["source_address"], each["role"], each["ehlo_name"]) for each in row["sessions"]}
    assert told["office"] == ("127.9.0.1", "mail", "scanner.lab.test")
    assert told["elsewhere"][:2] == ("127.9.0.2", "witness")
    manifest = orjson.loads((tmp_path / "out.jsonl.run.json").read_bytes())
    assert [(each["name"], each["role"], each["connections"]) for each in manifest["sources"]] == [
        ("office", "mail", 1),
        ("elsewhere", "witness", 1),
    ]
    assert manifest["settings"]["source"][0] == "127.9.0.1=office@scanner.lab.test,role=mail,rate=100.0/s,open=3"


def test_a_part_of_a_source_that_nobody_knows_is_refused(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[[source]]\naddress = "127.9.0.1"\nehloname = "scanner.lab.test"\n')
    line = starttls("config", "show", "--config", tmp_path / "c.toml").refused(Exit.USAGE)
    assert "not a part of a source: ehloname" in line


def test_canaries_are_visited_from_every_source_before_the_first_row(lab: Lab, tmp_path: Path) -> None:
    names = ("canary.lab.test", "source-mangled.lab.test", "source-hidden.lab.test", "no-such-name.lab.test")
    asked = [word for name in names for word in ("--canary", name)]
    words = (*lab.flags, *EACH, *asked, "-o", tmp_path / "out.jsonl")
    assert starttls("scan", listed(tmp_path / "list", ["plain-good.lab.test"]), *words).code == Exit.OK
    row = orjson.loads((tmp_path / "out.jsonl").read_bytes())
    assert row["canaries"] == [
        {"source": "mail", "offered": 1, "missing": 1, "mangled": 1, "unseen": 1},
        {"source": "witness", "offered": 3, "missing": 0, "mangled": 0, "unseen": 1},
    ]
    assert orjson.loads((tmp_path / "out.jsonl.run.json").read_bytes())["canaries"] == row["canaries"]


def test_the_lab_has_a_canary_of_its_own() -> None:
    [row] = starttls("scan", "--lab", "--canary", "canary.lab.test", given=b"canary.lab.test\n").rows
    assert [(each["source"], each["offered"]) for each in row["canaries"]] == [("mail", 1), ("witness", 1)]


def test_a_canary_that_is_no_name_is_refused(lab: Lab) -> None:
    assert "--canary (flag): not a domain" in starttls("scan", *lab.flags, "--canary", "a b").refused(Exit.USAGE)


def test_a_run_that_waits_for_a_silent_canary_can_be_stopped(lab: Lab, silent: Silent, tmp_path: Path) -> None:
    path = listed(tmp_path / "list", ["plain-good.lab.test"])
    with begun("scan", path, *lab.flags, *PATIENT, "--canary", SILENT) as run:
        wait_until(lambda: silent.connections() == 2)
        began_at_s = time.monotonic()
        ending = stopped(run, signal.SIGTERM)
    assert ending.code == Exit.TERMINATED
    assert time.monotonic() - began_at_s < WITHIN_S


def test_a_canary_that_says_nothing_is_unseen_and_holds_nobody_up_for_ever(lab: Lab, silent: Silent) -> None:
    words = (*lab.flags, "--greeting-deadline", "300ms", "--canary", SILENT)
    [row] = starttls("scan", *words, given=b"plain-good.lab.test\n").rows
    assert {each["source"]: each["unseen"] for each in row["canaries"]} == {"mail": 1, "witness": 1}
    assert silent.connections() == 2
