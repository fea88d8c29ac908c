"""What we predict against what Exim does: one message for each domain, policy and source, and its log.

The predictions are those of one scan of the same world; a sender on the same addresses sends right after it. A cell
agrees where the outcome is that predicted, and the words where a message stayed behind.
"""

from dataclasses import dataclass

import pytest

from scanner.assess.senders.delivery import WORST_FIRST
from scanner.model.assessment import Outcome, Prediction
from tests.servers.exim_sender import POLICIES, EximSender, Fate
from tests.servers.lab import BLOCKED_FROM
from tests.servers.scanning import Scanned
from tests.servers.world import MailWorld

Cell = tuple[str, str, str]
"""Domain, model, source."""
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
            is_worse = rank(fate.outcome) < rank(told.outcome)
            return CRASHED in fate.words or fate.outcome is told.outcome or not (told.certain or is_worse)
        return fate.outcome is told.outcome and (fate.is_sent or told.words in fate.words)

    @property
    def is_explained(self) -> bool:
        """Whether it is a known exception, and we did not call it certain."""
        return self.cell[:2] in EXPLAINED and self.prediction is not None and not self.prediction.certain

    @property
    def told(self) -> str:
        """Both, on one line."""
        told, fate = self.prediction, self.fate
        assert told is not None
        expected = f"{told.outcome} by {told.rule} ({told.words})"
        return f"{' '.join(self.cell)}: predicted {expected}, and it was {fate.outcome} ({fate.words})"


@pytest.fixture(scope="module")
def compared(scanned: Scanned, exim_sender: EximSender) -> tuple[Compared, ...]:
    """Every cell. The scan comes first: it asks the servers before there is mail for them."""
    predictions = {
        (domain, told.model, told.source): told
        for domain, record in scanned.records.items()
        for told in record.assessment.predictions
    }
    evidence = {domain: record.evidence for domain, record in scanned.records.items()}
    hosts = {domain: [host.name for host in each.route.hosts] for domain, each in evidence.items() if each is not None}
    return tuple(
        Compared(
            (domain, model, source),
            predictions.get((domain, model, source), predictions.get((domain, model, ""))),
            fate,
        )
        for (domain, model, source), fate in exim_sender.send(hosts).items()
    )


def test_mail_goes_as_predicted(compared: tuple[Compared, ...]) -> None:
    """Hundreds of messages, and no disagreement that is not explained above."""
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
    assert {cell for cell in unknown if cell[0] == "sendmail.lab.test"} == {("sendmail.lab.test", "exim", BLOCKED_FROM)}
    assert len(compared) == len(mail_world.domains) * len(POLICIES) * len(mail_world.sources)


def test_every_kind_of_fate_was_met(compared: tuple[Compared, ...]) -> None:
    """An oracle that never bounces, or never authenticates, would agree with little."""
    for model in POLICIES:
        met = {each.fate.outcome for each in compared if each.cell[1] == model}
        assert {Outcome.DEFER, Outcome.BOUNCE, Outcome.ENCRYPTED_AUTHENTICATED} <= met
        assert (Outcome.CLEAR in met) is (model == "exim")
