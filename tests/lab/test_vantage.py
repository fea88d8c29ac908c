"""The lab from other vantage points: a source with IPv6, and one whose own way out mangles everything."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.lab.scenarios.sources import MAIL, WITNESS
from tests.lab.judging import Row

NAME = "scanner.lab.test"
PATIENT = ("--greeting-deadline", "12s", "--session-deadline", "50s", "--dns-deadline", "12s")
HANGS_S = 120
"""Only a scan that hangs takes so long."""
pytestmark = pytest.mark.timeout(HANGS_S + 20)


def scan(tmp_path: Path, names: list[str], *words: str) -> dict[str, Row]:
    """The rows of a scan of these domains, by the first label."""
    listed = tmp_path / "list.csv"
    listed.write_text("domain\n" + "".join(f"{name}.lab.test\n" for name in names))
    command = [sys.executable, "-m", "scanner", "scan", "--lab", str(listed), "-q", *PATIENT, *words]
    done = subprocess.run(command, capture_output=True, check=True, timeout=HANGS_S)
    rows = map(json.loads, done.stdout.splitlines())
    return {row["domain"].removesuffix(".lab.test"): row for row in rows}


def sources(*named: tuple[str, str]) -> list[str]:
    """Options for these (name, address)."""
    return [word for name, address in named for word in ("--source", f"{address}={name}@{NAME}")]


def causes(row: Row) -> list[str]:
    """Names, the likeliest first."""
    return [each["cause"] for each in row["causes"]]


def findings(row: Row) -> set[str]:
    """Types."""
    return {each["type"] for each in row["findings"]}


def test_a_host_without_tls_over_ipv6_differs_by_family_and_not_by_source(tmp_path: Path) -> None:
    row = scan(tmp_path, ["family-without"], *sources(("mail", MAIL), ("six", "::1")))["family-without"]
    assert (row["starttls"], row["differs_by_source"], causes(row)[0]) == ("partial", None, "address-family")


def test_our_own_way_out_is_told_from_partners_that_hide_something(tmp_path: Path) -> None:
    """The canary is whole for the witness and mangled for the mail source, as everything would be."""
    two = sources(("mail", MAIL), ("witness", WITNESS))
    rows = scan(
        tmp_path, ["source-mangled", "source-hidden", "plain-good"], *two, "--canary", "source-mangled.lab.test"
    )
    for name in ("source-mangled", "source-hidden"):
        row = rows[name]
        assert (row["starttls"], row["status"], row["differs_by_source"]) == ("unknown", "inconclusive", None)
        assert causes(row) == ["own-egress"]
        assert "own-egress" in findings(row)
        assert not {"starttls-mangled", "starttls-not-supported", "source-dependent"} & findings(row)
    assert (rows["plain-good"]["starttls"], causes(rows["plain-good"])) == ("pass", [])


def test_a_whole_canary_leaves_the_partner_its_own_middlebox(tmp_path: Path) -> None:
    two = sources(("mail", MAIL), ("witness", WITNESS))
    row = scan(tmp_path, ["source-mangled"], *two, "--canary", "canary.lab.test")["source-mangled"]
    assert (row["starttls"], row["differs_by_source"], causes(row)) == ("partial", True, ["middlebox"])
