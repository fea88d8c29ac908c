"""The command's own way to a scan, up to the point where a test takes over: options, job, lab."""

import contextlib
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scanner.cli.arguments import parsed
from scanner.cli.job import Job, prepared
from scanner.cli.laboratory import EHLO_NAME
from scanner.cli.options import SCAN, add_to, chosen_from

ROOT = Path(__file__).parents[2]
PATIENT = {
    "connect": 3,
    "greeting": 6,
    "ehlo": 6,
    "starttls": 6,
    "handshake": 6,
    "session": 20,
    "quit": 1,
    "policy": 8,
    "dns": 7,
}
"""Seconds: a loaded machine must not look like a slow peer, and the lab itself hangs up after a minute."""


@dataclass(frozen=True, slots=True)
class Place:
    """A lab in motion, as its ready line tells."""

    told: Mapping[str, Any]

    def options(self, deadlines: Mapping[str, float], *, sources: int = 2) -> list[str]:
        """Name everything that the lab has; every endpoint is probed from so many sources."""
        told = self.told
        words = ["--resolver", told["resolver"], "--port", str(told["smtp_port"])]
        words += ["--https-port", str(told["https_port"]), "--ca-file", told["ca_file"]]
        words += ["--sources", "each" if sources > 1 else "spread"]
        words += [word for network in told["allow_networks"] for word in ("--allow-net", network)]
        for source in told["sources"][:sources]:
            words += ["--source", f"{source['address']}={source['name']}@{EHLO_NAME}"]
        words += [word for step, limit_s in deadlines.items() for word in (f"--{step}-deadline", f"{limit_s:g}s")]
        return [*words, "--profile", "lab", "--i-am-testing", "--no-share", "--seed", "1", "-q"]


@contextlib.contextmanager
def job_of(words: list[str]) -> Iterator[Job]:
    """Read options as `starttls scan` does. Raises Refused."""
    parser = ArgumentParser("starttls scan", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("list")
    add_to(parser, SCAN)
    flags = parsed(parser, words)
    with prepared(flags["list"], chosen_from(flags, {}, SCAN)) as job:
        yield job
