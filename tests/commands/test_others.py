import re

import jsonschema_rs
import orjson
import pytest

from scanner import __version__
from scanner.cli.exits import Exit
from scanner.cli.main import COMMANDS
from scanner.cli.options import SCAN
from tests.commands.starttls import starttls


@pytest.mark.parametrize("words", [("--help",), ("-h",)])
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    ending = starttls(*words)
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert {line.split()[0] for line in ending.out.decode().splitlines() if line.startswith("  ")} == set(COMMANDS)


def test_without_a_command_there_is_help_and_a_failure() -> None:
    ending = starttls()
    assert ending.code == Exit.USAGE
    assert b"usage: starttls COMMAND" in ending.out


def test_help_of_a_scan_names_exactly_its_options() -> None:
    ending = starttls("scan", "--help", variables={"COLUMNS": "120"})
    flags = set(re.findall(r"^  (?:-\w,? ?(?:[A-Z]+, )?)?--([a-z-]+)", ending.out.decode(), re.MULTILINE))
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert flags == {option.name for option in SCAN} | {"help"}


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_explains_itself(command: str) -> None:
    ending = starttls(command, "--help")
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert ending.out.startswith(f"usage: starttls {command}".encode())


@pytest.mark.parametrize("words", [("version", "-v"), ("--version", "--verbose")])
def test_versions_of_everything_that_decides_a_verdict_are_told(words: tuple[str, ...]) -> None:
    ending = starttls(*words)
    told = dict(line.split(" ", 1) for line in ending.out.decode().splitlines())
    assert ending.code == Exit.OK
    assert told["starttls-scanner"] == __version__
    assert {"python", "openssl", "c-ares", "aiosmtplib", "cryptography"} <= set(told)


@pytest.mark.parametrize("words", [("schema",), ("schema", "row"), ("schema", "certificate")])
def test_a_schema_is_one_that_a_validator_takes(words: tuple[str, ...]) -> None:
    ending = starttls(*words)
    schema = orjson.loads(ending.out)
    assert (ending.code, ending.err) == (Exit.OK, "")
    assert not jsonschema_rs.validator_for(schema).is_valid({})


def test_a_schema_that_there_is_not_is_refused() -> None:
    assert "certificate" in starttls("schema", "nonsense").refused(Exit.USAGE)
