"""Exim: one daemon whose access lists look at the client address."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers.lab import (
    BLOCKED_FROM,
    DELAYED_FROM,
    GREYLISTED_FROM,
    HIDDEN_FROM,
    TLS_DENIED_FROM,
    TLS_LATER_FROM,
    Lab,
    running,
)

ADDRESS = "192.0.2.220"
DELAY_S = 2
CONFIGURATION = f"""\
primary_hostname = exim.lab.test
local_interfaces = {ADDRESS}
daemon_smtp_ports = 25
smtp_accept_max = 0
spool_directory = {{home}}/spool
log_file_path = {{home}}/log/%s
pid_file_path = {{home}}/pid
host_lookup =
rfc1413_hosts =
tls_advertise_hosts = ! {HIDDEN_FROM} : *
tls_certificate = {{lab.pairs.good.certificate}}
tls_privatekey = {{home}}/good.key
smtp_banner = $smtp_active_hostname ESMTP lab\\nsecond line\\nthird
acl_smtp_connect = at_connect
acl_smtp_helo = at_helo
acl_smtp_starttls = at_starttls
acl_smtp_rcpt = accept
queue_only = true
begin acl
at_connect:
  deny hosts = {BLOCKED_FROM}
    message = blocked using rbl.example
  defer hosts = {GREYLISTED_FROM}
    message = greylisted, try later
  warn hosts = {DELAYED_FROM}
    delay = {DELAY_S}s
  accept
at_helo:
  deny condition = ${{{{if match{{{{$sender_helo_name}}}}{{{{\\\\.}}}}{{{{no}}}}{{{{yes}}}}}}}}
    message = HELO must be FQDN
  accept
at_starttls:
  defer hosts = {TLS_LATER_FROM}
  deny hosts = {TLS_DENIED_FROM}
  accept
"""


@dataclass(frozen=True, slots=True)
class Exim:
    """Where it listens."""

    address: str


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[Exim]:
    """A running Exim, stopped afterwards. It reads its certificate as a user of its own."""
    home = lab.folder("exim")
    for name in ("spool", "log"):
        lab.folder(f"exim/{name}", "Debian-exim")
    (home / "good.key").write_bytes(lab.pairs.good.key.read_bytes())
    (home / "good.key").chmod(0o644)
    (home / "conf").write_text(CONFIGURATION.format(home=home, lab=lab))
    with running(home / "out", "exim4", "-bdf", "-C", str(home / "conf")) as server:
        server.wait_until_open(ADDRESS)
        yield Exim(ADDRESS)
