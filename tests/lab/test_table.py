"""The table of the lab: whole, in the words of the model, and the same as the list beside it."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from scanner.assess.causes.table import RULES
from scanner.lab.__main__ import BAD_ROWS, expected, listed
from scanner.lab.identities import IDENTITIES, KEYS, MANNERS, is_slow
from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import SCENARIOS
from scanner.model.assessment import Outcome, Status, Verdict
from scanner.model.fault import Kind, Stage
from scanner.model.session import Oddity

ROOT = Path(__file__).parents[2]
AXES = ("starttls", "webpki", "dane", "mta_sts", "tls_rpt")


def test_every_domain_is_there_once() -> None:
    twice = [domain for domain, times in Counter(scenario.domain for scenario in SCENARIOS).items() if times > 1]
    assert twice == []


def test_most_of_the_catalogue_is_played() -> None:
    numbers = {number for scenario in SCENARIOS for number in scenario.catalogue}
    assert len(numbers) >= 70
    assert numbers <= set(range(1, 101))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_an_expectation_uses_the_words_of_a_record(scenario: Scenario) -> None:
    hoped = scenario.expected
    assert hoped.status in {None, *Status}
    assert {getattr(hoped, axis) for axis in AXES} <= {None, *Verdict}
    assert hoped.delivery_may in {None, *Outcome}
    assert set(hoped.oddities) <= set(Oddity)
    assert hoped.cause in {None, *RULES}
    if hoped.fault is not None:
        stage, kind = hoped.fault
        assert stage in {each.word for each in Stage}
        assert kind in set(Kind)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_a_scenario_tells_its_story_and_its_clause(scenario: Scenario) -> None:
    assert scenario.story.endswith(".")
    assert scenario.clause.startswith("RFC ")
    assert scenario.domain.endswith(".test")


def test_no_peer_becomes_late_by_a_key_that_takes_long() -> None:
    """Eight times the bits are five hundred times the work, which a thread of its own has to do."""
    made = {name: make() for name, make in KEYS.items()}
    large = {name for name, key in made.items() if isinstance(key, rsa.RSAPrivateKey) and key.key_size > 4096}
    assert {"rsa-8192", "rsa-16384"} == large
    assert all(is_slow(name, "modern") for name, identity in IDENTITIES.items() if identity.key in large)
    assert all(is_slow("good", name) for name, manner in MANNERS.items() if manner.dh_bits > 4096)
    assert not is_slow("good", "modern")


def test_the_list_is_the_table() -> None:
    assert (ROOT / "inputs" / "lab.csv").read_text() == listed()


def test_the_list_ends_with_rows_that_came_there_by_mistake() -> None:
    assert len(listed().splitlines()) == 1 + len(SCENARIOS) + len(BAD_ROWS)
    assert listed().splitlines()[-1].startswith("PLAIN-GOOD.LAB.TEST.")


def test_the_expectations_are_one_json_object_a_line() -> None:
    rows = [json.loads(line) for line in expected().splitlines()]
    assert [row["domain"] for row in rows] == [scenario.domain for scenario in SCENARIOS]
    assert set(rows[0]) == {"domain", "expected", "story", "clause", "catalogue"}


def test_words_that_mean_nothing_are_refused() -> None:
    done = subprocess.run([sys.executable, "-m", "scanner.lab", "--nonsense"], capture_output=True, check=False)
    assert done.returncode == 2
    assert done.stdout == b""


def test_the_lab_imports_nothing_of_the_scanner() -> None:
    words = "import sys, scanner.lab.serve; print([name for name in sys.modules if name.startswith('scanner')])"
    seen = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True).stdout
    assert [name for name in eval(seen) if name != "scanner" and not name.startswith("scanner.lab")] == []
