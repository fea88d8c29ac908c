"""One domain from several machines: nothing that was seen is lost, and the same judge says what it means."""

from dataclasses import replace
from datetime import timedelta
from itertools import permutations

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import jsonl
from scanner.model.assessment import Assessment, Status, Verdict
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer
from scanner.model.session import Canary, Role, Session
from scanner.model.target import Target, TlsPolicy
from scanner.vantage import Comparison, Sight, compared, named, together
from tests.unit.assess.evidence import (
    ADDRESS,
    AT,
    DOMAIN,
    MX,
    NO_POLICY,
    NO_REPORTS,
    NXDOMAIN,
    SERVFAIL,
    authority,
    encrypted,
    host,
    plain,
    policy,
    route,
    seen,
    types,
)
from tests.unit.records import records

OTHER = "192.0.2.2"


def sight(vantage: str, evidence: Evidence, n: int = 1, demanded: TlsPolicy | None = None) -> Sight:
    """One row of one file, judged alone as its own scan would have."""
    alone = authority().judge(evidence, AT, demanded)
    return Sight(vantage, Record(f"run-{vantage}", Target(n, DOMAIN, policy=demanded), AT, evidence, alone), evidence)


def joined(*sights: Sight) -> Comparison:
    return compared(sights, authority().judge)


def test_hidden_from_one_machine_and_there_for_the_other_is_one_finding() -> None:
    """RFC 7672 section 9.2: the founding case, across two machines whose sources have the same name."""
    found = joined(sight("berlin", seen(plain())), sight("paris", seen(encrypted(source_address="203.0.113.9"))))
    assessment = found.record.assessment
    assert (found.is_different, found.has_other_servers) == (True, False)
    assert (assessment.differs_by_source, assessment.starttls) == (True, Verdict.PARTIAL)
    assert "source-dependent" in types(assessment)
    assert {it.source for it in assessment.predictions} == {"berlin/mail", "paris/mail"}


@pytest.mark.parametrize("alike", [plain(), encrypted()])
def test_what_both_see_alike_does_not_differ(alike: Session) -> None:
    elsewhere = replace(alike, source_address="203.0.113.9")
    found = joined(sight("berlin", seen(alike)), sight("paris", seen(elsewhere)))
    assert (found.is_different, found.record.assessment.differs_by_source) == (False, False)


def test_the_policy_of_the_list_is_judged_from_every_machine_that_sends_mail() -> None:
    witness = replace(encrypted(source_address="203.0.113.9"), source="witness", role=Role.WITNESS)
    asked = sight("berlin", seen(plain()), demanded=TlsPolicy.MUST_TLS)
    found = joined(sight("paris", seen(witness)), asked)
    assert found.record.target.policy is TlsPolicy.MUST_TLS
    told = {it.source: (it.role, it.would_wait) for it in found.record.assessment.waits}
    assert told == {"berlin/mail": (Role.MAIL, True), "paris/witness": (Role.WITNESS, False)}
    assert found.record.assessment.would_wait is True


def test_servers_that_differ_by_place_are_told_and_not_compared() -> None:
    """DNS that answers by place."""
    here = seen(plain())
    there = seen(encrypted(address=OTHER), way=route(host(addresses=(OTHER,))))
    found = joined(sight("berlin", here), sight("paris", there))
    assert found.record.assessment.differs_by_source is None
    assert (found.is_different, found.has_other_servers) == (True, True)


@pytest.mark.parametrize("unknown", [seen(way=route(fault=SERVFAIL)), seen(way=route(fault=NXDOMAIN)), seen()])
def test_route_and_policies_are_those_of_the_first_place_that_has_them(unknown: Evidence) -> None:
    failed = replace(NO_POLICY, txt=Answer("_mta-sts." + DOMAIN, fault=SERVFAIL))
    reports = replace(NO_REPORTS, rua=("mailto:tls@example.test",))
    first = replace(unknown, mta_sts=failed)
    second = seen(encrypted(), mta_sts=policy(), tls_rpt=reports)
    third = seen(encrypted(address=OTHER), way=route(host(addresses=(OTHER,))))
    found = together([sight("a", first), sight("b", second), sight("c", third)])
    expected = unknown.route if unknown.route.hosts else second.route
    assert (found.route, found.mta_sts, found.tls_rpt) == (expected, second.mta_sts, reports)


def test_the_row_names_every_run_and_stays_where_the_first_list_has_it() -> None:
    found = joined(sight("a", seen(encrypted()), n=7), sight("b", seen(encrypted()), n=9)).record
    assert (found.run_id, found.target.n, found.observed_at) == ("run-a+run-b", 7, AT)


def test_rows_of_other_times_say_how_far_they_are_apart() -> None:
    late, early = sight("a", seen(encrypted())), sight("b", seen(encrypted()))
    moved = replace(early, record=replace(early.record, observed_at=AT - timedelta(hours=3)))
    assert joined(late, moved).apart == joined(moved, late).apart == timedelta(hours=3)
    assert joined(late, early).apart == timedelta()


def test_no_order_of_the_files_changes_whether_they_differ() -> None:
    each = [
        sight("a", seen(plain())),
        sight("b", seen(encrypted(source_address="203.0.113.9"))),
        sight("c", seen(plain(source_address="203.0.113.10"))),
    ]
    found = [joined(*order).record.assessment for order in permutations(each)]
    assert {it.differs_by_source for it in found} == {True}
    assert len({it.findings for it in found}) == 1


def judged_never(_evidence: Evidence, _at: object, _policy: TlsPolicy | None) -> Assessment:
    return Assessment(status=Status.OK)


@settings(max_examples=25)
@given(st.lists(records(), min_size=1, max_size=3))
def test_every_session_and_canary_is_kept_under_its_own_name(rows: list[Record]) -> None:
    sights = [Sight(f"v{n}", row, row.evidence) for n, row in enumerate(rows) if row.evidence is not None]
    if not sights:
        return
    found = compared(sights, judged_never).record
    assert found.evidence is not None
    back = [
        replace(it, source=it.source.removeprefix(f"{each.vantage}/"))
        for each in sights
        for it in found.evidence.sessions
        if it.source.startswith(f"{each.vantage}/")
    ]
    assert back == [it for each in sights for it in each.evidence.sessions]
    canaries = [
        Canary(named(each.vantage, it.source), it.offered, it.missing, it.mangled, it.unseen)
        for each in sights
        for it in each.evidence.canaries
    ]
    assert list(found.evidence.canaries) == canaries


def test_a_joined_row_can_be_written_and_judged_again() -> None:
    found = joined(sight("berlin", seen(plain())), sight("paris", seen(encrypted(source_address="203.0.113.9")))).record
    ders = {it.sha256: it.der for it in authority().chain("good")}
    again = jsonl.decode(jsonl.encode(found), ders)
    assert again == found
    assert orjson.loads(jsonl.encode(found))["sessions"][1]["source"] == "paris/mail"
    assert {(it.endpoint.mx, it.endpoint.address) for it in again.evidence.sessions} == {(MX, ADDRESS)}  # type: ignore[union-attr]


ELSEWHERE = route(host("other.example.test"))
SERVFAILED = route(replace(host(), ipv4=Answer(MX, fault=SERVFAIL)))


@pytest.mark.parametrize(
    ("here", "there", "told"),
    [
        (seen(encrypted()), seen(encrypted()), ()),
        (seen(), seen(way=ELSEWHERE), ("other MX hosts",)),
        (seen(), seen(way=route(host(addresses=[OTHER]))), ("other addresses",)),
        (seen(), seen(way=route(fault=SERVFAIL)), ()),
        (seen(), seen(way=SERVFAILED), ()),
        (seen(), seen(mta_sts=policy()), ("another MTA-STS policy",)),
        (seen(encrypted()), seen(encrypted("wildcard")), ("other certificates",)),
        (seen(encrypted()), seen(encrypted(), encrypted("wildcard", address=OTHER)), ()),
        (seen(encrypted()), seen(plain()), ()),
    ],
)
def test_of_two_routes_policies_or_certificates_none_is_lost(
    here: Evidence, there: Evidence, told: tuple[str, ...]
) -> None:
    """The joined row has those of one place; that the other has its own is said."""
    assert joined(sight("berlin", here), sight("paris", there)).other_directions == told
    assert joined(sight("paris", there), sight("berlin", here)).other_directions == told
    third = sight("rome", here)
    assert joined(sight("berlin", here), third, sight("paris", there)).other_directions == told
