"""From options to settings."""

import argparse

import pytest

from scanner.cli.configuration import deciding, effective, settings, sources
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
        ("--source", "192.0.2.1,role=witness", "--source", "192.0.2.2,role=witness"),
    ],
)
def test_sources_that_cannot_be_told_apart_or_send_no_mail_are_refused(argv: tuple[str, ...]) -> None:
    with pytest.raises(Refused, match=r"^--source"):
        settings(chosen(*argv))


@pytest.mark.parametrize(
    ("count", "models", "fits"), [(28, (), True), (29, (), False), (29, ("--models", "may"), True)]
)
def test_sources_whose_predictions_would_not_fit_into_a_row_are_refused(
    count: int, models: tuple[str, ...], *, fits: bool
) -> None:
    flags = [word for number in range(count) for word in ("--source", f"192.0.2.{number}")]
    if fits:
        assert len(settings(chosen(*flags, *models)).sources) == count
        return
    with pytest.raises(Refused, match=r"^--source: 29 sources and 18 sender models make 522 .* with --models$"):
        settings(chosen(*flags, *models))


def test_sources_keep_their_role_and_their_pace() -> None:
    mail, witness = sources(chosen("--source", "192.0.2.1,rate=5/s,open=50", "--source", "192.0.2.2,role=witness"))
    assert (mail.role, mail.rate_per_s, mail.open_most) == ("mail", 5.0, 50)
    assert (witness.role, witness.rate_per_s, witness.open_most) == ("witness", None, None)


@pytest.mark.parametrize("more", [",role=witness", ",rate=5/s", ",open=50"])
def test_every_part_of_a_source_decides_whether_a_run_is_resumed(more: str) -> None:
    assert deciding(chosen("--source", "192.0.2.1")) != deciding(chosen("--source", f"192.0.2.1{more}"))


def test_follow_ups_are_made_unless_somebody_says_no() -> None:
    assert settings(chosen()).follow_up
    assert not settings(chosen("--no-follow-up")).follow_up


def test_canaries_are_visited_once_each() -> None:
    assert settings(chosen("--canary", "a.example", "--canary", "A.example", "--canary", "b.example")).canaries == (
        "a.example",
        "b.example",
    )


def test_what_is_demanded_of_partners_decides_whether_a_run_is_resumed_and_an_alarm_does_not() -> None:
    plain = chosen()
    tables = [{}, {"a.example": "dane"}, {"a.example": "verify"}, {"b.example": "dane"}]
    told = [deciding(choose({}, {}, SCAN, {"partners": table})) for table in tables]
    assert all(told.count(each) == 1 for each in told)
    assert told[0] == deciding(plain) == deciding(chosen("--fail-on", "would_wait"))
    assert deciding(plain) != deciding(chosen("--policy-column", "2"))


def test_the_order_of_a_table_means_nothing() -> None:
    both = [{"a.example": "dane", "b.example": "none"}, {"b.example": "none", "a.example": "dane"}]
    forth, back = (deciding(choose({}, {}, SCAN, {"partners": table})) for table in both)
    assert forth == back
    assert forth["partners"] == ["a.example=dane", "b.example=none"]


def test_alarms_are_kept_as_they_were_written() -> None:
    assert effective(chosen("--fail-on", "starttls=absent, fail"))["fail-on"] == ["starttls=absent, fail"]
