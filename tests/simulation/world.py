"""A small Internet in memory, drawn from a seed: domains, mail hosts with a temper, and what goes wrong when.

What a peer does depends on the seed, on the peer and on how often it was asked, and on nothing else: the order in
which tasks run changes nothing. `Host.truth` is what a patient and faultless scanner would find.
"""

import random
from dataclasses import dataclass, field
from enum import StrEnum

from scanner.model.assessment import Verdict
from scanner.model.session import Source
from scanner.settings import GENTLE, STANDARD, Deadlines, Limits, Pace, Settings, SourceUse

SOURCES = (Source("mail", "203.0.113.1", "scan.test"), Source("witness", "203.0.113.2", "scan.test"))
TIGHT = Pace(
    source_per_s=5,
    source_open=7,
    run_per_s=8,
    address_interval_s=10,
    address_floor_s=2,
    prefix_open=2,
    prefix_per_s=0.5,
    provider_open=3,
    provider_per_s=1,
    backoff_s=60,
    backoff_most_s=900,
)
PACES = (STANDARD, GENTLE, TIGHT)
HOUR_S = 3600.0


class Temper(StrEnum):
    """What a host does about STARTTLS, on a good day."""

    GOOD = "good"
    PLAIN = "plain"
    BROKEN = "broken"


TRUTH = {Temper.GOOD: Verdict.PASS, Temper.PLAIN: Verdict.ABSENT, Temper.BROKEN: Verdict.FAIL}


@dataclass(frozen=True)
class Host:
    """One mail server. Shares of its sessions that end in 421, in silence, in a reset; seconds before it greets."""

    address: str
    temper: Temper
    slow_s: float
    says_421: float = 0.0
    is_silent: float = 0.0
    resets: float = 0.0
    blocks_from: int = 1 << 30
    open_most: int = 1 << 30


@dataclass(frozen=True)
class Domain:
    """One row of the list. `answers` is the kind of DNS answer for its MX: ok, nxdomain, nodata, null, servfail."""

    name: str
    answers: str = "ok"
    mx: tuple[str, ...] = ()
    has_policy: bool = False


@dataclass(frozen=True)
class Window:
    """A time in which something of ours does not work, in seconds from the beginning."""

    what: str
    from_s: float
    to_s: float


@dataclass(frozen=True)
class World:
    """Everything that a seed decides."""

    seed: int
    settings: Settings
    domains: tuple[Domain, ...]
    hosts: dict[str, tuple[Host, ...]]
    troubles: tuple[Window, ...]
    stalls: tuple[tuple[float, float], ...]
    stops: tuple[tuple[float, bool], ...]
    blocked: tuple[Window, ...]
    own_share: float
    workers: int
    jumps: tuple[tuple[float, float], ...] = ()
    by_name: dict[str, Domain] = field(init=False)
    by_address: dict[str, Host] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_name", {each.name: each for each in self.domains})
        object.__setattr__(self, "by_address", {host.address: host for each in self.hosts.values() for host in each})

    def chance(self, *words: object) -> random.Random:
        """Numbers for this question alone."""
        return random.Random(f"{self.seed} {words}")

    def troubled(self, what: str, since_start_s: float) -> bool:
        return any(each.what == what and each.from_s <= since_start_s < each.to_s for each in self.troubles)

    def may_be(self, domain: Domain) -> frozenset[Verdict]:
        """Every verdict on STARTTLS that is no lie about this domain."""
        if domain.answers in {"nxdomain", "null"}:
            return frozenset({Verdict.NOT_APPLICABLE})
        if domain.answers == "servfail":
            return frozenset({Verdict.UNKNOWN})
        tempers = {host.temper for name in domain.mx for host in self.hosts[name]}
        if Temper.BROKEN in tempers:
            return frozenset({Verdict.UNKNOWN, Verdict.FAIL})
        if len(tempers) > 1:
            return frozenset({Verdict.UNKNOWN, Verdict.PARTIAL})
        return frozenset({Verdict.UNKNOWN, TRUTH[tempers.pop()]})


def world(seed: int, rows: int) -> World:
    """Draw one."""
    chance = random.Random(f"world {seed}")
    hosts: dict[str, tuple[Host, ...]] = {}
    shared = [names for number in range(chance.randint(2, 6)) for names in _provider(number, chance, hosts)]
    domains = tuple(_domain(number, chance, shared, hosts) for number in range(1, rows + 1))
    return World(
        seed=seed,
        settings=_settings(seed, chance),
        domains=domains,
        hosts=hosts,
        troubles=_troubles(chance),
        stalls=_stalls(chance),
        stops=tuple((chance.random() * HOUR_S / 2, chance.random() < 0.5) for _ in range(chance.randint(0, 3))),
        blocked=tuple(_windows(chance, "consumer", 2, 200.0)),
        own_share=chance.choice((0.0, 0.0, 0.02)),
        workers=chance.choice((3, 20, 400)),
        jumps=_jumps(random.Random(f"jumps {seed}")),
    )


def _jumps(chance: random.Random) -> tuple[tuple[float, float], ...]:
    """When somebody sets the wall clock, and by how much: seconds, hours or years, back and forth."""
    by_s = [chance.choice((-1, 1)) * chance.choice((2.0, HOUR_S, 1e8)) for _ in range(chance.choice((0, 1, 5)))]
    return tuple((chance.random() * HOUR_S / 3, each + chance.random()) for each in by_s)


def _stalls(chance: random.Random) -> tuple[tuple[float, float], ...]:
    """When the process stands still, and for how long; in most worlds it does not, and nobody watches for it."""
    lengths_s = [chance.choice((5.0, 60.0, 400.0)) for _ in range(chance.choice((0, 0, 0, 1, 2)))]
    return tuple((chance.random() * HOUR_S / 6, stalled_s) for stalled_s in lengths_s)


def _settings(seed: int, chance: random.Random) -> Settings:
    return Settings(
        sources=SOURCES[: chance.choice((1, 2, 2))],
        source_use=chance.choice((SourceUse.EACH, SourceUse.EACH, SourceUse.SPREAD)),
        seed=seed,
        deadlines=Deadlines(),
        limits=Limits(
            names_per_address=chance.choice((1, 4, 20)),
            open_sessions=chance.choice((4, 30, 2000)),
            remembered=chance.choice((20, 100_000)),
            sessions_remembered=chance.choice((10, 20_000)),
            answers_remembered=chance.choice((5, 60_000)),
        ),
        pace=chance.choice(PACES),
    )


def _provider(number: int, chance: random.Random, hosts: dict[str, tuple[Host, ...]]) -> list[tuple[str, ...]]:
    """A provider with some hosts: returns the sets of MX that its customers have."""
    names = [f"mx{k}.p{number}.example" for k in range(chance.randint(1, 6))]
    temper = chance.choice((Temper.GOOD, Temper.GOOD, Temper.GOOD, Temper.PLAIN, Temper.BROKEN))
    mood = _mood(chance)
    for k, name in enumerate(names):
        addresses = [f"10.{number}.{k % 2}.{10 * k + m + 1}" for m in range(chance.randint(1, 3))]
        hosts[name] = tuple(Host(each, temper, chance.uniform(0.05, 8), *mood) for each in addresses)
    return [tuple(names[:2]), *((name,) for name in names)]


def _mood(chance: random.Random) -> tuple[float, float, float, int]:
    says_421 = chance.choice((0.0, 0.0, 0.0, 0.0, 0.05, 0.05, 0.9))
    is_silent = chance.choice((0.0, 0.0, 0.03, 0.3))
    blocks_from = chance.choice((1 << 30, 1 << 30, 1 << 30, 5))
    return says_421, is_silent, chance.choice((0.0, 0.05)), blocks_from


def _domain(
    number: int, chance: random.Random, shared: list[tuple[str, ...]], hosts: dict[str, tuple[Host, ...]]
) -> Domain:
    name = f"d{number}.test"
    kind = chance.choices(("shared", "own", "odd"), (6, 3, 1))[0]
    has_policy = chance.random() < 0.1
    if kind == "shared":
        return Domain(name, "ok", chance.choice(shared), has_policy)
    if kind == "odd":
        answers = chance.choice(("nxdomain", "null", "servfail", "nodata"))
        own: tuple[str, ...] = (name,) if answers == "nodata" else ()
    else:
        answers, own = "ok", tuple(f"mx{k}.{name}" for k in range(chance.randint(1, 4)))
    for k, mx in enumerate(own):
        temper = chance.choice(tuple(Temper))
        mood, slow_s = _mood(chance), chance.uniform(0.05, 20)
        addresses = [f"11.{number >> 6}.{number & 63}.{10 * k + m}" for m in range(chance.randint(1, 4))]
        hosts[mx] = tuple(Host(each, temper, slow_s, *mood) for each in addresses)
    return Domain(name, answers, own, has_policy)


def _troubles(chance: random.Random) -> tuple[Window, ...]:
    kinds = ("resolver", "descriptors", "source", "buffers")
    return tuple(each for kind in kinds if chance.random() < 0.5 for each in _windows(chance, kind, 1, 300.0))


def _windows(chance: random.Random, what: str, most: int, longest_s: float) -> list[Window]:
    begins = [chance.random() * HOUR_S / 3 for _ in range(chance.randint(0, most))]
    return [Window(what, from_s, from_s + chance.random() * longest_s) for from_s in begins]
