"""The list of fault kinds is closed: each has a story that produces it, and code that makes it."""

from pathlib import Path

import pytest

from scanner.lab.scenarios import SCENARIOS
from scanner.model.fault import PASSING_OURS, Kind

ROOT = Path(__file__).parents[2]
PRODUCERS = ("targets", "net", "protocols", "survey.py", "run.py")
STORIES = ("unit/targets", "unit/net", "unit/test_run.py", "unit/test_survey.py", "sessions", "servers")
IN_THE_LAB = {scenario.expected.fault[1] for scenario in SCENARIOS if scenario.expected.fault}


def text_of(base: Path, names: tuple[str, ...]) -> str:
    """All the Python below some places."""
    found = [path for name in names for path in sorted((base / name).rglob("*.py")) or [base / name]]
    return "\n".join(path.read_text() for path in found)


MADE, TOLD = text_of(ROOT / "scanner", PRODUCERS), text_of(ROOT / "tests", STORIES)


@pytest.mark.parametrize("kind", Kind)
def test_a_kind_is_made_somewhere_and_some_story_asserts_it(kind: Kind) -> None:
    """A kind that nobody can produce is deleted."""
    assert f"Kind.{kind.name}" in MADE
    assert kind.value in IN_THE_LAB or f"Kind.{kind.name}" in TOLD


def test_most_kinds_of_a_peer_are_met_in_the_lab() -> None:
    """What the lab cannot make without root or a second machine is told by other stories."""
    elsewhere = {Kind.UNREACHABLE, Kind.NODATA, Kind.HTTP_STATUS, Kind.CONTENT_ENCODED, Kind.CERTIFICATE, Kind.PARKED}
    ours = {*PASSING_OURS, Kind.NO_FAMILY}
    first_of_a_peer = list(Kind).index(Kind.NXDOMAIN)
    peers = set(list(Kind)[first_of_a_peer:]) - ours - elsewhere
    assert {kind.value for kind in peers} <= IN_THE_LAB
