"""MANY domains: list -> workers -> sink. Nothing here grows with the list.

The list is read in a thread, a batch at a time, and only when a worker has room: a slow sink stops the workers, busy
workers stop the reading. What is there is taken without a turn of the event loop, and what has room is handed on
without one: a turn costs more than most of what is done in it. Workers are hired only while all the others are busy; a
task for every row would cost 14 GiB for ten million rows. A row that waits for its turn at a busy provider keeps its
worker and not its place: otherwise a slow giant would soon have them all, and whoever stands behind it in the list
would wait for it.

Touches: threads (the list is read in one). Source: docs/guarantees.md P4, P7, P8.
"""

import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

import anyio
import anyio.lowlevel
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from scanner.model.fault import Fault, Kind, Side, Stage, is_of_memory
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.tally import Tally

T = TypeVar("T")

BATCH = 256
"""Rows that may wait for the sink, and the most that it is handed at once."""
AHEAD = 64
"""Rows of the list that may wait for a worker: those who end together go on together."""
SYNC_EVERY_S = 1.0
"""docs/guarantees.md P2."""
GRACE_S = 7.0
"""What open sessions are given after the first signal; the rest of the ten seconds of P8 is for QUIT and sync."""
WAITING_MOST = 10_000
"""Rows that may wait for their turn while others are surveyed in their place, some 16 KiB each."""
RELIEF_S = 0.25
DRAIN_S = 0.7
"""What the sink is given after that, for rows that are already finished."""


class Sink(Protocol):
    """Where rows go. It raises its own exceptions, which end the run."""

    @property
    def is_holding(self) -> bool:
        """Whether rows it was given are in memory only, until it has enough of them or the next sync."""

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        """Write finished rows; `undone` are those that only our own trouble decided."""

    async def sync(self) -> None:
        """Make lasting what was written, and notice whether anybody still reads."""


@dataclass(frozen=True, slots=True)
class Work:
    """What is done for a row, and how often. `give_up` makes the row of a survey that ended in an exception.

    `waiting` tells how many rows only wait for their turn at a peer: so many others are surveyed beside `workers` of
    them, up to `waiting_most`.
    """

    survey: Callable[[Target], Awaitable[Record]]
    give_up: Callable[[Target, Fault], Record]
    workers: int
    tries: int = 3
    pause_s: float = 1.0
    waiting: Callable[[], int] = lambda: 0
    waiting_most: int = WAITING_MOST


@dataclass(frozen=True, slots=True)
class Control:
    """What the outside may see and ask of a run in motion."""

    tally: Tally = field(default_factory=Tally)
    stop_admitting: anyio.Event = field(default_factory=anyio.Event)
    stop_now: anyio.Event = field(default_factory=anyio.Event)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A row on its way to the sink; `own_fault` is set where it stays undone."""

    record: Record
    own_fault: Fault | None


@dataclass(frozen=True, slots=True)
class Scopes:
    """What can be cancelled, from the outside in: the run, the workers, the admission of further rows."""

    run: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    workers: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    admission: anyio.CancelScope = field(default_factory=anyio.CancelScope)


Batches = Callable[[], Sequence[Target]]
"""The list: called in a thread; returns the next few targets, and nothing at the end."""


async def run(batches: Batches, work: Work, sink: Sink, control: Control) -> Tally:
    """Survey every target and hand every row to the sink. Raises what the list or the sink raise."""
    results, rows = anyio.create_memory_object_stream[Outcome](BATCH)
    scopes = Scopes()
    failures: list[Exception] = []
    with scopes.run:
        async with rows, anyio.create_task_group() as group, results:
            group.start_soon(stop_when_asked, control, scopes)
            group.start_soon(store, rows, sink, control.tally, scopes, failures)
            with scopes.workers:
                await survey_all(batches, Hands(work, results, control), scopes.admission, failures)
    if failures:
        raise failures[0]
    return control.tally


async def stop_when_asked(control: Control, scopes: Scopes) -> None:
    """First call: nobody is admitted and open sessions get a moment. Second: nobody gets any."""
    await control.stop_admitting.wait()
    scopes.admission.cancel()
    with anyio.move_on_after(GRACE_S):
        await control.stop_now.wait()
    scopes.workers.cancel()
    await anyio.sleep(DRAIN_S)
    scopes.run.cancel()


async def store(
    rows: MemoryObjectReceiveStream[Outcome], sink: Sink, tally: Tally, scopes: Scopes, failures: list[Exception]
) -> None:
    """Be the one writer: batches of what is there, a sync each second. Its end is the end of the run."""
    uncounted: list[Outcome] = []
    try:
        await drain(rows, sink, tally, uncounted)
        await sink.sync()
        count(uncounted, tally)
    except Exception as failure:  # noqa: BLE001 - raised again by `run`, outside the task group
        failures.append(failure)
    scopes.run.cancel()


async def drain(rows: MemoryObjectReceiveStream[Outcome], sink: Sink, tally: Tally, uncounted: list[Outcome]) -> None:
    """Write until every sender is gone; what the sink still holds at the end is left in `uncounted`."""
    sync_at = anyio.current_time() + SYNC_EVERY_S
    while True:
        batch: list[Outcome] = []
        with anyio.CancelScope(deadline=sync_at):
            try:
                batch.append(await rows.receive())
            except anyio.EndOfStream:
                return
        while len(batch) < BATCH and rows.statistics().current_buffer_used:
            batch.append(rows.receive_nowait())
        if batch:
            uncounted += batch
            await sink.write(*divided(batch))
        if anyio.current_time() >= sync_at:
            await sink.sync()
            sync_at = anyio.current_time() + SYNC_EVERY_S
        if uncounted and not sink.is_holding:
            count(uncounted, tally)
            uncounted.clear()


def divided(batch: Sequence[Outcome]) -> tuple[list[Record], list[Record]]:
    """Rows with a verdict, and rows that stay undone."""
    done = [outcome.record for outcome in batch if outcome.own_fault is None]
    return done, [outcome.record for outcome in batch if outcome.own_fault is not None]


def count(batch: Sequence[Outcome], tally: Tally) -> None:
    """Count what was written: never before, so that the status line promises nothing."""
    for outcome in batch:
        if outcome.own_fault is None:
            tally.add(outcome.record)
        else:
            tally.add_undone(outcome.own_fault)


@dataclass(frozen=True, slots=True)
class Hands:
    """What every worker needs."""

    work: Work
    results: MemoryObjectSendStream[Outcome]
    control: Control


@dataclass(slots=True)
class Crew:
    """The workers, `hired` of them. One whose row waits for its turn stands for nobody: another is hired instead."""

    group: TaskGroup
    rows: MemoryObjectReceiveStream[Target]
    hands: Hands
    hired: int = 0
    relief: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def places(self) -> int:
        """How many workers there may be now."""
        work = self.hands.work
        return work.workers + min(max(0, work.waiting()), work.waiting_most)

    def hire_if_needed(self) -> bool:
        """Hire one where a row finds nobody idle."""
        is_needed = self.hired < self.places and not self.rows.statistics().tasks_waiting_receive
        if is_needed:
            self.hired += 1
            self.group.start_soon(labour, self)
        return is_needed

    async def relieve(self) -> None:
        """Hire while a row is held up by workers who only wait: a slow giant must not stop the list (P11)."""
        with self.relief:
            while True:
                await anyio.sleep(RELIEF_S)
                while self.rows.statistics().tasks_waiting_send and self.hire_if_needed():
                    await anyio.lowlevel.checkpoint()


async def survey_all(batches: Batches, hands: Hands, admission: anyio.CancelScope, failures: list[Exception]) -> None:
    """Admit rows until the list ends or somebody asks to stop; then the workers finish what they hold."""
    rows, todo = anyio.create_memory_object_stream[Target](AHEAD)
    async with todo, anyio.create_task_group() as group, rows:
        crew = Crew(group, todo, hands)
        group.start_soon(crew.relieve)
        with admission:
            try:
                while batch := await to_thread.run_sync(batches, abandon_on_cancel=True):
                    for target in batch:
                        crew.hire_if_needed()
                        await hand_on(rows, target)
            except Exception as failure:  # noqa: BLE001 - raised by `run` when the admitted rows are finished
                failures.append(failure)
        crew.relief.cancel()


async def labour(crew: Crew) -> None:
    """One worker: one row after the other until no more come, or are to be begun, or there are more workers than
    places.
    """
    while (target := await taken(crew.rows)) is not None and not crew.hands.control.stop_admitting.is_set():
        await hand_on(crew.hands.results, await attempt_until_settled(target, crew.hands))
        await anyio.lowlevel.checkpoint()  # others may be about to judge and write: then all of them begin the next
        if crew.hired > crew.places:
            break
    crew.hired -= 1


async def hand_on(stream: MemoryObjectSendStream[T], it: T) -> None:
    """Send, and wait only where there is no room."""
    try:
        stream.send_nowait(it)
    except anyio.WouldBlock:
        await stream.send(it)


async def taken(stream: MemoryObjectReceiveStream[T]) -> T | None:
    """Receive, and wait only where there is nothing; None at the end."""
    with contextlib.suppress(anyio.EndOfStream):
        try:
            return stream.receive_nowait()
        except anyio.WouldBlock:
            return await stream.receive()
    return None


async def attempt_until_settled(target: Target, hands: Hands) -> Outcome:
    """Survey again, after growing pauses, while our own trouble decides and nobody asks to stop."""
    for tried in range(1, hands.work.tries + 1):
        outcome = await attempt(target, hands.work)
        if outcome.own_fault is None or tried == hands.work.tries or hands.control.stop_admitting.is_set():
            break
        with anyio.move_on_after(hands.work.pause_s * 2 ** (tried - 1)):
            await hands.control.stop_admitting.wait()
    return outcome


async def attempt(target: Target, work: Work) -> Outcome:
    """Survey once. The one place that catches whatever a survey raises: that is our bug, never the peer's."""
    try:
        record = await work.survey(target)
    except Exception as error:  # noqa: BLE001 - cancellation passes, all else is ours (docs/guarantees.md P7)
        kind = Kind.NO_BUFFERS if is_of_memory(error) else Kind.BUG
        fault = Fault(Stage.INPUT, kind, Side.OURS, f"{type(error).__name__}: {error}"[:500])
        return Outcome(work.give_up(target, fault), fault)
    return Outcome(record, None if record.evidence is None else record.evidence.own_fault)
