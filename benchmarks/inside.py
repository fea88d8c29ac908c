"""A scan inside this process: survey, judge, pace, sharing, workers and journal of `starttls scan`, joined here.

What is left out is the command line and, where `Given` answers, DNS. The list is made up, the peers are the fleet.

Touches: network (loopback), files (one directory). Source: none.
"""

import ipaddress
import os
import platform
import resource
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path

import anyio

from benchmarks.fleet import Fleet
from scanner import jsonl
from scanner.assess import trust
from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.checkpoint import Claim
from scanner.journal import Resume, Terms, open_journal
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.record import Record
from scanner.model.route import Answer, MxRecord, TlsaRecord
from scanner.model.session import Source
from scanner.model.target import Target
from scanner.net.clock import Clock, utc_now
from scanner.net.garbage import collect_seldom
from scanner.net.handshakes import Handshakes
from scanner.net.paced import Hours, Paced
from scanner.net.remembering import Remembering
from scanner.net.shared import Shared
from scanner.net.smtp import SmtpProber
from scanner.net.stalls import AwakeProber, Stalls
from scanner.net.together import Together
from scanner.protocols import exclusions
from scanner.run import Control, Work, run
from scanner.settings import LAB, Pace, Settings
from scanner.sinks import FileSink, Lines, Seen
from scanner.survey import Prober, Resolver, Tools, given_up, survey

BATCH = 500
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
NXDOMAIN = Fault(Stage.RESOLVE, Kind.NXDOMAIN)
FREE = replace(LAB, source_per_s=1e5, run_per_s=1e5, address_interval_s=1e-5, address_floor_s=1e-5, source_open=10**6)
UNPACED: Pace = replace(FREE, prefix_per_s=1e5, provider_per_s=1e5, prefix_open=10**6, provider_open=10**6)
"""Every gate is asked and none is ever shut for long: what pace costs, and not what it makes wait."""


def cpu_s() -> float:
    """Processor time of this process, its threads included."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def rss_mb() -> float:
    """Resident memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def machine() -> str:
    """Date, processor, load and versions: the head of every table."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    what = f"{len(os.sched_getaffinity(0))} x {names[0] if names else platform.machine()}"
    load = os.getloadavg()[0]
    versions = f"Linux {platform.release()}, Python {platform.python_version()}, {ssl.OPENSSL_VERSION[:14]}"
    return f"{utc_now():%Y-%m-%d}, {what}, {versions}, load average {load:.0f}"


@dataclass(frozen=True, slots=True)
class Given:
    """Implements survey.Resolver: MX and addresses by rule, nothing else. No packet is sent."""

    hosts: Callable[[str], tuple[MxRecord, ...]]
    addresses: Callable[[str], tuple[str, ...]]
    name: str = "in memory"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        """The hosts of the domain."""
        return Answer(domain, self.hosts(domain), domain, 3600)

    async def ipv4(self, host: str) -> Answer[str]:
        """The addresses of the host."""
        return Answer(host, self.addresses(host), host, 3600)

    async def ipv6(self, host: str) -> Answer[str]:
        """None."""
        return Answer(host, canonical_name=host, fault=NODATA)

    async def cname(self, host: str) -> Answer[str]:
        """None."""
        return Answer(host, canonical_name=host, fault=NODATA)

    async def txt(self, name: str) -> Answer[bytes]:
        """None."""
        return Answer(name, fault=NXDOMAIN)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        """None."""
        return Answer(name, fault=NXDOMAIN)


class NoPolicies:
    """Implements survey.PolicyFetcher where no domain announces a policy."""

    async def fetch(self, domain: str) -> PolicyFetch:
        """Say that nobody should have asked."""
        raise AssertionError(domain)


@dataclass(frozen=True, slots=True)
class Bench:
    """Where a scan takes place."""

    fleet: Fleet
    resolver: Resolver
    directory: Path
    at_once: int = 64
    pace: Pace = UNPACED
    share: bool = True
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        """The settings that follow."""
        usual = Settings(sources=(Source("mail", "127.9.0.1", "scanner.fleet.test"),))
        loopback = (ipaddress.ip_network("127.0.0.0/8"),)
        made = replace(usual, port=self.fleet.port, allow_networks=loopback, pace=self.pace)
        object.__setattr__(self, "settings", made)


@dataclass(frozen=True, slots=True)
class Scanned:
    """What a scan came to. `seconds` is processor time."""

    rows: int
    sound: int
    sessions: int
    seconds: float

    @property
    def ms_each(self) -> float:
        """Processor time of a row."""
        return self.seconds * 1000 / max(1, self.rows)


@dataclass(slots=True)
class Scanner:
    """A scan that is joined once and takes one list after the other. Make it inside the running loop.

    `prober` connects instead of the usual one, where it is given.
    """

    bench: Bench
    prober: Prober | None = None
    paced: Paced = field(init=False)
    tools: Tools = field(init=False)
    stalls: Stalls = field(init=False)

    def __post_init__(self) -> None:
        """Join, as `cli.network` does, in a process that is set up like theirs."""
        collect_seldom()
        bench, clock = self.bench, Clock()
        settings, limits = bench.settings, bench.settings.limits
        self.stalls = Stalls(clock.monotonic_s)
        handshakes = Handshakes(limits.handshakes_at_once)
        usual = SmtpProber(settings.deadlines, limits, settings.allow_networks, clock, handshakes)
        inner = self.prober or usual
        self.paced = Paced(AwakeProber(inner, self.stalls), settings.pace, limits, str, Hours(clock))
        shared = Shared(self.paced, limits.names_per_address, limits.sessions_remembered, clock)
        anchors = trust.trust("fleet", Path(bench.fleet.ca_file).read_bytes())
        self.tools = Tools(
            resolver=Remembering(bench.resolver, limits.answers_remembered, clock.monotonic_s),
            validating=None,
            prober=Together(shared if bench.share else self.paced),
            fetcher=NoPolicies(),
            judge=Judge(anchors, servers=Servers()),
            exclusions=exclusions.NONE,
            now=clock.now,
        )

    async def scan(self, domains: Iterator[str]) -> Scanned:
        """Scan this list into the journal, and count."""
        bench, control, before = self.bench, Control(), self.sessions()
        claim = Claim("bench", None, "", 0, utc_now())
        lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(bench.settings.limits.remembered))
        began_s = cpu_s()
        sound = 0

        async def of(target: Target) -> Record:
            nonlocal sound
            record = await survey(target, self.tools, bench.settings, "bench")
            sound += record.assessment.starttls == "pass"
            return record

        work = Work(lines.after(of), partial(given_up, run_id="bench", at=utc_now()), bench.at_once)
        with closing(open_journal(bench.directory / "rows.jsonl", claim, Terms(Resume.NEVER))) as journal:
            async with anyio.create_task_group() as group:
                group.start_soon(self.stalls.watch)
                tally = await run(batches(domains), work, FileSink(journal, lines), control)
                group.cancel_scope.cancel()
        return Scanned(tally.rows, sound, self.sessions() - before, cpu_s() - began_s)

    def sessions(self) -> int:
        """How many were held so far."""
        return sum(count for _, count in self.paced.figures().connections)


def batches(domains: Iterator[str]) -> Callable[[], Sequence[Target]]:
    """The list as a run reads it."""
    numbered = enumerate(domains, 1)
    return lambda: [Target(n, name, name) for n, name in islice(numbered, BATCH)]
