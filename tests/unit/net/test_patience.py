"""P7: while our own way out is lost nobody is judged, and no row is burnt."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Hello, Role, Session, Source
from scanner.net.patience import Patient
from scanner.protocols import mx
from scanner.settings import Settings

ENDPOINT = Endpoint("mx.test", "192.0.2.1", 25, "mx.test")
IPV6 = replace(ENDPOINT, address="2001:db8::1")
MAIL, WITNESS = Source("mail", "198.51.100.1"), Source("witness", "198.51.100.2", role=Role.WITNESS)
TWIN, SIXTH = Source("twin", "198.51.100.3"), Source("sixth", "2001:db8::9")
GONE = Fault(Stage.CONNECT, Kind.NO_SOURCE, Side.OURS, "Cannot assign requested address")
ROUTELESS = Fault(Stage.CONNECT, Kind.NO_ROUTE, Side.OURS, "Network is unreachable")
TIMEOUT = Fault(Stage.GREETING, Kind.TIMEOUT, Side.REMOTE, "no greeting in 60 s")
REFUSED = Fault(Stage.CONNECT, Kind.REFUSED, Side.REMOTE, "refused")
PATIENCE_S = 100.0
HELD_MS = 5000


@dataclass
class World:
    """Time, a kernel without a way out between two moments for some sources, and a peer that says what it is told to.

    A session lasts five seconds where its way out is there when it begins.
    """

    lost_from_s: float = 1e9
    lost_until_s: float = 1e9
    of: Sequence[str] = (MAIL.address, WITNESS.address)
    trouble: Fault = GONE
    says: list[Fault | None] = field(default_factory=list)
    now_s: float = 1000.0
    knocks: int = 0
    told: list[str] = field(default_factory=list)
    sharing: tuple[Source, ...] = ()
    patient: Patient = field(init=False)

    def __post_init__(self) -> None:
        self.patient = Patient(
            self, self.no_way_out, PATIENCE_S, self.told.append, lambda: self.now_s, self.sleep, self.sharing
        )

    async def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s

    def no_way_out(self, address: str, source_address: str) -> Fault | None:
        is_lost = source_address in self.of and self.lost_from_s <= self.now_s < self.lost_until_s
        return self.trouble if is_lost else None

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.knocks += 1
        said = self.no_way_out(endpoint.address, source.address)
        if said is None:
            self.now_s += HELD_MS / 1000
            said = self.says.pop(0) if self.says else None
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name="c.test",
            observed_at=datetime(2026, 11, 24, tzinfo=UTC),
            stage=Stage.RESOLVE if said else Stage.DONE,
            fault=said,
            times_ms=(("greeting", HELD_MS),),
        )

    async def session(self, endpoint: Endpoint = ENDPOINT, source: Source = MAIL) -> Session:
        return await self.patient.converse(endpoint, source, Hello.USUAL)

    @property
    def is_stranded(self) -> bool:
        return self.patient.is_stranded()


async def test_a_session_waits_for_its_source_and_is_held_when_it_is_back() -> None:
    world = World(lost_from_s=0, lost_until_s=1060)
    assert (await world.session()).fault is None
    assert world.knocks == 2
    assert 1060 <= world.now_s < 1070
    assert world.told == [
        "source mail: no way out over IPv4 (Cannot assign requested address); rows wait for it",
        "source mail: there is a way out over IPv4 again",
    ]
    assert not world.is_stranded


async def test_the_patience_with_a_way_out_ends_once_and_not_for_every_session() -> None:
    world = World(lost_from_s=0)
    first = await world.session()
    assert first.fault == GONE
    assert world.now_s == 1000 + PATIENCE_S
    assert (await world.session()).fault == GONE
    assert world.now_s == 1000 + PATIENCE_S
    assert world.is_stranded


async def test_a_way_that_comes_back_after_our_patience_is_taken_again() -> None:
    world = World(lost_from_s=0)
    await world.session()
    world.lost_until_s = 0
    assert (await world.session()).fault is None
    assert not world.is_stranded


@pytest.mark.parametrize(
    ("sharing", "is_stranded"),
    [
        ((), True),
        ((MAIL,), True),
        ((MAIL, TWIN), False),
        ((TWIN, MAIL), False),
        ((MAIL, WITNESS), True),
        ((MAIL, SIXTH), True),
        ((MAIL, Source("default")), False),
    ],
    ids=["each visits all", "alone", "twin", "twin first", "another role", "another family", "any family"],
)
async def test_a_source_that_takes_its_rows_keeps_the_run_from_being_stranded(
    sharing: tuple[Source, ...], *, is_stranded: bool
) -> None:
    """And none but such a one: `mx.sources` would go on to choose the lost one, and every row of it would be burnt."""
    world = World(lost_from_s=0, of=[MAIL.address], sharing=sharing)
    await world.session()
    world.now_s += PATIENCE_S
    assert world.is_stranded is is_stranded
    chosen = mx.sources(ENDPOINT, 0, Settings(sharing or (MAIL,)), world.patient.lost())
    assert is_stranded or MAIL not in chosen


async def test_our_patience_is_with_the_last_of_those_that_may_take_the_rows() -> None:
    world = World(lost_from_s=0, of=[MAIL.address], sharing=(MAIL, TWIN))
    await world.session()
    world.now_s += PATIENCE_S
    lost_at_s, world.of = world.now_s, [MAIL.address, TWIN.address]
    assert (await world.session(source=TWIN)).fault == GONE
    assert lost_at_s + PATIENCE_S <= world.now_s <= lost_at_s + PATIENCE_S + 2 * HELD_MS / 1000
    assert world.is_stranded
    world.of = [MAIL.address]
    world.patient.lost()
    assert not world.is_stranded


async def test_each_family_of_a_source_that_the_kernel_chooses_is_a_way_of_its_own() -> None:
    anywhere = Source("default")
    world = World(lost_from_s=0, of=[""])
    await world.session(IPV6, anywhere)
    world.of = []
    assert (await world.session(ENDPOINT, anywhere)).fault is None
    assert world.is_stranded


@pytest.mark.parametrize("fault", [TIMEOUT, replace(TIMEOUT, kind=Kind.UNREACHABLE)])
async def test_what_met_a_lost_way_is_no_word_of_the_peer(fault: Fault) -> None:
    """The address was taken away while the session lasted."""
    world = World(lost_from_s=1002, lost_until_s=1030, says=[fault])
    assert (await world.session()).fault is None
    assert world.knocks == 2


async def test_what_met_a_way_that_was_found_again_meanwhile_is_no_word_of_the_peer_either() -> None:
    world = World(lost_from_s=0, lost_until_s=1002)
    assert world.no_way_out("", MAIL.address) is not None
    await world.session()  # another one, which saw it come back
    found_at_s = world.now_s - HELD_MS / 1000
    world.says, world.now_s = [TIMEOUT], found_at_s - 1
    assert (await world.session()).fault is None


async def test_a_time_out_long_after_the_way_was_found_is_the_peers() -> None:
    world = World(lost_from_s=0, lost_until_s=1002)
    await world.session()
    world.now_s, world.says = world.now_s + 60, [TIMEOUT]
    assert (await world.session()).fault == TIMEOUT


@pytest.mark.parametrize("fault", [None, TIMEOUT, REFUSED])
async def test_where_the_way_out_was_there_all_the_time_the_peer_has_its_word(fault: Fault | None) -> None:
    world = World(says=[fault])
    assert (await world.session()).fault == fault
    assert (world.knocks, world.told) == (1, [])


async def test_a_network_that_alone_has_no_route_is_not_waited_for() -> None:
    world = World(says=[ROUTELESS])
    assert (await world.session()).fault == ROUTELESS
    assert world.now_s == 1000 + HELD_MS / 1000


@pytest.mark.parametrize("kind", [Kind.NO_SOURCE, Kind.NO_DESCRIPTORS, Kind.NO_BUFFERS])
async def test_ports_and_descriptors_that_ran_out_are_waited_for_too(kind: Kind) -> None:
    """The kernel has a way; what is missing comes back when other sessions end."""
    world = World(says=[replace(GONE, kind=kind)] * 3)
    assert (await world.session()).fault is None
    assert world.knocks == 4
    assert world.told == []


async def test_what_never_comes_back_ends_the_patience_of_a_session() -> None:
    world = World(says=[replace(GONE, kind=Kind.NO_DESCRIPTORS)] * 1000)
    seen = await world.session()
    assert seen.fault is not None
    assert seen.fault.kind is Kind.NO_DESCRIPTORS
    assert PATIENCE_S <= world.now_s - 1000 <= PATIENCE_S + 2 * HELD_MS / 1000  # a first session and a last one


async def test_nobody_waits_where_another_source_shares_the_load() -> None:
    """The row is tried again, and what `lost` says makes it choose the other one."""
    world = World(lost_from_s=0, of=[MAIL.address], sharing=(MAIL, TWIN))
    assert (await world.session()).fault == GONE
    assert (world.now_s, world.knocks) == (1000, 1)
    assert world.patient.lost() == {("mail", 4)}
    assert world.told == [
        "source mail: no way out over IPv4 (Cannot assign requested address); other sources take its rows"
    ]
    assert (await world.session(source=TWIN)).fault is None


@pytest.mark.parametrize(
    "others",
    [(), (WITNESS,), (SIXTH,), (TWIN,)],
    ids=["none", "another role", "another family", "lost too"],
)
async def test_without_such_a_source_a_session_waits(others: tuple[Source, ...]) -> None:
    world = World(lost_from_s=0, of=[MAIL.address, TWIN.address], sharing=(MAIL, *others))
    for source in (TWIN, MAIL):
        assert (await world.session(source=source)).fault == GONE
    assert world.now_s >= 1000 + PATIENCE_S


async def test_a_session_that_waits_lets_go_when_another_source_is_back() -> None:
    world = World(lost_from_s=0, of=[MAIL.address, TWIN.address], sharing=(MAIL, TWIN))
    await world.session(source=TWIN)
    began_at_s = world.now_s = 2000

    async def sleep(delay_s: float) -> None:
        world.now_s += delay_s
        if world.now_s > began_at_s + 10:
            world.of = [MAIL.address]
            world.patient.lost()

    world.patient.sleep = sleep
    assert (await world.session()).fault == GONE
    assert world.now_s < began_at_s + 20


async def test_a_source_that_nobody_waits_for_is_looked_at_every_few_seconds() -> None:
    world = World(lost_from_s=0, lost_until_s=1001, of=[MAIL.address], sharing=(MAIL, TWIN))
    await world.session()
    world.now_s = 1002
    assert world.patient.lost() == {("mail", 4)}
    world.now_s = 1006
    assert world.patient.lost() == frozenset()
    assert world.told[-1] == "source mail: there is a way out over IPv4 again"
    assert not world.is_stranded
