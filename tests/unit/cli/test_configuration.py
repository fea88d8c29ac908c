"""From options to settings."""

import argparse

import pytest

from scanner.cli.configuration import settings, sources
from scanner.cli.exits import Refused
from scanner.cli.options import SCAN, Chosen, add_to, choose
from scanner.settings import GENTLE, STANDARD


def chosen(*argv: str) -> Chosen:
    """Options as given by flags alone."""
    parser = argparse.ArgumentParser()
    add_to(parser, SCAN)
    return choose(vars(parser.parse_args(argv)), {}, SCAN, {})


def test_rfc_5321_s5_1_the_order_among_equal_hosts_is_drawn_anew_for_every_run() -> None:
    assert settings(chosen()).seed != settings(chosen()).seed
    assert settings(chosen("--seed", "0")).seed == 0
    assert settings(chosen("--seed", "7")).seed == 7


def test_an_option_changes_one_number_of_its_profile() -> None:
    made = settings(chosen("--profile", "gentle", "--rate", "3/s", "--greeting-deadline", "90s"))
    assert made.pace.source_per_s == 3
    assert made.pace.run_per_s == GENTLE.run_per_s != STANDARD.run_per_s
    assert (made.deadlines.greeting_s, made.deadlines.ehlo_s) == (90, 30)


def test_every_source_gets_an_ehlo_name() -> None:
    made = sources(
        chosen("--source", "192.0.2.1=a@a.example.org", "--source", "192.0.2.2", "--ehlo-name", "b.example.org")
    )
    assert [each.ehlo_name for each in made] == ["a.example.org", "b.example.org"]


@pytest.mark.parametrize(
    "argv",
    [
        ("--source", "192.0.2.1=a", "--source", "192.0.2.2=a"),
        ("--source", "192.0.2.1", "--source", "192.0.2.1=b"),
        ("--sources", "each", "--source", "192.0.2.1"),
        ("--sources", "each"),
    ],
)
def test_sources_that_cannot_be_told_apart_are_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=r"^--source"):
        settings(chosen(*argv))
