"""Figures of a run in motion, in a file that the textfile collector of Prometheus' node_exporter reads.

The file is replaced as a whole, so that nobody reads half of it. What it says never depends on what a peer or a list
wrote: no domain, MX host or provider is a label.

Touches: files (the metrics file), clock (given). Source: docs/operations.md (metrics); Prometheus text format 0.0.4.
"""

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio import to_thread

from scanner import __version__
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job
from scanner.cli.network import Network
from scanner.cli.streams import teller
from scanner.parts import beside
from scanner.tally import AXES, Tally

EVERY_S = 15.0
MODE = 0o644
"""The collector runs as another user."""
LAST_SUCCESS = "starttls_last_success_time_seconds"
KEPT = re.compile(rf"^{LAST_SUCCESS} ([0-9.]+)$", re.MULTILINE)
OLD_FILE_BYTES = 1 << 20
ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})
Sample = tuple[Mapping[str, object], float]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family. Nothing is written where there are no samples."""

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...]

    @property
    def text(self) -> str:
        """The lines of the exposition format."""
        if not self.samples:
            return ""
        lines = [f"# HELP {self.name} {self.help}", f"# TYPE {self.name} {self.kind}"]
        lines += [f"{self.name}{labelled(labels)} {value!r}" for labels, value in self.samples]
        return "".join(f"{line}\n" for line in lines)


@dataclass(slots=True)
class MetricsFile:
    """The file, or none where `path` is empty. `figures` gives what is known now; a file that cannot be written while
    the run lasts is told of once, and ends nothing.
    """

    path: str
    figures: Callable[[], Iterable[Metric]]
    now_s: Callable[[], float]
    tell: Callable[[str], None]
    last_success_s: float | None = None
    is_told: bool = False

    async def begin(self) -> None:
        """Remember the last success that the file knows, and write it anew. Raises Refused."""
        if self.path:
            with suppress(OSError, ValueError):
                self.last_success_s = last_success_in(Path(self.path))
            try:
                await self._write(())
            except OSError as error:
                raise Refused(Exit.OUTPUT, f"--metrics-file {self.path}: {error.strerror}") from None

    async def keep(self) -> None:
        """Write every few seconds, until cancelled."""
        while self.path:
            await anyio.sleep(EVERY_S)
            await self._try_to_write(())

    async def end(self, code: Exit, *, is_complete: bool) -> None:
        """Write how the run ended."""
        if self.path:
            self.last_success_s = self.now_s() if is_complete else self.last_success_s
            await self._try_to_write((gauge("run_exit_code", "How it ended, as the shell was told.", int(code)),))

    async def _try_to_write(self, ending: tuple[Metric, ...]) -> None:
        try:
            await self._write(ending)
        except OSError as error:
            if not self.is_told:
                self.tell(f"--metrics-file {self.path}: {error.strerror}; the scan goes on")
            self.is_told = True

    async def _write(self, ending: tuple[Metric, ...]) -> None:
        fixed = [gauge("updated_time_seconds", "When this was written.", self.now_s())]
        fixed += [gauge("run_finished", "1 where the run has ended.", len(ending))]
        if self.last_success_s is not None:
            fixed.append(Metric(LAST_SUCCESS, "gauge", "When a list was finished last.", (({}, self.last_success_s),)))
        text = "".join(metric.text for metric in (*fixed, *ending, *self.figures()))
        await to_thread.run_sync(replace, Path(self.path), text.encode())


def replace(path: Path, content: bytes) -> None:
    """Put `content` in the place of a file; nothing of it has to outlast a crash. Raises OSError."""
    new = beside(path, ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, MODE)
    with open(fd, "wb") as stream:  # noqa: PTH123 - a descriptor
        os.fchmod(fd, MODE)
        stream.write(content)
    new.replace(path)


def last_success_in(path: Path) -> float | None:
    """Read from an earlier file when a list was finished last. Raises OSError and ValueError."""
    with path.open("rb") as stream:
        found = KEPT.search(stream.read(OLD_FILE_BYTES).decode())
    return float(found[1]) if found else None


def labelled(labels: Mapping[str, object]) -> str:
    """Write labels; their values are words of ours, and names that the command line gave."""
    told = ",".join(f'{name}="{str(value).translate(ESCAPES)}"' for name, value in labels.items())
    return f"{{{told}}}" if told else ""


def gauge(name: str, about: str, value: float) -> Metric:
    """One number that goes up and down."""
    return Metric(f"starttls_{name}", "gauge", about, (({}, value),))


def counted(name: str, about: str, label: str, counts: Mapping[str, int], **fixed: str) -> Metric:
    """Numbers that only grow during a run, by one label."""
    samples = tuple(({**fixed, label: word}, count) for word, count in sorted(counts.items()))
    return Metric(f"starttls_{name}_total", "counter", about, samples)


def metrics_file(job: Job, network: Network, tally: Tally) -> MetricsFile:
    """Make the file that the options name."""

    def figures() -> Iterator[Metric]:
        yield Metric("starttls_build_info", "gauge", "What runs.", (({"version": __version__}, 1),))
        yield gauge("run_start_time_seconds", "When this part of the run began.", job.started_at.timestamp())
        yield from of_rows(tally)
        yield from of_sessions(tally)
        yield from of_sources(network)

    tell = teller(quiet=job.chosen["quiet"])
    return MetricsFile(job.chosen["metrics-file"], figures, lambda: job.clock.now().timestamp(), tell)


def of_rows(tally: Tally) -> Iterator[Metric]:
    """What the rows say so far; those of the part before an interruption count."""
    yield counted("rows", "Rows written.", "status", tally.words["status"])
    yield counted("rows_undone", "Rows that trouble of ours left undone.", "fault", tally.undone_faults)
    verdicts = [
        ({"axis": axis, "verdict": word}, n) for axis in AXES[1:] for word, n in sorted(tally.words[axis].items())
    ]
    yield Metric("starttls_verdicts_total", "counter", "Rows by verdict.", tuple(verdicts))
    yield counted("would_wait", "Rows under a policy: would mail wait?", "answer", tally.words["would_wait"])
    alarms = {alarm.rule.written: alarm.rows for alarm in tally.alarms}
    yield counted("alarm_rows", "Rows that a rule of --fail-on matched.", "rule", alarms)


def of_sessions(tally: Tally) -> Iterator[Metric]:
    """What the sessions came to, and how long their steps took."""
    yield counted("sessions", "Sessions held.", "family", tally.families)
    yield counted("session_faults", "Sessions that a fault ended.", "fault", tally.session_faults)
    latency = [
        ({"step": step, "percentile": name.removeprefix("p")}, took_ms / 1000)
        for step, found in sorted(tally.latency_ms().items())
        for name, took_ms in found.items()
    ]
    yield Metric("starttls_step_seconds", "gauge", "How long a step of a session takes, to 19 %.", tuple(latency))


def of_sources(network: Network) -> Iterator[Metric]:
    """What our sources do, and which of them cannot."""
    figures = network.paced.figures()
    yield counted("connections", "Connections made.", "source_address", dict(figures.connections))
    yield gauge("sessions_waiting", "Sessions that wait for their turn.", network.waiting())
    yield gauge("parked", "Pairs of source and provider that are left alone until the next run.", len(figures.parked))
    lost = tuple(({"source": name, "ip_version": version}, 1) for name, version in sorted(network.patient.lost()))
    yield Metric("starttls_source_lost", "gauge", "Sources that have no way out.", lost)
