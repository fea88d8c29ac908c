"""One domain seen from several machines: their evidence put together, and judged as one case.

Each source keeps its role and is called `vantage/source`. Route and policies are those of the first vantage point that
has them: where DNS answers differ by place, servers that only others were sent to count as seen, and are compared with
nobody.

Touches: nothing. Source: docs/record.md (comparing vantage points).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import combinations
from operator import ne
from typing import Any

from scanner.model.assessment import Assessment, Verdict
from scanner.model.policy import MtaSts, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Route
from scanner.model.session import Canary, Session
from scanner.model.target import TlsPolicy
from scanner.protocols.tlsa import NO_RECORDS

Judge = Callable[[Evidence, datetime, TlsPolicy | None], Assessment]
YES, NO = frozenset({Verdict.PASS}), frozenset({Verdict.ABSENT, Verdict.FAIL})


@dataclass(frozen=True, slots=True)
class Sight:
    """The row of one vantage point, and the evidence in it."""

    vantage: str
    record: Record
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Comparison:
    """What all the vantage points that have the domain saw, as one row."""

    sights: tuple[Sight, ...]
    record: Record

    @property
    def is_different(self) -> bool:
        """Whether STARTTLS depends on the place: at one server, or because each place has a server of its own."""
        return self.record.assessment.differs_by_source is True or self.has_other_servers

    @property
    def has_other_servers(self) -> bool:
        """Whether the places disagree, and not about a server that two of them saw."""
        verdicts = {sight.record.assessment.starttls for sight in self.sights}
        is_at_one_server = self.record.assessment.differs_by_source is True
        return bool(verdicts & YES and verdicts & NO) and not is_at_one_server

    @property
    def other_directions(self) -> tuple[str, ...]:
        """Name what each place was told or shown of its own, where both know: the joined row has that of one alone."""
        pairs = [*combinations([sight.evidence for sight in self.sights], 2)]
        return tuple(name for name, differ in DIRECTIONS.items() if any(differ(*pair) for pair in pairs))

    @property
    def apart(self) -> timedelta:
        """How long after the first place the last one looked."""
        moments = [sight.record.observed_at for sight in self.sights]
        return max(moments) - min(moments)


def compared(sights: Sequence[Sight], judge: Judge) -> Comparison:
    """Put the rows of one domain together, the first vantage point first. The row has the run ids of all of them.

    It is judged at the moment, and under the policy, of the first row that has one.
    """
    first = sights[0].record
    policy = next((sight.record.target.policy for sight in sights if sight.record.target.policy), None)
    run_ids = "+".join(dict.fromkeys(sight.record.run_id for sight in sights))
    evidence = together(sights)
    assessment = judge(evidence, first.observed_at, policy)
    record = Record(run_ids, replace(first.target, policy=policy), first.observed_at, evidence, assessment)
    return Comparison(tuple(sights), record)


def together(sights: Sequence[Sight]) -> Evidence:
    """One evidence of many."""
    each = [sight.evidence for sight in sights]
    return Evidence(
        route=max((it.route for it in each), key=_worth_of_route),
        mta_sts=max((it.mta_sts for it in each), key=_worth_of_mta_sts),
        tls_rpt=max((it.tls_rpt for it in each), key=_worth_of_tls_rpt),
        sessions=tuple(_seen_from(sight.vantage, it) for sight in sights for it in sight.evidence.sessions),
        canaries=tuple(_canary_of(sight.vantage, it) for sight in sights for it in sight.evidence.canaries),
    )


def named(vantage: str, source: str) -> str:
    """Name a source of a vantage point."""
    return f"{vantage}/{source}"


def _seen_from(vantage: str, session: Session) -> Session:
    return replace(session, source=named(vantage, session.source))


def _canary_of(vantage: str, canary: Canary) -> Canary:
    return replace(canary, source=named(vantage, canary.source))


def _worth_of_route(route: Route) -> tuple[bool, bool]:
    """An address is worth more than a clean answer; `max` takes the first of equals."""
    return any(host.addresses for host in route.hosts), route.mx.fault is None


def _worth_of_mta_sts(found: MtaSts) -> tuple[bool, bool, bool]:
    return found.policy is not None, bool(found.id), _is_answered(found.txt)


def _worth_of_tls_rpt(found: TlsRpt) -> tuple[bool, bool]:
    return bool(found.rua), _is_answered(found.txt)


def _is_answered(answer: Answer[Any]) -> bool:
    return answer.fault is None or answer.fault.kind in NO_RECORDS


def _mx_hosts(evidence: Evidence) -> Mapping[str, frozenset[str]]:
    mx = evidence.route.mx
    return {"": frozenset(record.exchange for record in mx.records)} if _is_answered(mx) else {}


def _addresses(evidence: Evidence) -> Mapping[str, frozenset[str]]:
    hosts = [host for host in evidence.route.hosts if _is_answered(host.ipv4) and _is_answered(host.ipv6)]
    return {host.name: frozenset(host.addresses) for host in hosts}


def _mta_sts(evidence: Evidence) -> Mapping[str, frozenset[str]]:
    found = evidence.mta_sts
    known = {"id": frozenset({found.id})} if _is_answered(found.txt) else {}
    return known | ({"mx": frozenset({found.policy.mode, *found.policy.mx})} if found.policy else {})


def _certificates(evidence: Evidence) -> Mapping[str, frozenset[str]]:
    leaves: dict[str, set[str]] = {}
    for session in evidence.sessions:
        if session.handshake is not None and session.handshake.chain:
            leaves.setdefault(session.endpoint.mx, set()).add(session.handshake.chain[0].sha256)
    return {mx: frozenset(digests) for mx, digests in leaves.items()}


Seen = Callable[[Evidence], Mapping[str, frozenset[str]]]


def _differing(seen: Seen, differ: Callable[[frozenset[str], frozenset[str]], bool]) -> Callable[..., bool]:
    """Make a question to two evidences: is anything that both know different?"""

    def ask(here: Evidence, there: Evidence) -> bool:
        one, other = seen(here), seen(there)
        return any(differ(one[key], other[key]) for key in one.keys() & other.keys())

    return ask


DIRECTIONS: Mapping[str, Callable[[Evidence, Evidence], bool]] = {
    "other MX hosts": _differing(_mx_hosts, ne),
    "other addresses": _differing(_addresses, ne),
    "another MTA-STS policy": _differing(_mta_sts, ne),
    "other certificates": _differing(_certificates, frozenset.isdisjoint),
}
"""What may depend on the place beside STARTTLS. A host may show several certificates: one in common is none other."""
