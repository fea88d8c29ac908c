"""What we predict against what Postfix does: one message for each domain, TLS level and source, and its log.

The predictions are those of one scan of the same world; a sender on the same addresses sends right after it. A cell
agrees where the outcome, the enhanced status code and the words in the log are those predicted.
"""

from dataclasses import dataclass

import pytest

from scanner.assess.senders.delivery import WORST_FIRST
from scanner.model.assessment import Outcome, Prediction
from tests.servers.lab import BLOCKED_FROM
from tests.servers.scanning import Scanned
from tests.servers.sender import LEVELS, Fate, Sender
from tests.servers.world import MailWorld

Cell = tuple[str, str, str]
"""Domain, level, source."""
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


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell. `prediction` is None where we have none."""

    cell: Cell
    prediction: Prediction | None
    fate: Fate

    @property
    def is_open(self) -> bool:
        """Whether we said that we do not know."""
        return self.prediction is None or self.prediction.outcome is Outcome.UNKNOWN

    @property
    def agrees(self) -> bool:
        """Whether it came as predicted."""
        told, fate = self.prediction, self.fate
        assert told is not None
        if self.cell[0] in BY_CHANCE:
            rank = WORST_FIRST.index
            return fate.outcome is told.outcome or (not told.certain and rank(fate.outcome) >= rank(told.outcome))
        return (fate.outcome, fate.dsn) == (told.outcome, told.dsn or fate.dsn) and self.has_words(told.words)

    @property
    def is_explained(self) -> bool:
        """Whether it is a known exception, and we did not call it certain."""
        return self.cell[:2] in EXPLAINED and self.prediction is not None and not self.prediction.certain

    @property
    def told(self) -> str:
        """Both, on one line."""
        told, fate = self.prediction, self.fate
        assert told is not None
        expected = f"{told.outcome} {told.dsn} by {told.rule} ({told.words})"
        return f"{' '.join(self.cell)}: predicted {expected}, and it was {fate.outcome} {fate.dsn} ({fate.reason})"

    def has_words(self, words: str) -> bool:
        """Whether the log says so; of what was sent it quotes the server, and that is not predicted."""
        is_sent = self.fate.status == "sent"
        return is_sent or self.fate.reason.replace(*FAMILIES).startswith(words.replace(*FAMILIES))


@pytest.fixture(scope="module")
def compared(mail_world: MailWorld, scanned: Scanned, postfix_sender: Sender) -> tuple[Compared, ...]:
    """Every cell. The scan comes first: it asks the servers before there is mail for them."""
    predictions = {
        (domain, told.model, told.source): told
        for domain, record in scanned.records.items()
        for told in record.assessment.predictions
    }
    fates = postfix_sender.send(mail_world.domains)
    return tuple(
        Compared(
            (domain, level, source),
            predictions.get((domain, MODELS[level], source), predictions.get((domain, MODELS[level], ""))),
            fate,
        )
        for (domain, level, source), fate in fates.items()
    )


def test_mail_goes_as_predicted(compared: tuple[Compared, ...]) -> None:
    """Thousands of messages, and no disagreement that is not explained above."""
    told = [each for each in compared if not each.is_open]
    apart = [each for each in told if not each.agrees]
    wrong = [each.told for each in apart if not each.is_explained]
    explained = [each.told for each in apart if each.is_explained]
    last = f"agreed {len(told) - len(apart)} of {len(told)}; {len(explained)} explained, "
    last += f"{len(compared) - len(told)} not predicted"
    print("\n".join([*explained, last]))  # noqa: T201
    assert not wrong, "\n".join([*wrong, last])


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
        met = {each.fate.outcome for each in compared if each.cell[1] == level}
        assert Outcome.DEFER in met
        assert Outcome.BOUNCE in met
        assert (Outcome.CLEAR in met) is (level in {"none", "may", "dane"})
        assert (Outcome.ENCRYPTED_AUTHENTICATED in met) is (level not in {"none", "may", "encrypt"})
