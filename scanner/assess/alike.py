"""Domains that differ in nothing but their names are judged once: most of a list is with a few providers.

A judgement is that of the next domain too where its hosts, sessions and policies are the same, where no certificate
names it, and until a date turns. That changes the cost and nothing else.

Touches: nothing. Source: docs/performance.md (judging stored rows).
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from datetime import datetime
from typing import Any, NamedTuple

from scanner.assess.case import Case
from scanner.assess.chains import last_days
from scanner.assess.dane import TA
from scanner.assess.names import presented
from scanner.assess.senders.hosts import is_plain
from scanner.assess.trust import BEGINNING, END
from scanner.assess.webpki import chain_of, trust_answer
from scanner.model.assessment import Assessment
from scanner.model.record import Evidence
from scanner.model.route import Answer
from scanner.model.target import TlsPolicy

REMEMBERED = 1_000
Judging = Callable[[Evidence, datetime, TlsPolicy | None], tuple[Case, Assessment]]


class Judged(NamedTuple):
    """A judgement between two moments, for domains that are not in `names`: those of all certificates, as one text.

    `evidence` is kept because its parts are told by identity, so that nothing else can take their place.
    """

    assessment: Assessment
    evidence: Evidence
    since: datetime
    until: datetime
    names: str

    def holds(self, evidence: Evidence, at: datetime) -> bool:
        """Tell whether it holds for another domain, with the same key."""
        return self.since < at < self.until and evidence.route.domain not in self.names


class Alike:
    """Judgements of this run; the longest unused are forgotten beyond `remembered`."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._known: OrderedDict[Hashable, Judged] = OrderedDict()
        self._remembered = remembered

    def judged(self, evidence: Evidence, at: datetime, policy: TlsPolicy | None, judge: Judging) -> Assessment:
        """Judge, or say what was said of a domain just like this one: the very same value."""
        if not evidence.sessions or not all(session.shared for session in evidence.sessions):
            return judge(evidence, at, policy)[1]
        key = all_but_names(evidence, policy)
        known = self._known.get(key)
        if known is not None and known.holds(evidence, at):
            self._known.move_to_end(key)
            return known.assessment
        case, assessment = judge(evidence, at, policy)
        if is_the_same_for_all(case):
            self._keep(key, Judged(assessment, evidence, *between(case), named(case)), at)
        return assessment

    def _keep(self, key: Hashable, fresh: Judged, at: datetime) -> None:
        if fresh.holds(fresh.evidence, at):
            self._known[key] = fresh
            if len(self._known) > self._remembered:
                self._known.popitem(last=False)


def all_but_names(evidence: Evidence, policy: TlsPolicy | None) -> Hashable:
    """Everything that a rule may look at, but for names of the domain and times to live. What is large and shared is
    told by identity.
    """
    route, sts, reports = evidence.route, evidence.mta_sts, evidence.tls_rpt
    hosts = [
        (it.name, it.preference, id(it.ipv4), id(it.ipv6), id(it.tlsa), it.tlsa_base, it.alias_validity)
        for it in route.hosts
    ]
    return (
        tuple(map(id, evidence.sessions)),
        tuple(hosts),
        _answered(route.mx),
        (route.mx_count, route.implicit, route.null_mx, route.resolver),
        (_answered(sts.txt), sts.id, sts.fetch, sts.policy, sts.defect),
        (_answered(reports.txt), reports.rua, reports.defect),
        evidence.canaries,
        policy,
    )


def _answered(answer: Answer[Any]) -> Hashable:
    return answer.records, answer.validity, answer.fault


def is_the_same_for_all(case: Case) -> bool:
    """Tell whether no rule asks for the name of the domain: where DNS decides, it stands in the words of senders, and a
    DANE trust anchor may certify it (RFC 7672 s3.2.2), at a moment of its own.
    """
    return is_plain(case) and not any(record.usage == TA for it in case.route.hosts for record in it.tlsa.records)


def between(case: Case) -> tuple[datetime, datetime]:
    """Moments, both excluded, between which no certificate or anchor begins, ends, or comes to its last days."""
    since, until = BEGINNING, END
    for view in case.views:
        chain = chain_of(view)
        if chain:
            answer, soon_at = trust_answer(case, view), last_days(chain[0])[0]
            since, until = max(since, answer.since), min(until, answer.until)
            since, until = (max(since, soon_at), until) if soon_at < case.at else (since, min(until, soon_at))
    return since, until


def named(case: Case) -> str:
    """Every name that a leaf presents, in lower case."""
    chains = [chain_of(view) for view in case.views]
    return " ".join([name.lower() for chain in chains if chain for name in presented(chain[0]) or ()])
