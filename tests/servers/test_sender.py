"""What we predict against what Postfix does: one message for each domain, TLS level and source, and its log.

The predictions are those of one scan of the same world; a sender on the same addresses sends right after it. A cell
agrees where the outcome, the enhanced status code and the words in the log are those predicted.
"""

import pytest

from scanner.model.assessment import Outcome, Prediction
from tests.servers.comparing import Cell, Compared, has_no_unexplained, is_within, predictions_of
from tests.servers.lab import BLOCKED_FROM
from tests.servers.scanning import Scanned
from tests.servers.sender import LEVELS, Fate, Sender
from tests.servers.world import MailWorld

MODELS = {level: level.replace("-", "_") for level in LEVELS}
BY_CHANCE = {
    "equal.lab.test": "two hosts of one preference: Postfix throws dice for the first",
    "crowd.lab.test": "six hosts of one preference, five are tried: which one is named last is chance",
}
"""Nothing but the outcome is compared, and where we say that the order decides, anything up to our best will do."""
DEMANDED = "the server demands TLS, which only a message shows"
EXPLAINED = {
    ("required.lab.test", "none"): DEMANDED,
    ("client-certificate.lab.test", "none"): DEMANDED,
    ("osd-required.lab.test", "none"): DEMANDED,
}
"""Cells that turn out worse than what we called likely and not certain, and why."""
OPEN = {
    "address.lab.test": "an IP address for an MX host: we never visit it, Postfix does",
    "sixth.lab.test": "an IPv6 address only: our sources have none, and the sender takes another of its own",
    "sendmail.lab.test": "a server that denies STARTTLS to a client may deny the message, which we never offer",
}
"""Where we predict nothing, and why."""
FAMILIES = ("type=AAAA", "type=A")
"""A machine without IPv6 asks for A last."""


def agrees(cell: Cell, told: Prediction, fate: Fate) -> bool:
    """Whether it came as predicted."""
    if cell[0] in BY_CHANCE:
        return is_within(told, fate.outcome)
    return (fate.outcome, fate.dsn) == (told.outcome, told.dsn or fate.dsn) and has_words(fate, told.words)


def has_words(fate: Fate, words: str) -> bool:
    """Whether the log says so; of what was sent it quotes the server, and that is not predicted."""
    return fate.status == "sent" or fate.reason.replace(*FAMILIES).startswith(words.replace(*FAMILIES))


def is_explained(cell: Cell, told: Prediction) -> bool:
    """Whether it is a known exception, and we did not call it certain."""
    return cell[:2] in EXPLAINED and not told.certain


@pytest.fixture(scope="module")
def compared(mail_world: MailWorld, scanned: Scanned, postfix_sender: Sender) -> tuple[Compared, ...]:
    """Every cell. The scan comes first: it asks the servers before there is mail for them."""
    predicted, fates = predictions_of(scanned), postfix_sender.send(mail_world.domains)
    return tuple(
        Compared(
            cell,
            told,
            fate.outcome,
            f"{fate.dsn} ({fate.reason})",
            told is not None and agrees(cell, told, fate),
            told is not None and is_explained(cell, told),
        )
        for cell, fate in fates.items()
        for told in [predicted(cell[0], MODELS[cell[1]], cell[2])]
    )


def test_mail_goes_as_predicted(compared: tuple[Compared, ...]) -> None:
    """Thousands of messages, and no disagreement that is not explained above."""
    has_no_unexplained(compared)


def test_what_we_do_not_predict_is_known(mail_world: MailWorld, compared: tuple[Compared, ...]) -> None:
    """Not knowing must not spread."""
    unknown = [each.cell for each in compared if each.is_open]
    assert {domain for domain, _, _ in unknown} == OPEN.keys()
    assert {cell for cell in unknown if cell[0] == "sendmail.lab.test"} == {
        ("sendmail.lab.test", "none", BLOCKED_FROM),
        ("sendmail.lab.test", "may", BLOCKED_FROM),
        ("sendmail.lab.test", "dane", BLOCKED_FROM),
    }
    assert len(compared) == len(mail_world.domains) * len(LEVELS) * len(mail_world.sources)


def test_every_kind_of_fate_was_met(compared: tuple[Compared, ...]) -> None:
    """An oracle that never bounces, or never authenticates, would agree with little."""
    for level in LEVELS:
        met = {each.outcome for each in compared if each.cell[1] == level}
        assert Outcome.DEFER in met
        assert Outcome.BOUNCE in met
        assert (Outcome.CLEAR in met) is (level in {"none", "may", "dane"})
        assert (Outcome.ENCRYPTED_AUTHENTICATED in met) is (level not in {"none", "may", "encrypt"})
