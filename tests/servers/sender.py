"""Postfix again, as a sender: one transport for each of its TLS levels and each of our addresses, and what it logs.

The local part of a recipient chooses the transport: `encrypt-20@hides.lab.test` leaves from 198.51.100.20 and demands
TLS. Nothing is retried within the time of a test, so every recipient has exactly one line with its fate.
"""

import contextlib
import re
import smtplib
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from scanner.model.assessment import Outcome
from tests.servers import sts
from tests.servers.lab import POLL_S, Lab, run
from tests.servers.world import EHLO_NAME, SOURCES

LEVELS = ("none", "may", "encrypt", "verify", "secure", "dane", "dane-only")
OPTIONS = {level: f"-o smtp_tls_security_level={level}" for level in LEVELS} | {
    "sts": "-o smtp_tls_security_level=may -o smtp_tls_policy_maps=texthash:{home}/policies"
}
"""What makes each level; `sts` is told of policies as by a plugin."""
SUBMISSION = ("127.0.0.1", 2525)
LONGEST_S = 90.0
PROCESSES = 3
"""For each transport: a slow receiver must not hold up the others, and 48 transports must not crowd the machine."""
SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
"""
CONFIGURATION = """\
compatibility_level = 3.6
queue_directory = {home}/spool
data_directory = {home}/data
maillog_file = {home}/log/mail
maillog_file_prefixes = {home}
myhostname = sender.lab.test
smtp_helo_name = {ehlo_name}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = all
alias_maps =
alias_database =
notify_classes =
transport_maps = regexp:{home}/transport
smtpd_recipient_limit = 1000
smtp_host_lookup = dns
smtp_dns_support_level = dnssec
smtp_tls_CAfile = {anchors}
smtp_tls_loglevel = 1
smtp_connect_timeout = 10s
smtp_connection_cache_on_demand = no
"""
FATE = re.compile(
    r"postfix/(?P<service>[\w-]+)/smtp\[(?P<process>\d+)\]: \w+: to=<(?P<to>[^>]+)>, .*?relay=(?P<relay>[^,]+), "
    r".*dsn=(?P<dsn>[\d.]+), status=(?P<status>\w+) \((?P<reason>.*)\)$"
)
TLS = re.compile(
    r"postfix/(?P<service>[\w-]+)/smtp\[(?P<process>\d+)\]: "
    r"(?P<word>\w+) TLS connection established to (?P<relay>\S+): "
)
TROUBLE = re.compile(r"fatal|panic|warning: (process|private|transport)")
UNSENT = {"deferred": Outcome.DEFER, "bounced": Outcome.BOUNCE}
SENT = {"Verified": Outcome.ENCRYPTED_AUTHENTICATED, "": Outcome.CLEAR}
"""By the word before `TLS connection established`. Trusted, Untrusted and Anonymous all mean that nobody was
authenticated.
"""


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of one message: the words of the log. `tls` is empty where it left in clear, or did not leave."""

    status: str
    dsn: str
    reason: str
    tls: str

    @property
    def outcome(self) -> Outcome:
        """In our words."""
        return UNSENT.get(self.status) or SENT.get(self.tls, Outcome.ENCRYPTED)


@dataclass(frozen=True, slots=True)
class Sender:
    """A running Postfix: where its configuration is, and its log."""

    configuration: Path
    log: Path

    def send(self, domains: Iterable[str], levels: Iterable[str] = LEVELS) -> dict[tuple[str, str, str], Fate]:
        """Send one message for each domain, level and source, and wait until the fate of each is known."""
        locals_ = [name for name, (level, _) in transports().items() if level in levels]
        recipients = {domain: [f"{local}@{domain}" for local in locals_] for domain in domains}
        for each in recipients.values():
            with smtplib.SMTP(*SUBMISSION, timeout=20) as client:
                refused = client.sendmail("", each, b"Subject: lab\r\n\r\nlab\r\n")
                assert refused == {}
        return self._fates([to for each in recipients.values() for to in each])

    def _fates(self, recipients: list[str]) -> dict[tuple[str, str, str], Fate]:
        until_s = time.monotonic() + LONGEST_S
        known = fates(self.log.read_text())
        while missing := set(recipients) - known.keys():
            assert time.monotonic() < until_s, without_fate(missing, self.log.read_text())
            time.sleep(10 * POLL_S)
            known = fates(self.log.read_text())
        named = {local: (level, source) for local, (level, source) in transports().items()}
        return {(to.partition("@")[2], *named[to.partition("@")[0]]): known[to] for to in recipients}


def transports() -> dict[str, tuple[str, str]]:
    """Level and source address of every transport, by its name."""
    return {f"{level}-{source.rsplit('.')[-1]}": (level, source) for level in OPTIONS for source in SOURCES}


def fates(log: str) -> dict[str, Fate]:
    """The fate of every recipient. A process delivers one message after the other, so its last handshake with the relay
    that took the message is that of the message.
    """
    found: dict[str, Fate] = {}
    words: dict[tuple[str, str], str] = {}
    for line in log.splitlines():
        if established := TLS.search(line):
            words[established["process"], established["relay"]] = established["word"]
        elif fate := FATE.search(line):
            word = words.get((fate["process"], fate["relay"]), "") if fate["status"] == "sent" else ""
            found[fate["to"]] = Fate(fate["status"], fate["dsn"], fate["reason"], word)
            words = {key: word for key, word in words.items() if key[0] != fate["process"]}
    return found


def without_fate(missing: set[str], log: str) -> str:
    """What the log says instead."""
    said = [line for line in log.splitlines() if TROUBLE.search(line) or any(f"<{to}>" in line for to in missing)]
    return "\n".join([*said[-50:], f"{len(missing)} messages have no fate: {sorted(missing)[:20]}"])


@contextlib.contextmanager
def sending(lab: Lab) -> Iterator[Sender]:
    """A running sender, stopped afterwards."""
    home = lab.folder("sender")
    for name, owner in (("spool", "root"), ("data", "postfix"), ("log", "root"), ("etc", "root")):
        lab.folder(f"sender/{name}", owner)
    (home / "transport").write_text("".join(f"/^{name}@/ {name}:\n" for name in transports()))
    (home / "policies").write_text("".join(each.told_to_postfix for each in sts.DOMAINS))
    (home / "etc/main.cf").write_text(CONFIGURATION.format(home=home, ehlo_name=EHLO_NAME, anchors=lab.pairs.anchors))
    clients = [
        f"{name} unix - - n - {PROCESSES} smtp {OPTIONS[level].format(home=home)} -o smtp_bind_address={source}"
        f" -o syslog_name=postfix/{name}\n"
        for name, (level, source) in transports().items()
    ]
    listener = "{}:{} inet n - n - - smtpd\n".format(*SUBMISSION)
    (home / "etc/master.cf").write_text(listener + SERVICES + "".join(clients))
    try:
        run("postfix", "-c", str(home / "etc"), "start")
        yield Sender(home / "etc", home / "log/mail")
    finally:
        subprocess.run(["postfix", "-c", str(home / "etc"), "stop"], check=False, capture_output=True, timeout=30)
