"""ONE judgement: Evidence -> Assessment. Pure, so that stored evidence can be judged again by new rules.

Each axis is one module with `axis` and `findings`; `delivery` says what would happen to mail. Nothing here knows how
the evidence was gathered, and nothing looks at a clock: the moment is an argument.

Touches: nothing. Source: docs/verdicts.md.
"""

from collections.abc import Iterator
from datetime import datetime

from scanner.assess import dane, hygiene, mta_sts, partners, sources, starttls, status, tls_rpt, webpki
from scanner.assess.alike import Alike
from scanner.assess.case import Case, Servers, has_no_address, in_reach, is_bogus, views
from scanner.assess.causes.table import causes
from scanner.assess.findings import found, weighed
from scanner.assess.senders.delivery import ALL_MODELS, Predictor
from scanner.assess.senders.hosts import is_address
from scanner.assess.trust import Trust, Verifier
from scanner.model.assessment import Assessment, Finding, Prediction
from scanner.model.fault import Kind
from scanner.model.record import Evidence
from scanner.model.target import TlsPolicy


class Judge:
    """The judge of one run: `Judge(trust)(evidence, at)`. It predicts what these sender models do, and no others.

    It remembers verified chains, which changes the cost and nothing else; with `servers` also what domains share, for
    whoever has many rows: in a scan, and where rows are read together, that is the very same value. Raises KeyError for
    an unknown model.
    """

    def __init__(self, trust: Trust, models: tuple[str, ...] = ALL_MODELS, servers: Servers | None = None) -> None:
        self.verifier = Verifier(trust)
        self._servers = servers
        self._alike = None if servers is None else Alike()
        self._predictor = Predictor(models)
        self._missing = {policy: name for policy, name in partners.MODEL_OF.items() if name not in models}

    def __call__(self, evidence: Evidence, at: datetime, policy: TlsPolicy | None = None) -> Assessment:
        """Judge one domain at a moment (UTC), and what `policy` makes of mail to it."""
        if self._alike is None:
            return self._judged(evidence, at, policy)[1]
        return self._alike.judged(evidence, at, policy, self._judged)

    def _judged(self, evidence: Evidence, at: datetime, policy: TlsPolicy | None) -> tuple[Case, Assessment]:
        seen = views(in_reach(evidence.sessions), sources.distorted(evidence), self._servers)
        case = Case(evidence, seen, self.verifier, at)
        offered = starttls.axis(case)
        predictions = self._predictor(case)
        waits = partners.waits(
            policy, predictions if policy not in self._missing else self._demanded(case, policy), case
        )
        assessment = Assessment(
            status=status.status(case, offered),
            starttls=offered,
            webpki=webpki.axis(case, offered),
            dane=dane.axis(case),
            mta_sts=mta_sts.axis(case),
            tls_rpt=tls_rpt.axis(case),
            differs_by_source=sources.differs(case),
            findings=weighed(_findings(case)),
            causes=causes(case),
            predictions=predictions,
            would_wait=partners.would_wait(waits),
            waits=waits,
        )
        return case, assessment

    def _demanded(self, case: Case, policy: TlsPolicy) -> tuple[Prediction, ...]:
        """Predict for the model of a policy that was not asked for by itself."""
        return Predictor((self._missing[policy],))(case)


def judge(trust: Trust, evidence: Evidence, at: datetime) -> Assessment:
    """Judge one domain once. A run takes a `Judge`, which builds the trust store only once."""
    return Judge(trust)(evidence, at)


def _findings(case: Case) -> Iterator[Finding]:
    yield from _of_route(case)
    for rules in (starttls, sources, webpki, dane, mta_sts, tls_rpt, hygiene):
        yield from rules.findings(case)


def _of_route(case: Case) -> Iterator[Finding]:
    """What is wrong with the way to the servers (RFC 5321 section 5.1, RFC 7505)."""
    route = case.route
    fault = case.routing_fault
    if fault is not None and fault.kind is not Kind.BOGUS:
        yield found("domain-not-found" if fault.kind is Kind.NXDOMAIN else "dns-lookup-failed", detail=fault.kind.value)
    if not route.null_mx and any(not record.exchange for record in route.mx.records):
        is_alone = len(route.mx.records) == 1
        yield found("null-mx-malformed" if is_alone else "null-mx-not-alone")
    for host in () if case.receives_no_mail else route.hosts:
        if is_address(host.name):
            yield found("mx-is-address", host.name)
        elif has_no_address(host):
            yield found("mx-without-address", host.name)
        elif not host.addresses and not is_bogus(host):
            yield found("dns-lookup-failed", host.name, detail="A, AAAA")
