"""Sendmail: an access map that hides STARTTLS from one client, rejects another, and a greeting that makes us wait."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers.lab import BLOCKED_FROM, HIDDEN_FROM, Lab, run, running

ADDRESS = "192.0.2.225"
GREET_PAUSE_MS = 1500
PROGRAM = "/usr/libexec/sendmail"
MACROS = f"""\
divert(0)dnl
define(`_USE_ETC_MAIL_')dnl
include(`/usr/share/sendmail/cf/m4/cf.m4')dnl
OSTYPE(`debian')dnl
define(`confDOMAIN_NAME', `sendmail.lab.test')dnl
define(`confCACERT_PATH', `{{home}}')dnl
define(`confCACERT', `{{lab.pairs.good.certificate}}')dnl
define(`confSERVER_CERT', `{{lab.pairs.good.certificate}}')dnl
define(`confSERVER_KEY', `{{lab.pairs.good.key}}')dnl
define(`confTO_IDENT', `0')dnl
define(`confPID_FILE', `{{home}}/pid')dnl
define(`QUEUE_DIR', `{{home}}/spool')dnl
define(`STATUS_FILE', `{{home}}/statistics')dnl
define(`ALIAS_FILE', `')dnl
define(`confDELIVERY_MODE', `queueonly')dnl
FEATURE(`promiscuous_relay')dnl
FEATURE(`no_default_msa')dnl
FEATURE(`access_db', `hash -o {{home}}/access')dnl
FEATURE(`greet_pause', `{GREET_PAUSE_MS}')dnl
DAEMON_OPTIONS(`Family=inet, Name=MTA, Port=25, Addr={ADDRESS}')dnl
MAILER(`smtp')dnl
"""
ACCESS = f"""\
Srv_Features:{HIDDEN_FROM}\tS
Connect:{BLOCKED_FROM}\tREJECT
GreetPause:{HIDDEN_FROM}\t0
GreetPause:{BLOCKED_FROM}\t0
"""


@dataclass(frozen=True, slots=True)
class Sendmail:
    """Where it listens. The greet pause is for SEEN_FROM."""

    address: str


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[Sendmail]:
    """A running Sendmail, stopped afterwards."""
    home = lab.folder("sendmail")
    lab.folder("sendmail/spool")
    (home / "sendmail.mc").write_text(MACROS.format(lab=lab, home=home))
    (home / "sendmail.cf").write_text(run("m4", str(home / "sendmail.mc")))
    (home / "access.txt").write_text(ACCESS)
    run("sh", "-c", f"{PROGRAM}/makemap -C {home}/sendmail.cf hash {home}/access < {home}/access.txt")
    with running(home / "out", f"{PROGRAM}/sendmail", "-bD", f"-C{home}/sendmail.cf") as server:
        server.wait_until_open(ADDRESS, client=HIDDEN_FROM)
        yield Sendmail(ADDRESS)
