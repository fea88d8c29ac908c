"""The command against the lab: every scenario is judged as its table says, in one run as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import SCENARIOS

ROOT = Path(__file__).parents[2]
AXES = ("status", "starttls", "webpki", "dane", "mta_sts", "tls_rpt", "differs_by_source")
PATIENT = {"greeting": 6, "ehlo": 6, "starttls": 5, "handshake": 5, "session": 18, "dns": 12, "connect": 3}
"""Seconds, longer than the lab's own deadlines: a loaded machine must not look like a slow peer."""
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """The rows of `make scan`, by domain; a domain that is listed twice keeps its first row."""
    command = [sys.executable, "-m", "scanner", "scan", "--lab", str(ROOT / "inputs" / "lab.csv"), "-q"]
    command += [word for step, limit_s in PATIENT.items() for word in (f"--{step}-deadline", f"{limit_s}s")]
    done = subprocess.run(command, capture_output=True, check=True, timeout=110)
    found: dict[str, Row] = {}
    for row in sorted(map(json.loads, done.stdout.splitlines()), key=lambda each: each["n"]):
        found.setdefault(row["domain"], row)
    return found


def faults(row: Row) -> list[tuple[str, str]]:
    """(stage, kind) of the route, its hosts and its sessions, in that order."""
    route = row["route"] or {"fault": None, "mx": []}
    found = [route["fault"], *(host["fault"] for host in route["mx"]), *(each["fault"] for each in row["sessions"])]
    return [(each["stage"], each["kind"]) for each in found if each]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_is_judged_as_its_table_says(scenario: Scenario, rows: dict[str, Row]) -> None:
    row, hoped = rows[scenario.domain], scenario.expected
    wanted = {axis: getattr(hoped, axis) for axis in AXES if getattr(hoped, axis) is not None}
    assert {axis: row[axis] for axis in wanted} == wanted
    if hoped.delivery_may is not None:
        assert row["delivery"]["may"] in {hoped.delivery_may, "unknown"}
    if hoped.fault is not None:
        assert hoped.fault in faults(row)
    assert set(hoped.oddities) <= {oddity for session in row["sessions"] for oddity in session["oddities"]}
    assert set(hoped.findings) <= {finding["type"] for finding in row["findings"]}


def test_no_row_of_the_list_is_lost(rows: dict[str, Row]) -> None:
    assert {scenario.domain for scenario in SCENARIOS} <= rows.keys()
