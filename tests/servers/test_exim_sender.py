"""What we predict against what Exim does: one message for each domain, policy and source, and its log.

The predictions are those of one scan of the same world; a sender on the same addresses sends right after it. A cell
agrees where the outcome is that predicted, and the words where a message stayed behind.
"""

import pytest

from scanner.model.assessment import Outcome, Prediction
from tests.servers.comparing import Cell, Compared, has_no_unexplained, is_within, predictions_of
from tests.servers.exim_sender import POLICIES, EximSender, Fate
from tests.servers.lab import BLOCKED_FROM
from tests.servers.scanning import Scanned
from tests.servers.world import MailWorld

SENT_IN_CLEAR = "the fallback in clear is refused by a server that demands TLS, which only a message shows"
CRASHED = "terminated by signal 11"
BY_CHANCE = {"equal.lab.test": "two hosts of one preference: chance decides, and Exim 4.96 may crash where DANE fails"}
"""Where we say that the order decides, anything up to our best will do; a crash of the sender is not predicted."""
EXPLAINED = {
    ("osd-required.lab.test", "exim"): SENT_IN_CLEAR,
}
"""Cells that turn out worse than what we called likely and not certain, and why."""
OPEN = {
    "sixth.lab.test": "an IPv6 address only: our sources have none, and the sender takes another of its own",
    "sendmail.lab.test": "a server that denies STARTTLS to a client may deny the message, which we never offer",
}
"""Where we predict nothing, and why."""


def agrees(cell: Cell, told: Prediction, fate: Fate) -> bool:
    """Whether it came as predicted."""
    if cell[0] in BY_CHANCE:
        return CRASHED in fate.words or is_within(told, fate.outcome)
    return fate.outcome is told.outcome and (fate.is_sent or told.words in fate.words)


def is_explained(cell: Cell, told: Prediction) -> bool:
    """Whether it is a known exception, and we did not call it certain."""
    return cell[:2] in EXPLAINED and not told.certain


@pytest.fixture(scope="module")
def compared(scanned: Scanned, exim_sender: EximSender) -> tuple[Compared, ...]:
    """Every cell. The scan comes first: it asks the servers before there is mail for them."""
    evidence = {domain: record.evidence for domain, record in scanned.records.items()}
    hosts = {domain: [host.name for host in each.route.hosts] for domain, each in evidence.items() if each is not None}
    predicted = predictions_of(scanned)
    return tuple(
        Compared(
            cell,
            told,
            fate.outcome,
            f"({fate.words})",
            told is not None and agrees(cell, told, fate),
            told is not None and is_explained(cell, told),
        )
        for cell, fate in exim_sender.send(hosts).items()
        for told in [predicted(*cell)]
    )


def test_mail_goes_as_predicted(compared: tuple[Compared, ...]) -> None:
    """Hundreds of messages, and no disagreement that is not explained above."""
    has_no_unexplained(compared)


def test_what_we_do_not_predict_is_known(mail_world: MailWorld, compared: tuple[Compared, ...]) -> None:
    """Not knowing must not spread."""
    unknown = [each.cell for each in compared if each.is_open]
    assert {domain for domain, _, _ in unknown} == OPEN.keys()
    assert {cell for cell in unknown if cell[0] == "sendmail.lab.test"} == {("sendmail.lab.test", "exim", BLOCKED_FROM)}
    assert len(compared) == len(mail_world.domains) * len(POLICIES) * len(mail_world.sources)


def test_every_kind_of_fate_was_met(compared: tuple[Compared, ...]) -> None:
    """An oracle that never bounces, or never authenticates, would agree with little."""
    for model in POLICIES:
        met = {each.outcome for each in compared if each.cell[1] == model}
        assert {Outcome.DEFER, Outcome.BOUNCE, Outcome.ENCRYPTED_AUTHENTICATED} <= met
        assert (Outcome.CLEAR in met) is (model == "exim")
