"""Laws of the whole judgement, and the page that documents it."""

import re
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess.case import Servers, views
from scanner.assess.causes import table as causing
from scanner.assess.findings import FINDING_TYPES, found, weighed
from scanner.assess.folding import better
from scanner.assess.judgement import Judge, judge
from scanner.assess.senders.rules import RULES
from scanner.assess.trust import trust
from scanner.model.assessment import Assessment, Status, Verdict
from scanner.model.fault import Kind, Side, Stage
from scanner.model.route import MxHost
from scanner.model.session import Session
from tests.unit.assess.evidence import (
    AT,
    MINUTE,
    authority,
    cut,
    encrypted,
    host,
    judged,
    plain,
    policy,
    route,
    secured,
    seen,
    tlsa_of,
    types,
)

ROOT = Path(__file__).parents[3]
AXES = ("starttls", "webpki", "dane", "mta_sts")
SEEN = st.lists(
    st.sampled_from(
        [
            encrypted(),
            encrypted("self-signed"),
            encrypted("wildcard"),
            plain(),
            cut(Stage.STARTTLS, Kind.REPLY_5XX),
            cut(Stage.STARTTLS, Kind.REPLY_4XX),
            cut(Stage.HANDSHAKE, Kind.TLS_ALERT),
            cut(Stage.GREETING, Kind.REPLY_421),
            cut(Stage.CONNECT, Kind.REFUSED),
        ]
    ),
    min_size=1,
    max_size=4,
)


def spread(sessions: list[Session]) -> list[tuple[MxHost, Session]]:
    """Each session at a host of its own, all equally preferred."""
    pairs = []
    for at, session in enumerate(sessions, 1):
        name, address = f"mx{at}.example.test", f"192.0.2.{at}"
        pairs.append(
            (host(name, 10, (address,)), replace(session, endpoint=encrypted(mx=name, address=address).endpoint))
        )
    return pairs


def of(pairs: list[tuple[MxHost, Session]]) -> Assessment:
    """The assessment of these hosts."""
    way = route(*(each for each, _ in pairs))
    return judged(*(session for _, session in pairs), way=way, mta_sts=policy())


@given(SEEN, st.randoms(use_true_random=False))
def test_the_order_of_equally_preferred_hosts_never_matters(sessions: list[Session], random: Random) -> None:
    pairs = spread(sessions)
    shuffled = list(pairs)
    random.shuffle(shuffled)
    assert of(shuffled) == of(pairs)


@given(SEEN)
def test_a_session_seen_twice_counts_once(sessions: list[Session]) -> None:
    pairs = spread(sessions)
    assert of([*pairs]) == judged(
        *(session for _, session in pairs * 2), way=route(*(each for each, _ in pairs)), mta_sts=policy()
    )


@given(SEEN, st.sampled_from([Kind.TIMEOUT, Kind.REFUSED, Kind.UNREACHABLE]))
def test_one_more_unreachable_host_never_improves_a_verdict(sessions: list[Session], kind: Kind) -> None:
    fewer, more = of(spread(sessions)), of(spread([*sessions, cut(Stage.CONNECT, kind)]))
    assert not any(better(getattr(more, axis), getattr(fewer, axis)) for axis in AXES)


@given(SEEN)
def test_a_host_without_an_address_never_improves_a_verdict(sessions: list[Session]) -> None:
    pairs = spread(sessions)
    way = route(*(each for each, _ in pairs), host("dead.example.test", 10, ()))
    more = judged(*(session for _, session in pairs), way=way, mta_sts=policy())
    assert not any(better(getattr(more, axis), getattr(of(pairs), axis)) for axis in AXES)


def test_judging_once_and_judging_in_a_run_agree() -> None:
    evidence = seen(encrypted("expired"), mta_sts=policy())
    assert judge(trust("test", authority().root.pem), evidence, AT) == authority().judge(evidence, AT)


def test_the_finding_to_act_on_comes_first() -> None:
    assessment = judged(encrypted("expired"), plain(address="192.0.2.2"), mta_sts=policy())
    assert types(assessment)[0] == "sts-required"
    assert assessment.findings[0].rule == "RFC 8461 5"


def test_findings_are_told_once_whatever_their_order() -> None:
    one, other = found("weak-key", "b"), found("flapping", "a")
    assert weighed([one, other, one]) == (other, one)


ROWS = [
    *(f"| `{name}` | {sentence} |" for name, sentence in RULES.items()),
    *(f"| `{name}` | {kind.rule} | {kind.sentence} |" for name, kind in FINDING_TYPES.items()),
    *(f"| `{name}` | {rule.sentence} |" for name, rule in causing.RULES.items()),
]


def test_all_tables_stand_on_the_page_word_for_word_and_in_order() -> None:
    page = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8").splitlines()
    assert [line for line in page if line.startswith("| `")] == ROWS


def test_every_rule_that_is_cited_is_explained_and_every_explained_rule_is_cited() -> None:
    sources = [path.read_text() for path in (ROOT / "scanner" / "assess").rglob("*.py") if path.stem != "rules"]
    cited = set(re.findall(r'"(2\.\d-[a-z0-9-]+|unseen)"', "\n".join(sources)))
    assert cited == set(RULES)


def test_every_type_of_finding_is_made_somewhere() -> None:
    text = "\n".join(
        path.read_text() for path in (ROOT / "scanner" / "assess").rglob("*.py") if path.stem != "findings"
    )
    assert [name for name in FINDING_TYPES if f'"{name}"' not in text] == []


def test_an_address_of_a_family_that_we_lack_hinders_nobody_where_the_host_has_another() -> None:
    """A sender without IPv6 never tries it; without this every dual-stack host would be unknown to an IPv4 scanner."""
    both = route(host(addresses=("192.0.2.1", "2001:db8::1")))
    six = cut(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS, address="2001:db8::1")
    four = encrypted()
    assert judged(four, six, way=both) == judged(four, way=route(host(addresses=("192.0.2.1",))))
    alone = judged(six, way=route(host(addresses=("2001:db8::1",))))
    assert (alone.starttls, alone.status) == (Verdict.UNKNOWN, Status.INCONCLUSIVE)


SHARED_BY_MANY = [encrypted(), encrypted("self-signed"), plain(), cut(Stage.GREETING, Kind.REPLY_421)]


@pytest.mark.parametrize("session", SHARED_BY_MANY)
def test_what_is_known_of_a_shared_server_does_not_grow_with_the_domains_behind_it(session: Session) -> None:
    """A scan describes the host anew for every domain, and judges each at a moment of its own."""
    servers, shared = Servers(), replace(session, shared=True)
    judge = Judge(trust("test", authority().root.pem), servers=servers)
    (view,) = views((shared,), servers=servers)
    counted = []
    for number in range(20):
        for way in (route(host()), secured(tlsa_of("good"))):
            judge(seen(shared, way=replace(way, domain=f"d{number}.test"), mta_sts=policy()), AT + number * MINUTE)
        counted.append(len(view.known))
    assert counted[0] > 0
    assert len(set(counted)) == 1
