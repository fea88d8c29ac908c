"""Rows on their way out: encoded where the worker's net is, written whole, and never at the price of the loop."""

import contextlib
import os
import pty
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio
import orjson
import pytest

from scanner.journal import Journal, Reread, open_journal
from scanner.model.assessment import Assessment, Status
from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind
from scanner.model.policy import MtaSts, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, Route
from scanner.model.session import Handshake, Session
from scanner.model.target import Target
from scanner.parts import Disk, OutputFailed, Part, open_part
from scanner.run import Control, Work, run
from scanner.sinks import SYNC_ROWS, ConsumerGone, FileSink, Lines, Seen, StreamSink
from scanner.tally import Tally
from tests.unit.journals import AT, CLAIM, numbers

PATIENCE_S = 40
"""Only what hangs takes so long."""
ONE, TWO, THREE = (Certificate(digit * 64, digit.encode()) for digit in "123")


def record(n: int, *chain: Certificate, domain: str = "example.test") -> Record:
    """A row about one session that presented this chain."""
    session = Session(
        endpoint=Endpoint("mx.test", "192.0.2.1", 25, "mx.test"),
        source="mail",
        source_address="",
        ehlo_name="c.test",
        observed_at=AT,
        handshake=Handshake("TLSv1.3", "", None, "mx.test", chain, len(chain)),
    )
    route = Route(domain, Answer(domain))
    evidence = Evidence(route, MtaSts(Answer("_mta-sts")), TlsRpt(Answer("_smtp._tls")), (session, session))
    return Record("run-1", Target(n, domain), AT, evidence, Assessment(status=Status.OK))


def encode(record: Record) -> bytes:
    """A row as small as can be; `odd.test` has something that no encoder foresaw."""
    if record.target.domain == "odd.test":
        raise TypeError("no JSON for this")
    about = "two\nlines" if record.target.domain == "lines.test" else ""
    return orjson.dumps({"run_id": record.run_id, "n": record.target.n}) + about.encode()


def encode_certificate(certificate: Certificate) -> bytes:
    return orjson.dumps({"sha256": certificate.sha256})


def lines(most: int = 100) -> Lines:
    return Lines(encode, encode_certificate, Seen(most))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out.jsonl"


@pytest.fixture
def journal(out: Path) -> Iterator[Journal]:
    opened = open_journal(out, CLAIM)
    yield opened
    opened.close()


def growing(out: Path, ending: str = "") -> Path:
    return out.with_name(f"{out.name}{ending}.part")


def names(path: Path) -> list[str]:
    """The first digit of every certificate in a file."""
    return [orjson.loads(line)["sha256"][0] for line in path.read_bytes().splitlines()]


async def test_rows_are_written_and_undone_rows_are_left_for_the_next_run(journal: Journal, out: Path) -> None:
    await FileSink(journal, lines()).write([record(1), record(3)], [record(2)])
    assert numbers(growing(out)) == [1, 3]
    assert 2 not in journal.done


async def test_a_certificate_is_written_once_before_the_first_row_that_refers_to_it(
    journal: Journal, out: Path
) -> None:
    sink = FileSink(journal, lines())
    await sink.write([record(1, ONE, TWO), record(2, TWO)], [])
    await sink.write([record(3, TWO, THREE)], [])
    assert names(growing(out, ".certificates.jsonl")) == ["1", "2", "3"]


async def test_a_certificate_of_an_undone_row_is_not_taken_for_written(journal: Journal, out: Path) -> None:
    kept = lines()
    sink = FileSink(journal, kept)
    survey = kept.after(Surveys({1: record(1, ONE), 2: record(2, ONE)}))
    undone, done = await survey(Target(1, "a.test")), await survey(Target(2, "b.test"))
    await sink.write([], [undone])
    await sink.write([done], [])
    assert names(growing(out, ".certificates.jsonl")) == ["1"]
    assert not kept.waiting


async def test_certificates_written_before_an_interruption_are_known_after_it(out: Path) -> None:
    first = open_journal(out, CLAIM)
    await FileSink(first, lines()).write([record(1, ONE)], [])
    first.close()
    kept = lines()
    again = open_journal(out, CLAIM, reread=Reread(certificate=kept.seen.add))
    await FileSink(again, kept).write([record(2, ONE, TWO)], [])
    again.close()
    assert names(growing(out, ".certificates.jsonl")) == ["1", "2"]


def test_what_is_remembered_of_certificates_is_bounded() -> None:
    seen = Seen(2)
    for certificate in (ONE, TWO, ONE, THREE):
        seen.add(certificate.sha256)
    assert [each.sha256 in seen for each in (ONE, TWO, THREE)] == [True, False, True]


async def test_a_thousand_rows_are_made_lasting_without_waiting_for_the_second(journal: Journal) -> None:
    await FileSink(journal, lines()).write([record(n) for n in range(1, SYNC_ROWS + 1)], [])
    assert journal.unsynced_rows == 0


@dataclass(frozen=True)
class Surveys:
    """A survey out of a table."""

    records: dict[int, Record]

    async def __call__(self, target: Target) -> Record:
        return self.records[target.n]


@dataclass
class OneBatch:
    """A list that is handed out at once."""

    targets: Sequence[Target] = field(default_factory=list)

    def __call__(self) -> Sequence[Target]:
        batch, self.targets = self.targets, []
        return batch


def given_up(target: Target, fault: Fault) -> Record:
    return Record("run-1", target, AT, None, Assessment(status=Status.INCONCLUSIVE))


@pytest.mark.parametrize("domain", ["odd.test", "lines.test"])
async def test_a_row_that_cannot_be_encoded_stays_undone_as_our_bug_and_the_others_are_written(
    journal: Journal, out: Path, domain: str
) -> None:
    kept = lines()
    records = {n: record(n, ONE, domain=domain if n == 2 else "example.test") for n in (1, 2, 3)}
    work = Work(kept.after(Surveys(records)), given_up, workers=2, pause_s=0.001)
    tally = await run(OneBatch([each.target for each in records.values()]), work, FileSink(journal, kept), Control())
    assert sorted(numbers(growing(out))) == [1, 3]
    assert (tally.rows, tally.undone, dict(tally.undone_faults)) == (2, 1, {Kind.BUG.value: 1})
    assert not kept.waiting


async def test_a_resumed_tally_is_the_tally_of_all_rows(out: Path) -> None:
    first = open_journal(out, CLAIM)
    await FileSink(first, lines()).write([record(1), record(2)], [])
    first.close()
    tally = Tally()
    open_journal(out, CLAIM, reread=Reread(row=tally.add_row)).close()
    assert tally.rows == 2


async def test_a_full_disk_ends_the_run_with_its_reason(journal: Journal) -> None:
    def write(fd: int, chunk: memoryview) -> int:
        raise OSError(28, "No space left on device")

    journal.rows.disk = Disk(write=write)
    work = Work(Surveys({1: record(1)}), given_up, workers=1)
    with pytest.raises(OutputFailed, match="No space left on device"):
        await run(OneBatch([record(1).target]), work, FileSink(journal, lines()), Control())


BIG = 300
"""Rows that no pipe holds at once."""


def long_lines() -> Lines:
    """Rows of about a kilobyte."""
    return replace(lines(), encode=lambda record: orjson.dumps({"n": record.target.n, "body": "x" * 1000}))


def read_all(fd: int, into: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while chunk := os.read(fd, 65536):
            into.append(chunk)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
async def test_rows_reach_a_slow_reader_whole_and_in_order(kind: str) -> None:
    reader, writer = channel(kind)
    got: list[bytes] = []
    thread = threading.Thread(target=read_all, args=(reader, got))
    thread.start()
    sink = StreamSink(writer, long_lines())
    await sink.write([record(n) for n in range(1, BIG + 1)], [record(BIG + 1)])
    await sink.sync()
    sink.close()
    assert os.get_blocking(writer)
    os.close(writer)
    thread.join(PATIENCE_S)
    os.close(reader)
    assert [orjson.loads(line)["n"] for line in b"".join(got).splitlines()] == list(range(1, BIG + 1))


def channel(kind: str) -> tuple[int, int]:
    """Both ends of something that a shell may give us as standard output."""
    if kind == "pipe":
        return os.pipe()
    if kind == "terminal":
        return pty.openpty()
    ours, theirs = socket.socketpair()
    return theirs.detach(), ours.detach()


async def test_rows_may_go_to_a_plain_file(tmp_path: Path) -> None:
    with (tmp_path / "rows").open("wb") as stream:
        sink = StreamSink(stream.fileno(), lines())
        await sink.write([record(1), record(2)], [])
        await sink.sync()
    assert numbers(tmp_path / "rows") == [1, 2]


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
async def test_a_reader_who_does_not_read_holds_the_rows_and_not_the_loop(kind: str) -> None:
    """Other work goes on, cancellation comes through, and what was cut is finished when there is room again."""
    reader, writer = channel(kind)
    sink = StreamSink(writer, long_lines())
    async with anyio.create_task_group() as group:
        group.start_soon(sink.write, [record(n) for n in range(1, 2 * BIG + 1)], [])
        await anyio.wait_all_tasks_blocked()
        for _ in range(5):
            await anyio.sleep(0.01)
        assert sink.rest
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught
    assert os.get_blocking(writer)
    got: list[bytes] = []
    thread = threading.Thread(target=read_all, args=(reader, got))
    thread.start()
    with anyio.fail_after(PATIENCE_S):
        await sink.write([], [])
    sink.close()
    os.close(writer)
    thread.join(PATIENCE_S)
    os.close(reader)
    assert [orjson.loads(line)["n"] for line in b"".join(got).splitlines()] == list(range(1, 2 * BIG + 1))


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
async def test_a_reader_who_goes_away_is_noticed_when_a_row_is_written(kind: str) -> None:
    reader, writer = channel(kind)
    os.close(reader)
    with pytest.raises(ConsumerGone):
        await StreamSink(writer, lines()).write([record(1)], [])
    os.close(writer)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
async def test_a_reader_who_goes_away_is_noticed_while_no_row_is_written(kind: str) -> None:
    reader, writer = channel(kind)
    sink = StreamSink(writer, lines())
    await sink.sync()
    os.close(reader)
    with pytest.raises(ConsumerGone):
        await sink.sync()
    os.close(writer)


@pytest.mark.parametrize("kind", ["pipe", "socket", "terminal"])
async def test_a_reader_who_goes_away_while_we_wait_for_him_is_noticed(kind: str) -> None:
    reader, writer = channel(kind)
    sink = StreamSink(writer, long_lines())

    async def leave() -> None:
        await anyio.wait_all_tasks_blocked()
        os.close(reader)

    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as group:
            group.start_soon(leave)
            with pytest.raises(ConsumerGone):
                await sink.write([record(n) for n in range(1, 2 * BIG + 1)], [])
    os.close(writer)


async def test_a_consumer_who_leaves_ends_the_run(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    kept = lines()
    work = Work(kept.after(Surveys({1: record(1)})), given_up, workers=1)
    with pytest.raises(ConsumerGone):
        await run(OneBatch([record(1).target]), work, StreamSink(writer, kept), Control())
    os.close(writer)


async def test_a_full_device_is_told() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with pytest.raises(OutputFailed, match="No space left on device"):
        await StreamSink(full, lines()).write([record(1)], [])
    os.close(full)


async def test_certificates_of_a_stream_go_to_a_file_of_their_own(tmp_path: Path) -> None:
    path = tmp_path / "certificates.jsonl"
    part: Part = open_part(path, Disk())
    with (tmp_path / "rows").open("wb") as stream:
        sink = StreamSink(stream.fileno(), lines(), part)
        await sink.write([record(1, ONE), record(2, ONE, TWO)], [])
        await sink.sync()
    part.publish()
    part.close()
    assert names(path) == ["1", "2"]


async def test_rows_that_wait_for_their_frame_are_counted_when_it_is_written(tmp_path: Path) -> None:
    """The status line promises nothing: not what a kill would take back."""
    path = tmp_path / "out.jsonl.zst"
    journal = open_journal(path, CLAIM)
    control, kept = Control(), lines()
    counted: list[tuple[int, bool]] = []

    @dataclass(frozen=True)
    class Looking:
        inner: FileSink

        @property
        def is_holding(self) -> bool:
            return self.inner.is_holding

        async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
            await self.inner.write(done, undone)
            counted.append((control.tally.rows, self.is_holding))

        async def sync(self) -> None:
            counted.append((control.tally.rows, self.is_holding))
            await self.inner.sync()

    records = {n: record(n) for n in (1, 2, 3)}
    work = Work(kept.after(Surveys(records)), given_up, workers=1)
    sink = Looking(FileSink(journal, kept))
    await run(OneBatch([each.target for each in records.values()]), work, sink, control)
    assert counted[0] == (0, True)
    assert (control.tally.rows, journal.unsynced_rows) == (3, 0)
    journal.close()
