"""A configuration file to begin with, and the completion of a shell."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

from scanner.cli.exits import Exit
from scanner.cli.main import COMMANDS
from scanner.cli.options import SCAN
from tests.commands.starttls import COMMAND, ROOT, environment, listed, starttls

COMPLETION = ROOT / "docs" / "completion" / "starttls.bash"


def test_a_new_file_changes_nothing_and_is_not_written_twice(tmp_path: Path) -> None:
    path = tmp_path / "scan.toml"
    begun = starttls("config", "init", path)
    assert (begun.code, begun.out, begun.err) == (Exit.OK, b"", "")
    assert starttls("config", "init").out == path.read_bytes()
    assert "File exists" in starttls("config", "init", path).refused(Exit.USAGE)
    assert tomllib.loads(path.read_text()) == {}
    assert starttls("config", "show").out == starttls("config", "show", "-c", path).out.replace(
        f"config = {str(path)!r}".encode(), b"config = ''"
    )


def test_a_command_line_becomes_a_file(tmp_path: Path) -> None:
    flags = (
        "--source",
        "192.0.2.1=a",
        "--source",
        "192.0.2.2=b",
        "--rate",
        "5/s",
        "--deep",
        "--dnsbl",
        "bl.example.org",
    )
    path = tmp_path / "scan.toml"
    assert starttls("config", "init", path, *flags).code == Exit.OK
    assert tomllib.loads(path.read_text()) == {
        "source": ["192.0.2.1=a", "192.0.2.2=b"],
        "rate": "5/s",
        "deep": True,
        "dnsbl": ["bl.example.org"],
    }
    as_file, as_flags = (starttls("config", *words).out.decode().splitlines() for words in (("-c", path), flags))
    assert [line for line in as_file if not line.startswith("config =")] == [
        line for line in as_flags if not line.startswith("config =")
    ]


def test_one_file_serves_scan_plan_and_doctor(tmp_path: Path) -> None:
    path = tmp_path / "scan.toml"
    starttls("config", "init", path, "--dnsbl", "bl.example.org", "--quiet")
    planned = starttls("plan", listed(tmp_path / "list.csv", ["a.example"]), "--no-dns", "-c", path)
    assert (planned.code, planned.err) == (Exit.OK, "")
    assert "which file" not in starttls("scan", tmp_path / "none", "-c", path).refused(Exit.USAGE)


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("init", "--rate", "5"), "--rate (flag): not a rate"),
        (("show", "scan.toml"), "to read one, --config FILE"),
        (("begin",), "invalid choice"),
    ],
)
def test_what_is_not_understood_is_refused(words: tuple[str, ...], why: str) -> None:
    assert why in starttls("config", *words).refused(Exit.USAGE)


def test_a_new_file_names_every_option() -> None:
    shown = starttls("config", "init").out.decode()
    named = set(re.findall(r"^#([a-z_]+) = ", shown, re.MULTILINE))
    assert {option.key for option in SCAN} - named == {"config", "lab"}


def completed(tmp_path: Path, *words: str) -> list[str]:
    """What bash would offer."""
    (tmp_path / "starttls").write_text(f'#!/bin/sh\nexec {COMMAND[0]} -m scanner "$@"\n')
    (tmp_path / "starttls").chmod(0o755)
    line = " ".join(f"'{word}'" for word in ("starttls", *words))
    typed = f"COMP_WORDS=({line}); COMP_CWORD={len(words)}; _starttls"
    script = f"source {COMPLETION}; {typed}; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    variables = environment({"PATH": f"{tmp_path}:/usr/bin:/bin"})
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=variables, timeout=50, check=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_and_flags(tmp_path: Path) -> None:
    assert completed(tmp_path, "") == sorted(COMMANDS)
    assert completed(tmp_path, "d") == ["diff", "doctor"]
    assert completed(tmp_path, "scan", "--res") == ["--resolver", "--resolver-patience", "--resume"]
    assert completed(tmp_path, "diff", "--") == ["--all", "--fail-on", "--help", "--json", "--only"]
    assert completed(tmp_path, "scan", "li") == []
