"""What is different between two rows of one domain, and what is counted of it.

Touches: nothing. Source: docs/record.md (what changed).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from scanner.cli.diff.facts import KINDS, NOTHING, OF_HOSTS, Facts, Leaf, Place
from scanner.model.assessment import Verdict

PLACE_OF = {what: number for number, what in enumerate(KINDS)}
STRENGTH = {Verdict.PASS: 2, Verdict.PARTIAL: 1, Verdict.FAIL: 0, Verdict.ABSENT: 0}
"""How much STARTTLS there is. Other verdicts are no answer, and nothing is gained or lost by them."""
DATED_BACK = timedelta(days=1)
"""Authorities date certificates back: by an hour, or to the midnight before."""
PROVIDERS_KEPT = 10_000
OTHERS = "others"


class Presence(StrEnum):
    """Which of the two files has the domain."""

    BOTH = "both"
    NEW = "new"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that was and is not, or the other way round; None where there is nothing.

    `is_known` is False where one of the two rows cannot tell; what it cannot tell is None.
    """

    what: str
    mx: str
    was: str | None
    now: str | None
    is_known: bool = True

    @property
    def gain(self) -> int:
        """How much STARTTLS was gained: negative where some was lost."""
        if self.what != "starttls" or not (self.was in STRENGTH and self.now in STRENGTH):
            return 0
        return STRENGTH[Verdict(self.now)] - STRENGTH[Verdict(self.was)]


@dataclass(frozen=True, slots=True)
class Difference:
    """One domain. `provider` is whose servers take its mail, or took it; `was_at` and `now_at` are the moments of its
    rows, None where it has none.
    """

    domain: str
    provider: str
    was_at: datetime | None
    now_at: datetime | None
    changes: tuple[Change, ...] = ()

    @property
    def presence(self) -> Presence:
        """Which of the two files has it."""
        if self.was_at is None:
            return Presence.NEW
        return Presence.GONE if self.now_at is None else Presence.BOTH

    @property
    def is_changed(self) -> bool:
        """Whether both rows know of something that is different."""
        return any(change.is_known for change in self.changes)


def gone(was: Facts) -> Difference:
    """Tell of a domain that has no row any more."""
    return Difference(was.domain, was.provider, was.at, None)


def difference(was: Facts | None, now: Facts) -> Difference:
    """Compare the two rows of one domain, of which the earlier one may be missing."""
    if was is None:
        return Difference(now.domain, now.provider, None, now.at)
    provider = now.provider or was.provider
    return Difference(now.domain, provider, was.at, now.at, tuple(_changes(was, now)))


def _changes(was: Facts, now: Facts) -> Iterator[Change]:
    if was.known == now.known:
        return
    for place in sorted(was.known.keys() | now.known.keys(), key=lambda place: (PLACE_OF[place[0]], place[1])):
        before, after = was.known.get(place), now.known.get(place)
        if before is not None and after is not None:
            yield from _certificates(place[1], was, now) if place[0] == "certificate" else _pairs(place, before, after)
        elif place[0] not in OF_HOSTS:  # a host that one row has alone is told of as MX record
            yield Change(*place, _together(before), _together(after), is_known=False)


def _pairs(place: Place, before: frozenset[str], after: frozenset[str]) -> Iterator[Change]:
    """Tell what came and what went; one that went and one that came are told as a replacement."""
    went, came = sorted(before - after), sorted(after - before)
    if len(went) == len(came) == 1:
        yield Change(*place, went[0], came[0])
        return
    yield from (Change(*place, word, None) for word in went)
    yield from (Change(*place, None, word) for word in came)


def _certificates(mx: str, was: Facts, now: Facts) -> Iterator[Change]:
    """Tell which certificates came into the place of others, and whether that is sure.

    A server may show two in turn, of two kinds of key or of two machines: that one night saw the one and another night
    the other is no change. It is sure where it was issued since the earlier look, or another was at its end. Where it
    is not, it is told only if none was shown both times, and as what it is: another one.
    """
    before, after = was.leaves[mx], now.leaves[mx]
    came, still = after - before, before & after
    is_at_end = any(leaf.expiry(now.at) for leaf in before - after)
    replaced = came if is_at_end else {leaf for leaf in came if _is_issued_since(was.at, leaf)}
    if replaced:
        yield from _pairs(("certificate", mx), _words(before), _words(still | replaced))
    elif came and not still:
        yield from _pairs(("other_certificate", mx), _words(before), _words(after))


def _is_issued_since(at: datetime, leaf: Leaf) -> bool:
    return leaf.not_before_at is not None and at - leaf.not_before_at < DATED_BACK


def _words(leaves: Iterable[Leaf]) -> frozenset[str]:
    return frozenset(leaf.words for leaf in leaves)


def _together(words: frozenset[str] | None) -> str | None:
    return ", ".join(sorted(words or NOTHING)) or None


@dataclass(slots=True)
class Counts:
    """What is said when all is compared. Memory depends on the number of providers, of which few are kept."""

    presence: Counter[str] = field(default_factory=Counter)
    examples: dict[str, str] = field(default_factory=dict)
    changed: int = 0
    not_known: int = 0
    domains: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)
    gained: Counter[str] = field(default_factory=Counter)

    def add(self, it: Difference) -> None:
        """Count one domain, once for each kind of change."""
        self.presence[it.presence] += 1
        self._count(it, it.presence)
        self.changed += it.is_changed
        self.not_known += bool(it.changes) and not it.is_changed
        for what in dict.fromkeys(change.what for change in it.changes if change.is_known):
            self.domains[what] += 1
            self._count(it, what)
        for word, counter, sign in (("lost", self.lost, -1), ("gained", self.gained, 1)):
            if any(change.gain * sign > 0 for change in it.changes):
                self._count(it, word)
                name = it.provider or OTHERS
                counter[name if name in counter or len(counter) < PROVIDERS_KEPT else OTHERS] += 1

    def _count(self, it: Difference, word: str) -> None:
        self.examples.setdefault(word, it.domain)

    def of(self, word: str) -> int:
        """How many domains a word of `--fail-on` counts."""
        if word in set(Presence):
            return self.presence[word]
        return {"lost": self.lost.total(), "gained": self.gained.total()}.get(word, self.domains[word])
