"""What we predicted and what a real sender did with the message, cell by cell."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from scanner.assess.senders.delivery import WORST_FIRST
from scanner.model.assessment import Outcome, Prediction
from tests.servers.scanning import Scanned

Cell = tuple[str, str, str]
"""Domain, level or model, source."""


@dataclass(frozen=True, slots=True)
class Compared:
    """One cell. `prediction` is None where we have none; `outcome` and `said` are the sender's. `agrees`: it came as
    predicted. `is_excepted`: a known exception, where we did not call it certain.
    """

    cell: Cell
    prediction: Prediction | None
    outcome: Outcome
    said: str
    agrees: bool = False
    is_excepted: bool = False

    @property
    def is_open(self) -> bool:
        """Whether we said that we do not know."""
        return self.prediction is None or self.prediction.outcome is Outcome.UNKNOWN

    @property
    def told(self) -> str:
        """Both, on one line."""
        told = self.prediction
        assert told is not None
        expected = f"{told.outcome} {told.dsn} by {told.rule} ({told.words})"
        return f"{' '.join(self.cell)}: predicted {expected}, and it was {self.outcome} {self.said}"


def predictions_of(scanned: Scanned) -> Callable[[str, str, str], Prediction | None]:
    """Look up what was predicted for a domain, model and source; by DNS alone, for whichever source."""
    known = {
        (domain, told.model, told.source): told
        for domain, record in scanned.records.items()
        for told in record.assessment.predictions
    }
    return lambda domain, model, source: known.get((domain, model, source), known.get((domain, model, "")))


def is_within(told: Prediction, outcome: Outcome) -> bool:
    """Whether chance decided, and brought what was told or something better."""
    rank = WORST_FIRST.index
    return outcome is told.outcome or (not told.certain and rank(outcome) >= rank(told.outcome))


def has_no_unexplained(compared: Sequence[Compared]) -> None:
    """Print what is to be told of all cells, and demand that nothing disagrees without a reason."""
    told = [each for each in compared if not each.is_open]
    apart = [each for each in told if not each.agrees]
    wrong, explained = lines(apart, is_excepted=False), lines(apart, is_excepted=True)
    last = f"agreed {len(told) - len(apart)} of {len(told)}; {len(explained)} explained, "
    last += f"{len(compared) - len(told)} not predicted"
    print("\n".join([*explained, last]))  # noqa: T201
    assert not wrong, "\n".join([*wrong, last])


def lines(apart: Iterable[Compared], *, is_excepted: bool) -> list[str]:
    """Tell those of one kind."""
    return [each.told for each in apart if each.is_excepted is is_excepted]
