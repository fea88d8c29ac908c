"""One run of the command itself over the whole world, from every source, and what it left behind.

Each row is also judged again for every source alone: the same evidence without what the other sources saw. So one run
says what six would have said, and stored rows prove that they can be judged again.
"""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from scanner import jsonl
from scanner.assess.judgement import Judge
from scanner.assess.trust import trust
from scanner.model.assessment import Assessment
from scanner.model.record import Record
from tests.servers.lab import ALLOWED
from tests.servers.world import MailWorld

LONGEST_S = 150
PATIENCE = ("greeting", "ehlo", "starttls", "handshake")
"""Steps in which a real server may take its time, and a busy machine too."""
OPTIONS = (
    *("--sources", "each", "--profile", "lab"),
    *(f"--{step}-deadline=20s" for step in PATIENCE),
    *("--session-deadline=60s", "--connect-deadline=6s", "--dns-deadline=4s"),
)


@dataclass(frozen=True)
class Scanned:
    """What the command said and wrote. `der` are the certificates by their SHA-256."""

    code: int
    errors: str
    lines: tuple[bytes, ...]
    certificates: tuple[dict[str, Any], ...]
    manifest: dict[str, Any]
    judge: Judge

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Rows by domain."""
        return {row["domain"]: row for row in map(orjson.loads, self.lines)}

    @cached_property
    def records(self) -> dict[str, Record]:
        """Rows by domain, read back."""
        der = {it["sha256"]: jsonl.decode_certificate(orjson.dumps(it)).der for it in self.certificates}
        return {record.target.domain: record for record in (jsonl.decode(line, der) for line in self.lines)}

    def from_source(self, domain: str, source: str) -> Assessment:
        """The verdict that this source alone would have come to."""
        record = self.records[domain]
        assert record.evidence is not None
        own = tuple(session for session in record.evidence.sessions if session.source == source)
        return self.judge(replace(record.evidence, sessions=own), record.observed_at)


def scan(world: MailWorld, home: Path) -> Scanned:
    """Scan every domain of the world from every source."""
    listed, out = home / "list.csv", home / "rows.jsonl"
    listed.write_text("domain,asked by\n" + "".join(f"{domain},servers\n" for domain in world.domains))
    done = starttls(world, "scan", str(listed), "-o", str(out), "--ehlo-name", world.ehlo_name, *OPTIONS)
    assert out.is_file(), done.stderr
    return Scanned(
        done.returncode,
        done.stderr,
        tuple(out.read_bytes().splitlines()),
        tuple(map(orjson.loads, (home / "rows.jsonl.certificates.jsonl").read_bytes().splitlines())),
        orjson.loads((home / "rows.jsonl.run.json").read_bytes()),
        Judge(trust("lab", world.anchor.read_bytes())),
    )


def starttls(world: MailWorld, *words: str, sources: Sequence[str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as it is installed, inside this world, from these sources or all there are."""
    command = [sys.executable, "-m", "scanner", *words, "--resolver", world.resolver, "--ca-file", str(world.anchor)]
    command += [f"--source={source}" for source in sources or world.sources]
    command += [f"--allow-net={network}" for network in ALLOWED]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STARTTLS_")}
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=LONGEST_S, env=environment)


def sessions_of(row: dict[str, Any], source: str) -> Sequence[dict[str, Any]]:
    """The sessions of one source in a row, in the order in which they were held."""
    return [it for it in row["sessions"] if it["source"] == source]
