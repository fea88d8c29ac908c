"""One scan in motion, and how it ended.

Touches: everything that `network` and `output` open. Source: docs/record.md (exit codes), docs/guarantees.md P8.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import anyio

from scanner.alarms import Alarm, raised
from scanner.cli import output
from scanner.cli.exits import Exit
from scanner.cli.job import Job
from scanner.cli.main import tell
from scanner.cli.metrics import metrics_file
from scanner.cli.network import Network, connected
from scanner.cli.output import Output
from scanner.cli.preflight import check_identity
from scanner.cli.progress import Progress
from scanner.cli.report import manifest_of
from scanner.cli.signals import Heard, obey
from scanner.cli.standstill import watched
from scanner.cli.streams import say
from scanner.model.fault import Kind
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.net.patience import WAITED_FOR
from scanner.parts import OutputFailed
from scanner.run import Control, Work, run
from scanner.sinks import ConsumerGone
from scanner.survey import given_up, survey
from scanner.tally import Tally
from scanner.targets import ListRefused

OF_THE_ENVIRONMENT = frozenset({Kind.RESOLVER_DOWN.value, *(kind.value for kind in WAITED_FOR)})
WORKERS_PER_SESSION = 2
"""A worker that waits for DNS or for its turn holds no session: twice as many keep the sessions busy."""


VALIDATION = {
    True: "validates DNSSEC",
    False: "does not validate DNSSEC, so that DANE stays unknown",
    None: "not on this machine, so that its word on DNSSEC cannot be trusted and DANE stays unknown",
}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, for the shell and in words. `is_complete`: every row of the list is in the output."""

    exit: Exit
    line: str
    is_complete: bool = False


async def scan_list(job: Job) -> Ending:
    """Scan, and say how it ended. Raises Refused where the scan must not begin."""
    control = Control(Tally(alarms=tuple(map(Alarm, job.chosen["fail-on"]))))
    progress = Progress(control.tally, job.clock.monotonic_s, job.chosen["status-interval"], job.chosen["quiet"])
    async with connected(job) as network:
        if not job.chosen["quiet"]:
            say(f"resolver: {network.bulk.name}: {VALIDATION[network.validates]}\n")
        if not job.chosen["i-am-testing"]:
            await check_identity(job.settings.sources, network.bulk)
        with (
            output.opened(job, control.tally) as out,
            watched(network.watch, partial(cut_off, control), last_words(job)),
        ):
            heard, metrics = Heard(), metrics_file(job, network, control.tally)
            await metrics.begin()
            async with anyio.create_task_group() as group:
                group.start_soon(obey, control, heard, progress.status)
                group.start_soon(progress.show)
                group.start_soon(metrics.keep)
                group.start_soon(network.stalls.watch)
                group.start_soon(network.steps.watch)
                group.start_soon(job.exclusions.watch)
                await rested(job, out, control)
                group.start_soon(network.canaries.watch)
                group.start_soon(network.silence.watch)
                await informed(job, network, control)
                ending = await in_motion(job, network, out, control, heard)
                group.cancel_scope.cancel()
            progress.summary()
            await published(job, network, out, control.tally, ending)
            await metrics.end(ending.exit, is_complete=ending.is_complete)
    return ending


def cut_off(control: Control) -> None:
    """End the run as a second signal does: nothing moves in it any more."""
    control.stop_admitting.set()
    control.stop_now.set()


def last_words(job: Job) -> Callable[[Exit, str], None]:
    """Make what says the last line where nobody else gets that far."""
    return partial(tell, log_format=job.chosen["log-format"])


async def rested(job: Job, out: Output, control: Control) -> None:
    """Wait before the first knock of a resumed run: its pace is forgotten, and the caps hold in every window (P9)."""
    if out.run is not None and out.run.interruptions:
        with anyio.move_on_after(job.settings.pace.address_interval_s):
            await control.stop_admitting.wait()


async def informed(job: Job, network: Network, control: Control) -> None:
    """Wait for what the canaries say first, so that every row knows; not longer than a session may take."""
    if not job.settings.canaries:
        return

    async def end(event: anyio.Event) -> None:
        await event.wait()
        group.cancel_scope.cancel()

    with anyio.move_on_after(job.settings.deadlines.session_s):
        async with anyio.create_task_group() as group:
            group.start_soon(end, network.canaries.looked)
            group.start_soon(end, control.stop_admitting)


async def in_motion(job: Job, network: Network, out: Output, control: Control, heard: Heard) -> Ending:
    """Run until the list ends, somebody asks to stop, or the list or the output fails."""
    surveyed = network.watch.surveying(out.lines.after(surveying(network, job, out, control)))
    work = Work(
        survey=surveyed,
        give_up=partial(given_up, run_id=out.run_id, at=job.started_at),
        workers=job.settings.limits.open_sessions * WORKERS_PER_SESSION,
        tries=job.settings.limits.tries_after_own_fault,
        waiting=network.waiting,
    )
    try:
        tally = await run(network.watch.reading(unfinished(job, out)), work, out.sink, control)
    except ConsumerGone:
        return Ending(Exit.CONSUMER_GONE, Exit.CONSUMER_GONE.words)
    except OutputFailed as failed:
        return Ending(Exit.OUTPUT, str(failed))
    except ListRefused as refused:
        return Ending(Exit.INCOMPLETE, f"the list could not be read to its end: {refused}")
    return cut_short(network, heard) or finished(tally, job.chosen["max-bad-input"])


def cut_short(network: Network, heard: Heard) -> Ending | None:
    """Say how a run ended before its list did, if so."""
    if network.watch.gave_up:
        return Ending(Exit.INTERNAL, network.watch.words)
    if heard.exit is not None:
        return Ending(heard.exit, heard.exit.words)
    if lost := network.lost():
        return Ending(Exit.ENVIRONMENT, lost)
    return None


def surveying(network: Network, job: Job, out: Output, control: Control) -> Callable[[Target], Awaitable[Record]]:
    """Make the survey of this run a function of the target alone. A resolver that stays dead stops the
    run, and so does a way out that stays lost, or the last of our worker processes.

    A resumed run keeps the seed that it began with.
    """
    settings = job.settings if out.run is None else replace(job.settings, seed=out.run.seed)

    async def of(target: Target) -> Record:
        record = await survey(target, network.tools, settings, out.run_id)
        if met_a_dead_resolver(record) or network.patient.is_stranded() or network.lost():
            control.stop_admitting.set()  # every further row would wait as long, or fail at once
        return record

    return of


def met_a_dead_resolver(record: Record) -> bool:
    """Tell whether the breaker waited for the resolver until its patience ended."""
    fault = None if record.evidence is None else record.evidence.own_fault
    return fault is not None and fault.kind is Kind.RESOLVER_DOWN


def unfinished(job: Job, out: Output) -> Callable[[], Sequence[Target]]:
    """Make the list give out what is not done: rows of this shard that an interrupted run did not finish."""

    def batch() -> Sequence[Target]:
        while rows := job.batch():
            if fresh := out.fresh(rows):
                return fresh
        return []

    return batch


def finished(tally: Tally, bad_share_most: float) -> Ending:
    """Say how a run ended whose list was read to its end. What leaves rows unfinished goes before an alarm."""
    alarm = raised(tally.alarms)
    also = f"; {alarm}" if alarm else ""
    if tally.undone:
        of_the_environment = any(kind in OF_THE_ENVIRONMENT for kind in tally.undone_faults)
        counted = tally.undone_faults.most_common()
        reasons = ", ".join(f"{kind} {count} ({tally.undone_examples[kind]})" for kind, count in counted)
        code = Exit.ENVIRONMENT if of_the_environment else Exit.INCOMPLETE
        return Ending(code, f"{tally.undone} rows stayed undone: {reasons}{also}")
    bad = tally.count("status", "input_error")
    if bad > tally.rows * bad_share_most:
        return Ending(Exit.INCOMPLETE, f"{bad} of {tally.rows} input rows are invalid{also}", is_complete=True)
    if alarm:
        return Ending(Exit.ALARM, f"{Exit.ALARM.words}: {alarm}", is_complete=True)
    return Ending(Exit.OK, f"{Exit.OK.words}: {tally.rows} rows", is_complete=True)


async def published(job: Job, network: Network, out: Output, tally: Tally, ending: Ending) -> None:
    """Give a complete file its name and its manifest."""
    if out.journal is not None and ending.is_complete:
        await out.journal.publish(manifest_of(job, network, out.journal.run, tally, ending.exit))
