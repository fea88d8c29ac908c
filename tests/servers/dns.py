"""Names: one Knot serves a signed root and `test.`, another what hangs below; Unbound validates on 127.0.0.1:53.

A delegation may be secure, insecure (no DS), bogus (a DS for a key that does not exist), lame (a server that does not
serve the zone and says REFUSED) or silent (a server that never answers).
"""

import contextlib
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers.lab import Lab, Running, run, running

UPPER = "127.0.0.53"
LOWER = "127.0.0.54"
RESOLVER = "127.0.0.1"
SILENT, MUTE = "192.0.2.99", "192.0.2.90"
"""Two that never answer: once Unbound knows of one it stops asking, and says SERVFAIL at once."""
REVERSE = "100.51.198.in-addr.arpa."
"""The names of 198.51.100.0/24, where our sources are."""
LIE = "12345 13 2 " + "ab" * 32
"""A DS record for no key."""
SOA = "@ 300 SOA ns.test. hostmaster.test. 1 3600 600 86400 300\n"
KNOT = """\
server:
  rundir: "{home}"
  listen: {address}@53
database:
  storage: "{home}/db"
policy:
  - id: one
    algorithm: ecdsap256sha256
    single-type-signing: on
template:
  - id: default
    storage: "{home}"
    zonefile-sync: -1
    journal-content: none
zone:
"""
UNBOUND = f"""\
server:
  interface: {RESOLVER}
  do-not-query-localhost: no
  do-ip6: no
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  directory: "{{home}}"
  pidfile: "{{home}}/unbound.pid"
  num-threads: 1
  local-zone: "test." nodefault
  local-zone: "{REVERSE}" nodefault
  trust-anchor: "{{anchor}}"
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: {UPPER}@53
"""


@dataclass(frozen=True, slots=True)
class Zone:
    """One zone: its records, and whether its parent publishes a DS record for a key that does not exist."""

    name: str
    records: str
    is_signed: bool = True
    is_bogus: bool = False

    @property
    def is_in_test(self) -> bool:
        """Whether `test.` delegates it, and not the root."""
        return self.name.endswith(".test.")

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.name.rstrip('.') or 'root'}.zone"


@contextlib.contextmanager
def serving(lab: Lab, records: str, below: tuple[Zone, ...]) -> Iterator[str]:
    """The resolver's address, with these records in `test.`, and these zones below it or beside it."""
    upper, lower = lab.folder("dns-upper"), lab.folder("dns-lower")
    configure(lower, LOWER, below)
    of_test, of_root = (
        delegations(lower, [zone for zone in below if zone.is_in_test is is_in]) for is_in in (True, False)
    )
    middle = Zone("test.", f"@ 300 NS ns\nns 300 A {UPPER}\nns2 300 A {LOWER}\n{records}{of_test}")
    configure(upper, UPPER, (middle, Zone(".", "")))
    glue = f"@ 300 NS ns.test.\nns.test. 300 A {UPPER}\ntest. 300 NS ns.test.\ntest. 300 DS {ds(upper, middle)}\n"
    root = Zone(".", glue + of_root)
    for home, zone in ((upper, root), (upper, middle), *((lower, zone) for zone in below)):
        (home / zone.file).write_text(f"$ORIGIN {zone.name}\n$TTL 300\n{SOA}{zone.records}")
    with contextlib.ExitStack() as stack:
        stack.enter_context(silence())
        for home, address in ((upper, UPPER), (lower, LOWER)):
            stack.enter_context(knot(home)).wait_until_open(address, port=53, client=RESOLVER)
        stack.enter_context(unbound(lab, ds(upper, root))).wait_until_open(RESOLVER, port=53, client=RESOLVER)
        yield RESOLVER


def configure(home: Path, address: str, zones: Sequence[Zone]) -> None:
    """Tell Knot of its zones, and make keys before there are zones: a parent must name the keys of its children."""
    (home / "db").mkdir()
    signing = "    dnssec-signing: on\n    dnssec-policy: one\n"
    lines = [f'  - domain: "{zone.name}"\n    file: {zone.file}\n{signing * zone.is_signed}' for zone in zones]
    (home / "conf").write_text(KNOT.format(home=home, address=address) + "".join(lines))
    for zone in zones:
        if zone.is_signed:
            keymgr(home, zone, "generate", "algorithm=ecdsap256sha256", "ksk=yes", "zsk=yes")


def keymgr(home: Path, zone: Zone, *words: str) -> str:
    """Knot's tool for keys."""
    return run("keymgr", "-c", str(home / "conf"), zone.name, *words)


def ds(home: Path, zone: Zone) -> str:
    """The DS record of a zone, SHA-256."""
    return next(line.split(" DS ", 1)[1] for line in keymgr(home, zone, "ds").splitlines() if " 13 2 " in line)


def delegations(home: Path, zones: Sequence[Zone]) -> str:
    """What a parent says of the zones below it."""
    lines = [f"{zone.name} 300 NS ns2.test.\n" for zone in zones]
    lines += [f"{zone.name} 300 DS {LIE if zone.is_bogus else ds(home, zone)}\n" for zone in zones if zone.is_signed]
    return "".join(lines)


def knot(home: Path) -> contextlib.AbstractContextManager[Running]:
    """One name server."""
    return running(home / "out", "knotd", "-c", str(home / "conf"))


def unbound(lab: Lab, anchor: str) -> contextlib.AbstractContextManager[Running]:
    """The validating resolver; `anchor` is the DS record of our root."""
    home = lab.folder("unbound")
    (home / "conf").write_text(UNBOUND.format(home=home, anchor=f". IN DS {anchor}"))
    return running(home / "out", "unbound", "-d", "-c", str(home / "conf"))


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Name servers that take every question and answer none."""
    with contextlib.ExitStack() as stack:
        for address in (SILENT, MUTE):
            deaf = stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            deaf.bind((address, 53))
        yield
