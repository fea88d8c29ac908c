from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import Ended, Lab, Silent, starttls

NOBODYS = "198.51.100.7"


def checks(ending: Ended, verdict: str) -> set[str]:
    """Names of the checks with this verdict."""
    return {row["name"] for row in ending.rows if row["type"] == "check" and row["verdict"] == verdict}


def test_in_the_lab_everything_is_ok(tmp_path: Path) -> None:
    ending = starttls("doctor", "--lab", "--json", "--strict", "--output", tmp_path / "rows.jsonl")
    assert (ending.code, ending.err) == (Exit.OK, ""), ending
    assert checks(ending, "warn") | checks(ending, "fail") == set()
    assert checks(ending, "ok") >= {"source", "route", "identity", "port", "starttls", "egress", "resolver", "dnssec"}
    assert checks(ending, "ok") >= {"open_files", "ports", "output", "disk", "clock", "trust", "version"}
    assert ending.rows[-1]["type"] == "summary"
    assert (ending.rows[-1]["may_scan"], ending.rows[-1]["exit"]) == (True, 0)
    assert list(tmp_path.iterdir()) == []


def test_people_read_a_line_for_each_check_and_the_whole_at_the_end() -> None:
    ending = starttls("doctor", "--lab")
    lines = ending.out.decode().splitlines()
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert lines[-1].startswith("this machine may scan: ")
    assert all(line.startswith("ok   ") for line in lines[:-2])


def test_a_source_that_is_not_ours_fails_with_a_remedy() -> None:
    ending = starttls("doctor", "--lab", "--source", NOBODYS, "--sources", "spread", "--json")
    found = next(row for row in ending.rows if row["name"] == "source")
    assert ending.code == Exit.ENVIRONMENT
    assert (found["verdict"], found["subject"]) == ("fail", NOBODYS)
    assert "ip -brief address" in found["remedy"]
    assert checks(ending, "fail") == {"source"}


def test_a_dead_resolver_fails() -> None:
    ending = starttls("doctor", "--lab", "--resolver", "127.0.0.1:9", "--json")
    assert ending.code == Exit.ENVIRONMENT
    assert checks(ending, "fail") == {"resolver"}
    assert ending.rows[-1]["may_scan"] is False


@pytest.mark.parametrize(
    ("canary", "fails", "warns"),
    [
        ("connect-refused.lab.test", {"port"}, set()),
        ("ehlo-mangled-x.lab.test", {"starttls"}, set()),
        ("no-such-name.lab.test", set(), {"canary", "port"}),
    ],
)
def test_canaries_tell_the_way_out_apart(canary: str, fails: set[str], warns: set[str]) -> None:
    ending = starttls("doctor", "--lab", "--canary", canary, "--json")
    assert checks(ending, "fail") == fails, ending
    assert checks(ending, "warn") == warns


def test_nobody_is_visited_who_was_not_named(lab: Lab, silent: Silent) -> None:
    ending = starttls("doctor", *lab.flags, "--json")
    assert (ending.code, checks(ending, "warn")) == (Exit.OK, {"port"})
    assert silent.connections() == 0


def test_what_is_not_as_it_should_be_is_an_exit_code_where_that_is_asked_for(lab: Lab) -> None:
    assert starttls("doctor", *lab.flags, "--strict").code == Exit.INCOMPLETE


def test_the_file_and_the_variables_of_a_scan_are_understood(lab: Lab, tmp_path: Path) -> None:
    file = tmp_path / "scan.toml"
    file.write_text(f'rate = "10/s"\nshard = "1/2"\nresume = "never"\nsource = ["{NOBODYS}=mine"]\n')
    variables = {"STARTTLS_CONFIG": str(file), "STARTTLS_RESOLVER": lab.told["resolver"], "STARTTLS_SEED": "7"}
    ending = starttls("doctor", "--json", variables=variables)
    assert (ending.code, checks(ending, "fail")) == (Exit.ENVIRONMENT, {"source"})
    assert {row["subject"] for row in ending.rows if row.get("name") == "resolver"} == {lab.told["resolver"]}


def test_an_output_that_cannot_be_written_fails(lab: Lab, tmp_path: Path) -> None:
    ending = starttls("doctor", *lab.flags, "--json", "-o", tmp_path / "nowhere" / "rows.jsonl")
    assert (ending.code, checks(ending, "fail")) == (Exit.ENVIRONMENT, {"output"})


def test_a_list_of_exclusions_that_cannot_be_read_fails(lab: Lab, tmp_path: Path) -> None:
    wrong = tmp_path / "exclude"
    wrong.write_text("192.0.2.0/99\n")
    ending = starttls("doctor", *lab.flags, "--json", "--exclude", wrong)
    assert (ending.code, checks(ending, "fail")) == (Exit.ENVIRONMENT, {"exclude"})


@pytest.mark.parametrize(
    "words",
    [("--rate", "fast"), ("--sources", "each", "--source", "127.9.0.1"), ("--dnsbl", "x y"), ("--shard", "2/1")],
)
def test_words_that_a_doctor_cannot_use_are_refused(words: tuple[str, ...]) -> None:
    starttls("doctor", "--resolver", "127.0.0.1:9", *words).refused(Exit.USAGE)
