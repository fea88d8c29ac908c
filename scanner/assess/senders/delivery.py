"""What each sender model would do with a message to this domain now, from each of our addresses.

    1. DNS may already decide: no such domain, null MX, a failed lookup (`Mailer.routed`).
    2. Each address of each MX host is one attempt (demands.py), under the demand that the model makes of that host.
    3. Attempts are folded in the order of preference: the first that ends, ends it; if none does, the last one tells.

There is one fold; models are tables (postfix.py, exim.py, documented.py, strict.py). What the evidence does not show is
UNKNOWN, with the reason. Inside one preference the order is random: the worst that can happen is told, and that it
depends.

Touches: nothing. Source: docs/verdicts.md (delivery); RFC 5321 section 5.1, RFC 7672 section 2.2, RFC 8461 section 5.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import TypeVar

from scanner.assess.case import Case, View
from scanner.assess.senders import demands, documented, exim, hosts, postfix, strict
from scanner.assess.senders.demands import Mailer, Sender
from scanner.assess.senders.facts import Facts, facts
from scanner.assess.senders.wire import Step, doubted, has_marks, told, unseen
from scanner.model.assessment import Outcome, Prediction
from scanner.model.route import MxHost, Validity

K = TypeVar("K")
V = TypeVar("V")
Way = tuple[MxHost, ...] | Step
"""The hosts that are tried, or what DNS decides."""
Table = tuple[tuple[tuple[Step, ...], ...], ...]
"""By preference, by attempt, by model."""
WORST_FIRST = (
    Outcome.UNKNOWN,
    Outcome.BOUNCE,
    Outcome.DEFER,
    Outcome.CLEAR,
    Outcome.ENCRYPTED,
    Outcome.ENCRYPTED_AUTHENTICATED,
)
ANOTHER_SOURCE = "seen from another of our addresses"
BOGUS = unseen("the addresses are bogus: it depends on whether the sender validates")
UNVISITED = unseen("this address was not visited")
SENDERS = {sender.name: sender for sender in (*postfix.SENDERS, *exim.SENDERS, *documented.SENDERS, *strict.SENDERS)}
ALL_MODELS = tuple(SENDERS)
"""Every sender model, by name, in the order of predictions."""
READINGS = (postfix.READING, exim.READING, documented.READING)
"""Every way to read the wire."""
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address as this source, or another one, saw it; `seen` is a step where nobody can tell.

    `view` is there for the words in the log only.
    """

    seen: Facts | Step
    is_borrowed: bool = False
    view: View | None = field(default=None, compare=False)


Ranked = tuple[tuple[Attempt, ...], ...]
"""Attempts by preference, the best first."""
Predictions = tuple[Prediction, ...]


class Predictor:
    """Predicts for these models, in the order of ALL_MODELS. Raises KeyError for a name that there is not.

    It remembers what facts come to, which changes the cost and nothing else: models see nothing but facts.
    """

    def __init__(self, models: Iterable[str] = ALL_MODELS) -> None:
        asked = {SENDERS[name].name for name in models}
        self._senders = tuple(sender for sender in SENDERS.values() if sender.name in asked)
        self._mailers = tuple(dict.fromkeys(sender.mailer for sender in self._senders))
        self._steps: dict[Facts, tuple[Step, ...]] = {}
        self._known: dict[tuple[Ranked, str], Predictions] = {}

    def __call__(self, case: Case) -> Predictions:
        """Every model from every source; one nameless source where DNS decided and nobody was asked."""
        sources = sorted({view.source for view in case.views}) or [""]
        if hosts.is_plain(case):
            return tuple(chain.from_iterable([self._usual(case, source) for source in sources]))
        ways = {mailer: mailer.routed(case) for mailer in self._mailers}
        return tuple(chain.from_iterable([self._from(case, source, ways) for source in sources]))

    def _usual(self, case: Case, source: str) -> Predictions:
        """DNS decides nothing, and all models try the same: a million domains have few such stories."""
        ranked = attempts(case, case.route.hosts, source)
        known = self._known.get((ranked, source))
        if known is None:
            table = self._table(ranked)
            known = tuple([self._folded(place, source, table) for place in range(len(self._senders))])
            if not any(has_marks(step) for it in chain(*ranked) for step in self._steps_of(it.seen)):
                _remember(self._known, (ranked, source), known)
        return known

    def _from(self, case: Case, source: str, ways: Mapping[Mailer, Way]) -> Iterator[Prediction]:
        """Every model from one source, where they do not all try the same hosts."""
        tables = {
            mailer: () if isinstance(way, Step) else self._table(attempts(case, way, source))
            for mailer, way in ways.items()
        }
        for place, sender in enumerate(self._senders):
            way = ways[sender.mailer]
            if isinstance(way, Step):
                yield _prediction(sender, source, way)
            else:
                yield self._folded(place, source, tables[sender.mailer])

    def _folded(self, place: int, source: str, table: Table) -> Prediction:
        """Fold what one model meets."""
        sender = self._senders[place]
        if len(table) == 1 == len(table[0]):
            return _prediction(sender, source, table[0][0][place])
        steps = [[each[place] for each in equals] for equals in table]
        return _prediction(sender, source, one_of(candidates(steps, sender.mailer, sender.mailer.addresses)))

    def _table(self, ranked: Ranked) -> Table:
        """What every attempt comes to, for every model."""
        return tuple(tuple([self._tried(each) for each in equals]) for equals in ranked)

    def _tried(self, attempt: Attempt) -> tuple[Step, ...]:
        steps = self._steps_of(attempt.seen)
        if attempt.view is not None and any(map(has_marks, steps)):
            filled = {id(step): step for step in steps}  # models share most steps
            filled = {key: told(step, attempt.view) for key, step in filled.items()}
            steps = tuple([filled[id(step)] for step in steps])
        return tuple([doubted(step, ANOTHER_SOURCE) for step in steps]) if attempt.is_borrowed else steps

    def _steps_of(self, seen: Facts | Step) -> tuple[Step, ...]:
        if isinstance(seen, Step):
            return (seen,) * len(self._senders)
        known = self._steps.get(seen)
        if known is None:
            known = tuple([demands.attempt(seen, sender) for sender in self._senders])
            _remember(self._steps, seen, known)
        return known


def _remember(memory: dict[K, V], key: K, value: V) -> None:
    """Forget everything once it is too much: nothing is worth a list of what was used last."""
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[key] = value


def _prediction(sender: Sender, source: str, step: Step) -> Prediction:
    doubt = sender.mailer.reason
    reason = f"{step.reason}; {doubt}" if step.reason and doubt else step.reason or doubt
    return Prediction(sender.name, source, step.outcome, step.rule, step.dsn, step.words, not reason, reason)


def attempts(case: Case, way: tuple[MxHost, ...], source: str) -> Ranked:
    """Every address of every host, by preference: the same for every model."""
    if len(way) == 1:
        return (tuple(_attempts(case, way[0], source)),)
    ranked = groupby(sorted(way, key=lambda it: it.preference), key=lambda it: it.preference)
    return tuple(tuple(each for host in equals for each in _attempts(case, host, source)) for _, equals in ranked)


def _attempts(case: Case, host: MxHost, source: str) -> Iterator[Attempt]:
    """One for each address of the host; a host whose addresses could not be looked up is passed over."""
    seen = {(view.address, view.source): view for view in case.of(host)}
    for address in case.addresses(host):
        own = seen.get((address, source))
        view = own or next((seen[key] for key in sorted(seen) if key[0] == address), None)
        if host.ipv4.validity is Validity.BOGUS or host.ipv6.validity is Validity.BOGUS:
            yield Attempt(BOGUS)
        else:
            yield Attempt(UNVISITED) if view is None else Attempt(facts(case, host, view, READINGS), own is None, view)


def candidates(preferences: list[list[Step]], mailer: Mailer, left: int, last: Iterable[Step] = ()) -> list[Step]:
    """Fold attempts, the best preference first: what may come of it. `left` addresses are tried yet.

    Where nothing ends it, the last preference tells. Inside one preference the limit may come before what would end it.
    """
    if not preferences or (left <= 0 and not mailer.reaches_all):
        return list(last)
    steps, rest = preferences[0], preferences[1:]
    ends, passed = [step for step in steps if step.ends], [step for step in steps if not step.ends]
    if ends and len(passed) < max(left, 1):
        return ends
    return [*ends, *candidates(rest, mailer, left - len(passed), passed or last)]


def one_of(steps: list[Step]) -> Step:
    """The worst of what a random order may bring; which words stand in the log does not make it uncertain."""
    if len(steps) < 2:
        return steps[0] if steps else unseen("no address was seen")
    ranked = sorted(steps, key=lambda it: (WORST_FIRST.index(it.outcome), it.words, it.rule, it.reason))
    worst, best = ranked[0], ranked[-1]
    if worst.outcome is best.outcome:
        return next((step for step in ranked if step.is_certain), worst)
    return doubted(worst, f"the order of equal MX hosts decides; {best.outcome.value} at best")
