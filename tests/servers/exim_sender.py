"""Exim again, as a sender: one run for each of its policies and each of our addresses, and what it logs.

Exim remembers hosts that failed it, within a message and in its spool, and passes over them. So that each domain meets
its hosts afresh, domains whose hosts bear the same name go in messages of their own, each with a spool of its own.
"""

import contextlib
import re
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from scanner.model.assessment import Outcome
from tests.servers.lab import Lab
from tests.servers.world import EHLO_NAME, SOURCES

POLICIES = {"exim": "", "exim_require": "hosts_require_tls = *", "exim_dane": "hosts_require_dane = *"}
"""What a transport demands, by the name of our model."""
LONGEST_S = 120.0
AT_ONCE = 6
"""Runs at a time; each delivers to several servers at once."""
CONFIGURATION = """\
primary_hostname = sender.lab.test
spool_directory = {home}
log_file_path = {home}/log/%s
pid_file_path = {home}/pid
local_interfaces = 127.0.0.1
domainlist local_domains =
qualify_domain = sender.lab.test
host_lookup =
rfc1413_hosts =
keep_environment =
deliver_drop_privilege = true
remote_max_parallel = 12
begin routers
by_dns:
  driver = dnslookup
  transport = out
  dnssec_request_domains = *
  ignore_target_hosts = 0.0.0.0 : 127.0.0.0/8 : ::1
  no_more
begin transports
out:
  driver = smtp
  interface = {source}
  helo_data = {ehlo_name}
  multi_domain = false
  max_rcpt = 1
  connect_timeout = 8s
  command_timeout = 20s
  final_timeout = 30s
  tls_verify_certificates = {anchors}
  {policy}
begin retry
* * F,1h,10m
"""
FATE = re.compile(r"^\S+ \S+ \S+ (?P<mark>=>|->|==|\*\*) (?P<to>\S+?@\S+?)(?P<rest>:? .*)?$")
VERIFIED = re.compile(r" CV=(\w+)")
UNSENT = {"==": Outcome.DEFER, "**": Outcome.BOUNCE}


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message: the mark of the log, and what stands behind the address."""

    mark: str
    words: str

    @property
    def is_sent(self) -> bool:
        """Whether it left."""
        return self.mark not in UNSENT

    @property
    def outcome(self) -> Outcome:
        """In our words. Only DANE authenticates: that a chain happens to verify (`CV=yes`) was not asked for."""
        if self.mark in UNSENT:
            return UNSENT[self.mark]
        if " X=" not in self.words:
            return Outcome.CLEAR
        found = VERIFIED.search(self.words)
        is_dane = found is not None and found[1] == "dane"
        return Outcome.ENCRYPTED_AUTHENTICATED if is_dane else Outcome.ENCRYPTED


@dataclass(frozen=True, slots=True)
class EximSender:
    """An Exim that is run by the message. `make` prepares one spool."""

    make: Callable[[str], Path]
    anchors: Path

    def send(self, hosts: Mapping[str, Iterable[str]]) -> dict[tuple[str, str, str], Fate]:
        """Send one message for each domain, policy and source; `hosts` are the MX hosts by domain."""
        runs = [
            (group, policy, source)
            for number, group in enumerate(apart(hosts))
            for policy in POLICIES
            for source in SOURCES
        ]
        with ThreadPoolExecutor(AT_ONCE) as threads:
            logs = threads.map(lambda run: self._sent(*run), runs)
            return {
                (domain, policy, source): fates(log)[f"lab@{domain}"]
                for (group, policy, source), log in zip(runs, logs, strict=True)
                for domain in group
            }

    def _sent(self, group: tuple[str, ...], policy: str, source: str) -> str:
        """Deliver one message to all domains of a group, and return the log."""
        home = self.make(f"{policy}-{source.rsplit('.', maxsplit=1)[-1]}-{group[0]}")
        options = {"source": source, "policy": POLICIES[policy], "ehlo_name": EHLO_NAME, "anchors": self.anchors}
        (home / "conf").write_text(CONFIGURATION.format(home=home, **options))
        subprocess.run(
            ["exim4", "-C", str(home / "conf"), "-odi", "-f", "<>", *(f"lab@{domain}" for domain in group)],
            input=b"Subject: lab\n\nlab\n",
            check=True,
            timeout=LONGEST_S,
        )
        return (home / "log/main").read_text()


def apart(hosts: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """Sort domains into groups in which no two have a host in common."""
    groups: list[tuple[list[str], set[str]]] = []
    for domain, names in hosts.items():
        own = set(names) | {domain}
        group = next((each for each in groups if not each[1] & own), None)
        if group is None:
            group = ([], set())
            groups.append(group)
        group[0].append(domain)
        group[1].update(own)
    return [tuple(domains) for domains, _ in groups]


def fates(log: str) -> dict[str, Fate]:
    """The last word on each recipient."""
    found = filter(None, map(FATE.match, log.splitlines()))
    return {it["to"]: Fate(it["mark"], (it["rest"] or "").lstrip(": ")) for it in found}


@contextlib.contextmanager
def sending(lab: Lab) -> Iterator[EximSender]:
    """A sender, which runs only while it sends."""
    lab.folder("exim-sender")

    def make(name: str) -> Path:
        return lab.folder(f"exim-sender/{name}", "Debian-exim")

    yield EximSender(make, lab.pairs.anchors)
