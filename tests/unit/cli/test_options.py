import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from scanner.cli.exits import Exit, Refused
from scanner.cli.options import SCAN, Chosen, add_to, choose, read_file
from scanner.model.session import Role, Source


def chosen(*argv: str, environment: Mapping[str, str] | None = None, file: Mapping[str, Any] | None = None) -> Chosen:
    """What these three origins make together."""
    parser = argparse.ArgumentParser()
    add_to(parser, SCAN)
    return choose(vars(parser.parse_args(argv)), environment or {}, SCAN, file or {})


def test_flag_goes_before_environment_before_file_before_default() -> None:
    origins: dict[str, Any] = {"environment": {"STARTTLS_RATE": "20/s"}, "file": {"rate": "30/s"}}
    assert chosen("--rate", "10/s", **origins)["rate"] == 10
    assert chosen(**origins)["rate"] == 20
    assert chosen(file=origins["file"])["rate"] == 30
    assert chosen()["rate"] is None
    assert chosen(**origins).origins["rate"] == "environment"
    assert chosen().origins["rate"] == "default"


@pytest.mark.parametrize(
    ("file", "name", "value"),
    [
        (
            {"source": ["192.0.2.1", "192.0.2.2=b"]},
            "source",
            (Source("192.0.2.1", "192.0.2.1"), Source("b", "192.0.2.2")),
        ),
        (
            {
                "source": [
                    {"address": "192.0.2.1", "name": "a", "ehlo_name": "a.example.org", "rate": "10/s", "open": 100},
                    {"address": "192.0.2.2", "role": "witness", "open": "7"},
                    "192.0.2.3=c",
                ]
            },
            "source",
            (
                Source("a", "192.0.2.1", "a.example.org", Role.MAIL, 10.0, 100),
                Source("192.0.2.2", "192.0.2.2", role=Role.WITNESS, open_most=7),
                Source("c", "192.0.2.3"),
            ),
        ),
        ({"source": {"address": "192.0.2.1"}}, "source", (Source("192.0.2.1", "192.0.2.1"),)),
        ({"canary": ["Example.org"]}, "canary", ("example.org",)),
        ({"port": 2525}, "port", 2525),
        ({"quiet": True}, "quiet", True),
        ({"no_share": "no"}, "no-share", False),
        ({"greeting_deadline": "90s"}, "greeting-deadline", 90.0),
    ],
)
def test_the_file_says_the_same_in_toml(file: dict[str, Any], name: str, value: object) -> None:
    assert chosen(file=file)[name] == value


def test_a_variable_holds_several_values_between_blanks() -> None:
    both = chosen(environment={"STARTTLS_RESOLVER": "127.0.0.1 127.0.0.2:53"})
    assert both["resolver"] == ("127.0.0.1", "127.0.0.2:53")


@pytest.mark.parametrize(
    ("origins", "line"),
    [
        ({"file": {"raet": "1/s"}}, "unknown option: raet (in the file)"),
        ({"environment": {"STARTTLS_RAET": "1/s"}}, "unknown option: STARTTLS_RAET"),
        ({"file": {"rate": 5.5}}, "--rate (file): neither text nor a whole number: 5.5"),
        ({"file": {"rate": "5"}}, "--rate (file): not a rate such as 50/s or 2/min: 5"),
        ({"file": {"port": [1, 2]}}, "--port (file): one value is wanted"),
        ({"file": {"port": {"a": 1}}}, "--port (file): neither text nor a whole number: {'a': 1}"),
        ({"file": {"source": [{"adress": "192.0.2.1"}]}}, "--source (file): not a part of a source: adress"),
        ({"file": {"source": [{"name": "a"}]}}, "--source (file): not an address of ours: it is missing"),
        (
            {"file": {"source": [{"address": "192.0.2.1", "rate": 5.5}]}},
            "--source (file): neither text nor a whole number: 5.5",
        ),
        (
            {"file": {"source": [{"address": "192.0.2.1", "role": "spy"}]}},
            "--source (file): not one of mail, witness: spy",
        ),
        ({"environment": {"STARTTLS_QUIET": "perhaps"}}, "--quiet (environment): neither true nor false: perhaps"),
        ({"file": {"sources": "all"}}, "--sources (file): not one of spread, each: all"),
    ],
)
def test_what_is_not_understood_is_refused_and_never_skipped(origins: dict[str, Any], line: str) -> None:
    with pytest.raises(Refused) as refused:
        chosen(**origins)
    assert (refused.value.code, str(refused.value)) == (Exit.USAGE, line)


def test_other_peoples_variables_are_none_of_our_business() -> None:
    assert chosen(environment={"HOME": "x", "RATE": "y"})["rate"] is None


@pytest.mark.parametrize("text", ["= 1", "\xff"])
def test_a_file_that_is_no_toml_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(Refused, match=r"^--config .*c.toml: "):
        read_file(str(path))


def test_a_missing_file_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No such file or directory"):
        read_file(str(tmp_path / "none.toml"))


def test_every_option_has_a_help_text_and_one_name() -> None:
    assert all(option.help for option in SCAN)
    assert len({option.name for option in SCAN}) == len(SCAN)


def test_one_file_serves_all_commands() -> None:
    """What `doctor` alone takes is no typing mistake in the file of a scan, and decides nothing there."""
    shared: dict[str, Any] = {"file": {"dnsbl": ["a.example"]}, "environment": {"STARTTLS_DNSBL": "a.example"}}
    assert chosen(**shared) == chosen()


def test_partners_are_a_table_of_the_file_and_nothing_else() -> None:
    table = {"partners": {"A.example": "must-tls"}}
    assert chosen(file=table)["partners"] == {"a.example": "must-tls"}
    assert (chosen(file=table).origins["partners"], chosen().origins["partners"]) == ("file", "default")
    assert chosen()["partners"] == {}


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ({"partners": ["a.example"]}, "partners (file): a table is wanted, [partners]"),
        ({"partners": "dane"}, "partners (file): a table is wanted, [partners]"),
        (
            {"partners": {"a.example": "tls"}},
            "[partners] (file): a.example: no TLS policy: 'tls' (one of none, must-tls, verify, dane)",
        ),
    ],
)
def test_a_table_that_is_not_understood_is_refused(file: dict[str, Any], line: str) -> None:
    with pytest.raises(Refused) as refused:
        chosen(file=file)
    assert (refused.value.code, str(refused.value)) == (Exit.USAGE, line)


def test_a_rule_of_an_alarm_is_read_when_it_is_given() -> None:
    both = chosen("--fail-on", "would_wait", "--fail-on", "starttls=absent,fail")["fail-on"]
    assert [rule.written for rule in both] == ["would_wait", "starttls=absent,fail"]
    assert chosen(file={"fail_on": ["would_wait"]})["fail-on"] == both[:1]
    with pytest.raises(Refused, match=r"^--fail-on \(flag\): no such rule: 'x' \(one of would_wait, "):
        chosen("--fail-on", "x")
