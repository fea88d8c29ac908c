"""What a run was: made once, at its end, so that its rows can be understood without it.

Every key is always there; what is not known is null.

Touches: nothing. Source: docs/record.md (manifest), RFC 9562 section 5.7 (UUIDv7), RFC 3339 section 5.6 (times).
"""

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import orjson

from scanner import text
from scanner.checkpoint import Interruption, ListIdentity
from scanner.model.session import Canary, Role
from scanner.tally import Tally

SCHEMA = "1.0"
COUNTS = ("rows", "undone", "words", "undone_faults", "session_faults")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class State(StrEnum):
    """Whether every row of the list has its row in the output."""

    COMPLETE = "complete"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Versions:
    """What ran. Sessions and verdicts about certificates depend on OpenSSL, names on c-ares; `python_openssl` fetches
    policies.
    """

    scanner: str
    record_schema: str
    python: str
    openssl: str
    python_openssl: str | None = None
    c_ares: str | None = None
    kernel: str | None = None


@dataclass(frozen=True, slots=True)
class SourceUsed:
    """One of our addresses as the world saw it. `ptr` is its reverse name, as far as that was looked up."""

    name: str
    address: str
    role: Role
    ehlo_name: str
    ptr: str | None = None
    connections: int | None = None


@dataclass(frozen=True, slots=True)
class ResolverUsed:
    """Who answered. `validates` is None where nobody made sure."""

    name: str
    validates: bool | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """A thing that was used, by name and by the digest of its bytes."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Since:
    """One version of a file that may change in mid-run, and from when on it was in force."""

    sha256: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ClockStep:
    """The wall clock was set, or the machine slept: what it said then, and by how much that is later (negative:
    earlier) than it would have been.
    """

    at: datetime
    by_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The whole run. `settings` is the effective configuration without secrets; `pace` holds the rates used by cap.
    `canaries` are the last counts by source.

    `exclusions` names the file of exclusions as it was in the end; `exclusions_versions` are all that this part of
    the run obeyed. `clock_steps` are the first hundred that this part saw: instants of rows before and after one
    cannot be compared.

    `families` counts sessions by address family. Durations in `latency_ms` are by stage and percentile.
    """

    run_id: str
    state: State
    exit_code: int
    started_at: datetime
    finished_at: datetime
    interruptions: tuple[Interruption, ...] = ()
    clock_steps: tuple[ClockStep, ...] = ()
    versions: Versions
    settings: Mapping[str, object]
    settings_sha256: str
    input: ListIdentity | None = None
    seed: int
    sources: tuple[SourceUsed, ...]
    canaries: tuple[Canary, ...] = ()
    resolvers: tuple[ResolverUsed, ...]
    trust_store: Named | None = None
    exclusions: Named | None = None
    exclusions_versions: tuple[Since, ...] = ()
    special_addresses_date: str | None = None
    pace: Mapping[str, float] | None = None
    latency_ms: Mapping[str, Mapping[str, int]] | None = None
    families: Mapping[str, int] | None = None
    parked: tuple[str, ...] | None = None
    tally: Tally


def encode(manifest: Manifest) -> bytes:
    """One JSON object, indented for people."""
    document = {each.name: plain(getattr(manifest, each.name)) for each in fields(manifest)}
    counts = {name: plain(getattr(manifest.tally, name)) for name in COUNTS}
    alarms = [
        {"rule": alarm.rule.written, "rows": alarm.rows, "example": alarm.example or None}
        for alarm in manifest.tally.alarms
    ]
    del document["tally"]
    return orjson.dumps(
        {"schema": SCHEMA, **document, "counts": counts, "alarms": plain(alarms)},
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )


def plain(value: object) -> object:
    """A JSON value: foreign text made visible, times in UTC with milliseconds."""
    match value:
        case str():
            return text.from_str(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case Mapping():
            return {text.from_str(str(key)): plain(each) for key, each in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(each) for each in value]
        case _ if is_dataclass(value):
            return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    return value


def digest(settings: Mapping[str, object]) -> str:
    """SHA-256 of settings, whatever their order: the `settings_sha256` of a manifest and of a checkpoint."""
    return hashlib.sha256(orjson.dumps(plain(settings), option=orjson.OPT_SORT_KEYS)).hexdigest()


def run_id(at: datetime, chance: bytes) -> str:
    """RFC 9562 section 5.7: 48 bits of Unix time in milliseconds, then 74 of the 80 bits of `chance`."""
    milliseconds = (at - EPOCH) // timedelta(milliseconds=1)
    bits = milliseconds << 80 | int.from_bytes(chance, "big")
    return str(uuid.UUID(int=bits & ~(0xF << 76) & ~(0x3 << 62) | 0x7 << 76 | 0x2 << 62))
