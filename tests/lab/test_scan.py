"""The command against the lab: every scenario is judged as its table says, in one run as a user starts it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import SCENARIOS
from tests.lab.judging import HANGS_S, PATIENT, Row, wrongs

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.timeout(HANGS_S + 20)


@pytest.fixture(scope="module")
def rows() -> dict[str, Row]:
    """The rows of `make scan`, by domain; a domain that is listed twice keeps its first row."""
    command = [sys.executable, "-m", "scanner", "scan", "--lab", str(ROOT / "inputs" / "lab.csv"), "-q"]
    command += [word for step, limit_s in PATIENT.items() for word in (f"--{step}-deadline", f"{limit_s}s")]
    done = subprocess.run(command, capture_output=True, check=True, timeout=HANGS_S)
    found: dict[str, Row] = {}
    for row in sorted(map(json.loads, done.stdout.splitlines()), key=lambda each: each["n"]):
        found.setdefault(row["domain"], row)
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_is_judged_as_its_table_says(scenario: Scenario, rows: dict[str, Row]) -> None:
    assert wrongs(scenario, rows[scenario.domain]) == []


def test_no_row_of_the_list_is_lost(rows: dict[str, Row]) -> None:
    assert {scenario.domain for scenario in SCENARIOS} <= rows.keys()
