"""One domain from target to record; the outside world is a table."""

import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from scanner.model.assessment import Assessment, Status, Verdict
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import PolicyFetch
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxRecord, TlsaRecord, Validity
from scanner.model.session import Handshake, Hello, Reply, Session, Source
from scanner.model.target import Target, TlsPolicy
from scanner.protocols.exclusions import NONE, Exclusions, read
from scanner.settings import Settings, SourceUse
from scanner.survey import Tools, survey

AT = datetime(2026, 11, 24, tzinfo=UTC)
MAIL, WITNESS = Source("mail", "198.51.100.10"), Source("witness", "198.51.100.20")
NODATA = Fault(Stage.RESOLVE, Kind.NODATA)
REFUSED = Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)
QUESTIONS = [hello for hello in Hello if hello.is_deep and hello is not Hello.ONLY_TLS_1_2]
RECORD_311 = TlsaRecord(3, 1, 1, bytes(32))


@dataclass(frozen=True)
class Zone:
    """A resolver that answers from tables, all with one security status."""

    mx_records: tuple[MxRecord, ...] = (MxRecord(10, "mx.test"),)
    mx_fault: Fault | None = None
    tlsa_records: tuple[TlsaRecord, ...] = ()
    txt_records: tuple[bytes, ...] = ()
    status: Validity = Validity.INDETERMINATE
    name: str = "table"

    async def mx(self, domain: str) -> Answer[MxRecord]:
        return Answer(domain, self.mx_records, validity=self.status, fault=self.mx_fault)

    async def ipv4(self, host: str) -> Answer[str]:
        return Answer(host, ("192.0.2.1", "192.0.2.2"), host, validity=self.status)

    async def ipv6(self, host: str) -> Answer[str]:
        return Answer(host, fault=NODATA)

    async def cname(self, host: str) -> Answer[str]:
        return Answer(host, fault=NODATA)

    async def txt(self, name: str) -> Answer[bytes]:
        return Answer(name, self.txt_records)

    async def tlsa(self, name: str) -> Answer[TlsaRecord]:
        return Answer(name, self.tlsa_records, validity=self.status)


@dataclass(frozen=True)
class Peer:
    """A prober that writes down who was asked, and answers with one fault or none. What is deep it refuses."""

    fault: Fault | None = None
    asked: list[tuple[str, str, Hello]] = field(default_factory=list)
    deep_faults: dict[Hello, Fault] = field(default_factory=dict)

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        self.asked.append((endpoint.address, source.name, hello))
        fault = self.deep_faults.get(hello, REFUSED) if hello.is_deep else self.fault
        return Session(
            endpoint=endpoint,
            source=source.name,
            source_address=source.address,
            ehlo_name="c.test",
            observed_at=AT,
            hello=hello,
            starttls=Reply(220, (b"220 go",)),
            handshake=None if fault else Handshake("TLSv1.2", "ECDHE-RSA-AES128-GCM-SHA256", None, "mx.test"),
            fault=fault,
        )


@dataclass(frozen=True)
class PolicyHost:
    """A policy host that counts its visitors."""

    asked: list[str] = field(default_factory=list)

    async def fetch(self, domain: str) -> PolicyFetch:
        self.asked.append(domain)
        return PolicyFetch(status=200, body=b"version: STSv1\nmode: enforce\nmx: mx.test\nmax_age: 1\n")


def judge(evidence: Evidence, at: datetime, policy: TlsPolicy | None) -> Assessment:
    """Judge nothing; the judgement has tests of its own."""
    return Assessment(status=Status.OK if at == AT and evidence.sessions else Status.INCONCLUSIVE)


@dataclass(frozen=True)
class World:
    """Everything outside, and a survey of `example.test` in it."""

    zone: Zone = Zone()
    validating: Zone | None = None
    peer: Peer = field(default_factory=Peer)
    policy_host: PolicyHost = field(default_factory=PolicyHost)
    exclusions: Exclusions = NONE
    use: SourceUse = SourceUse.SPREAD
    deep: bool = False

    async def surveyed(self, target: Target | None = None) -> Record:
        tools = Tools(self.zone, self.validating, self.peer, self.policy_host, judge, self.exclusions, lambda: AT)
        settings = Settings(sources=(MAIL, WITNESS), source_use=self.use, deep=self.deep)
        return await survey(target or Target(1, "example.test"), tools, settings, "run")


def evidence(record: Record) -> Evidence:
    """Evidence that must be there."""
    assert record.evidence is not None
    return record.evidence


async def test_every_address_of_every_host_is_visited_once_when_sources_share_the_work() -> None:
    world = World()
    record = await world.surveyed()
    assert [address for address, _, _ in world.peer.asked] == ["192.0.2.1", "192.0.2.2"]
    assert record.assessment.status is Status.OK


async def test_every_source_visits_every_endpoint_in_alternating_order() -> None:
    world = World(use=SourceUse.EACH)
    await world.surveyed()
    assert [source for _, source, _ in world.peer.asked] == ["mail", "witness", "witness", "mail"]


async def test_a_wider_hello_is_tried_only_where_the_handshake_was_refused() -> None:
    refused = World(peer=Peer(Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)))
    late = World(peer=Peer(Fault(Stage.HANDSHAKE, Kind.TIMEOUT)))
    await refused.surveyed()
    await late.surveyed()
    assert [hello for _, _, hello in refused.peer.asked] == [Hello.USUAL, Hello.WIDE] * 2
    assert [hello for _, _, hello in late.peer.asked] == [Hello.USUAL] * 2


async def test_deeper_questions_come_last_and_from_the_first_source_only() -> None:
    world = World(use=SourceUse.EACH, deep=True)
    record = await world.surveyed()
    usual = [("192.0.2.1", "mail"), ("192.0.2.1", "witness"), ("192.0.2.2", "witness"), ("192.0.2.2", "mail")]
    assert world.peer.asked == [
        *((*each, Hello.USUAL) for each in usual),
        *((address, "mail", hello) for address in ("192.0.2.1", "192.0.2.2") for hello in QUESTIONS),
    ]
    assert [each.hello for each in evidence(record).sessions] == [hello for _, _, hello in world.peer.asked]


async def test_nothing_deeper_is_asked_unless_somebody_wants_it() -> None:
    world = World()
    await world.surveyed()
    assert {hello for _, _, hello in world.peer.asked} == {Hello.USUAL}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(Stage.GREETING, Kind.REPLY_421, code=421),
        Fault(Stage.EHLO, Kind.REPLY_4XX, code=450),
        Fault(Stage.HANDSHAKE, Kind.TIMEOUT),
        Fault(Stage.CONNECT, Kind.PARKED),
    ],
    ids=lambda fault: fault.kind.value,
)
async def test_the_whole_domain_is_left_at_that_where_one_server_asks_us_to_stop(fault: Fault) -> None:
    world = World(peer=Peer(deep_faults={QUESTIONS[1]: fault}), deep=True)
    await world.surveyed()
    assert [hello for _, _, hello in world.peer.asked] == [Hello.USUAL] * 2 + QUESTIONS[:2]


async def test_a_server_that_refused_the_usual_hello_is_asked_nothing_deeper() -> None:
    world = World(peer=Peer(REFUSED), deep=True)
    await world.surveyed()
    assert [hello for _, _, hello in world.peer.asked] == [Hello.USUAL, Hello.WIDE] * 2


async def test_no_more_than_eight_addresses_of_a_domain_are_asked_deeper() -> None:
    world = World(zone=Zone(mx_records=tuple(MxRecord(10, f"mx{number}.test") for number in range(9))), deep=True)
    await world.surveyed()
    asked = Counter(hello.is_deep for _, _, hello in world.peer.asked)
    assert asked == {False: 18, True: 8 * len(QUESTIONS)}


async def test_who_asked_to_be_left_alone_is_asked_nothing_deeper() -> None:
    world = World(exclusions=read("192.0.2.1/32"), deep=True)
    await world.surveyed()
    assert {address for address, _, _ in world.peer.asked} == {"192.0.2.2"}


async def test_the_validating_resolver_is_asked_where_tlsa_records_exist() -> None:
    signed = Zone(tlsa_records=(RECORD_311,), status=Validity.SECURE, name="validating")
    with_tlsa = await World(zone=Zone(tlsa_records=(RECORD_311,)), validating=signed).surveyed()
    without = await World(validating=signed).surveyed()
    assert evidence(with_tlsa).route.resolver == "validating"
    assert evidence(with_tlsa).route.hosts[0].tlsa.validity is Validity.SECURE
    assert evidence(without).route.resolver == "table"


async def test_tlsa_without_a_validating_resolver_stays_indeterminate() -> None:
    record = await World(zone=Zone(tlsa_records=(RECORD_311,))).surveyed()
    assert evidence(record).route.hosts[0].tlsa.validity is Validity.INDETERMINATE


async def test_a_policy_file_is_fetched_only_where_a_record_announces_it() -> None:
    announced = World(zone=Zone(txt_records=(b"v=STSv1; id=1",)))
    silent = World()
    record = await announced.surveyed()
    await silent.surveyed()
    assert announced.policy_host.asked == ["example.test"]
    assert silent.policy_host.asked == []
    assert evidence(record).mta_sts.policy is not None


async def test_rfc_7505_a_null_mx_is_never_knocked_at() -> None:
    world = World(zone=Zone(mx_records=(MxRecord(0, ""),)))
    record = await world.surveyed()
    assert evidence(record).route.null_mx
    assert world.peer.asked == []


async def test_rfc_5321_s5_1_no_mx_means_the_domain_itself() -> None:
    record = await World(zone=Zone(mx_records=(), mx_fault=NODATA)).surveyed()
    assert evidence(record).route.implicit
    assert evidence(record).route.hosts[0].name == "example.test"


async def test_a_dead_resolver_is_our_own_fault_and_leaves_the_row_undone() -> None:
    down = Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS)
    record = await World(zone=Zone(mx_records=(), mx_fault=down)).surveyed()
    assert evidence(record).route.hosts == ()
    assert evidence(record).own_fault == down


async def test_a_bad_row_becomes_an_error_row_and_nothing_is_sent() -> None:
    world = World()
    fault = Fault(Stage.INPUT, Kind.IP_ADDRESS, Side.INPUT, "an IP address, not a domain")
    record = await world.surveyed(Target(7, "", "192.0.2.1", fault=fault))
    assert record.assessment.status is Status.INPUT_ERROR
    assert record.assessment.findings[0].type == "ip_address"
    assert record.evidence is None
    assert world.peer.asked == []


async def test_who_asked_to_be_left_alone_is_left_alone() -> None:
    by_domain = World(exclusions=read("example.test"))
    by_address = World(exclusions=read("192.0.2.1/32"))
    record = await by_domain.surveyed()
    sessions = evidence(await by_address.surveyed()).sessions
    assert (record.assessment.status, record.assessment.starttls) == (Status.EXCLUDED, Verdict.NOT_APPLICABLE)
    assert by_domain.peer.asked == []
    assert [address for address, _, _ in by_address.peer.asked] == ["192.0.2.2"]
    assert sessions[0].fault == Fault(Stage.CONNECT, Kind.EXCLUDED, Side.INPUT, str(ipaddress.ip_network("192.0.2.1")))
