"""Where finished rows go: the journal's file, or a stream that somebody reads.

Rows are encoded where they were surveyed, in the worker: an exception there is our bug, is caught with all the others
in `run.attempt`, and leaves that one row undone. The sinks only write bytes.

Touches: files (standard output may be a pipe, a socket or a terminal).
Source: docs/guarantees.md P1, P3, P8; pipe(7) (PIPE_BUF), poll(2).
"""

import contextlib
import os
import select
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.lowlevel

from scanner.journal import Journal
from scanner.model.certificate import Certificate
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.parts import Part, told

SYNC_ROWS = 1000
"""docs/guarantees.md P2."""
OPEN_TERMINAL = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
LOOK_AGAIN_S = 0.5
"""How long a blocked stream is waited for before it is looked at again, should the loop not have told."""

Survey = Callable[[Target], Awaitable[Record]]


class ConsumerGone(Exception):  # noqa: N818 - an event, told to the user
    """Nobody reads the stream any more."""


@dataclass(slots=True)
class Seen:
    """SHA-256 of the certificates that are written already; the longest unused are forgotten beyond `most`."""

    most: int
    names: OrderedDict[bytes, None] = field(default_factory=OrderedDict)

    def __contains__(self, sha256: str) -> bool:
        return bytes.fromhex(sha256) in self.names

    def add(self, sha256: str) -> None:
        """Remember one, as the latest."""
        name = bytes.fromhex(sha256)
        self.names[name] = None
        self.names.move_to_end(name)
        if len(self.names) > self.most:
            self.names.popitem(last=False)


@dataclass(frozen=True, slots=True)
class Line:
    """One row, and those of its certificates that were not yet written when it was made; each ends its line."""

    row: bytes
    certificates: tuple[tuple[str, bytes], ...] = ()


@dataclass(slots=True)
class Lines:
    """Rows as bytes, from the worker that made them to the sink. Holds no more of them than the run holds rows."""

    encode: Callable[[Record], bytes]
    encode_certificate: Callable[[Certificate], bytes]
    seen: Seen
    waiting: dict[int, Line] = field(default_factory=dict)

    def after(self, survey: Survey) -> Survey:
        """A survey that also encodes its row, and raises where that is not possible."""

        async def surveyed(target: Target) -> Record:
            record = await survey(target)
            await anyio.lowlevel.checkpoint()  # others are about to judge: all of a group judge, and then all write
            self.waiting[target.n] = self.line(record)
            return record

        return surveyed

    def line(self, record: Record) -> Line:
        """Encode one row. Raises whatever the encoders raise, and ValueError where one row makes two lines."""
        fresh = {each.sha256: each for each in certificates(record) if each.sha256 not in self.seen}
        encoded = tuple((sha256, ended(self.encode_certificate(each))) for sha256, each in fresh.items())
        return Line(ended(self.encode(record)), encoded)

    def take(self, record: Record) -> Line:
        """Hand over the line of a row, encoded now where no worker did."""
        return self.waiting.pop(record.target.n, None) or self.line(record)

    def drop(self, records: Sequence[Record]) -> None:
        """Forget lines of rows that stay undone."""
        for record in records:
            self.waiting.pop(record.target.n, None)

    def unwritten(self, lines: Sequence[Line]) -> bytes:
        """Certificates of these lines that were not written before; from now on they were."""
        fresh = {name: one for line in lines for name, one in line.certificates if name not in self.seen}
        for name in fresh:
            self.seen.add(name)
        return b"".join(fresh.values())


def certificates(record: Record) -> Iterator[Certificate]:
    """Every certificate that the row refers to."""
    for session in record.evidence.sessions if record.evidence else ():
        if session.handshake is not None:
            yield from session.handshake.chain


def ended(line: bytes) -> bytes:
    """The line with its end. Raises ValueError where it is more than one."""
    line = line.removesuffix(b"\n")
    if not line or b"\n" in line:
        raise ValueError("a row is one line")
    return line + b"\n"


@dataclass(frozen=True, slots=True)
class FileSink:
    """Rows to the journal. Undone rows are not written: the next run finds them undone and tries again."""

    journal: Journal
    lines: Lines

    @property
    def is_holding(self) -> bool:
        """Whether rows wait for their compressed frame."""
        return self.journal.is_holding

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        """Append whole rows at once. Raises OutputFailed."""
        lines = [self.lines.take(record) for record in done]
        self.lines.drop(undone)
        rows = [(record.target.n, line.row) for record, line in zip(done, lines, strict=True)]
        self.journal.append(rows, self.lines.unwritten(lines))
        if self.journal.unsynced_rows >= SYNC_ROWS:
            await self.journal.sync()

    async def sync(self) -> None:
        """Make lasting what was written. Raises OutputFailed."""
        await self.journal.sync()


@dataclass(slots=True)
class StreamSink:
    """Rows to a descriptor that is left as it was found, blocking for whoever shares it.

    At most PIPE_BUF bytes are written, and only when poll(2) says that there is room for them, so that a consumer who
    does not read stops the rows and not the loop. A terminal has room when it takes one byte: it is opened once more,
    for us alone and without waiting. `close` finishes what a cancellation cut, as far as that goes.
    """

    fd: int
    lines: Lines
    certificates: Part | None = None
    rest: memoryview = field(default_factory=lambda: memoryview(b""))
    terminal: int | None = None
    is_holding: bool = False

    def __post_init__(self) -> None:
        """Open a terminal once more; where that is not allowed it is written as it is."""
        if os.isatty(self.fd):
            with contextlib.suppress(OSError):
                self.terminal = os.open(f"/proc/self/fd/{self.fd}", OPEN_TERMINAL)

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        """Write rows as fast as they are read. Raises ConsumerGone and OutputFailed."""
        lines = [self.lines.take(record) for record in done]
        self.lines.drop(undone)
        fresh = self.lines.unwritten(lines)
        if self.certificates is not None and fresh:
            self.certificates.append(fresh)
        self.rest = memoryview(bytes(self.rest) + b"".join(line.row for line in lines))
        await self._drained()

    async def sync(self) -> None:
        """Notice whether anybody still reads. Raises ConsumerGone."""
        self._has_room()
        if self.certificates is not None:
            await anyio.to_thread.run_sync(self.certificates.sync)

    def close(self) -> None:
        """Finish the row that was cut, as far as that goes without waiting. Raises ConsumerGone and OutputFailed."""
        try:
            while self.rest and self._has_room() and self._write_some():
                pass
        finally:
            if self.terminal is not None:
                os.close(self.terminal)
                self.terminal = None

    async def _drained(self) -> None:
        """Write all that is left, waiting for room."""
        while self.rest:
            while not self._has_room():
                await self._change()
            if not self._write_some():
                await anyio.sleep(LOOK_AGAIN_S)

    async def _change(self) -> None:
        """Wait until there may be room, or nobody who reads.

        The loop watches a watcher: libuv sets O_NONBLOCK on whatever it watches itself.
        """
        with select.epoll() as watcher:
            watcher.register(self.fd, select.EPOLLOUT)
            with anyio.move_on_after(LOOK_AGAIN_S):
                await anyio.wait_readable(watcher.fileno())

    def _has_room(self) -> bool:
        """Whether PIPE_BUF bytes can be written now without waiting. Raises ConsumerGone."""
        poll = select.poll()
        poll.register(self.fd, select.POLLOUT)
        events = dict(poll.poll(0)).get(self.fd, 0)
        if events & (select.POLLERR | select.POLLHUP | select.POLLNVAL):
            raise ConsumerGone("nobody reads the output any more")
        return bool(events & select.POLLOUT)

    def _write_some(self) -> int:
        """Write once without waiting; return how many bytes. Raises ConsumerGone and OutputFailed."""
        with told(Path("standard output")):
            try:
                written = os.write(self.fd if self.terminal is None else self.terminal, self.rest[: select.PIPE_BUF])
            except BlockingIOError:
                return 0
            except BrokenPipeError as error:
                raise ConsumerGone("nobody reads the output any more") from error
        self.rest = self.rest[written:]
        return written
