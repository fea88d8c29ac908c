import ipaddress
import resource
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from scanner.cli.doctor import canaries, facts, machine, resolvers, sources
from scanner.cli.doctor.check import Check, Verdict, exit_of, fail, ok, warn
from scanner.cli.doctor.command import as_json, as_text
from scanner.cli.doctor.examination import Instruments, Wishes, examine
from scanner.cli.doctor.resolvers import ResolverSeen
from scanner.cli.exits import Exit
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord
from scanner.model.session import Hello, Oddity, Reply, Session, Source
from scanner.protocols import exclusions
from scanner.settings import LAB, Pace, Settings

NOW = datetime(2026, 11, 25, tzinfo=UTC)
NAME = "scan.example.org"
HOME, OTHER = Source("home", "193.0.0.9", NAME), Source("other", "193.0.0.10", NAME)
PRIVATE, ANY = Source("private", "192.168.1.5", NAME), Source("any", "", NAME)
LAB_NETWORK = (ipaddress.ip_network("127.0.0.0/8"),)
OK, WARN, FAIL = Verdict.OK, Verdict.WARN, Verdict.FAIL
DOWN = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS, "refused")


def ours(kind: Kind, detail: str = "") -> Fault:
    return Fault(Stage.CONNECT, kind, Side.OURS, detail)


def of(checks: list[Check], name: str) -> Check:
    found = [check for check in checks if check.name == name]
    assert len(found) == 1, checks
    return found[0]


@pytest.mark.parametrize(
    ("source", "bind", "verdict", "words"),
    [
        (HOME, None, OK, "is on this machine"),
        (ANY, None, OK, "the kernel chooses"),
        (Source("any", "0.0.0.0", NAME), None, OK, "the kernel chooses"),
        (HOME, ours(Kind.NO_SOURCE, "Cannot assign requested address"), FAIL, "cannot be bound: Cannot assign"),
        (HOME, ours(Kind.NO_FAMILY, "Address family not supported"), FAIL, "cannot be bound: Address family"),
    ],
)
def test_a_source_has_to_be_on_this_machine(source: Source, bind: Fault | None, verdict: Verdict, words: str) -> None:
    seen = sources.SourceSeen(source, bind, ((4, None),))
    found = list(sources.source_checks(seen, (), is_testing=False))
    assert found[0].verdict is verdict
    assert words in found[0].reason
    assert bool(found[0].remedy) is (verdict is not OK)
    assert (len(found) == 1) is (bind is not None), "nothing more is said of what is not here"


@pytest.mark.parametrize(
    ("source", "verdict", "words"),
    [
        (HOME, OK, "is public"),
        (ANY, OK, "before the first connection"),
        (PRIVATE, WARN, "Private-Use (RFC 1918)): it is translated on the way"),
        (Source("lab", "127.9.0.1"), OK, "of a lab"),
        (Source("carrier", "100.64.0.9"), WARN, "RFC 6598"),
        (Source("unique", "fd00::9"), WARN, "translated"),
    ],
)
def test_an_address_that_is_translated_is_told(source: Source, verdict: Verdict, words: str) -> None:
    found = sources.kind_of_address(source, LAB_NETWORK)
    assert (found.verdict, words in found.reason) == (verdict, True)


@pytest.mark.parametrize(
    ("routes", "verdict", "words"),
    [
        (((4, None),), OK, "IPv4 has a way out"),
        (((4, None), (6, None)), OK, "IPv4 and IPv6 have a way out"),
        (((4, None), (6, ours(Kind.NO_ROUTE, "unreachable"))), WARN, "IPv4 only; no IPv6 (unreachable)"),
        (((4, ours(Kind.NO_ROUTE, "unreachable")),), FAIL, "no way out: IPv4 (unreachable)"),
    ],
)
def test_a_source_needs_a_way_out(routes: tuple[tuple[int, Fault | None], ...], verdict: Verdict, words: str) -> None:
    found = sources.way_out(sources.SourceSeen(HOME, None, routes))
    assert (found.verdict, found.reason) == (verdict, words)


@pytest.mark.parametrize(
    ("problem", "is_testing", "verdict"),
    [("", False, OK), ("no reverse name", False, FAIL), ("no reverse name", True, WARN), (None, False, WARN)],
)
def test_an_identity_fails_where_a_scan_would_refuse(problem: str | None, is_testing: bool, verdict: Verdict) -> None:  # noqa: FBT001 - a column of the table
    seen = sources.SourceSeen(HOME, None, (), problem)
    assert sources.identity(seen, is_testing=is_testing).verdict is verdict


@pytest.mark.parametrize(
    ("address", "answer", "verdict"),
    [
        ("193.0.0.9", Answer("", fault=Fault(Stage.RESOLVE, Kind.NXDOMAIN)), OK),
        ("193.0.0.9", Answer("", ("127.0.0.2",)), FAIL),
        ("193.0.0.9", Answer("", ("127.255.255.254",)), WARN),
        ("193.0.0.9", Answer("", ("193.0.0.1",)), WARN),
        ("193.0.0.9", Answer("", fault=Fault(Stage.RESOLVE, Kind.DNS_TIMEOUT)), WARN),
        ("", Answer(""), WARN),
    ],
)
def test_a_listing_is_an_address_in_127_rfc_5782_2_1(address: str, answer: Answer[str], verdict: Verdict) -> None:
    found = sources.listing(sources.ListSeen("home", address, "bl.example.org", answer))
    assert (found.verdict, bool(found.remedy)) == (verdict, verdict is not OK)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("192.0.2.99", "99.2.0.192.bl.example"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.bl.example"),
    ],
)
def test_lists_are_asked_by_reversed_address_rfc_5782_2_1_and_2_4(address: str, name: str) -> None:
    assert sources.list_name(address, "bl.example") == name


GREETING = Reply(220, (b"220 mx.example ESMTP",))
OFFER = Reply(250, (b"250-mx.example", b"250 STARTTLS"))
NO_OFFER = Reply(250, (b"250-mx.example", b"250 SIZE"))


ELSEWHERE = Endpoint("mx.example", "151.101.0.2", 25, "mx.example")


def session(source: Source = HOME, **facts: object) -> Session:
    begun = Session(
        endpoint=Endpoint("mx.example", "151.101.0.1", 25, "mx.example"),
        source=source.name,
        source_address=source.address,
        ehlo_name=NAME,
        observed_at=NOW,
        greeting=GREETING,
        ehlo=OFFER,
        egress=source.address,
    )
    return replace(begun, **facts)  # type: ignore[arg-type]


LOST = session(greeting=None, ehlo=None, egress="", fault=Fault(Stage.CONNECT, Kind.TIMEOUT, detail="no answer"))


@pytest.mark.parametrize(
    ("held", "name", "verdict", "words"),
    [
        ([session()], "port", OK, "1 of 1"),
        ([LOST], "port", FAIL, "0 of 1 canary addresses greet; 151.101.0.1: timeout at connect"),
        ([session(), LOST], "port", WARN, "1 of 2"),
        ([session(greeting=Reply(554, (b"554 no \x1b[31m",)), ehlo=None)], "welcome", WARN, "554 no"),
        ([session()], "welcome", OK, "let this source talk"),
        ([session()], "starttls", OK, "1 of 1"),
        ([session(ehlo=NO_OFFER)], "starttls", FAIL, "0 of 1"),
        ([session(), session(ehlo=NO_OFFER, endpoint=ELSEWHERE)], "starttls", WARN, "1 of 2"),
        ([session(ehlo=NO_OFFER, oddities=(Oddity.STARTTLS_MANGLED,))], "starttls", FAIL, "overwritten"),
        ([session()], "egress", OK, "servers see 193.0.0.9"),
        ([session(egress="")], "egress", OK, "not told"),
        ([session(egress="193.0.0.77")], "egress", FAIL, "servers see 193.0.0.77 instead of 193.0.0.9"),
        ([session(), session(egress="193.0.0.77")], "egress", WARN, "changing"),
    ],
)
def test_canaries_show_what_a_source_is_worth(held: list[Session], name: str, verdict: Verdict, words: str) -> None:
    found = of(list(canaries.canary_checks([HOME], held, (), were_named=True)), name)
    assert (found.verdict, words in found.reason) == (verdict, True)


@pytest.mark.parametrize(("source", "verdict"), [(PRIVATE, WARN), (ANY, OK), (replace(HOME, address="0.0.0.0"), OK)])
def test_a_translated_source_is_expected_to_look_different(source: Source, verdict: Verdict) -> None:
    assert canaries.egress(source, ["193.0.0.77"]).verdict is verdict


def test_two_sources_that_leave_by_one_address_compare_nothing() -> None:
    held = [session(HOME, egress="193.0.0.77"), session(OTHER, egress="193.0.0.77")]
    found = [
        check for check in canaries.canary_checks([HOME, OTHER], held, (), were_named=True) if "several" in check.reason
    ]
    assert [(check.verdict, check.subject) for check in found] == [(FAIL, "home, other")]


@pytest.mark.parametrize(("were_named", "words"), [(False, "no server was named"), (True, "of its family")])
def test_port_25_is_not_tried_where_nobody_named_a_server(were_named: bool, words: str) -> None:  # noqa: FBT001 - as above
    found = of(list(canaries.canary_checks([HOME], [], (), were_named=were_named)), "port")
    assert (found.verdict, words in found.reason) == (WARN, True)
    assert "--canary" in found.remedy


@pytest.mark.parametrize(
    ("seen", "name", "verdict"),
    [
        (ResolverSeen("127.0.0.1", 0.01, validates=True), "resolver", OK),
        (ResolverSeen("127.0.0.1", 0.9, validates=True), "resolver", WARN),
        (ResolverSeen("127.0.0.1", 5.0, DOWN), "resolver", FAIL),
        (ResolverSeen("127.0.0.1", 0.01, validates=True), "dnssec", OK),
        (ResolverSeen("127.0.0.1", 0.01, validates=False), "dnssec", WARN),
        (ResolverSeen("192.0.2.53", 0.01), "dnssec", WARN),
        (ResolverSeen("127.0.0.1", 5.0, DOWN), "dnssec", WARN),
        (ResolverSeen("127.0.0.1", 0.01, invented=True), "nxdomain", FAIL),
        (ResolverSeen("127.0.0.1", 0.01), "nxdomain", OK),
        (ResolverSeen("127.0.0.1", 0.01), "large_answers", OK),
        (ResolverSeen("127.0.0.1", 0.01, large=DOWN), "large_answers", WARN),
        (ResolverSeen("127.0.0.1", 0.01, tcp=DOWN), "large_answers", WARN),
    ],
)
def test_a_resolver_lives_and_tells_the_truth(seen: ResolverSeen, name: str, verdict: Verdict) -> None:
    found = of(list(resolvers.resolver_checks([seen])), name)
    assert (found.verdict, bool(found.remedy)) == (verdict, verdict is not OK)


def test_a_dead_resolver_beside_a_living_one_is_a_warning() -> None:
    seen = [ResolverSeen("127.0.0.1", 0.01, validates=True), ResolverSeen("127.0.0.2", 5.0, DOWN)]
    found = [check for check in resolvers.resolver_checks(seen) if check.name == "resolver"]
    assert [check.verdict for check in found] == [OK, WARN]


SETTINGS = Settings(sources=(HOME,))
ROOM = machine.OutputSeen("/var/lib/x", "ext4", 9 * 2**30)
ANCHORS = machine.TrustSeen("certifi", 120, 120, NOW - timedelta(days=30))
SOUND = machine.Machine(
    open_files=(1024, 65536),
    ports=(32768, 60999),
    conntrack_most=262144,
    output=ROOM,
    now=NOW,
    built_at=NOW - timedelta(days=30),
    trust=ANCHORS,
    versions={"aiosmtplib": "5.1.3", "c-ares": "1.34.8"},
)


def test_a_sound_machine_is_ok_throughout() -> None:
    found = list(machine.machine_checks(SOUND, SETTINGS))
    assert {check.verdict for check in found} == {OK}
    assert not any(check.remedy for check in found)


@pytest.mark.parametrize(
    ("change", "name", "verdict", "words"),
    [
        ({"open_files": (256, 1024)}, "open_files", WARN, "800 of 2000 sessions"),
        ({"open_files": (256, resource.RLIM_INFINITY)}, "open_files", OK, "2000 of 2000"),
        ({"ports": (40000, 40009)}, "ports", WARN, "10 ports"),
        ({"ports": None}, "ports", OK, "does not tell"),
        ({"conntrack_most": 1000}, "conntrack", WARN, "tracks 1000"),
        ({"memory_bytes": {}}, "memory", OK, "no limit is known; a scan takes 329 MiB at most"),
        ({"memory_bytes": {"control group": 2**30, "available now": 2**33}}, "memory", OK, "1,024 MiB (control group)"),
        ({"memory_bytes": {"control group": 2**28, "available now": 2**33}}, "memory", WARN, "256 MiB (control group)"),
        ({"memory_bytes": {"address space": 2**29}}, "memory", WARN, "512 MiB (address space)"),
        ({"memory_bytes": {"address space": 2**30}}, "memory", OK, "1,024 MiB (address space)"),
        ({"memory_bytes": {"available now": 2**29}, "processes": 4}, "memory", WARN, "takes 558 MiB"),
        ({"output": None}, "output", OK, "standard output"),
        ({"output": replace(ROOM, file_system="nfs4")}, "output", WARN, "nfs4"),
        ({"output": replace(ROOM, file_system="tmpfs")}, "output", OK, "a restart may lose it"),
        ({"output": replace(ROOM, problem="cannot be written: Read-only")}, "output", FAIL, "Read-only"),
        ({"output": replace(ROOM, free_bytes=2**29)}, "disk", WARN, "512 MiB"),
        ({"output": replace(ROOM, free_bytes=2**20)}, "disk", FAIL, "1 MiB"),
        ({"now": NOW - timedelta(days=4000)}, "clock", FAIL, "2015"),
        ({"trust": replace(ANCHORS, published_at=NOW - timedelta(days=400))}, "trust", WARN, "more than a year"),
        ({"trust": replace(ANCHORS, published_at=None)}, "trust", OK, "120 of 120"),
        ({"trust": replace(ANCHORS, current=0)}, "trust", FAIL, "none of 120"),
        ({"trust": machine.TrustSeen("x.pem", problem="no such file")}, "trust", FAIL, "no such file"),
    ],
)
def test_a_machine_is_judged_by_what_it_has(change: dict[str, object], name: str, verdict: Verdict, words: str) -> None:
    found = of(list(machine.machine_checks(replace(SOUND, **change), SETTINGS)), name)  # type: ignore[arg-type]
    assert (found.verdict, words in found.reason) == (verdict, True)
    assert bool(found.remedy) is (verdict is not OK)


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("5.1.3", OK), ("5.2.0.dev1", OK), ("10.0", OK), ("5.1.2", FAIL), ("4.9.9", FAIL), ("", FAIL), ("weird", FAIL)],
)
def test_versions_are_held_against_their_floor_by_number(version: str, verdict: Verdict) -> None:
    found = list(machine.versions({"aiosmtplib": version, "c-ares": "1.34.8"}))
    assert [check.verdict for check in found] == [verdict, OK]


def test_a_pace_that_never_leaves_this_machine_asks_for_no_firewall() -> None:
    settings = Settings(sources=(Source("lab", "127.9.0.1"),), pace=LAB)
    assert "conntrack" not in {check.name for check in machine.machine_checks(SOUND, settings)}


def test_one_destination_decides_how_many_ports_are_wanted() -> None:
    fast = Settings(sources=(HOME,), pace=Pace(address_floor_s=0.001))
    assert machine.ports((32768, 60999), fast).verdict is WARN


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        (
            "0::/system.slice/scan.service\n",
            ["system.slice/scan.service/memory.max", "system.slice/memory.max", "memory.max"],
        ),
        ("0::/\n", ["memory.max"]),
        (
            "5:cpu,memory:/docker/x\n4:cpuset:/\n0::/\n",
            [
                "memory/docker/x/memory.limit_in_bytes",
                "memory/docker/memory.limit_in_bytes",
                "memory/memory.limit_in_bytes",
                "memory.max",
            ],
        ),
        ("", []),
    ],
)
def test_the_limit_of_memory_may_stand_at_every_group_above_us(groups: str, files: list[str]) -> None:
    assert facts.group_files(groups, "/sys/fs/cgroup") == [f"/sys/fs/cgroup/{each}" for each in files]


def test_a_limit_of_our_own_is_seen() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (1 << 40, before[1]))
    try:
        assert facts.memory_bytes()["address space"] == 1 << 40
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_directory_is_tried_and_left_as_it_was(tmp_path: Path) -> None:
    seen = facts.output(str(tmp_path / "rows.jsonl"))
    assert (seen.problem, seen.directory, list(tmp_path.iterdir())) == ("", str(tmp_path), [])
    assert seen.free_bytes > 0


def test_a_directory_that_is_not_there_is_a_problem_in_words(tmp_path: Path) -> None:
    assert (
        facts.output(str(tmp_path / "nowhere" / "rows.jsonl")).problem == "cannot be written: No such file or directory"
    )


def test_a_file_system_is_that_of_the_nearest_mount() -> None:
    mounts = "/dev/a / ext4 rw 0 0\nserver:/x /srv nfs4 rw 0 0\nbad\ntmpfs /srv/scan tmpfs rw 0 0\n"
    found = [facts.file_system(Path(where), mounts) for where in ("/srv/data", "/srv/scan/x", "/srvx", "/")]
    assert found == ["nfs4", "tmpfs", "ext4", "ext4"]


@pytest.mark.parametrize(("text", "found"), [("32768\t60999\n", (32768, 60999)), ("", None), ("x 1", None)])
def test_the_range_of_ports_is_read_as_the_kernel_writes_it(text: str, found: tuple[int, int] | None) -> None:
    assert facts.port_range(text) == found


@pytest.mark.parametrize(
    ("checks", "is_strict", "code"),
    [
        ([ok("a", "r")], True, Exit.OK),
        ([ok("a", "r"), warn("b", "r", "do")], False, Exit.OK),
        ([ok("a", "r"), warn("b", "r", "do")], True, Exit.INCOMPLETE),
        ([warn("b", "r", "do"), fail("c", "r", "do")], False, Exit.ENVIRONMENT),
        ([warn("b", "r", "do"), fail("c", "r", "do")], True, Exit.ENVIRONMENT),
    ],
)
def test_the_worst_check_decides_the_exit_code(checks: list[Check], is_strict: bool, code: Exit) -> None:  # noqa: FBT001 - as above
    assert exit_of(checks, is_strict=is_strict) is code


def test_what_a_peer_said_reaches_the_terminal_as_text() -> None:
    check = warn("welcome", "554 \x1b]0;own\x07\nfail fake: x", "read\x00it", "mx\u202e.example")
    shown = as_text([check])
    assert not set("\x1b\x07\x00\u202e") & set(shown)
    assert sum(line.startswith("fail") for line in shown.splitlines()) == 0
    row = orjson.loads(as_json([check], Exit.OK).splitlines()[0])
    assert not set("\x1b\x07\x00\u202e\n") & set("".join(row.values()))


@dataclass
class Names:
    """DNS as a table; every question is remembered."""

    addresses: dict[str, tuple[str, ...]] = field(default_factory=dict)
    reverse: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    name: str = "table"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return self._nothing(domain)

    async def ipv4(self, host: str) -> Answer[str]:
        return self._found(host, tuple(each for each in self.addresses.get(host, ()) if ":" not in each))

    async def ipv6(self, host: str) -> Answer[str]:
        return self._found(host, tuple(each for each in self.addresses.get(host, ()) if ":" in each))

    async def cname(self, host: str) -> Answer[str]:
        return self._nothing(host)

    async def txt(self, name: str) -> Answer[bytes]:
        return self._nothing(name)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return self._nothing(name)

    async def ptr(self, address: str) -> Answer[str]:
        return self._found(address, self.reverse.get(address, ()))

    def _found(self, name: str, records: tuple[str, ...]) -> Answer[str]:
        self.asked.append(name)
        return Answer(name, records, name) if records else self._nothing(name)

    def _nothing(self, name: str) -> Answer:  # type: ignore[type-arg]
        self.asked.append(name)
        return Answer(name, fault=Fault(Stage.RESOLVE, Kind.NODATA))


@dataclass
class Ground:
    """A machine on which `missing` cannot be bound; every question is remembered."""

    missing: tuple[str, ...] = ()
    routed: list[tuple[str, int]] = field(default_factory=list)

    def bind(self, address: str) -> Fault | None:
        return ours(Kind.NO_SOURCE, "not here") if address in self.missing else None

    def route(self, address: str, version: int) -> Fault | None:
        self.routed.append((address, version))
        return None


@dataclass
class Visitor:
    """A prober whose peers behave, and that counts its visits."""

    visits: list[tuple[str, str]] = field(default_factory=list)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.visits.append((source.name, endpoint.address))
        return session(source, endpoint=endpoint)


GOOD_NAMES = {NAME: (HOME.address, OTHER.address), "mx.example": ("151.101.0.1", "2a04:4e42::1", "151.101.0.2")}
REVERSE: dict[str, tuple[str, ...]] = {HOME.address: (NAME,), OTHER.address: (NAME,)}


async def examined(
    wishes: Wishes, ground: Ground, names: Names, dead: Fault | None = None
) -> tuple[list[Check], Visitor]:
    async def look(server: str) -> ResolverSeen:
        return ResolverSeen(server, 0.01, dead, validates=True)

    visitor = Visitor()
    return await examine(wishes, Instruments(ground, ("127.0.0.1",), look, names, visitor)), visitor


async def test_nobody_is_contacted_who_was_not_named() -> None:
    names = Names(GOOD_NAMES, REVERSE)
    checks, visitor = await examined(Wishes(SETTINGS), Ground(), names)
    assert visitor.visits == []
    assert set(names.asked) == {NAME, HOME.address}
    assert {check.name for check in checks if check.verdict is not OK} == {"port"}


async def test_a_canary_is_visited_once_from_every_source_of_its_family() -> None:
    settings = Settings(sources=(HOME, OTHER), canaries=("mx.example", "nowhere.example"))
    checks, visitor = await examined(Wishes(settings), Ground(), Names(GOOD_NAMES, REVERSE))
    assert sorted(visitor.visits) == [("home", "151.101.0.1"), ("other", "151.101.0.1")]
    assert [check.subject for check in checks if check.verdict is not OK] == ["nowhere.example"]


async def test_a_canary_that_asked_to_be_left_alone_is() -> None:
    settings = Settings(sources=(HOME,), canaries=("mx.example", "www.left.example"))
    rules = exclusions.read("left.example\n151.101.0.0/24\n2a04::/16")
    checks, visitor = await examined(Wishes(settings, exclusions=rules), Ground(), Names(GOOD_NAMES, REVERSE))
    assert visitor.visits == []
    assert [check.subject for check in checks if check.name == "canary"] == ["mx.example", "www.left.example"]


async def test_a_source_that_is_not_here_is_not_used_for_anything() -> None:
    settings = Settings(sources=(HOME, OTHER), canaries=("mx.example",))
    ground = Ground(missing=(OTHER.address,))
    checks, visitor = await examined(Wishes(settings), ground, Names(GOOD_NAMES, REVERSE))
    assert {source for source, _ in visitor.visits} == {"home"}
    assert ground.routed == [(HOME.address, 4)]
    assert [(check.name, check.subject) for check in checks if check.verdict is FAIL] == [("source", "other")]


async def test_a_dead_resolver_is_one_failure_and_not_many() -> None:
    settings = Settings(sources=(HOME,), canaries=("mx.example",))
    names = Names(GOOD_NAMES, REVERSE)
    checks, visitor = await examined(Wishes(settings, ("bl.example",)), Ground(), names, DOWN)
    assert [check.name for check in checks if check.verdict is FAIL] == ["resolver"]
    assert (visitor.visits, names.asked) == ([], [])


async def test_a_list_is_asked_about_the_address_that_the_world_sees() -> None:
    names = Names({**GOOD_NAMES, "9.0.0.193.bl.example": ("127.0.0.2",)}, REVERSE)
    checks, _ = await examined(Wishes(SETTINGS, ("bl.example",)), Ground(), names)
    assert of(checks, "dnsbl").verdict is FAIL


async def test_a_source_left_to_the_kernel_is_routed_by_both_families() -> None:
    ground = Ground()
    await examined(Wishes(Settings(sources=(ANY,))), ground, Names(GOOD_NAMES, REVERSE))
    assert ground.routed == [("", 4), ("", 6)]
