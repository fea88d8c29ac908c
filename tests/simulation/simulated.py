"""One simulated run, from the first start to the last row: as the command joins it, with memory in place of a network.

Started again after every stop, as its operator would, until no row is left.
"""

import hashlib
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import anyio
import orjson

from scanner import jsonl
from scanner.checkpoint import Claim, ListIdentity
from scanner.cli.motion import met_a_dead_resolver
from scanner.cli.network import shared
from scanner.journal import Journal, open_journal
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.record import Record
from scanner.model.target import Target
from scanner.net.breaker import Breaking
from scanner.net.clock import Clock
from scanner.net.counting import Counting, waiting
from scanner.net.paced import Hours, Paced
from scanner.net.remembering import Remembering
from scanner.net.stalls import AwakeFetcher, AwakeProber, Stalls
from scanner.parts import Disk
from scanner.protocols import exclusions
from scanner.protocols.provider import provider
from scanner.run import Control, Work, run
from scanner.sinks import FileSink, Lines, Seen
from scanner.survey import Prober, Tools, given_up, survey
from scanner.tally import Tally
from tests.simulation.peers import Dns, Mail, Peers, Policies, key_of
from tests.simulation.virtual import VirtualLoop, run_virtually
from tests.simulation.world import World
from tests.unit.assess import evidence

RUN_ID = "run-1"
STARTS_MOST = 40
PATIENCE_S = 60.0
LASTING = Disk(datasync=lambda _: None, sync=lambda _: None)
"""A disk that never fails: power loss is tested elsewhere."""
BAD = Fault(Stage.INPUT, Kind.NOT_A_HOST_NAME, Side.INPUT)
EXCLUDED = exclusions.read("d13.test\n")


@dataclass
class Ended:
    """What came of it. `rows` are the numbers in the file, `written` the records as the sink got them, `undone` the
    reasons why the last start left rows undone.
    """

    peers: Peers
    rows: list[int] = field(default_factory=list)
    written: list[Record] = field(default_factory=list)
    undone: dict[str, str] = field(default_factory=dict)
    starts: int = 0
    took_s: float = 0.0

    @property
    def digest(self) -> str:
        """Name everything that happened, and when; what happens in one instant has no order."""
        instants = groupby(self.peers.trace, key=lambda each: each[0])
        told = [(repr(at_s), sorted(what for _, what in events)) for at_s, events in instants]
        return hashlib.sha256(orjson.dumps(told)).hexdigest()


@dataclass(frozen=True)
class Watched:
    """A sink that remembers what it was given, and is blocked now and then."""

    inner: FileSink
    ended: Ended

    @property
    def is_holding(self) -> bool:
        return self.inner.is_holding

    async def write(self, done: Sequence[Record], undone: Sequence[Record]) -> None:
        peers = self.ended.peers
        for blocked in peers.world.blocked:
            if blocked.from_s <= peers.since_start_s < blocked.to_s:
                await anyio.sleep(blocked.to_s - peers.since_start_s)
        await self.inner.write(done, undone)
        self.ended.written += done
        for record in done:
            peers.note("row", record.target.n, record.assessment.starttls)
        for record in undone:
            peers.note("undone", record.target.n)

    async def sync(self) -> None:
        await self.inner.sync()


def simulate(world: World, folder: Path) -> Ended:
    """Run it in pretended time."""
    return run_virtually(partial(_to_the_end, world, folder))


async def _to_the_end(world: World, folder: Path, loop: VirtualLoop) -> Ended:
    ended = Ended(Peers(world, loop))
    while ended.starts < STARTS_MOST:
        ended.starts += 1
        ended.peers.epoch += 1
        with closing(open_journal(folder / "out.jsonl", _claim(world), disk=LASTING)) as journal:
            if ended.starts > 1:  # as `cli.motion.rested`
                await anyio.sleep(world.settings.pace.address_interval_s)
            ended.undone = (await _one_start(ended, journal)).undone_examples
            if journal.done.count == len(world.domains):
                await journal.publish(b"{}\n")
                break
        await anyio.sleep(world.chance("pause", ended.starts).random() * 60)
    ended.took_s = ended.peers.since_start_s
    complete = folder / "out.jsonl"
    content = complete.read_bytes() if complete.exists() else b""
    ended.rows = [orjson.loads(line)["n"] for line in content.splitlines()]
    return ended


def _claim(world: World) -> Claim:
    return Claim(RUN_ID, ListIdentity("list", 1, "0" * 64), "settings", world.seed, evidence.AT)


async def _one_start(ended: Ended, journal: Journal) -> Tally:
    """One process: nothing but the journal outlives it."""
    peers, control = ended.peers, Control()
    lines = Lines(jsonl.encode, jsonl.encode_certificate, Seen(1000))
    clock = Clock(peers.now, peers.loop.time)
    stalls = Stalls(clock.monotonic_s if peers.world.stalls else lambda: 0.0)  # a watch ticks: most worlds need none
    mail = Counting(AwakeProber(Mail(peers), stalls))
    settings = peers.world.settings
    paced = Paced(mail, settings.pace, settings.limits, provider, Hours(clock, seed=settings.seed))
    asked = Counting(shared(paced, settings, clock))
    work = Work(
        survey=lines.after(_surveying(peers, clock, stalls, control, asked)),
        give_up=partial(given_up, run_id=RUN_ID, at=evidence.AT),
        workers=peers.world.workers,
        waiting=partial(waiting, asked, mail),
    )
    async with anyio.create_task_group() as around:
        if peers.world.stalls:
            around.start_soon(stalls.watch)
        for at_s, stalled_s in peers.world.stalls:
            around.start_soon(_stall, peers, at_s, stalled_s)
        for at_s, at_once in peers.world.stops:
            around.start_soon(partial(_stop, at_once=at_once), peers, control, at_s)
        tally = await run(_batches(peers.world, journal), work, Watched(FileSink(journal, lines), ended), control)
        around.cancel_scope.cancel()
    return tally


def _surveying(
    peers: Peers, clock: Clock, stalls: Stalls, control: Control, prober: Prober
) -> Callable[[Target], Awaitable[Record]]:
    """Join the adapters as `cli.network.connected` does."""
    settings = peers.world.settings
    dns = Dns(peers)
    breaking = Breaking(dns, dns.canary, PATIENCE_S, monotonic_s=clock.monotonic_s, stalled_since=stalls.since)
    tools = Tools(
        resolver=Remembering(breaking, settings.limits.answers_remembered, clock.monotonic_s),
        validating=None,
        prober=prober,
        fetcher=AwakeFetcher(Policies(peers), stalls),
        judge=evidence.authority().judge,
        exclusions=EXCLUDED,
        now=clock.now,
    )

    async def of(target: Target) -> Record:
        record = await survey(target, tools, settings, RUN_ID)
        if met_a_dead_resolver(record):
            control.stop_admitting.set()
        return record

    return of


def _batches(world: World, journal: Journal) -> Callable[[], Sequence[Target]]:
    """The list, a few rows at a time, without what is done."""
    chance = world.chance("list", journal.done.count)
    rows = [_target(n, each.name) for n, each in enumerate(world.domains, 1)]
    todo = [row for row in rows if row.n not in journal.done]

    def batch() -> Sequence[Target]:
        size = chance.randint(1, 50)
        given, todo[:] = todo[:size], todo[size:]
        return given

    return batch


def _target(n: int, name: str) -> Target:
    return Target(n, "", "not a name", fault=BAD) if n % 37 == 0 else Target(n, name, name)


async def _stall(peers: Peers, at_s: float, stalled_s: float) -> None:
    """The process stands still; each time happens once."""
    if peers.since_start_s < at_s:
        await anyio.sleep(at_s - peers.since_start_s)
        peers.note("stall", stalled_s)
        peers.loop.stall(stalled_s)


async def _stop(peers: Peers, control: Control, at_s: float, *, at_once: bool) -> None:
    """The first signal, and perhaps the second; each time happens once."""
    if peers.since_start_s < at_s:
        await anyio.sleep(at_s - peers.since_start_s)
        peers.note("stop", at_once)
        control.stop_admitting.set()
        if at_once:
            await anyio.sleep(0.5)
            control.stop_now.set()


def counted(ended: Ended) -> Counter[str]:
    """How rows were lost or doubled, and verdicts that nobody may give."""
    world = ended.peers.world
    once = Counter(ended.rows)
    found: Counter[str] = Counter(lost=0, duplicated=0, false_verdicts=0)
    found["lost"] = sum(n not in once for n in range(1, len(world.domains) + 1))
    found["duplicated"] = len(ended.rows) - len(once)
    found["false_verdicts"] = sum(map(partial(_is_false, ended.peers), ended.written))
    return found


def _is_false(peers: Peers, record: Record) -> bool:
    """Whether our own trouble decided, or the verdict says what no session could show."""
    world = peers.world
    if record.evidence is None:
        return record.target.n % 37 != 0 and EXCLUDED.rule_for_name(record.target.domain) is None
    domain = world.by_name[record.target.domain]
    asked = record.evidence.route.mx.fault
    is_our_dns = asked is not None and asked.kind is Kind.DNS_TIMEOUT
    is_lie = record.assessment.starttls not in world.may_be(domain)
    timed_out = [each for each in record.evidence.sessions if each.fault and each.fault.kind is Kind.TIMEOUT]
    is_unjust = any(key_of(session) in peers.unjust for session in timed_out)
    return record.evidence.own_fault is not None or is_our_dns or is_unjust or is_lie
