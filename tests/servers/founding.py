"""The founding case: one server, two of our addresses, two answers; and everything that looks like it and is not.

`CASES` is the table. Each is a domain `<name>.founding.test`, scanned from the two sources of its party: one that is
treated in a way of its own, and a witness. What is treated how stands in the configuration of a real Postfix, Exim or
Sendmail, or in a box before one of them (`boxes.py`).
"""

import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from tests.servers import dns, exim, postfix, sendmail
from tests.servers.boxes import Box
from tests.servers.lab import BLOCKED_FROM, GREYLISTED_FROM, HIDDEN_FROM, SEEN_FROM, Lab, running

EGRESS_FROM = "198.51.100.18"
"""The address behind whose egress every keyword is overwritten, whoever is called."""
CANARY = "canary.founding.test"
POSTFIX = postfix.FACES["tls13"][0]
PLAIN = postfix.FACES["plain"][0]
POSTFIX_KNOB = "smtpd_discard_ehlo_keyword_address_maps"


@dataclass(frozen=True, slots=True)
class Party:
    """Two of our addresses: the one that mail is sent from, and a witness."""

    mail: str
    witness: str = SEEN_FROM
    canary: str = ""


HIDDEN, BLOCKED, GREYLISTED = Party(HIDDEN_FROM), Party(BLOCKED_FROM), Party(GREYLISTED_FROM)
EGRESS = Party(EGRESS_FROM, canary=CANARY)
FAMILY = Party(SEEN_FROM, postfix.SIXTH_SEEN_FROM)


@dataclass(frozen=True, slots=True)
class Case:
    """One domain, and what must be said: the axis `starttls`, what becomes of `mail` from us that requires TLS, and
    which `causes` may stand first; `knob` is the setting that the evidence must name.
    """

    name: str
    party: Party
    starttls: str
    mail: str
    causes: tuple[str, ...]
    at: str | Box
    sixth: str = ""
    findings: tuple[str, ...] = ()
    knob: str = ""

    @property
    def domain(self) -> str:
        """The name on the list."""
        return f"{self.name}.founding.test"

    @property
    def address(self) -> str:
        """Where its MX host is."""
        return self.at.address if isinstance(self.at, Box) else self.at

    @property
    def differs(self) -> bool | None:
        """Whether the sources must be said to differ. None where that is not to be had: one of them saw nothing, or its
        answers change, or each went to an address of its own.
        """
        is_comparable = self.starttls != "unknown" and self.mail != "unknown" and not self.sixth
        return self.starttls == "partial" if is_comparable else None


def before_postfix(number: int, act: str, client: str = HIDDEN_FROM) -> Box:
    """Make a box that does something to this client, and to nobody else."""
    return Box(f"192.0.2.{number}", (POSTFIX,), {client: act})


CASES = (
    Case("postfix", HIDDEN, "partial", "defer", ("client-policy",), postfix.FACES["hides"][0], knob=POSTFIX_KNOB),
    Case("exim", HIDDEN, "partial", "defer", ("client-policy",), exim.ADDRESS, knob="tls_advertise_hosts"),
    Case("sendmail", HIDDEN, "partial", "defer", ("client-policy",), sendmail.ADDRESS, knob="Srv_Features"),
    Case("mangled", HIDDEN, "partial", "defer", ("middlebox",), before_postfix(231, "mangle")),
    Case("masked", HIDDEN, "partial", "defer", ("middlebox",), before_postfix(232, "mask")),
    Case("stripped", HIDDEN, "partial", "defer", ("middlebox-strip",), before_postfix(233, "strip")),
    Case(
        "unequal",
        HIDDEN,
        "partial",
        "unknown",
        ("unequal-backends",),
        Box("192.0.2.234", (POSTFIX, PLAIN), {}),
    ),
    Case("tarpit", HIDDEN, "unknown", "defer", ("greylist-tarpit",), before_postfix(235, "tarpit")),
    Case("closed", HIDDEN, "unknown", "defer", ("route", "reputation-block"), before_postfix(236, "close")),
    Case("plain", HIDDEN, "absent", "defer", ("server-without-tls",), PLAIN),
    Case("good", HIDDEN, "pass", "encrypted", (), POSTFIX),
    Case(
        "nat", HIDDEN, "pass", "encrypted", (), Box("192.0.2.237", (exim.ADDRESS,), {"*": "nat"}), "", ("same-egress",)
    ),
    Case("block-postfix", BLOCKED, "unknown", "defer", ("reputation-block",), postfix.FACES["blocks"][0]),
    Case("block-exim", BLOCKED, "unknown", "defer", ("reputation-block",), exim.ADDRESS),
    Case("greylist-exim", GREYLISTED, "unknown", "defer", ("greylist-tarpit", "rate-limit"), exim.ADDRESS),
    Case("egress-one", EGRESS, "unknown", "defer", ("own-egress",), before_postfix(238, "mangle", EGRESS_FROM)),
    Case("egress-two", EGRESS, "unknown", "defer", ("own-egress",), before_postfix(239, "mangle", EGRESS_FROM)),
    Case("family", FAMILY, "partial", "encrypted", ("address-family",), PLAIN, postfix.SIXTH),
)
CANARY_BOX = Box("192.0.2.240", (POSTFIX,), {EGRESS_FROM: "mangle"})


def zone() -> dns.Zone:
    """Where each case is."""
    lines = [f"{case.name} MX 10 mx.{case.name}\nmx.{case.name} A {case.address}\n" for case in CASES]
    lines += [f"mx.{case.name} AAAA {case.sixth}\n" for case in CASES if case.sixth]
    lines += [f"canary MX 10 mx.canary\nmx.canary A {CANARY_BOX.address}\n"]
    return dns.Zone("founding.test.", "@ NS ns2.test.\n" + "".join(lines), is_signed=False)


def parties() -> tuple[Party, ...]:
    """Every pair of sources once."""
    return tuple(dict.fromkeys(case.party for case in CASES))


@contextlib.contextmanager
def boxes(lab: Lab) -> Iterator[None]:
    """Every box that stands before a server."""
    told = [case.at for case in CASES if isinstance(case.at, Box)] + [CANARY_BOX]
    words = json.dumps([asdict(box) for box in told])
    home = lab.folder("boxes")
    with running(home / "out", sys.executable, "-m", "tests.servers.boxes", words) as process:
        process.wait_until_open(*(box.address for box in told))
        yield
