"""What must be true of every run, as the peers counted it: caps in every window, pauses, and who is left alone."""

import ipaddress
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scanner.pace import Cap, Feedback
from scanner.settings import Limits, Pace
from tests.simulation.peers import Peers, Seen
from tests.unit.net.pretend import busiest

WINDOWS_S = (1.0, 60.0)
ROUNDING_S = 1e-6
Gate = tuple[Cap, str, str]


def violations(peers: Peers) -> list[str]:
    """Everything that a peer could complain of."""
    settings = peers.world.settings
    by_gate: dict[Gate, list[Seen]] = defaultdict(list)
    for seen in peers.seen:
        for gate in gates(seen):
            by_gate[gate].append(seen)
    found = []
    for gate, came in by_gate.items():
        found += [f"{gate}: {what}" for what in _over(gate[0], came, settings.pace, settings.limits)]
    keeps_count = settings.limits.remembered > len(by_gate)
    found += list(Patience(settings.pace, keeps_count).broken(peers.seen))
    return found


def gates(seen: Seen) -> tuple[Gate, ...]:
    """Name what a connection counts for."""
    prefix = str(ipaddress.ip_network((seen.address, 24), strict=False))
    return (
        (Cap.ADDRESS, seen.source, seen.address),
        (Cap.PREFIX, seen.source, prefix),
        (Cap.PROVIDER, seen.source, seen.provider),
        (Cap.SOURCE, seen.source, ""),
        (Cap.RUN, "", ""),
    )


def _over(cap: Cap, came: list[Seen], pace: Pace, limits: Limits) -> Iterator[str]:
    """Say where one gate let in more than it may, in a window or at a time."""
    per_s, places = {
        Cap.ADDRESS: (1 / pace.address_floor_s, pace.address_open),
        Cap.PREFIX: (pace.prefix_per_s, pace.prefix_open),
        Cap.PROVIDER: (pace.provider_per_s, pace.provider_open),
        Cap.SOURCE: (pace.source_per_s, pace.source_open),
        Cap.RUN: (pace.run_per_s, limits.open_sessions),
    }[cap]
    at_s = sorted(seen.at_s for seen in came)
    for window_s in WINDOWS_S:
        if (most := busiest(at_s, window_s)) > math.ceil(per_s * window_s):
            yield f"{most} in {window_s:g} s"
    if (most := _most_open(came)) > places:
        yield f"{most} open"


def _most_open(came: Iterable[Seen]) -> int:
    """The most that were open at a time; who leaves in the moment that another comes has left."""
    changes = sorted(change for seen in came for change in ((seen.at_s, 1), (seen.until_s, -1)))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


@dataclass(frozen=True)
class Patience:
    """An address is not visited sooner than it has earned, one that refused not before its pause is over, a provider
    that refused twice in a row likewise, and one that refused three times, or named us, not at all.

    Told again here, from docs/adr/0005-pacing.md, in another way than in `scanner.pace`. `keeps_count`: the settings
    leave room to remember how often everybody refused.
    """

    pace: Pace
    keeps_count: bool

    def broken(self, came: Iterable[Seen]) -> Iterator[str]:
        """Say who was visited too soon."""
        by_address: dict[tuple[object, ...], list[Seen]] = defaultdict(list)
        by_provider: dict[tuple[object, ...], list[Seen]] = defaultdict(list)
        for seen in came:
            by_address[seen.epoch, seen.source, seen.address].append(seen)
            by_provider[seen.epoch, seen.source, seen.provider].append(seen)
        for key, visits in by_address.items():
            yield from (f"{key}: {what}" for what in self._of_address(visits))
        for key, visits in by_provider.items():
            yield from (f"{key}: {what}" for what in self._of_provider(visits))

    def _of_address(self, visits: list[Seen]) -> Iterator[str]:
        earned_s, refusals, not_before_s = self.pace.address_interval_s, 0, -math.inf
        for visit in visits:
            if visit.at_s < not_before_s - ROUNDING_S:
                yield f"came at {visit.at_s}, not before {not_before_s}"
            not_before_s = visit.at_s + (earned_s if self.keeps_count else self.pace.address_floor_s)
            if visit.said is Feedback.CLEAN:
                earned_s, refusals = max(self.pace.address_floor_s, earned_s / 2), 0
            if visit.said is Feedback.SLOW_DOWN:
                refusals += 1
                not_before_s = max(not_before_s, visit.until_s + self._pause_s(refusals))
                earned_s = self.pace.address_interval_s

    def _of_provider(self, visits: list[Seen]) -> Iterator[str]:
        """Only where the settings let it remember: a provider is parked, and paused, by refusals in a row."""
        pauses = list(self._pauses(visits)) if self.keeps_count else []
        for visit in visits:
            for from_s, to_s in pauses:
                if from_s + ROUNDING_S < visit.at_s < to_s - ROUNDING_S:
                    yield f"came at {visit.at_s}, in a pause from {from_s} to {to_s}"

    def _pauses(self, visits: list[Seen]) -> Iterator[tuple[float, float]]:
        """When a provider is to be left alone. Those that were open together and are refused together count once."""
        refusals, refused_at_s = 0, -math.inf
        for visit in sorted(visits, key=lambda each: each.until_s):
            if visit.said is Feedback.BLOCKED:
                yield visit.until_s, math.inf
            if visit.at_s < refused_at_s or visit.said not in {Feedback.CLEAN, Feedback.SLOW_DOWN}:
                continue
            refusals = 0 if visit.said is Feedback.CLEAN else refusals + 1
            if visit.said is Feedback.SLOW_DOWN:
                refused_at_s = visit.until_s
                is_parked = refusals >= self.pace.park_after
                until_s = math.inf if is_parked else visit.until_s + self._pause_s(refusals)
                if refusals >= 2:
                    yield visit.until_s, until_s

    def _pause_s(self, refusals: int) -> float:
        counted = refusals if self.keeps_count else 1
        return min(self.pace.backoff_s * 2.0 ** (counted - 1), self.pace.backoff_most_s)
