from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import SILENT, Lab, Silent, listed, many, starttls

EXCLUSIONS = {
    "the domain": SILENT,
    "a suffix of the domain": "lab.test",
    "the MX host": f"mx-{SILENT}",
    "a network of the address": "127.25.0.0/16",
}


def test_config_show_tells_where_each_value_came_from(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("rate = '1/s'\nport = 2525\nopen = 9\n")
    variables = {"STARTTLS_RATE": "2/s", "STARTTLS_PORT": "2526", "STARTTLS_CONFIG": "c.toml"}
    ending = starttls("config", "show", "--origin", "--rate", "3/s", cwd=tmp_path, variables=variables)
    lines = ending.out.decode().splitlines()
    assert ending.code == Exit.OK
    assert "rate = '3.0'  # flag" in lines
    assert "port = '2526'  # environment" in lines
    assert "open = '9'  # file" in lines
    assert "run-rate = (by the profile)  # default" in lines


def test_config_show_refuses_what_a_scan_refuses() -> None:
    assert "--rate (flag)" in starttls("config", "show", "--rate", "fast").refused(Exit.USAGE)


def test_a_scan_follows_flag_then_environment_then_file(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("column = 'third'\nehlo_name = 'file.example.org'\nseed = 1\n")
    (tmp_path / "list.csv").write_text("first,second,third\nd1.many.lab.test,d2.many.lab.test,d3.many.lab.test\n")
    words = ("scan", "list.csv", "--column", "first", "-c", "c.toml", *lab.sourceless)
    variables = {"STARTTLS_COLUMN": "second", "STARTTLS_EHLO_NAME": "env.example.org"}
    [row] = starttls(*words, cwd=tmp_path, variables=variables).rows
    assert row["domain"] == "d1.many.lab.test"
    assert {each["ehlo_name"] for each in row["sessions"]} == {"env.example.org"}


def test_a_whole_scan_may_stand_in_the_file(lab: Lab, tmp_path: Path) -> None:
    told = lab.told
    (tmp_path / "c.toml").write_text(
        f"resolver = '{told['resolver']}'\nport = {told['smtp_port']}\nallow_net = ['127.0.0.0/8', '::1/128']\n"
        f"profile = 'lab'\ni_am_testing = true\nquiet = true\nca_file = '{told['ca_file']}'\n"
        "source = ['127.9.0.1=mail@scanner.lab.test', '127.9.0.2=witness']\nsources = 'each'\n"
    )
    ending = starttls("scan", "--config", "c.toml", cwd=tmp_path, given=b"source-hidden.lab.test\n")
    assert ending.err == ""
    assert ending.rows[0]["differs_by_source"] is True


def test_the_other_columns_go_into_the_row(lab: Lab) -> None:
    given = b'rank;domain;note\n1;d1.many.lab.test;"a; b"\n'
    [row] = starttls("scan", *lab.flags, given=given).rows
    assert row["input"]["raw"] == "d1.many.lab.test"
    assert row["input"]["columns"] == [{"name": "rank", "value": "1"}, {"name": "note", "value": "a; b"}]


@pytest.mark.parametrize("column", ["2", "host"])
def test_a_column_is_named_or_counted(lab: Lab, column: str) -> None:
    given = b"name,host\nd1.many.lab.test,d2.many.lab.test\n"
    assert [row["domain"] for row in starttls("scan", "--column", column, *lab.flags, given=given).rows] == [
        "d2.many.lab.test"
    ]


def test_shards_together_are_the_list(lab: Lab, tmp_path: Path) -> None:
    path = listed(tmp_path / "list.csv", many(9))
    parts = [[row["n"] for row in starttls("scan", path, "--shard", f"{k}/2", *lab.flags).rows] for k in (1, 2)]
    assert [sorted(part) for part in parts] == [[1, 3, 5, 7, 9], [2, 4, 6, 8]]


def test_without_exclusions_the_peer_is_knocked_at(lab: Lab, silent: Silent) -> None:
    [row] = starttls("scan", "--greeting-deadline", "500ms", *lab.flags, given=SILENT.encode()).rows
    assert row["status"] == "inconclusive"
    assert silent.connections() == 1


@pytest.mark.parametrize("who", EXCLUSIONS)
def test_who_asked_to_be_left_alone_hears_nothing(lab: Lab, tmp_path: Path, silent: Silent, who: str) -> None:
    (tmp_path / "exclude").write_text(f"# by mail\n{EXCLUSIONS[who]}\n")
    ending = starttls("scan", "--exclude", tmp_path / "exclude", *lab.flags, given=SILENT.encode())
    assert ending.code == Exit.OK
    assert [row["status"] for row in ending.rows] == ["excluded"]
    assert EXCLUSIONS[who].encode() in ending.out
    assert silent.connections() == 0


def test_sources_share_the_load(lab: Lab, tmp_path: Path) -> None:
    rows = starttls("scan", listed(tmp_path / "l", many(24)), *lab.flags).rows
    used = [tuple(each["source"] for each in row["sessions"]) for row in rows]
    assert set(used) == {("mail",), ("witness",)}
    assert {row["differs_by_source"] for row in rows} == {None}


def test_each_source_is_compared_where_that_is_asked_for(lab: Lab) -> None:
    [row] = starttls("scan", "--sources", "each", *lab.flags, given=b"source-hidden.lab.test\n").rows
    told = {each["source"]: each["source_address"] for each in row["sessions"]}
    assert told == {"mail": "127.9.0.1", "witness": "127.9.0.2"}
    assert row["differs_by_source"] is True
    assert {each["source"] for each in row["predictions"]} == {"mail", "witness"}


@pytest.mark.parametrize(("flags", "shared"), [((), [False, True]), (("--no-share",), [False, False])])
def test_domains_share_what_one_host_said_unless_each_is_measured(
    lab: Lab, flags: tuple[str, ...], shared: list[bool]
) -> None:
    """Both domains have the same MX host."""
    given = b"d7.many.lab.test\nd207.many.lab.test\n"
    words = (*lab.sourceless, "--ehlo-name", "scanner.lab.test", "--open", "1", *flags)
    rows = starttls("scan", *words, given=given).rows
    assert sorted(each["shared"] for row in rows for each in row["sessions"]) == shared


def test_certificates_go_to_a_file_beside_rows_on_standard_output(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "certificates.jsonl"
    [row] = starttls("scan", "--certificates", out, *lab.flags, given=b"plain-good.lab.test\n").rows
    assert all(sha256 in out.read_text() for sha256 in row["sessions"][0]["tls"]["chain"])
