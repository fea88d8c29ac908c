"""What a run says of itself beside its output, so that nobody goes on with another run's rows.

Touches: files (a list is read for its digest). Source: docs/guarantees.md P1 and P2, docs/adr/0004-journal.md.
"""

import hashlib
import os
import stat
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

FORMAT = 1


class Refused(Exception):  # noqa: N818 - an answer, told to the user
    """This output cannot be begun or continued as asked. No row was changed."""


@dataclass(frozen=True, slots=True)
class ListIdentity:
    """The list as a file: digest and size decide whether it is the same, the name is for people."""

    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a run says when it opens its output. `source` is None for a list that comes through a pipe.

    `settings_sha256` covers whatever must not change between the rows of one file: settings, rules, schema version.
    """

    run_id: str
    source: ListIdentity | None
    settings_sha256: str
    seed: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Interruption:
    """A time in which the run was not running: from the last thing it is known to have written."""

    stopped_at: datetime
    resumed_at: datetime


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Whose rows these are, and how far they are lasting. On resume `run_id` and `seed` are those of the beginning."""

    run_id: str
    source: ListIdentity | None
    settings_sha256: str
    seed: int
    started_at: datetime
    boot_id: str
    interruptions: tuple[Interruption, ...] = ()
    rows: int = 0
    rows_bytes: int = 0
    certificates_bytes: int = 0


def identify(path: Path) -> ListIdentity | None:
    """Read a regular file for its digest, some 1 GB/s; None for a pipe. Blocks. Raises OSError."""
    with path.open("rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return ListIdentity(os.fsencode(path).decode("utf-8", "backslashreplace"), stream.tell(), digest)


def begin(claim: Claim, boot_id: str) -> Checkpoint:
    """The checkpoint of a run without rows."""
    return Checkpoint(claim.run_id, claim.source, claim.settings_sha256, claim.seed, claim.at, boot_id)


def resumed(found: Checkpoint, claim: Claim, boot_id: str, stopped_at: datetime) -> Checkpoint:
    """The checkpoint of a run that goes on."""
    interruption = Interruption(stopped_at, claim.at)
    return replace(found, boot_id=boot_id, interruptions=(*found.interruptions, interruption))


def refuse_other(found: Checkpoint, claim: Claim) -> None:
    """Raise Refused where the unfinished run is not the one that `claim` wants to go on with."""
    if found.source is None or claim.source is None:
        raise Refused("a list that comes through a pipe cannot be resumed: save it to a file, or use --resume never")
    before, now = found.source, claim.source
    if (before.sha256, before.size_bytes) != (now.sha256, now.size_bytes):
        raise Refused(f"{now.name} is not the list that this output was begun with ({before.name}, {before.sha256})")
    if found.settings_sha256 != claim.settings_sha256:
        raise Refused("the settings are not those that this output was begun with: restore them, or use --resume never")


def encode(checkpoint: Checkpoint) -> bytes:
    """One JSON object."""
    return orjson.dumps({"format": FORMAT, "checkpoint": checkpoint}, option=orjson.OPT_APPEND_NEWLINE)


def decode(content: bytes) -> Checkpoint:
    """Read what `encode` wrote. Raises Refused for anything else."""
    try:
        document = orjson.loads(content)
        if document["format"] != FORMAT:
            raise Refused(f"its checkpoint has format {document['format']}, made by another version")
        return _checkpoint(document["checkpoint"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Refused(f"its checkpoint is damaged ({error}): use --resume never") from error


def _checkpoint(fields: dict[str, Any]) -> Checkpoint:
    source = fields.pop("source")
    interruptions = fields.pop("interruptions")
    started_at = datetime.fromisoformat(fields.pop("started_at"))
    return Checkpoint(
        **fields,
        source=None if source is None else ListIdentity(**source),
        started_at=started_at,
        interruptions=tuple(_interruption(**each) for each in interruptions),
    )


def _interruption(stopped_at: str, resumed_at: str) -> Interruption:
    return Interruption(datetime.fromisoformat(stopped_at), datetime.fromisoformat(resumed_at))
