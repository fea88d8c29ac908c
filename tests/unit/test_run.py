"""Many domains: what flows, what stops, and what nothing may lose. The survey and the sink are tables."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import anyio
import anyio.lowlevel
import pytest

from scanner.model.assessment import Assessment, Status
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Route
from scanner.model.target import Target
from scanner.run import BATCH, Control, Work, run
from scanner.tally import Tally

AT = datetime(2026, 11, 24, tzinfo=UTC)
DOWN = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS)


def record(target: Target, own: Fault | None = None) -> Record:
    """A row about nothing, perhaps with trouble of our own in it."""
    route = Route(target.domain, Answer(target.domain, fault=own))
    evidence = Evidence(route, MtaSts(Answer("_mta-sts")), TlsRpt(Answer("_smtp._tls")))
    return Record("run", target, AT, evidence, Assessment(status=Status.OK))


@dataclass
class List:
    """A list of so many rows, handed out so many at a time; `read` says how far it was read."""

    rows: int
    at_once: int = 7
    fails_at: int | None = None
    read: int = 0

    def __call__(self) -> Sequence[Target]:
        if self.fails_at is not None and self.read >= self.fails_at:
            raise OSError("the list broke")
        first = self.read + 1
        self.read = min(self.rows, self.read + self.at_once)
        return [Target(n, f"d{n}.test") for n in range(first, self.read + 1)]


@dataclass
class Memory:
    """A sink that remembers; `gate` holds it up."""

    done: list[int] = field(default_factory=list)
    undone: list[int] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    syncs: int = 0
    gate: anyio.Event | None = None
    fails: bool = False
    is_holding: bool = False

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        if self.gate is not None:
            await self.gate.wait()
        if self.fails:
            raise OSError("the disk is full")
        self.done += [row.target.n for row in done]
        self.undone += [row.target.n for row in undone]
        self.batches.append(len(done) + len(undone))

    async def sync(self) -> None:
        self.syncs += 1
        self.is_holding = False


async def prompt(target: Target) -> Record:
    """A survey that takes no time."""
    return record(target)


def work(survey: Callable[[Target], object], workers: int = 10, tries: int = 3) -> Work:
    """A crew with short pauses."""
    return Work(survey, record, workers, tries, pause_s=0.001)  # type: ignore[arg-type]


@pytest.mark.parametrize("rows", [0, 1, BATCH, 2000])
async def test_every_row_arrives_once(rows: int) -> None:
    sink = Memory()
    tally = await run(List(rows), work(prompt), sink, Control())
    assert sorted(sink.done) == list(range(1, rows + 1))
    assert (tally.rows, tally.undone) == (rows, 0)
    assert sink.syncs >= 1
    assert all(size <= BATCH for size in sink.batches)


async def test_no_more_workers_than_asked_for_and_no_more_than_needed() -> None:
    busy, most = 0, 0

    async def survey(target: Target) -> Record:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await anyio.sleep(0.001)
        busy -= 1
        return record(target)

    await run(List(200), work(survey, workers=8), Memory(), Control())
    assert most == 8


async def test_rows_that_are_there_cost_no_turn_of_the_event_loop() -> None:
    """A turn looks at every socket, and costs more than most of what a row needs."""
    turns, surveyed_at = 0, []

    async def count() -> None:
        nonlocal turns
        while True:
            await anyio.lowlevel.checkpoint()
            turns += 1

    async def survey(target: Target) -> Record:
        surveyed_at.append(turns)
        return record(target)

    async with anyio.create_task_group() as group:
        group.start_soon(count)
        await run(List(1000, at_once=1000), work(survey), Memory(), Control())
        group.cancel_scope.cancel()
    assert len(surveyed_at) == 1000
    assert surveyed_at[-1] - surveyed_at[0] < 100


async def test_a_slow_sink_stops_the_workers_and_the_reading_of_the_list() -> None:
    rows, sink = List(100_000, at_once=10), Memory(gate=anyio.Event())

    async def release() -> None:
        previous = -1
        while rows.read != previous:  # until nothing moves
            previous = rows.read
            await anyio.sleep(0.2)
        assert rows.read <= 2 * BATCH + 10 + 2 * rows.at_once
        rows.rows = rows.read
        assert sink.gate is not None
        sink.gate.set()

    async with anyio.create_task_group() as group:
        group.start_soon(release)
        await run(rows, work(prompt), sink, Control())
    assert sorted(sink.done) == list(range(1, rows.rows + 1))


async def test_a_list_that_comes_slowly_holds_nothing_back() -> None:
    come, sink = threading.Event(), Memory()
    pieces: Iterator[list[Target]] = iter([[Target(1, "first.test")], [Target(2, "second.test")], []])

    def batches() -> Sequence[Target]:
        piece = next(pieces)
        if piece and piece[0].n == 2:
            come.wait(30)
        return piece

    async def survey(target: Target) -> Record:
        come.set()  # only the first row, fully surveyed, lets the list give the second
        return record(target)

    await run(batches, work(survey), sink, Control())
    assert sink.done == [1, 2]


async def test_our_own_trouble_is_tried_again_and_then_written() -> None:
    tried: list[int] = []

    async def survey(target: Target) -> Record:
        tried.append(target.n)
        return record(target, DOWN if len(tried) < 3 else None)

    sink = Memory()
    tally = await run(List(1), work(survey), sink, Control())
    assert tried == [1, 1, 1]
    assert (sink.done, sink.undone, tally.undone) == ([1], [], 0)


async def test_our_own_lasting_trouble_leaves_the_row_undone() -> None:
    async def survey(target: Target) -> Record:
        return record(target, DOWN if target.n == 2 else None)

    sink = Memory()
    tally = await run(List(3), work(survey), sink, Control())
    assert (sorted(sink.done), sink.undone) == ([1, 3], [2])
    assert tally.undone_faults == {"resolver_down": 1}


async def test_a_bug_costs_one_row_and_says_what_it_was() -> None:
    async def survey(target: Target) -> Record:
        if target.n == 2:
            raise KeyError("oops")
        return record(target)

    sink, control = Memory(), Control()
    await run(List(3), work(survey), sink, control)
    assert (sorted(sink.done), sink.undone) == ([1, 3], [2])
    assert control.tally.undone_faults == {"bug": 1}


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't start new thread"), ExceptionGroup("two", [MemoryError()])], ids=repr
)
async def test_a_survey_without_memory_is_trouble_of_ours_that_may_pass(error: Exception) -> None:
    tried: list[int] = []

    async def survey(target: Target) -> Record:
        tried.append(target.n)
        if target.n == 2 or (target.n == 3 and tried.count(3) == 1):
            raise error
        return record(target)

    sink, control = Memory(), Control()
    await run(List(3), work(survey), sink, control)
    assert (sorted(sink.done), sink.undone) == ([1, 3], [2])
    assert control.tally.undone_faults == {"no_buffers": 1}


async def test_a_sink_that_fails_ends_the_run_with_its_exception() -> None:
    rows = List(100_000)
    with pytest.raises(OSError, match="the disk is full"):
        await run(rows, work(prompt), Memory(fails=True), Control())
    assert rows.read < 100_000


async def test_a_list_that_fails_lets_the_admitted_rows_finish() -> None:
    sink = Memory()
    with pytest.raises(OSError, match="the list broke"):
        await run(List(100, fails_at=21), work(prompt), sink, Control())
    assert sorted(sink.done) == list(range(1, 22))


async def test_after_the_first_signal_nobody_is_admitted_and_those_inside_finish() -> None:
    control, sink, begun, finish = Control(), Memory(), anyio.Event(), anyio.Event()

    async def survey(target: Target) -> Record:
        begun.set()
        await finish.wait()
        return record(target)

    async def stop() -> None:
        await begun.wait()
        control.stop_admitting.set()
        await anyio.sleep(0.01)
        finish.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        await run(List(100), work(survey, workers=3), sink, control)
    assert 1 <= len(sink.done) <= 4


async def test_after_the_second_signal_nobody_is_waited_for() -> None:
    control, sink, begun = Control(), Memory(), anyio.Event()

    async def survey(target: Target) -> Record:
        begun.set()
        await anyio.sleep_forever()
        return record(target)

    async def stop() -> None:
        await begun.wait()
        control.stop_admitting.set()
        control.stop_now.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        with anyio.fail_after(30):
            await run(List(100), work(survey, workers=3), sink, control)
    assert sink.done == []
    assert sink.syncs == 1


async def test_a_survey_that_was_cancelled_has_run_its_cleanup() -> None:
    control, begun, cleaned = Control(), anyio.Event(), []

    async def survey(target: Target) -> Record:
        begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            cleaned.append(target.n)
        return record(target)

    async def stop() -> None:
        await begun.wait()
        control.stop_admitting.set()
        control.stop_now.set()

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        await run(List(1), work(survey), Memory(), control)
    assert cleaned == [1]


def test_the_tally_counts_words_and_never_what_a_peer_says() -> None:
    tally = Tally()
    tally.add(record(Target(1, "a.test")))
    tally.add_row({"status": "ok", "starttls": "pass", "first_finding": "null-mx", "domain": "a.test"})
    assert (tally.rows, tally.count("status", "ok"), tally.count("starttls", "pass")) == (2, 2, 1)
    axes = {"status", "starttls", "webpki", "dane", "mta_sts", "tls_rpt"}
    assert set(tally.words) == {*axes, "first_finding", "would_wait"}


async def test_rows_that_only_wait_for_their_turn_hold_up_nobody() -> None:
    """docs/guarantees.md P11: the first rows of the list all wait for one slow provider."""
    waiting, sink, open_again = 0, Memory(), anyio.Event()

    async def survey(target: Target) -> Record:
        nonlocal waiting
        if target.n <= 50:
            waiting += 1
            await open_again.wait()
            waiting -= 1
        return record(target)

    async def let_in_when_the_others_are_done() -> None:
        with anyio.fail_after(20):
            while len(sink.done) < 50:  # noqa: ASYNC110 - nobody tells
                await anyio.sleep(0.01)
        open_again.set()

    async with anyio.create_task_group() as group:
        group.start_soon(let_in_when_the_others_are_done)
        crew = Work(survey, record, workers=5, waiting=lambda: waiting)
        await run(List(100), crew, sink, Control())
    assert sorted(sink.done[:50]) == list(range(51, 101))
    assert sorted(sink.done) == list(range(1, 101))


async def test_those_who_wait_are_bounded_and_so_are_workers_afterwards() -> None:
    waiting, busy, most, sink, open_again = 0, 0, 0, Memory(), anyio.Event()

    async def survey(target: Target) -> Record:
        nonlocal waiting, busy, most
        busy += 1
        most = max(most, busy if open_again.is_set() else 0)
        if target.n <= 20:
            waiting += 1
            await open_again.wait()
            waiting -= 1
        await anyio.sleep(0.001)
        busy -= 1
        return record(target)

    async def let_in() -> None:
        await anyio.sleep(1.0)
        assert waiting <= 8 + 4
        open_again.set()

    async with anyio.create_task_group() as group:
        group.start_soon(let_in)
        await run(List(300), Work(survey, record, workers=4, waiting=lambda: waiting, waiting_most=8), sink, Control())
    assert sorted(sink.done) == list(range(1, 301))
    assert most <= 12
