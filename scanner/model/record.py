"""One domain, finished: what was asked, what was seen, what it means. One line of output.

Touches: nothing. Source: docs/record.md.
"""

from dataclasses import dataclass
from datetime import datetime

from scanner.model.assessment import Assessment
from scanner.model.fault import Fault
from scanner.model.policy import MtaSts, TlsRpt
from scanner.model.route import Route
from scanner.model.session import Canary, Session
from scanner.model.target import Target


@dataclass(frozen=True, slots=True)
class Evidence:
    """The sole input of judgement. `canaries` hold one entry for each source, where canaries were named."""

    route: Route
    mta_sts: MtaSts
    tls_rpt: TlsRpt
    sessions: tuple[Session, ...] = ()
    canaries: tuple[Canary, ...] = ()

    @property
    def own_fault(self) -> Fault | None:
        """The first passing trouble of ours that cut this evidence short; such a row is undone, never a verdict."""
        hosts = self.route.hosts
        faults = [self.route.mx.fault, self.mta_sts.txt.fault, self.tls_rpt.txt.fault]
        faults += [answer.fault for host in hosts for answer in (host.ipv4, host.ipv6, host.tlsa)]
        faults += [session.fault for session in self.sessions]
        if self.mta_sts.fetch is not None:
            faults.append(self.mta_sts.fetch.fault)
        return next((fault for fault in faults if fault is not None and fault.leaves_row_undone), None)


@dataclass(frozen=True, slots=True)
class Record:
    """`evidence` is None where nothing was sent: an input error or an excluded domain."""

    run_id: str
    target: Target
    observed_at: datetime
    evidence: Evidence | None
    assessment: Assessment
