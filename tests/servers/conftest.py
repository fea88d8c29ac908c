"""Session fixtures: each server runs once. `tests/servers/run` makes the namespaces that they need."""

from collections.abc import Iterator

import pytest

from tests.servers import dns as dns_servers
from tests.servers import exim as exim_server
from tests.servers import exim_sender as exim_client
from tests.servers import opensmtpd as opensmtpd_server
from tests.servers import postfix as postfix_server
from tests.servers import scanning, sender, sts, world
from tests.servers import sendmail as sendmail_server
from tests.servers.exim import Exim
from tests.servers.exim_sender import EximSender
from tests.servers.lab import Lab, is_inside, make_lab
from tests.servers.opensmtpd import OpenSmtpd
from tests.servers.postfix import Postfix
from tests.servers.scanning import Scanned
from tests.servers.sender import Sender
from tests.servers.sendmail import Sendmail
from tests.servers.world import MailWorld


@pytest.fixture(scope="session")
def lab() -> Lab:
    """Certificates, and a folder that every server may read."""
    if not is_inside():
        pytest.skip("needs namespaces of its own: tests/servers/run makes them")
    return make_lab((*world.HOSTS, *sts.HOSTS))


@pytest.fixture(scope="session")
def names(lab: Lab) -> Iterator[str]:
    """The address of the validating resolver, which is also the one of the whole namespace."""
    with dns_servers.serving(lab, world.records(lab), world.zones()) as resolver:
        yield resolver


@pytest.fixture(scope="session")
def postfix(lab: Lab, names: str) -> Iterator[Postfix]:
    """Postfix looks up names of clients that introduce themselves."""
    with postfix_server.serving(lab) as server:
        yield server


@pytest.fixture(scope="session")
def exim(lab: Lab, names: str) -> Iterator[Exim]:
    """Exim on one address, with many opinions of its clients."""
    with exim_server.serving(lab) as server:
        yield server


@pytest.fixture(scope="session")
def opensmtpd(lab: Lab, names: str) -> Iterator[OpenSmtpd]:
    """OpenSMTPD on four addresses."""
    with opensmtpd_server.serving(lab) as server:
        yield server


@pytest.fixture(scope="session")
def sendmail(lab: Lab, names: str) -> Iterator[Sendmail]:
    """Sendmail looks up the addresses of its clients."""
    with sendmail_server.serving(lab) as server:
        yield server


@pytest.fixture(scope="session")
def mail_world(lab: Lab, postfix: Postfix, exim: Exim, opensmtpd: OpenSmtpd, sendmail: Sendmail) -> Iterator[MailWorld]:
    """Everything at once, for scans of whole lists."""
    with world.unheard():
        yield world.make_world(lab)


@pytest.fixture(scope="session")
def scanned(lab: Lab, mail_world: MailWorld) -> Scanned:
    """One scan of the whole world."""
    return scanning.scan(mail_world, lab.folder("scan"))


@pytest.fixture(scope="session")
def postfix_sender(lab: Lab, names: str) -> Iterator[Sender]:
    """A Postfix that sends, with opinions of its own."""
    with sender.sending(lab) as running:
        yield running


@pytest.fixture(scope="session")
def exim_sender(lab: Lab, names: str) -> Iterator[EximSender]:
    """An Exim that sends."""
    with exim_client.sending(lab) as ready:
        yield ready
