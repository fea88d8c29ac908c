"""A nightly that wakes somebody: exit 8 where a rule matches, and only where the run is whole."""

from pathlib import Path

import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import PATIENT, SILENT, Lab, Silent, begun, many, rows_of, starttls, wait_until

HIDDEN, GOOD = "source-hidden.lab.test", "d1.many.lab.test"
NIGHTLY = ("--fail-on", "would_wait", "--fail-on", "starttls=fail")


def partners(path: Path, **policies: str) -> Path:
    """Write a list of partners and what is demanded of each."""
    rows = "".join(f"{domain},{policy}\n" for domain, policy in policies.items())
    path.write_text(f"partner,tls_policy\n{rows}")
    return path


def scan(lab: Lab, path: Path, *words: object) -> tuple[object, ...]:
    return ("scan", path, "--column", "partner", "--sources", "each", *lab.flags, *words)


def test_a_partner_that_must_have_tls_and_hides_it_from_us_raises_the_alarm(lab: Lab, tmp_path: Path) -> None:
    words = scan(lab, partners(tmp_path / "l.csv", **{HIDDEN: "must-tls", GOOD: "must-tls"}), *NIGHTLY)
    out = tmp_path / "rows.jsonl"
    told = starttls(*words, "-o", out)
    assert told.code == Exit.ALARM, told
    assert told.last == f"starttls: finished, and a --fail-on rule matched: would_wait: 1 row, first {HIDDEN}"
    assert "policy in column 'tls_policy'" in told.err
    assert sorted(told.err.partition("would_wait     ")[2].splitlines()[0].split(", ")) == ["no 1", "yes 1"]
    rows = {row["domain"]: row for row in rows_of(out.read_bytes())}
    assert (rows[HIDDEN]["would_wait"], rows[GOOD]["would_wait"]) == (True, False)
    assert {row["input"]["tls_policy"] for row in rows.values()} == {"must-tls"}
    manifest = orjson.loads((tmp_path / "rows.jsonl.run.json").read_bytes())
    assert (manifest["state"], manifest["exit_code"]) == ("complete", 8)
    assert manifest["alarms"] == [
        {"rule": "would_wait", "rows": 1, "example": HIDDEN},
        {"rule": "starttls=fail", "rows": 0, "example": None},
    ]


@pytest.mark.parametrize(("policy", "code"), [("must-tls", Exit.ALARM), ("none", Exit.OK), ("", Exit.OK)])
def test_who_is_excused_raises_none_and_json_says_the_same(lab: Lab, tmp_path: Path, policy: str, code: Exit) -> None:
    words = scan(lab, partners(tmp_path / "l.csv", **{HIDDEN: policy}), *NIGHTLY, "-q", "--log-format", "json")
    told = starttls(*words)
    assert told.code == code
    assert orjson.loads(told.last)["code"] == code


def test_a_table_demands_it_where_the_list_says_nothing(lab: Lab, tmp_path: Path) -> None:
    """The word of the list goes before the table, and `none` is a word."""
    config = tmp_path / "nightly.toml"
    config.write_text(f'fail_on = ["would_wait"]\n[partners]\n"{HIDDEN.upper()}" = "must-tls"\n"{GOOD}" = "dane"\n')
    lists = ({HIDDEN: "", GOOD: "must-tls"}, {HIDDEN: "none", GOOD: "must-tls"})
    for policies, code in zip(lists, (Exit.ALARM, Exit.OK), strict=True):
        told = starttls(*scan(lab, partners(tmp_path / "l.csv", **policies), "-c", config))
        assert told.code == code, told
        found = {row["domain"]: row["input"]["tls_policy"] for row in told.rows}
        assert found == {HIDDEN: policies[HIDDEN] or "must-tls", GOOD: "must-tls"}


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("would-wait", "--fail-on (flag): no such rule: 'would-wait' (one of would_wait, "),
        ("starttls=gone", "--fail-on (flag): starttls is never 'gone' (one of pass, "),
    ],
)
def test_a_rule_that_nobody_knows_is_refused_before_anything_is_sent(word: str, line: str) -> None:
    assert line in starttls("scan", "-", "--fail-on", word).refused(Exit.USAGE)


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (
            '"a.example" = "tls"',
            "[partners] (file): a.example: no TLS policy: 'tls' (one of none, must-tls, verify, dane)",
        ),
        ('a.example = "dane"', "[partners] (file): 'a': a domain stands in quotes"),
    ],
)
def test_a_table_that_nobody_understands_is_refused(tmp_path: Path, table: str, line: str) -> None:
    config = tmp_path / "c.toml"
    config.write_text(f"[partners]\n{table}\n")
    assert line in starttls("scan", "-", "-c", config).refused(Exit.USAGE)


def test_what_leaves_a_run_unfinished_goes_before_an_alarm(lab: Lab, tmp_path: Path) -> None:
    path = partners(tmp_path / "l.csv", **{HIDDEN: "must-tls", GOOD: "tls", "192.0.2.1": ""})
    told = starttls(*scan(lab, path, *NIGHTLY))
    assert told.code == Exit.INCOMPLETE
    assert told.last == f"starttls: 2 of 3 input rows are invalid; would_wait: 1 row, first {HIDDEN}"


@pytest.fixture
def interrupted(lab: Lab, tmp_path: Path) -> tuple[object, ...]:
    """A run that was killed when the row that matters was written; a silent peer kept it from its end."""
    out = tmp_path / "rows.jsonl"
    path = partners(tmp_path / "l.csv", **{HIDDEN: "must-tls", SILENT: "", **dict.fromkeys(many(2), "must-tls")})
    words = scan(lab, path, "-o", out, *PATIENT)
    part = tmp_path / "rows.jsonl.part"
    peer = Silent(lab)
    try:
        with begun(*words) as run:
            wait_until(lambda: part.exists() and part.read_bytes().count(b"\n") == 3)
            run.kill()
    finally:
        peer.leaves()
    return words


def test_a_resumed_run_counts_the_rows_of_the_interrupted_part_too(
    interrupted: tuple[object, ...], tmp_path: Path
) -> None:
    """Also by a rule that the first part did not know: rules change nothing about the rows."""
    told = starttls(*interrupted, *NIGHTLY, "--fail-on", "delivery.encrypt=encrypted", "--resume", "require")
    assert told.code == Exit.ALARM, told
    assert f"would_wait: 1 row, first {HIDDEN}; delivery.encrypt=encrypted: 2 rows, first d" in told.last
    assert orjson.loads((tmp_path / "rows.jsonl.run.json").read_bytes())["alarms"][0]["rows"] == 1


def test_a_run_with_another_table_of_partners_is_not_gone_on_with(
    interrupted: tuple[object, ...], tmp_path: Path
) -> None:
    """The policy decides the rows."""
    config = tmp_path / "c.toml"
    config.write_text(f'[partners]\n"{SILENT}" = "must-tls"\n')
    refused = starttls(*interrupted, "-c", config)
    assert (refused.code, "settings are not those" in refused.last) == (Exit.USAGE, True)
