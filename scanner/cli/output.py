"""Where the rows of one run go: a file that can be resumed, or standard output.

Touches: files, standard output. Source: docs/record.md (streams, manifest).
"""

import contextlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from scanner import jsonl, parts
from scanner.checkpoint import Checkpoint
from scanner.checkpoint import Refused as JournalRefused
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job
from scanner.journal import Journal, Reread, Resume, Terms, open_journal
from scanner.model.target import Target
from scanner.parts import Locked, OutputFailed
from scanner.sinks import ConsumerGone, FileSink, Lines, Seen, StreamSink
from scanner.tally import Tally


@dataclass(frozen=True, slots=True)
class Output:
    """One open output. `run` is there for a file: whose rows these are, which may be an interrupted run's."""

    sink: FileSink | StreamSink
    lines: Lines
    run_id: str
    journal: Journal | None = None

    @property
    def run(self) -> Checkpoint | None:
        """What the file says of its run."""
        return None if self.journal is None else self.journal.run

    def fresh(self, rows: Sequence[Target]) -> list[Target]:
        """Leave out what an interrupted run has done."""
        return [row for row in rows if self.journal is None or row.n not in self.journal.done]


@contextlib.contextmanager
def opened(job: Job, tally: Tally) -> Iterator[Output]:
    """Open the output; rows that are there already are counted. Raises Refused."""
    lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(job.settings.limits.remembered))
    try:
        with to_file(job, lines, tally) if job.chosen["output"] else to_stdout(job, lines) as output:
            yield output
    except Locked as locked:
        raise Refused(Exit.LOCKED, str(locked)) from None
    except JournalRefused as refused:
        raise Refused(Exit.USAGE, str(refused)) from None
    except OutputFailed as failed:
        raise Refused(Exit.OUTPUT, str(failed)) from None


@contextlib.contextmanager
def to_file(job: Job, lines: Lines, tally: Tally) -> Iterator[Output]:
    """Begin FILE, or go on with it."""
    terms = Terms(Resume(job.chosen["resume"]), job.chosen["overwrite"])
    reread = Reread(tally.add_row, lines.seen.add)
    journal = open_journal(Path(job.chosen["output"]), job.claim, terms, reread)
    with contextlib.closing(journal):
        yield Output(FileSink(journal, lines), lines, journal.run.run_id, journal)


@contextlib.contextmanager
def to_stdout(job: Job, lines: Lines) -> Iterator[Output]:
    """Write rows to standard output, and certificates to a file where one is named."""
    with contextlib.ExitStack() as held:
        certificates = None
        if job.chosen["certificates"]:
            path = Path(job.chosen["certificates"])
            held.callback(parts.lock(path).release)
            certificates = parts.open_part(path, parts.Disk())
            held.callback(certificates.close)
            certificates.cut(0)
        sink = StreamSink(sys.stdout.fileno(), lines, certificates)
        try:
            yield Output(sink, lines, job.run_id)
        finally:
            with contextlib.suppress(ConsumerGone):  # the exit code says so already
                sink.close()
        if certificates is not None:
            certificates.sync()
            certificates.publish()
