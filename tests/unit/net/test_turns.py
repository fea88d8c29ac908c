"""Crowds in pretended time: caps hold in every window, all who may go go, and nobody waits for strangers."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.net.turns import PATIENCE
from scanner.pace import Cap, Feedback, Knock, knock
from scanner.settings import LAB, STANDARD, Limits, Pace
from tests.unit.net.pretend import Crowd, Time, Visitor, violations

TIGHT = Pace(
    source_per_s=4,
    source_open=3,
    run_per_s=6,
    address_interval_s=2,
    address_floor_s=0.5,
    prefix_open=2,
    prefix_per_s=1.5,
    provider_open=2,
    provider_per_s=2,
    backoff_s=5,
    backoff_most_s=40,
)
HERE, THERE = "203.0.113.1", "203.0.113.2"

both_ways = pytest.mark.parametrize("asks_first", [True, False], ids=["asking first", "straight into line"])
knocks = st.builds(
    knock,
    st.sampled_from((HERE, THERE)),
    st.sampled_from(("192.0.2.1", "192.0.2.2", "198.51.100.1", "198.51.100.2", "2001:db8::1")),
    st.sampled_from(("giant.test", "dwarf.test", "other.test")),
)
visitors = st.builds(Visitor, knocks, st.floats(0, 9), st.sampled_from(Feedback))
steps = st.one_of(
    st.lists(visitors, max_size=12),
    st.floats(0, 5),
    st.tuples(st.just("stall"), st.floats(0, 200)),
    st.tuples(st.just("give up"), st.integers(0, 200)),
)


def play(crowd: Crowd, story: list[object]) -> list[Visitor]:
    """Act out a story; those who gave up are not returned."""
    came: list[Visitor] = []
    for step in story:
        match step:
            case list():
                crowd.come(step)
                came += step
            case float():
                crowd.time.run(crowd.time.now_s + step)
            case ("stall", float(stalled_s)):
                crowd.time.stall(stalled_s)
            case ("give up", int(which)) if came:
                crowd.give_up(came.pop(which % len(came)))
    return came


@both_ways
@given(
    story=st.lists(steps, max_size=12),
    pace=st.sampled_from((TIGHT, STANDARD)),
    lag_s=st.floats(0, 2),
    places=st.integers(1, 8),
)
def test_every_cap_holds_in_every_window_whatever_happens(
    story: list[object], pace: Pace, lag_s: float, places: int, *, asks_first: bool
) -> None:
    crowd = Crowd(pace, Limits(open_sessions=places), random.Random(1).random, lag_s=lag_s, asks_first=asks_first)
    play(crowd, story)
    crowd.time.run()
    assert violations(crowd, 1) == []
    assert violations(crowd, 60) == []


@both_ways
@given(
    story=st.lists(steps, max_size=12),
    pace=st.sampled_from((TIGHT, STANDARD, LAB)),
    lag_s=st.floats(0, 2),
    places=st.integers(1, 8),
)
def test_everybody_who_may_go_goes_and_nothing_is_left_behind(
    story: list[object], pace: Pace, lag_s: float, places: int, *, asks_first: bool
) -> None:
    crowd = Crowd(pace, Limits(open_sessions=places), random.Random(2).random, lag_s=lag_s, asks_first=asks_first)
    came = play(crowd, story)
    crowd.time.run()
    assert [visitor for visitor in came if visitor.went_at_s is None and not visitor.parked] == []
    assert crowd.turns.waiting == 0
    assert crowd.turns._lines == {}


@given(st.lists(visitors, min_size=2, max_size=30))
def test_those_with_the_same_gates_go_in_the_order_they_came(came: list[Visitor]) -> None:
    crowd = Crowd(TIGHT)
    crowd.come(came)
    crowd.time.run()
    went: dict[Knock, float] = {}
    for visitor in came:
        if visitor.went_at_s is not None:
            assert went.get(visitor.knock, 0.0) < visitor.went_at_s
            went[visitor.knock] = visitor.went_at_s


def test_after_a_stall_nothing_is_caught_up() -> None:
    crowd = Crowd(STANDARD)
    came = [Visitor(knock(HERE, f"10.0.{n}.1", f"p{n}.test")) for n in range(200)]
    crowd.come(came)
    crowd.time.run(crowd.time.now_s + 1)
    crowd.time.stall(60)
    crowd.time.run()
    assert all(visitor.went_at_s for visitor in came)
    assert violations(crowd, 1) == []


def test_a_late_event_loop_makes_connections_rarer_and_never_denser() -> None:
    crowd = Crowd(STANDARD, lag_s=0.5)
    crowd.come(Visitor(knock(HERE, f"10.0.{n}.1", f"p{n}.test")) for n in range(100))
    crowd.time.run()
    source = crowd.log[(Cap.SOURCE, HERE, "")]
    assert min(later - sooner for sooner, later in pairwise(source)) >= 1 / STANDARD.source_per_s


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(("10.0.0.1", "a.test"), ("10.0.1.1", "a.test"), id="another address and prefix of its provider"),
        pytest.param(("10.0.0.1", "a.test"), ("10.0.0.2", "b.test"), id="another provider in its prefix"),
        pytest.param(("10.0.0.1", "a.test"), ("10.0.1.1", "b.test"), id="a stranger"),
    ],
)
def test_who_waits_for_a_busy_address_is_in_nobodys_way(first: tuple[str, str], second: tuple[str, str]) -> None:
    crowd = Crowd(STANDARD)
    crowd.come(Visitor(knock(HERE, *first), stays_s=100) for _ in range(5))
    stranger = Visitor(knock(HERE, *second))
    crowd.come([stranger])
    crowd.time.run(crowd.time.now_s + 3)
    assert stranger.went_at_s is not None


def test_a_full_prefix_is_not_in_the_way_of_its_providers_other_prefixes() -> None:
    crowd = Crowd(STANDARD)
    crowd.come(Visitor(knock(HERE, f"10.0.0.{n}", "a.test"), stays_s=120) for n in range(9))
    crowd.time.run(crowd.time.now_s + 20)
    stranger = Visitor(knock(HERE, "10.0.9.1", "a.test"))
    crowd.come([stranger])
    crowd.time.run(crowd.time.now_s + 2)
    assert stranger.went_at_s is not None


def test_a_giant_and_slow_provider_does_not_delay_the_rest() -> None:
    def finish_s(crowd: Crowd) -> float:
        start_s = crowd.time.now_s
        rest = [Visitor(knock(HERE, f"11.{n // 250}.{n % 250}.1", f"p{n}.test"), stays_s=2) for n in range(2000)]
        crowd.come(rest)
        crowd.time.run()
        assert all(visitor.went_at_s for visitor in rest)
        return max(visitor.went_at_s or 0 for visitor in rest) - start_s

    beside = Crowd(STANDARD)
    beside.come(Visitor(knock(HERE, f"10.{n // 250}.{n % 250}.1", "giant.test"), stays_s=20) for n in range(3000))
    assert finish_s(beside) < 1.2 * finish_s(Crowd(STANDARD))


def test_between_two_busy_gates_nobody_waits_for_ever() -> None:
    """The provider opens at other times than the prefix, and both are wanted by crowds that keep coming."""
    crowd = Crowd(Pace(prefix_per_s=1, provider_per_s=1.7, address_interval_s=0.1, address_floor_s=0.1))
    unlucky = Visitor(knock(HERE, "10.0.0.1", "giant.test"))
    for n in range(300):
        crowd.come([Visitor(knock(HERE, f"10.0.0.{n % 200 + 2}", f"p{n}.test")) for _ in range(2)])
        crowd.come([Visitor(knock(HERE, f"10.{n % 200 + 1}.{m}.1", "giant.test")) for m in range(3)])
        if n == 20:
            crowd.come([unlucky])
        crowd.time.run(crowd.time.now_s + 1)
    assert unlucky.went_at_s is not None


def test_what_is_kept_for_one_gate_is_let_go_when_that_gate_stays_shut() -> None:
    """The provider asks for a pause while an impatient visitor keeps the prefix for itself until the provider opens."""
    crowd = Crowd(Pace(prefix_per_s=1, provider_per_s=1.5))
    busy = Feedback.SLOW_DOWN
    crowd.come([Visitor(knock(HERE, "10.0.0.1", "p.test")), Visitor(knock(HERE, "10.1.0.1", "giant.test"), 0.1, busy)])
    crowd.come([Visitor(knock(HERE, "10.2.0.1", "giant.test"), 0.5, busy)])
    crowd.time.run(crowd.time.now_s + 0.2)
    impatient = Visitor(knock(HERE, "10.0.0.2", "giant.test"))
    crowd.come([impatient])
    assert impatient.ticket is not None
    impatient.ticket.passed_over = PATIENCE
    behind = Visitor(knock(HERE, "10.0.0.3", "q.test"))
    crowd.come([behind])
    crowd.time.run(crowd.time.now_s + 5)
    assert impatient.went_at_s is None
    assert behind.went_at_s is not None


def test_a_newcomer_does_not_overtake_when_the_gate_opened_and_nobody_noticed_yet() -> None:
    crowd = Crowd(STANDARD)
    waiting, newcomer = Visitor(knock(HERE, "10.0.0.1", "a.test")), Visitor(knock(HERE, "10.0.0.1", "a.test"))
    crowd.come([Visitor(knock(HERE, "10.0.0.1", "a.test")), waiting])
    crowd.time.run(crowd.time.now_s + 1)
    crowd.time.stall(100)
    crowd.come([newcomer])
    crowd.time.run()
    assert waiting.went_at_s is not None
    assert newcomer.went_at_s is not None
    assert waiting.went_at_s < newcomer.went_at_s


def test_who_gives_up_loses_nobody_elses_place() -> None:
    crowd = Crowd(STANDARD, asks_first=False)
    came = [Visitor(knock(HERE, "10.0.0.1", "a.test")) for _ in range(6)]
    crowd.come(came)
    for visitor in came[:-1]:
        crowd.give_up(visitor)
    crowd.time.run(crowd.time.now_s + 1)
    assert came[-1].went_at_s is not None


def test_all_who_wait_for_a_parked_provider_are_told_at_once() -> None:
    crowd = Crowd(STANDARD)
    crowd.come([Visitor(knock(HERE, "10.0.0.1", "a.test"), said=Feedback.BLOCKED)])
    waiting = [Visitor(knock(HERE, f"10.0.0.{n % 3}", "a.test")) for n in range(50)]
    from_elsewhere = Visitor(knock(THERE, "10.0.0.9", "a.test"))
    crowd.come([*waiting, from_elsewhere])
    crowd.time.run(crowd.time.now_s + 0.5)
    assert Counter(visitor.parked for visitor in waiting) == {True: 50}
    assert from_elsewhere.went_at_s is not None


def test_forty_thousand_connections_keep_every_cap() -> None:
    """Counted at the peers (docs/guarantees.md P9), with peers that refuse, a stall, and four sources."""
    draw = random.Random(3)
    crowd = Crowd(STANDARD, draw=draw.random, time=Time())
    words = (Feedback.CLEAN,) * 97 + (Feedback.NEUTRAL, Feedback.NEUTRAL, Feedback.SLOW_DOWN)
    for n in range(40):
        block = []
        for m in range(1000):
            number = draw.randrange(20_000)
            address = f"10.{number >> 10}.{number >> 2 & 255}.{number & 3}"
            wish = knock(f"203.0.113.{m % 4}", address, f"p{number // 5}.test")
            block.append(Visitor(wish, draw.random() * 3, draw.choice(words)))
        crowd.come(block)
        crowd.time.run(crowd.time.now_s + 5)
        if n == 25:
            crowd.time.stall(60)
    crowd.time.run()
    assert crowd.turns.waiting == 0
    assert sum(map(len, (crowd.log[key] for key in crowd.log if key[0] is Cap.SOURCE))) > 36_000
    assert violations(crowd, 1) == []
    assert violations(crowd, 60) == []


@given(st.lists(steps, max_size=12), st.sampled_from((TIGHT, STANDARD)), knocks)
def test_who_may_go_at_once_goes_exactly_when_nobody_would_have_been_waited_for(
    story: list[object], pace: Pace, wish: Knock
) -> None:
    at_once, in_line = Crowd(pace), Crowd(pace)
    for crowd in (at_once, in_line):
        play(crowd, story)
    answer = at_once.turns.take_at_once(wish)
    rung: list[bool] = []
    ticket = in_line.turns.enter(wish, lambda: rung.append(True))
    assert answer is not None or not rung
    assert answer is None or type(in_line.turns.take(ticket)) is type(answer)
