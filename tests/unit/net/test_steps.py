"""A wall clock that is set in mid-run is told, and one that goes well is not."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest

from scanner.manifest import ClockStep
from scanner.net.clock import Clock
from scanner.net.steps import KEPT, Steps

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


@dataclass
class Clocks:
    """Two of them. `held_up_s` passes between any two readings."""

    wall_s: float = 0.0
    monotonic_s: float = 500.0
    held_up_s: float = 0.0
    told: list[str] = field(default_factory=list)

    def now(self) -> datetime:
        self.passed(self.held_up_s)
        return AT + timedelta(seconds=self.wall_s)

    def passed(self, seconds: float, wall_s: float | None = None) -> None:
        self.monotonic_s += seconds
        self.wall_s += seconds if wall_s is None else wall_s

    def steps(self) -> Steps:
        return Steps(Clock(self.now, lambda: self.monotonic_s), self.told.append)


@pytest.mark.parametrize(
    ("story", "passed_s", "wall_s", "by_s"),
    [
        ("time passed", 1.0, 1.0, None),
        ("the process was stopped, and both clocks went on", 600.0, 600.0, None),
        ("the clock is slewed", 1.0, 1.0005, None),
        ("set back by an hour", 1.0, -3599.0, -3600.0),
        ("set forward by an hour", 1.0, 3601.0, 3600.0),
        ("the machine slept, which the monotonic clock does not count", 1.0, 7201.0, 7200.0),
        ("frozen and thawed with a wrong year", 1.0, -94608000.0, -94608001.0),
    ],
)
def test_what_two_clocks_say_of_each_other(story: str, passed_s: float, wall_s: float, by_s: float | None) -> None:
    clocks = Clocks()
    steps = clocks.steps()
    clocks.passed(passed_s, wall_s)
    steps.look()
    assert [step.by_s for step in steps.seen] == ([] if by_s is None else [by_s]), story
    assert len(clocks.told) == len(steps.seen)


def test_a_step_names_the_moment_after_it() -> None:
    clocks = Clocks()
    steps = clocks.steps()
    clocks.passed(10.0, -3590.0)
    steps.look()
    assert steps.seen == (ClockStep(AT - timedelta(seconds=3590), -3600.0),)
    assert clocks.told == ["clock: the wall clock went back by 3600.0 s, to 2026-11-25 11:00:10 UTC"]


def test_a_clock_that_is_set_twice_is_told_twice_and_then_no_more() -> None:
    clocks = Clocks()
    steps = clocks.steps()
    for wall_s in (3601.0, 1.0, -3599.0, 1.0, 1.0):
        clocks.passed(1.0, wall_s)
        steps.look()
    assert [step.by_s for step in steps.seen] == [3600.0, -3600.0]


def test_a_look_that_was_held_up_between_the_clocks_says_nothing() -> None:
    clocks = Clocks()
    steps = clocks.steps()
    clocks.held_up_s = 5.0
    steps.look()
    clocks.held_up_s = 0.0
    steps.look()
    assert steps.seen == ()


def test_a_clock_gone_mad_fills_no_memory() -> None:
    clocks = Clocks()
    steps = clocks.steps()
    for _ in range(KEPT + 50):
        clocks.passed(1.0, 60.0)
        steps.look()
    assert len(steps.seen) == KEPT
