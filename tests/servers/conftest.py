"""A real Postfix on addresses of its own, in the network namespace that `tests/servers/run` made.

Nothing can leave: the namespace has no interface but loopback. Every documentation address is local by route.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

HIDDEN_FROM = "198.51.100.10"
SEEN_FROM = "198.51.100.20"
BLOCKED_FROM = "198.51.100.12"

# address, what this smtpd is, master.cf options
INSTANCES = {
    "hides": ("192.0.2.201", "-o smtpd_discard_ehlo_keyword_address_maps=cidr:{lab}/hide.cidr"),
    "tls10": ("192.0.2.202", "-o smtpd_tls_protocols=TLSv1 -o tls_medium_cipherlist=ALL:@SECLEVEL=0"),
    "required": ("192.0.2.205", "-o smtpd_tls_security_level=encrypt"),
    "plain": ("192.0.2.206", "-o smtpd_tls_security_level=none"),
    "unreadable": (
        "192.0.2.210",
        "-o smtpd_tls_chain_files= -o smtpd_tls_cert_file={lab}/none.pem",
    ),
    "blocks": (
        "192.0.2.212",
        "-o smtpd_delay_reject=no -o smtpd_client_restrictions=cidr:{lab}/client.cidr",
    ),
    "client_certificate": (
        "192.0.2.214",
        "-o smtpd_tls_security_level=encrypt -o smtpd_tls_req_ccert=yes -o smtpd_tls_CAfile={lab}/leaf.pem",
    ),
    "wrapped": ("192.0.2.215", "-o smtpd_tls_wrappermode=yes"),
}
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
tlsproxy unix - - n - 0 tlsproxy
smtpd pass - - n - - smtpd
"""
TEASER = "192.0.2.216"


@dataclass(frozen=True)
class Postfix:
    """Where each instance listens."""

    addresses: dict[str, str]


def run(*words: str) -> None:
    """Run one command of the fixture and fail loudly."""
    subprocess.run(words, check=True, capture_output=True)


def certificate(lab: Path) -> None:
    """One self-signed certificate: trust is not what these tests look at."""
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=mx.lab.test"),
        *("-addext", "subjectAltName=DNS:mx.lab.test"),
        *("-keyout", str(lab / "leaf.key"), "-out", str(lab / "leaf.pem")),
    )


def configure(lab: Path) -> Path:
    """One Postfix, many smtpd services: main.cf and master.cf."""
    home = lab / "rcv"
    for folder in (home, lab / "spool", lab / "data", lab / "log"):
        folder.mkdir()
        folder.chmod(0o755)
    shutil.chown(lab / "data", "postfix")
    (lab / "hide.cidr").write_text(f"{HIDDEN_FROM}/32 silent-discard, starttls\n")
    (lab / "client.cidr").write_text(f"{BLOCKED_FROM}/32 REJECT 5.7.1 blocked using rbl.example\n")
    (home / "main.cf").write_text(
        f"compatibility_level = 3.6\nqueue_directory = {lab}/spool\ndata_directory = {lab}/data\n"
        f"maillog_file = {lab}/log/mail\nmaillog_file_prefixes = {lab}\nmyhostname = mx.lab.test\n"
        "mynetworks = 127.0.0.0/8\nmydestination = lab.test\nlocal_recipient_maps =\nlocal_transport = error:none\n"
        "alias_maps =\nalias_database =\nsmtpd_peername_lookup = no\nsmtpd_tls_security_level = may\n"
        f"smtpd_tls_chain_files = {lab}/leaf.key, {lab}/leaf.pem\n"
    )
    lines = [
        f"{address}:25 inet n - n - - smtpd\n  {options.format(lab=lab)}" for address, options in INSTANCES.values()
    ]
    teaser = (
        f"{TEASER}:25 inet n - n - 1 postscreen\n  -o postscreen_access_list= -o postscreen_greet_action=enforce"
        f" -o postscreen_greet_wait=2s -o postscreen_cache_map=btree:{lab}/data/postscreen"
    )
    (home / "master.cf").write_text("\n".join([*lines, teaser, SERVICES]))
    return home


@pytest.fixture(scope="session")
def postfix(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    """A running Postfix, stopped afterwards."""
    if os.geteuid() != 0 or shutil.which("postfix") is None or [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.skip("needs root, Postfix and a network namespace of its own: tests/servers/run makes them")
    for network in ("192.0.2.0/24", "198.51.100.0/24"):
        run("ip", "route", "replace", "local", network, "dev", "lo")
    lab = tmp_path_factory.mktemp("postfix")
    for folder in (lab, *lab.parents):
        if folder.stat().st_uid == 0 and folder.name:
            folder.chmod(folder.stat().st_mode | 0o055)
    certificate(lab)
    home = configure(lab)
    run("postfix", "-c", str(home), "start")
    time.sleep(2)
    yield Postfix({name: address for name, (address, _) in INSTANCES.items()} | {"teaser": TEASER})
    subprocess.run(["postfix", "-c", str(home), "stop"], check=False, capture_output=True)
