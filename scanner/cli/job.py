"""Everything one scan needs, read and checked before the first packet; whatever is wrong is said here.

Touches: files (list, exclusions, trust anchors, output), standard streams. Source: docs/record.md (options).
"""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import certifi

from scanner import __version__, checkpoint, manifest, schema, targets
from scanner.assess import trust
from scanner.checkpoint import Claim, ListIdentity
from scanner.cli import configuration, exclusion_file
from scanner.cli.exclusion_file import ExclusionFile
from scanner.cli.exits import Exit, Refused
from scanner.cli.options import Chosen
from scanner.cli.preflight import room_for_sessions
from scanner.cli.streams import teller
from scanner.manifest import Since
from scanner.model.target import Target, TlsPolicy
from scanner.net.clock import Clock
from scanner.protocols import exclusions, special_blocks
from scanner.settings import Settings

NO_DIGEST = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One scan, ready to run."""

    path: str
    chosen: Chosen
    settings: Settings
    targets: targets.TargetList
    list_identity: ListIdentity | None
    exclusions: ExclusionFile
    trust: trust.Trust
    clock: Clock
    started_at: datetime
    run_id: str

    def batch(self) -> Sequence[Target]:
        """Read the next rows of the list that are of this shard. Called in a thread."""
        shard, of = self.chosen["shard"]
        while rows := self.targets.batch():
            mine = [row for row in rows if of == 1 or row.n % of == shard % of]
            if mine:
                return demanded(mine, self.chosen["partners"])
        return []

    @property
    def claim(self) -> Claim:
        """What this run says when it opens its output."""
        return Claim(self.run_id, self.list_identity, self.settings_digest, self.settings.seed, self.started_at)

    @property
    def settings_digest(self) -> str:
        """Digest of all that decides the rows: options, contents of named files, version.

        What the exclusions say is no part of it: they may change in mid-run, and so between two parts of one.
        """
        contents = {
            "trust": self.trust.sha256,
            "special_addresses": special_blocks.PUBLISHED,
            "version": __version__,
            "schema": schema.VERSION,
        }
        return manifest.digest({**configuration.deciding(self.chosen), **contents})


@contextlib.contextmanager
def prepared(path: str, chosen: Chosen, stdin: BinaryIO | None = None) -> Iterator[Job]:
    """Open and check everything; `stdin` is read in the place of standard input. Raises Refused."""
    settings = configuration.settings(chosen)
    open_sessions = room_for_sessions(settings.limits.open_sessions)
    settings = replace(settings, limits=replace(settings.limits, open_sessions=open_sessions))
    rules, digest = read_exclusions(chosen["exclude"])
    pem_name = chosen["ca-file"] or certifi.where()
    pem = read_bytes(pem_name, "--ca-file")
    clock = Clock()
    started_at = clock.now()
    with opened(path, chosen, settings, stdin or sys.stdin.buffer) as listed:
        yield Job(
            path=path,
            chosen=chosen,
            settings=settings,
            targets=listed,
            list_identity=None if path == "-" else checkpoint.identify(Path(path)),
            exclusions=ExclusionFile(
                path=chosen["exclude"],
                now=clock.now,
                tell=teller(quiet=chosen["quiet"]),
                rules=rules,
                versions=(Since(digest, started_at),) if chosen["exclude"] else (),
            ),
            trust=trusted(Path(pem_name).name if chosen["ca-file"] else "certifi", pem),
            clock=clock,
            started_at=started_at,
            run_id=manifest.run_id(started_at, os.urandom(10)),
        )


@contextlib.contextmanager
def opened(path: str, chosen: Chosen, settings: Settings, stdin: BinaryIO) -> Iterator[targets.TargetList]:
    """Open the list. Raises Refused."""
    form = targets.Form(chosen["column"], chosen["delimiter"], chosen["policy-column"])
    try:
        with targets.opened(path, stdin, settings.limits) as stream:
            yield targets.TargetList(stream, form, settings.limits)
    except targets.ListRefused as refused:
        raise Refused(Exit.USAGE, str(refused)) from None


def demanded(rows: Sequence[Target], partners: Mapping[str, TlsPolicy]) -> Sequence[Target]:
    """Give rows of which the list says nothing the policy that the table has for their domain."""
    if not partners:
        return rows
    return [row if row.policy else replace(row, policy=partners.get(row.domain)) for row in rows]


def read_exclusions(path: str) -> tuple[exclusions.Exclusions, str]:
    """Read who asked to be left alone, and the digest of the file. Raises Refused."""
    if not path:
        return exclusions.NONE, NO_DIGEST
    try:
        return exclusion_file.read(path)
    except (OSError, ValueError) as error:
        raise Refused(Exit.USAGE, f"--exclude {path}: {exclusion_file.reason(error)}") from None


def trusted(name: str, pem: bytes) -> trust.Trust:
    """Read the trust anchors. Raises Refused."""
    try:
        return trust.trust(name, pem)
    except ValueError as error:
        raise Refused(Exit.USAGE, f"--ca-file {name}: {error}") from None


def read_bytes(path: str, option: str) -> bytes:
    """Read a small file that an option names. Raises Refused."""
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Refused(Exit.USAGE, f"{option} {path}: {error.strerror}") from None
