"""The output file as the journal: what is done is what is in the file, and nowhere else.

Rows go to `FILE.part`; `FILE.checkpoint.json` says whose they are and how many bytes of them are lasting. A run that
was killed reads its rows again and goes on. `FILE` and then `FILE.run.json` appear when all is there. A FILE that ends
in `.zst` or `.gz` is a row of compressed frames; what waits for its frame is in no file, and is lost with the process.

Touches: files; threads (a sync waits for the disk). Source: docs/guarantees.md P1 to P3, docs/adr/0004-journal.md.
"""

import errno
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import orjson
from anyio import to_thread

from scanner import checkpoint, parts
from scanner.checkpoint import Checkpoint, Claim, Refused
from scanner.frames import CutOff, Damaged
from scanner.parts import Disk, Lock, Names, OutputFailed, Part, beside, told

DISK = Disk()
MOST_ROWS = 1 << 32
"""A larger `n` is damage, and its bit would cost more memory than a run may have."""
NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})
OTHER_PACKINGS = frozenset({".xz", ".bz2"})


class Resume(StrEnum):
    """What becomes of an unfinished run: continued where there is one, thrown away, or demanded."""

    AUTO = "auto"
    NEVER = "never"
    REQUIRE = "require"


@dataclass(frozen=True, slots=True)
class Terms:
    """What may happen to what is there. `overwrite` lets a finished FILE be replaced, once the new one is complete."""

    resume: Resume = Resume.AUTO
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Reread:
    """Who is told, on resume, of every row that is kept and of the SHA-256 of every certificate."""

    row: Callable[[Mapping[str, object]], None] = lambda _: None
    certificate: Callable[[str], None] = lambda _: None


@dataclass(slots=True)
class Done:
    """Which rows are done: one bit each, 1.25 MB for ten million. `count` is how many."""

    bits: bytearray = field(default_factory=bytearray)
    count: int = 0

    def __contains__(self, n: int) -> bool:
        return n >> 3 < len(self.bits) and bool(self.bits[n >> 3] & 1 << (n & 7))

    def add(self, n: int) -> None:
        """Mark one row. Raises ValueError for what is no ordinal, or is marked already."""
        self._refuse(n)
        if n >> 3 >= len(self.bits):
            self.bits.extend(bytes((n >> 3) + 1 - len(self.bits)))
        self.bits[n >> 3] |= 1 << (n & 7)
        self.count += 1

    def refuse(self, numbers: Sequence[int]) -> None:
        """Raise ValueError where these cannot all be marked."""
        for n in numbers:
            self._refuse(n)
        if len(set(numbers)) < len(numbers):
            raise ValueError("a row is there twice")

    def _refuse(self, n: int) -> None:
        if not 0 < n < MOST_ROWS or n in self:
            raise ValueError(f"row {n} is there twice, or cannot be")


@dataclass(slots=True)
class Journal:
    """One open output with one writer. Every method raises OutputFailed for what the disk does not do; then the
    journal is of no further use but to be closed, and the next run goes on from it.
    """

    names: Names
    disk: Disk
    lock: Lock
    rows: Part
    certificates: Part
    run: Checkpoint
    done: Done = field(default_factory=Done)

    @property
    def unsynced_rows(self) -> int:
        """How many rows a power loss would cost now; while they wait for their frame, a kill would as well."""
        return self.done.count - self.run.rows

    @property
    def is_holding(self) -> bool:
        """Whether rows wait for their frame."""
        return bool(self.rows.held)

    def append(self, rows: Sequence[tuple[int, bytes]], certificates: bytes = b"") -> None:
        """Write certificates, then the rows that refer to them; a row that is there already is not written again.

        Rows of a compressed file may wait for their frame, until the next sync at the latest.
        """
        fresh = {n: line for n, line in rows if n not in self.done}
        if certificates:
            self.certificates.append(certificates)
        if fresh:
            chunk = b"".join(fresh.values())
            if self.rows.fills(chunk):
                self.certificates.flush()
            self.rows.append(chunk)
        for n in fresh:
            self.done.add(n)

    async def sync(self) -> None:
        """Make lasting what was appended. A cancellation waits for the disk.

        Without a free descriptor the rows are synced and the checkpoint stays behind: that costs nothing but their
        being surveyed again after a power loss, and is no reason to end a run that waits for descriptors.
        """
        if self.rows.is_behind or self.certificates.is_behind:
            try:
                await to_thread.run_sync(self.settle)
            except OutputFailed as failed:
                if getattr(failed.__cause__, "errno", None) not in NO_DESCRIPTORS:
                    raise

    def settle(self) -> None:
        """Sync both files and say so in the checkpoint. Blocks."""
        self.certificates.sync()
        self.rows.sync()
        self.run = replace(
            self.run,
            rows=self.done.count,
            rows_bytes=self.rows.synced,
            certificates_bytes=self.certificates.synced,
        )
        parts.replace(self.names.checkpoint, checkpoint.encode(self.run), self.disk)

    async def publish(self, manifest: bytes) -> None:
        """Give the files their final names, and write the manifest last."""
        await to_thread.run_sync(self._publish, manifest)

    def _publish(self, manifest: bytes) -> None:
        self.certificates.finish()
        self.rows.finish()
        self.settle()
        with told(self.names.manifest):
            self.names.manifest.unlink(missing_ok=True)
        self.certificates.publish()
        self.rows.publish()
        parts.sync_directory(self.names.rows, self.disk)
        parts.replace(self.names.manifest, manifest, self.disk)
        with told(self.names.checkpoint):
            self.names.checkpoint.unlink()

    def close(self) -> None:
        """Let go of files and lock. What was not synced stays, and is kept unless the machine fails."""
        self.rows.close()
        self.certificates.close()
        self.lock.release()


def open_journal(
    path: Path, claim: Claim, terms: Terms = Terms(), reread: Reread = Reread(), disk: Disk = DISK
) -> Journal:
    """Begin a run, or go on with it. Blocks while rows are read again, some half a million of 500 bytes a second.

    The ending of `path` says how rows are written: `.zst`, `.gz`, or plain.

    Raises Locked, OutputFailed, and Refused where what is there is not what `claim` and `terms` say.
    """
    names = Names(path)
    if path.suffix.lower() in OTHER_PACKINGS:
        raise Refused(f"{path}: rows are written plain, or compressed as .zst or .gz, but not as {path.suffix}")
    held = parts.lock(path)
    try:
        with told(path):
            found = _unfinished(names, claim, terms, disk)
        rows, certificates = parts.open_part(path, disk), parts.open_part(names.certificates, disk)
    except BaseException:
        held.release()
        raise
    journal = Journal(names, disk, held, rows, certificates, found or checkpoint.begin(claim, disk.boot_id()))
    try:
        if found:
            _go_on(journal, claim, reread)
        else:
            certificates.cut(0)
        journal.settle()
    except BaseException:
        journal.close()
        raise
    return journal


def _unfinished(names: Names, claim: Claim, terms: Terms, disk: Disk) -> Checkpoint | None:
    """The run to go on with, or None to begin one. Refuses before anything is changed."""
    complete = names.manifest.exists() and not names.part.exists()
    begun = names.checkpoint.exists() and not complete
    if names.rows.exists() and not terms.overwrite and (names.part.exists() or not begun):
        raise Refused(f"{names.rows} exists{' and is complete' if complete else ''}: name another file or overwrite it")
    if terms.resume is Resume.NEVER or complete:
        _throw_away(names)
        return None
    if not begun:
        _refuse_orphan(names, terms)
        return None
    found = checkpoint.decode(names.checkpoint.read_bytes())
    checkpoint.refuse_other(found, claim)
    _take_back(names, disk)
    return found


def _throw_away(names: Names) -> None:
    """Rows first: without them a checkpoint says nothing."""
    for path in (names.part, beside(names.certificates, ".part"), names.checkpoint):
        path.unlink(missing_ok=True)


def _refuse_orphan(names: Names, terms: Terms) -> None:
    """Raise Refused where there must be a checkpoint and is none."""
    if terms.resume is Resume.REQUIRE:
        raise Refused(f"{names.rows}: there is no unfinished run to resume")
    if names.part.exists() and names.part.stat().st_size:
        raise Refused(f"{names.part} has rows but no checkpoint beside it: move it away, or use --resume never")


def _take_back(names: Names, disk: Disk) -> None:
    """Undo a publication that did not come to its end: a growing file that is missing was renamed already."""
    for path in (names.rows, names.certificates):
        part = beside(path, ".part")
        if path.exists() and not part.exists():
            disk.rename(path, part)


def _go_on(journal: Journal, claim: Claim, reread: Reread) -> None:
    """Keep what can be trusted: all that this boot wrote, or else what was synced before the machine stopped."""
    run, boot_id = journal.run, journal.disk.boot_id()
    stopped_at = datetime.fromtimestamp(journal.names.part.stat().st_mtime, UTC)

    def accept_rows(lines: Sequence[bytes]) -> None:
        heads = [orjson.loads(line) for line in lines]
        for head in heads:
            if head["run_id"] != run.run_id:
                raise ValueError(f"a row of run {head['run_id']}")
        journal.done.refuse([head["n"] for head in heads])
        for head in heads:
            reread.row(head)
            journal.done.add(head["n"])

    def accept_certificates(lines: Sequence[bytes]) -> None:
        for sha256 in [orjson.loads(line)["sha256"] for line in lines]:
            reread.certificate(sha256)

    same_boot = run.boot_id == boot_id != ""
    for part, lasting, accept in (
        (journal.certificates, run.certificates_bytes, accept_certificates),
        (journal.rows, run.rows_bytes, accept_rows),
    ):
        _keep(part, lasting, part.size if same_boot else lasting, accept)
    journal.run = checkpoint.resumed(run, claim, boot_id, stopped_at)


def _keep(part: Part, lasting: int, most: int, accept: Callable[[Sequence[bytes]], None]) -> None:
    """Accept what is whole within `most` bytes and cut off the rest. Raises Refused for damage in what was lasting."""
    kept, why = 0, ""
    try:
        for end, pieces in part.pieces():
            if end > most:
                break
            accept(pieces)
            kept = end
    except CutOff as error:
        why = str(error)
    except (Damaged, ValueError, TypeError, KeyError) as error:
        _refuse_damage(part, kept, lasting, error)
    if part.size >= lasting:  # a file that somebody cut shorter is whole as far as it goes
        _refuse_damage(part, kept, lasting, why or "a line is not whole")
    if kept != part.size:
        part.cut(kept)


def _refuse_damage(part: Part, kept: int, lasting: int, why: object) -> None:
    """Raise Refused where what was lasting is not whole."""
    if kept < lasting:
        raise Refused(f"{part.path}.part is damaged at byte {kept}: {why}")
