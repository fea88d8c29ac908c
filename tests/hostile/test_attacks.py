"""Nothing that was studied is left out."""

import pytest

from scanner.lab.scenarios import SCENARIOS
from tests.hostile.attacks import BY_NAME, CATALOGUE, NOT_IN_CATALOGUE, SECTIONS, Attack, hostile

ATTACKS = [attack for attacks in SECTIONS.values() for attack in attacks]


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.words)
def test_an_attack_is_played_or_it_is_said_why_not(attack: Attack) -> None:
    assert set(attack.scenarios) <= BY_NAME.keys()
    assert bool(attack.scenarios) != bool(attack.why_not)


def test_every_number_of_the_catalogue_is_played_or_it_is_said_why_not() -> None:
    numbers = {number for scenario in SCENARIOS for number in scenario.catalogue}
    assert sorted(numbers & set(CATALOGUE) | NOT_IN_CATALOGUE.keys()) == list(CATALOGUE)
    assert not numbers & NOT_IN_CATALOGUE.keys()


def test_every_scenario_of_the_hostile_tables_is_among_them() -> None:
    among = {scenario.name for scenario in hostile()}
    assert {name for name in BY_NAME if name.startswith("hostile-")} <= among
