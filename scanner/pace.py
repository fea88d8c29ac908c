"""Who may connect when: pure bookkeeping over a given time. One function decides (`Ledger.ask`), others act.

A knock passes five gates, each with a rate and a number of places: the address, its prefix (/24, /56), its provider,
our source, the whole run; the first four are counted per source. Rates are GCRA with burst 1: after every connection
a gate is shut for one interval, counted from the connection itself. A stall is therefore never caught up.

A peer that asks us to slow down is heeded at once, won back slowly, and left alone after the third time in a row; one
that names us on a blocklist is left alone at once. Another source is never sent instead: that would be evasion.

Touches: nothing. Source: ITU-T I.371 annex A (GCRA); RFC 5321 sections 3.1, 3.8 and 4.2 (421, 450, 451, 554);
RFC 3463 section 3.8 (X.7: security or policy); RFC 3207 section 4 (454).
"""

import ipaddress
import math
import re
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum, auto

from scanner.model.session import Reply, Session
from scanner.settings import Limits, Pace

SPACING = 1.02
"""Intervals are two percent wider than the cap demands, so that it holds at the peer, where packets come unevenly."""
ADDRESS_SPREAD = 0.4
"""Address intervals are drawn between 1.0 and 1.4 of their length: 20 % around the middle, and never shorter."""
PREFIX_BYTES = {4: 3, 16: 7}
NEVER_S = math.inf

_SLOW_CODES = frozenset({421, 450, 451})  # RFC 5321 s3.8, s4.2.3
_TLS_NOT_AVAILABLE = 454  # RFC 3207 s4: about its TLS, not about us, though often sent as 4.7.0
_SLOW_TEXT = re.compile(rb"\b4\.7\.\d|too many|rate.?limit|throttl|slow(?:ing)? down", re.IGNORECASE)
_NAMES_US = re.compile(rb"(?i)blocked using|block.?list|black.?list|\b(?:dnsbl|[rsxp]bl)\b|spamhaus|reputation")
_NAMES_US_FOR_NOW = re.compile(rb"(?i)blocked using|spamhaus")


class Cap(StrEnum):
    """What is counted, from narrow to wide."""

    ADDRESS = "address"
    PREFIX = "prefix"
    PROVIDER = "provider"
    SOURCE = "source"
    RUN = "run"


Key = tuple[Cap, str, str]
"""One gate: the cap, our address, and theirs, its prefix or its provider."""


class Feedback(Enum):
    """What a session says about our pace. NEUTRAL: nothing, because something else ended it."""

    CLEAN = auto()
    NEUTRAL = auto()
    SLOW_DOWN = auto()
    BLOCKED = auto()


@dataclass(frozen=True, slots=True)
class Knock:
    """One wish to connect: its gates in the order of `Cap`. Stages: what is the peer's, the source's, the run's."""

    keys: tuple[Key, ...]
    stages: tuple[tuple[Key, ...], ...]

    @property
    def provider(self) -> Key:
        """Source and provider: what is parked."""
        return self.keys[2]


@dataclass(frozen=True, slots=True)
class Granted:
    """Connect now, at once; the places are taken until `report`."""

    knock: Knock
    at_s: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Not before `until_s`; infinite where somebody has to leave first."""

    until_s: float


@dataclass(frozen=True, slots=True)
class Parked:
    """Not in this run, and why."""

    why: str


@dataclass(frozen=True, slots=True)
class Figures:
    """What a run has to say about its pace. `highest_per_s`: one over the shortest time between two connections."""

    connections: tuple[tuple[str, int], ...]
    highest_per_s: tuple[tuple[str, float], ...]
    parked: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class _Rule:
    """One cap. `won_back` is what a clean answer leaves of an interval, down to `floor_s`."""

    interval_s: float
    floor_s: float
    places: int
    won_back: float = 1.0
    spread: float = 0.0


@dataclass(slots=True)
class _Gate:
    """Shut until `ready_at_s`, and while every place is taken. `strikes`: refusals in a row, the last `struck_at_s`."""

    rule: _Rule
    interval_s: float
    ready_at_s: float = -NEVER_S
    passed_at_s: float = -NEVER_S
    taken: int = 0
    strikes: int = 0
    struck_at_s: float = -NEVER_S


def knock(source_address: str, address: str, provider: str) -> Knock:
    """Name the gates of one connection. Raises ValueError where `address` is none."""
    packed = ipaddress.ip_address(address).packed
    prefix = packed[: PREFIX_BYTES[len(packed)]].hex()
    here = source_address
    narrow = (Cap.ADDRESS, here, address), (Cap.PREFIX, here, prefix), (Cap.PROVIDER, here, provider)
    wide = ((Cap.SOURCE, here, ""),), ((Cap.RUN, "", ""),)
    return Knock((*narrow, *wide[0], *wide[1]), (narrow, *wide))


def feedback(session: Session) -> Feedback:
    """Read what the peer says about our pace, in the refusals that it sent.

    Clean is a session that came to its own end. A time-out or a broken handshake earns no trust and costs none.
    """
    replies = (session.greeting, session.ehlo, session.helo, session.starttls, session.ehlo_tls)
    said = {_meaning(reply) for reply in replies if reply is not None and reply.code >= 400}
    otherwise = Feedback.CLEAN if session.fault is None else Feedback.NEUTRAL
    return next((word for word in (Feedback.BLOCKED, Feedback.SLOW_DOWN) if word in said), otherwise)


def _meaning(reply: Reply) -> Feedback:
    text = b" ".join(reply.lines)
    if (_NAMES_US if reply.code >= 500 else _NAMES_US_FOR_NOW).search(text):
        return Feedback.BLOCKED
    if reply.code == _TLS_NOT_AVAILABLE:
        return Feedback.NEUTRAL
    is_slow = reply.code in _SLOW_CODES or _SLOW_TEXT.search(text) is not None
    return Feedback.SLOW_DOWN if is_slow else Feedback.NEUTRAL


class Ledger:
    """Every gate of one run. `draw` gives numbers from 0 to 1, from a seed, for the spread of address intervals.

    Memory is bounded: gates whose time has passed and that remember no refusal are forgotten, which makes an address
    a stranger again and changes nothing else. Refusals are forgotten, oldest first, where more than
    `Limits.remembered` gates would be left. A gate that is shut or has a place taken is never forgotten.
    """

    def __init__(self, pace: Pace, limits: Limits, draw: Callable[[], float]) -> None:
        self._pace = pace
        self._remembered = limits.remembered
        self._sweep_at = limits.remembered
        self._draw = draw
        self._rules = _rules(pace, limits)
        self._gates: dict[Key, _Gate] = {}
        self._parked: OrderedDict[Key, str] = OrderedDict()
        self._connections: Counter[str] = Counter()
        self._shortest_s = dict.fromkeys(Cap, NEVER_S)

    def ask(self, now_s: float, wish: Knock) -> Granted | Wait | Parked:
        """Decide, and where the answer is yes, book it. Connect at once then, and `report` afterwards."""
        if (why := self._parked.get(wish.provider)) is not None:
            return Parked(why)
        if (ready_at_s := max(map(self.ready_at_s, wish.keys))) > now_s:
            return Wait(ready_at_s)
        self._book(now_s, wish)
        return Granted(wish, now_s)

    def ready_at_s(self, key: Key) -> float:
        """When this gate opens, other things being equal; infinite while every place is taken."""
        gate = self._gates.get(key)
        if gate is None:
            return -NEVER_S
        return gate.ready_at_s if gate.taken < gate.rule.places else NEVER_S

    def why_parked(self, wish: Knock) -> str | None:
        """Why nobody knocks there any more, if so."""
        return self._parked.get(wish.provider)

    def report(self, now_s: float, granted: Granted, said: Feedback, why: str = "") -> None:
        """End a connection: its places are free, and what the peer said is heeded from now on."""
        for key in granted.knock.keys:
            self._gates[key].taken -= 1
        if said is Feedback.CLEAN:
            self._win_back(granted)
        elif said is Feedback.SLOW_DOWN:
            self._slow_down(now_s, granted, why)
        elif said is Feedback.BLOCKED:
            self._park(granted.knock.provider, why)

    def figures(self) -> Figures:
        """Take stock."""
        highest = ((cap.value, 1 / gap_s) for cap, gap_s in self._shortest_s.items() if 0 < gap_s < NEVER_S)
        parked = ((source, provider, why) for (_, source, provider), why in self._parked.items())
        return Figures(tuple(sorted(self._connections.items())), tuple(highest), tuple(parked))

    def _book(self, now_s: float, wish: Knock) -> None:
        if len(self._gates) > self._sweep_at:
            self._sweep(now_s)
        self._connections[wish.keys[3][1]] += 1
        for key in wish.keys:
            gate = self._gate(key)
            self._shortest_s[key[0]] = min(self._shortest_s[key[0]], now_s - gate.passed_at_s)
            gate.taken += 1
            gate.passed_at_s = now_s
            gate.ready_at_s = now_s + gate.interval_s * (1 + (gate.rule.spread and gate.rule.spread * self._draw()))

    def _gate(self, key: Key) -> _Gate:
        rule = self._rules.get(key) or self._rules[key[0]]
        return self._gates.setdefault(key, _Gate(rule, rule.interval_s))

    def _win_back(self, granted: Granted) -> None:
        """Come a little sooner from the next connection on; the interval that runs is not cut short."""
        for key in granted.knock.keys:
            gate = self._gates[key]
            if granted.at_s >= gate.struck_at_s:  # what began before the last refusal proves nothing
                gate.strikes = 0
                gate.interval_s = max(gate.rule.floor_s, gate.interval_s * gate.rule.won_back)

    def _slow_down(self, now_s: float, granted: Granted, why: str) -> None:
        """Pause the address; after a second refusal in a row pause its provider, after `park_after` park it.

        One busy server is its own business; two refusals with nothing clean between them are the provider's word.
        """
        self._strike(now_s, granted, granted.knock.keys[0], pauses_from=1)
        strikes = self._strike(now_s, granted, granted.knock.provider, pauses_from=2)
        if strikes >= self._pace.park_after:
            self._park(granted.knock.provider, why)

    def _strike(self, now_s: float, granted: Granted, key: Key, pauses_from: int) -> int:
        """Halve the rate and pause, twice as long with every refusal in a row; return how many there were.

        Sessions that were open together and are refused together count once: they began before the first refusal.
        """
        gate, usual_s = self._gates[key], self._gates[key].rule.interval_s
        if granted.at_s < gate.struck_at_s:
            return gate.strikes
        gate.strikes += 1
        gate.struck_at_s = now_s
        gate.interval_s = min(max(2 * gate.interval_s, usual_s), max(self._pace.backoff_most_s, usual_s))
        if gate.strikes >= pauses_from:
            pause_s = min(self._pace.backoff_s * 2.0 ** min(gate.strikes - 1, 32), self._pace.backoff_most_s)
            gate.ready_at_s = max(gate.ready_at_s, now_s + pause_s)
        return gate.strikes

    def _park(self, key: Key, why: str) -> None:
        self._parked.setdefault(key, why)
        if len(self._parked) > self._remembered:
            self._parked.popitem(last=False)

    def _sweep(self, now_s: float) -> None:
        """Forget what may be forgotten; the next sweep waits for a quarter as many again, so that it costs little."""
        idle = [(key, gate) for key, gate in self._gates.items() if not gate.taken and gate.ready_at_s <= now_s]
        struck = [key for key, gate in idle if gate.strikes > 0 or gate.interval_s > gate.rule.interval_s]
        surplus = len(self._gates) - (len(idle) - len(struck)) - self._remembered
        kept = set(struck[max(0, surplus) :])
        for key, _ in idle:
            if key not in kept:
                del self._gates[key]
        self._sweep_at = max(self._remembered, len(self._gates) * 5 // 4)


def _rules(pace: Pace, limits: Limits) -> dict[Cap | Key, _Rule]:
    """Rates as intervals. An address trusts after few clean answers, a provider after some twenty."""
    floor_s = min(pace.address_floor_s, pace.address_interval_s)
    rules: dict[Cap | Key, _Rule] = {
        Cap.ADDRESS: _Rule(pace.address_interval_s, floor_s, pace.address_open, 0.5, ADDRESS_SPREAD),
        Cap.PREFIX: _steady(pace.prefix_per_s, pace.prefix_open),
        Cap.PROVIDER: _steady(pace.provider_per_s, pace.provider_open, 0.97),
        Cap.SOURCE: _steady(pace.source_per_s, pace.source_open),
        Cap.RUN: _steady(pace.run_per_s, limits.open_sessions),
    }
    for each in pace.sources:
        own = _steady(each.rate_per_s or pace.source_per_s, each.open_most or pace.source_open)
        rules[Cap.SOURCE, each.address, ""] = own
    return rules


def _steady(per_s: float, places: int, won_back: float = 1.0) -> _Rule:
    return _Rule(SPACING / per_s, SPACING / per_s, places, won_back)
