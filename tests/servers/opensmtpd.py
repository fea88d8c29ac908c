"""OpenSMTPD: listeners with and without TLS, and one behind filters."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers.lab import BLOCKED_FROM, Lab, running

FACES = {
    "tls": ("192.0.2.221", "tls pki lab hostname osd-tls.lab.test"),
    "plain": ("192.0.2.222", "hostname osd-plain.lab.test"),
    "required": ("192.0.2.223", "tls-require pki lab hostname osd-required.lab.test"),
    "filtered": ("192.0.2.224", 'tls pki lab hostname osd-filtered.lab.test filter "both"'),
}
CONFIGURATION = f"""\
pki lab cert "{{lab.pairs.good.certificate}}"
pki lab key "{{lab.pairs.good.key}}"
table clients {{{{ "{BLOCKED_FROM}" }}}}
filter "nordns" phase connect match src <clients> disconnect "550 go away, no rDNS"
filter "badhelo" phase ehlo match helo "foo" reject "504 need FQDN"
filter "both" chain {{{{ "nordns", "badhelo" }}}}
action "kept" relay host smtp://192.0.2.97
match from any for any action "kept"
"""


@dataclass(frozen=True, slots=True)
class OpenSmtpd:
    """Where each face listens."""

    addresses: dict[str, str]


@contextlib.contextmanager
def serving(lab: Lab) -> Iterator[OpenSmtpd]:
    """A running OpenSMTPD, stopped afterwards."""
    home = lab.folder("opensmtpd")
    lines = [f"listen on {address} port 25 {options}\n" for address, options in FACES.values()]
    (home / "conf").write_text(CONFIGURATION.format(lab=lab) + "".join(lines))
    (home / "conf").chmod(0o600)
    addresses = {name: address for name, (address, _) in FACES.items()}
    with running(home / "out", "smtpd", "-d", "-f", str(home / "conf")) as server:
        server.wait_until_open(*addresses.values())
        yield OpenSmtpd(addresses)
