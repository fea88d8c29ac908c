"""The file to begin with: what it shows as a default is the default."""

import tomllib

import pytest

from scanner.cli import configuration
from scanner.cli.option import Option
from scanner.cli.options import OF_DOCTOR, SCAN, choose
from scanner.cli.template import EXAMPLES, block, offered, template
from scanner.settings import PROFILES

EVERY = (*SCAN, *OF_DOCTOR)


def uncommented(option: Option, profile: str = "standard") -> dict[str, object]:
    """Read the line of an option as if it were none of a comment."""
    [line] = [line for line in block(option, None, profile).splitlines() if line.startswith(f"#{option.key} ")]
    return tomllib.loads(line.removeprefix("#"))


@pytest.mark.parametrize(
    "option", [each for each in offered() if each.name not in EXAMPLES], ids=lambda each: each.name
)
def test_every_default_is_shown_as_it_would_be_given(option: Option) -> None:
    shown = uncommented(option)
    chosen = choose({}, {}, EVERY, shown | {"profile": "standard"})
    if option.default is not None:
        assert chosen[option.name] == option.default
    without = configuration.settings(choose({}, {}, SCAN, {"seed": "1"}))
    assert configuration.settings(choose({}, {}, EVERY, {"seed": "1"} | shown)) == without


@pytest.mark.parametrize("profile", PROFILES)
def test_figures_of_a_profile_are_those_of_its_profile(profile: str) -> None:
    by_profile = [option for option in SCAN if option.default is None and option.name not in EXAMPLES]
    shown = {key: value for option in by_profile for key, value in uncommented(option, profile).items()}
    base = {"seed": "1", "profile": profile}
    made, told = (configuration.settings(choose({}, {}, SCAN, each)) for each in (base, base | shown))
    assert (made.pace, made.deadlines) == (told.pace, told.deadlines)


def test_examples_are_taken() -> None:
    for option in EVERY:
        if option.name in EXAMPLES:
            choose({}, {}, EVERY, uncommented(option))


def test_the_tables_at_the_end_are_taken_when_somebody_uncomments_them() -> None:
    tail = template({}).partition("# Several sources")[2]
    lines = [line.removeprefix("#") for line in tail.splitlines() if line.startswith("#") and not line.startswith("# ")]
    chosen = choose({}, {}, SCAN, tomllib.loads("\n".join(lines)))
    assert chosen["partners"] == {"partner.example": "must-tls"}
    assert [each.name for each in chosen["source"]] == ["mail"]


@pytest.mark.parametrize("word", ['a"b', "a\\b", "a\x7fb", "ünï😀", "a\tb", "a\nb"])
def test_whatever_a_flag_holds_comes_back(word: str) -> None:
    assert tomllib.loads(template({"contact": word})) == {"contact": word}
