"""Postfix: many smtpd services on addresses of their own, one postscreen."""

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers.lab import BLOCKED_FROM, HIDDEN_FROM, Lab, accepts, run

HELO_RULES = "reject_non_fqdn_helo_hostname,reject_unknown_helo_hostname"
# name: address, options of its smtpd
FACES = {
    "hides": ("192.0.2.201", "-o smtpd_discard_ehlo_keyword_address_maps=cidr:{home}/hide.cidr"),
    "tls10": ("192.0.2.202", "-o smtpd_tls_protocols=TLSv1 -o tls_medium_cipherlist=ALL:@SECLEVEL=0"),
    "expired": ("192.0.2.203", "-o smtpd_tls_chain_files={lab.pairs.expired.key},{lab.pairs.expired.certificate}"),
    "misnamed": ("192.0.2.204", "-o smtpd_tls_chain_files={lab.pairs.misnamed.key},{lab.pairs.misnamed.certificate}"),
    "required": ("192.0.2.205", "-o smtpd_tls_security_level=encrypt"),
    "plain": ("192.0.2.206", "-o smtpd_tls_security_level=none"),
    "busy": ("192.0.2.207", "-o smtpd_delay_reject=no -o smtpd_client_restrictions=static:{{421 4.7.0 go away}}"),
    "tls13": ("192.0.2.208", "-o smtpd_tls_protocols=TLSv1.3"),
    "anonymous": ("192.0.2.209", "-o smtpd_tls_chain_files= -o smtpd_tls_cert_file=none"),
    "unreadable": ("192.0.2.210", "-o smtpd_tls_chain_files= -o smtpd_tls_cert_file={home}/none.pem"),
    "names": (
        "192.0.2.211",
        f"-o smtpd_delay_reject=no -o smtpd_helo_restrictions={HELO_RULES}",
    ),
    "blocks": ("192.0.2.212", "-o smtpd_delay_reject=no -o smtpd_client_restrictions=cidr:{home}/client.cidr"),
    "crowded": (
        "192.0.2.213",
        "-o smtpd_client_event_limit_exceptions= -o smtpd_client_connection_count_limit=1",
    ),
    "client_certificate": (
        "192.0.2.214",
        "-o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile={lab.pairs.anchors}",
    ),
    "wrapped": ("192.0.2.215", "-o smtpd_tls_wrappermode=yes"),
    "chained": ("192.0.2.218", "-o smtpd_tls_chain_files={lab.pairs.chained.key},{lab.pairs.chained.certificate}"),
    "hurried": (
        "192.0.2.217",
        "-o smtpd_client_event_limit_exceptions= -o smtpd_client_connection_rate_limit=2",
    ),
}
TEASER = "192.0.2.216"
SIXTH = "2001:db8::201"
SIXTH_SEEN_FROM = "2001:db8::20"
SERVICES = """\
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
tlsmgr unix - - n 1000? 1 tlsmgr
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
dnsblog unix - - n - 0 dnsblog
discard unix - - n - - discard
tlsproxy unix - - n - 0 tlsproxy
smtpd pass - - n - - smtpd
"""


@dataclass(frozen=True, slots=True)
class Postfix:
    """Where each face listens; `sixth` is missing where the machine has no IPv6."""

    addresses: dict[str, str]


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[Postfix]:
    """A running Postfix, stopped afterwards."""
    home = lab.folder("postfix")
    for name, owner in (("spool", "root"), ("data", "postfix"), ("log", "root"), ("etc", "root")):
        lab.folder(f"postfix/{name}", owner)
    (home / "hide.cidr").write_text(f"{HIDDEN_FROM}/32 silent-discard, starttls\n")
    (home / "client.cidr").write_text(f"{BLOCKED_FROM}/32 REJECT 5.7.1 blocked using rbl.example\n")
    (home / "etc/main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {home}/spool\ndata_directory = {home}/data\n"
        f"maillog_file = {home}/log/mail\nmaillog_file_prefixes = {home}\nmyhostname = mx.lab.test\n"
        "mynetworks = 127.0.0.0/8\nmydestination = static:all\nlocal_recipient_maps =\nlocal_transport = discard\n"
        "alias_maps =\nalias_database =\nsmtpd_peername_lookup = no\nsmtpd_tls_security_level = may\n"
        f"smtpd_tls_chain_files = {lab.pairs.good.key}, {lab.pairs.good.certificate}\n"
    )
    (home / "etc/master.cf").write_text("\n".join([*_listeners(lab), SERVICES]))
    addresses = {name: address for name, (address, _) in FACES.items()} | {"teaser": TEASER}
    addresses |= {"sixth": SIXTH} if has_ipv6() else {}
    try:
        run("postfix", "-c", str(home / "etc"), "start")
        assert accepts(TEASER, 25, HIDDEN_FROM), "`postfix start` returns when every port is open"
        yield Postfix(addresses)
    finally:
        subprocess.run(["postfix", "-c", str(home / "etc"), "stop"], check=False, capture_output=True, timeout=30)


def _listeners(lab: Lab) -> list[str]:
    home = lab.home / "postfix"
    smtpds = [
        f"{address}:25 inet n - n - - smtpd\n  {options.format(lab=lab, home=home)}"
        for address, options in FACES.values()
    ]
    teaser = (
        f"{TEASER}:25 inet n - n - 1 postscreen\n  -o postscreen_access_list= -o postscreen_greet_action=enforce"
        f" -o postscreen_greet_wait=2s -o postscreen_cache_map=btree:{home}/data/postscreen"
    )
    sixth = f"[{SIXTH}]:25 inet n - n - - smtpd"
    return [*smtpds, teaser, *([sixth] if has_ipv6() else [])]


def has_ipv6() -> bool:
    """Whether an IPv6 address of the lab can be used here."""
    try:
        with socket.socket(socket.AF_INET6) as asking:
            asking.bind((SIXTH, 0))
    except OSError:
        return False
    return True
