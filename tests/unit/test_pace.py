"""The book of who may connect when: what it grants, what it learns from answers, what it forgets."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Reply, Session, Source
from scanner.pace import SPACING, Cap, Feedback, Granted, Knock, Ledger, Parked, Wait, feedback, knock
from scanner.settings import STANDARD, Limits, Pace

HERE, THERE = "203.0.113.1", "203.0.113.2"
MX = knock(HERE, "192.0.2.1", "example.test")
HELLO = Reply(250, (b"250 mx",))
CLOSED = Fault(Stage.EHLO, Kind.CLOSED)
NOTHING_YET = Session(
    endpoint=Endpoint("mx.example.test", "192.0.2.1", 25, "mx.example.test"),
    source="mail",
    source_address=HERE,
    ehlo_name="scan.test",
    observed_at=datetime(2026, 11, 24, tzinfo=UTC),
)
MIDDLE = 1.2
"""How much longer than it must be an address interval is, when the draw is 0.5."""


def ledger(pace: Pace = STANDARD, limits: Limits | None = None, draw: float = 0.5) -> Ledger:
    return Ledger(pace, limits or Limits(), lambda: draw)


def granted(book: Ledger, now_s: float, wish: Knock = MX) -> Granted:
    answer = book.ask(now_s, wish)
    assert isinstance(answer, Granted)
    return answer


def until_s(book: Ledger, now_s: float, wish: Knock = MX) -> float:
    answer = book.ask(now_s, wish)
    assert isinstance(answer, Wait)
    return answer.until_s


def visit(book: Ledger, now_s: float, said: Feedback, wish: Knock = MX) -> float:
    """One session that is over at once; returns when the next may come."""
    book.report(now_s, granted(book, now_s, wish), said, "421 busy")
    return until_s(book, now_s, wish)


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ((HERE, "192.0.2.1", "a.test"), (HERE, "192.0.2.1", "a.test"), set(Cap)),
        ((HERE, "192.0.2.1", "a.test"), (HERE, "192.0.2.255", "b.test"), {Cap.PREFIX, Cap.SOURCE, Cap.RUN}),
        ((HERE, "192.0.2.1", "a.test"), (HERE, "192.0.3.1", "a.test"), {Cap.PROVIDER, Cap.SOURCE, Cap.RUN}),
        ((HERE, "192.0.2.1", "a.test"), (THERE, "192.0.2.1", "a.test"), {Cap.RUN}),
        ((HERE, "2001:db8:0:100::1", "a"), (HERE, "2001:db8:0:1ff::9", "b"), {Cap.PREFIX, Cap.SOURCE, Cap.RUN}),
        ((HERE, "2001:db8:0:100::1", "a"), (HERE, "2001:db8:0:200::1", "b"), {Cap.SOURCE, Cap.RUN}),
    ],
)
def test_destinations_are_counted_per_source_by_address_prefix_and_provider(
    one: tuple[str, str, str], other: tuple[str, str, str], shared: set[Cap]
) -> None:
    assert {key[0] for key in set(knock(*one).keys) & set(knock(*other).keys)} == shared


def test_an_unknown_address_is_visited_twice_a_minute_at_most() -> None:
    book = ledger(draw=0.0)
    visit(book, 0.0, Feedback.NEUTRAL)
    assert until_s(book, 0.0) == 30.0
    granted(book, 30.0)


def test_the_interval_falls_by_half_after_every_clean_answer_down_to_the_floor() -> None:
    book, now_s, intervals = ledger(), 0.0, []
    for _ in range(8):
        next_s = visit(book, now_s, Feedback.CLEAN)
        intervals.append(round((next_s - now_s) / MIDDLE, 3))
        now_s = next_s
    assert intervals == [30.0, 15.0, 7.5, 3.75, 1.875, 1.0, 1.0, 1.0]


@given(st.floats(0, 1))
def test_the_spread_of_an_interval_only_makes_it_longer(draw: float) -> None:
    assert 30.0 <= visit(ledger(draw=draw), 0.0, Feedback.NEUTRAL) <= 42.0


@given(st.lists(st.tuples(st.floats(0, 100), st.sampled_from(Feedback)), max_size=60))
def test_connections_to_one_address_are_never_closer_than_its_floor(visits: list[tuple[float, Feedback]]) -> None:
    book, now_s, last_s = ledger(), 0.0, float("-inf")
    for passes_s, said in visits:
        now_s += passes_s
        answer = book.ask(now_s, MX)
        if isinstance(answer, Granted):
            assert now_s - last_s >= STANDARD.address_floor_s
            last_s = now_s
            book.report(now_s, answer, said)


def test_a_stall_is_not_caught_up() -> None:
    book = ledger(Pace(address_interval_s=0.01, address_floor_s=0.01, prefix_per_s=1, provider_per_s=100))
    visit(book, 0.0, Feedback.CLEAN)
    assert visit(book, 1000.0, Feedback.CLEAN) > 1001.0


def test_one_session_per_address_at_a_time() -> None:
    book = ledger()
    first = granted(book, 0.0)
    assert until_s(book, 900.0) == float("inf")
    book.report(900.0, first, Feedback.NEUTRAL)
    granted(book, 900.0)


@pytest.mark.parametrize(
    ("pace", "limits", "wishes"),
    [
        (Pace(prefix_open=2), Limits(), [knock(HERE, f"192.0.2.{n}", f"p{n}") for n in range(3)]),
        (Pace(provider_open=2), Limits(), [knock(HERE, f"192.0.{n}.1", "p") for n in range(3)]),
        (Pace(source_open=2), Limits(), [knock(HERE, f"192.0.{n}.1", f"p{n}") for n in range(3)]),
        (Pace(), Limits(open_sessions=2), [knock(f"203.0.113.{n}", f"192.0.{n}.1", f"p{n}") for n in range(3)]),
    ],
    ids=["prefix", "provider", "source", "run"],
)
def test_never_more_open_than_allowed(pace: Pace, limits: Limits, wishes: list[Knock]) -> None:
    book = ledger(pace, limits)
    opened = [granted(book, now_s * 10.0, wish) for now_s, wish in enumerate(wishes[:2])]
    assert until_s(book, 50.0, wishes[2]) == float("inf")
    book.report(50.0, opened[0], Feedback.NEUTRAL)
    granted(book, 50.0, wishes[2])


def test_a_refusal_pauses_the_address_and_doubles_its_interval() -> None:
    book = ledger()
    assert visit(book, 0.0, Feedback.SLOW_DOWN) == 300.0
    assert visit(book, 300.0, Feedback.CLEAN) == 300.0 + 60.0 * MIDDLE


def test_the_first_refusal_leaves_other_addresses_of_the_provider_alone_and_the_second_does_not() -> None:
    book = ledger()
    others = [knock(HERE, f"198.51.{n}.1", "example.test") for n in range(4)]
    visit(book, 0.0, Feedback.SLOW_DOWN)
    assert visit(book, 10.0, Feedback.SLOW_DOWN, others[0]) == 610.0
    assert until_s(book, 20.0, others[1]) == 610.0


def test_pauses_double_up_to_their_limit() -> None:
    book, now_s, pauses = ledger(Pace(park_after=9)), 0.0, []
    for _ in range(6):
        next_s = visit(book, now_s, Feedback.SLOW_DOWN)
        pauses.append(next_s - now_s)
        now_s = next_s
    assert pauses == [300, 600, 1200, 2400, 4000, 4000]


def test_the_third_refusal_in_a_row_parks_the_provider_for_this_source_only() -> None:
    book = ledger()
    for now_s in (0.0, 1000.0, 5000.0):
        book.report(now_s, granted(book, now_s), Feedback.SLOW_DOWN, "421 busy")
    assert book.ask(9000.0, MX) == Parked("421 busy")
    assert book.ask(9000.0, knock(HERE, "198.51.100.1", "example.test")) == Parked("421 busy")
    granted(book, 9000.0, knock(THERE, "192.0.2.1", "example.test"))
    granted(book, 9001.0, knock(HERE, "192.0.2.1", "another.test"))
    assert book.figures().parked == ((HERE, "example.test", "421 busy"),)


def test_a_clean_answer_ends_the_row_of_refusals() -> None:
    book, now_s = ledger(), 0.0
    for said in (Feedback.SLOW_DOWN, Feedback.SLOW_DOWN, Feedback.CLEAN) * 3:
        now_s = visit(book, now_s, said)
    assert book.figures().parked == ()


def test_sessions_refused_together_count_once() -> None:
    book = ledger()
    wishes = [knock(HERE, f"198.51.{n}.1", "example.test") for n in range(6)]
    opened = [granted(book, float(n), wish) for n, wish in enumerate(wishes)]
    for session in opened:
        book.report(10.0, session, Feedback.SLOW_DOWN)
    assert book.figures().parked == ()


def test_what_began_before_a_refusal_does_not_prove_that_it_is_over() -> None:
    book = ledger()
    early = granted(book, 0.0, knock(HERE, "198.51.100.1", "example.test"))
    visit(book, 1.0, Feedback.SLOW_DOWN)
    book.report(2.0, early, Feedback.CLEAN)
    book.report(400.0, granted(book, 400.0), Feedback.SLOW_DOWN)
    book.report(2000.0, granted(book, 2000.0), Feedback.SLOW_DOWN)
    assert len(book.figures().parked) == 1


def test_a_provider_that_refused_is_won_back_slowly() -> None:
    book, gaps = ledger(Pace(address_interval_s=0.001, address_floor_s=0.001)), []
    visit(book, 0.0, Feedback.SLOW_DOWN)
    for n in range(40):
        now_s = 10.0 * (n + 1)
        visit(book, now_s, Feedback.CLEAN, knock(HERE, f"10.0.{n}.1", "example.test"))
        gaps.append(book.ready_at_s(MX.provider) - now_s)
    assert gaps[0] == pytest.approx(2 * gaps[-1])
    assert gaps[10] > 1.3 * gaps[-1]


def test_a_block_that_names_us_parks_at_once() -> None:
    book = ledger()
    book.report(0.0, granted(book, 0.0), Feedback.BLOCKED, "554 listed")
    assert book.ask(0.0, MX) == Parked("554 listed")


@pytest.mark.parametrize(
    ("greeting", "meaning"),
    [
        (b"421 4.3.2 try later", Feedback.SLOW_DOWN),
        (b"421 #4.4.5 Too many connections from your host", Feedback.SLOW_DOWN),
        (b"450 busy", Feedback.SLOW_DOWN),
        (b"451 greylisted", Feedback.SLOW_DOWN),
        (b"431 4.7.1 not now", Feedback.SLOW_DOWN),
        (b"421 4.7.650 temporarily rate limited due to IP reputation", Feedback.SLOW_DOWN),
        (b"554 5.7.1 too many connections", Feedback.SLOW_DOWN),
        (b"454 4.7.0 TLS not available due to local problem", Feedback.NEUTRAL),
        (b"554 no SMTP service here", Feedback.NEUTRAL),
        (b"554 marble.example no service", Feedback.NEUTRAL),
        (b"554 5.7.1 blocked using zen.spamhaus.org", Feedback.BLOCKED),
        (b"554 your address is on our RBL", Feedback.BLOCKED),
        (b"550 rejected: poor reputation", Feedback.BLOCKED),
        (b"421 blocked using internal list; Too many timeouts", Feedback.BLOCKED),
        (b"220 too many friends, spamhaus", Feedback.NEUTRAL),
    ],
)
def test_refusals_are_read_and_other_replies_are_not(greeting: bytes, meaning: Feedback) -> None:
    assert feedback(session(CLOSED, greeting=Reply(int(greeting[:3]), (greeting,)))) is meaning


@pytest.mark.parametrize("stage", ["greeting", "ehlo", "helo", "starttls", "ehlo_tls"])
def test_a_421_is_heeded_at_every_stage_even_where_it_is_no_fault(stage: str) -> None:
    replies = {"greeting": Reply(220, (b"220 mx",)), "ehlo": HELLO, stage: Reply(421, (b"421 busy",))}
    assert feedback(session(None, **replies)) is Feedback.SLOW_DOWN


@pytest.mark.parametrize(
    ("fault", "meaning"),
    [
        (None, Feedback.CLEAN),
        (CLOSED, Feedback.NEUTRAL),
        (Fault(Stage.GREETING, Kind.TIMEOUT), Feedback.NEUTRAL),
        (Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40), Feedback.NEUTRAL),
        (Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS), Feedback.NEUTRAL),
    ],
)
def test_only_a_session_that_came_to_its_own_end_is_clean(fault: Fault | None, meaning: Feedback) -> None:
    assert feedback(session(fault, greeting=Reply(220, (b"220 mx",)))) is meaning


def test_idle_strangers_are_forgotten_and_refusals_are_not() -> None:
    book = ledger(limits=Limits(remembered=100))
    visit(book, 0.0, Feedback.SLOW_DOWN)
    for n in range(2000):
        visit(book, 1000.0 + n * 60, Feedback.NEUTRAL, knock(HERE, f"10.{n % 250}.{n // 250}.1", f"p{n}"))
    assert len(book._gates) <= 135
    assert visit(book, 200_000.0, Feedback.NEUTRAL) - 200_000.0 == pytest.approx(60 * MIDDLE)


def test_memory_is_bounded_where_everybody_refuses() -> None:
    book = ledger(limits=Limits(remembered=100))
    for n in range(2000):
        now_s = n * 5000.0
        wish = knock(HERE, f"10.{n % 250}.{n // 250}.1", f"p{n}")
        book.report(now_s, granted(book, now_s, wish), Feedback.BLOCKED if n % 2 else Feedback.SLOW_DOWN)
    assert len(book._gates) <= 135
    assert len(book.figures().parked) == 100


def test_the_figures_tell_connections_by_source_and_the_highest_rates() -> None:
    book = ledger()
    for n, source in enumerate((HERE, THERE, HERE)):
        granted(book, n * 0.25, knock(source, f"10.0.{n}.1", f"p{n}"))
    assert book.figures().connections == ((HERE, 2), (THERE, 1))
    assert dict(book.figures().highest_per_s) == {"source": 2.0, "run": 4.0}


def session(fault: Fault | None, **replies: Reply) -> Session:
    return replace(NOTHING_YET, fault=fault, **replies)  # type: ignore[arg-type]


def test_a_source_has_the_rate_that_is_its_own_and_the_others_that_of_all() -> None:
    book = ledger(replace(STANDARD, sources=(Source("mail", HERE, rate_per_s=0.5), Source("witness", THERE))))
    for now_s, here, interval_s in ((0.0, HERE, 2 * SPACING), (100.0, THERE, SPACING / STANDARD.source_per_s)):
        granted(book, now_s, knock(here, "192.0.2.1", "a.test"))
        assert until_s(book, now_s, knock(here, "198.51.100.1", "b.test")) == now_s + interval_s


def test_a_source_has_as_many_places_as_are_its_own() -> None:
    book = ledger(replace(STANDARD, sources=(Source("mail", HERE, open_most=2), Source("witness", THERE))))
    open_ones = [granted(book, float(number), knock(HERE, f"192.0.{number}.1", f"{number}.test")) for number in (1, 2)]
    third = knock(HERE, "192.0.3.1", "3.test")
    assert until_s(book, 3.0, third) == math.inf
    granted(book, 3.0, knock(THERE, "192.0.3.1", "3.test"))
    book.report(3.0, open_ones[0], Feedback.CLEAN)
    granted(book, 4.0, third)


def test_the_cap_of_the_run_holds_whatever_a_source_may() -> None:
    book = ledger(replace(STANDARD, run_per_s=1.0, sources=(Source("mail", HERE, rate_per_s=1000.0),)))
    granted(book, 0.0, knock(HERE, "192.0.2.1", "a.test"))
    assert until_s(book, 0.0, knock(HERE, "198.51.100.1", "b.test")) == SPACING
