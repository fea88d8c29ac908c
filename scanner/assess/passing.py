"""Which faults may be gone tomorrow, and which say something lasting about the far side.

A passing fault is never turned into `absent` or `fail`. It is the one line between "they have no TLS" and "we did not
get to see it".

Touches: nothing. Source: RFC 5321 section 4.2.1 (4yz is transient), RFC 7672 section 2.1.1 (lookup errors).
"""

from scanner.model.assessment import Status
from scanner.model.fault import Fault, Kind, Side, Stage

PASSING = frozenset(
    {
        Kind.SERVFAIL,
        Kind.DNS_TIMEOUT,
        Kind.RESOLVER_DOWN,
        Kind.TIMEOUT,
        Kind.REPLY_421,
        Kind.REPLY_4XX,
        Kind.PARKED,
        Kind.NO_DESCRIPTORS,
        Kind.NO_SOURCE,
        Kind.NO_ROUTE,
        Kind.NO_FAMILY,
        Kind.NO_BUFFERS,
        Kind.STALLED,
        Kind.BUG,
    }
)
CUT = frozenset({Kind.CLOSED, Kind.RESET})


def passes(fault: Fault) -> bool:
    """Whether another day, or another machine of ours, could see something else."""
    return fault.side is not Side.REMOTE or fault.kind in PASSING


def status_of(fault: Fault | None) -> Status:
    """On whose side an unconcluded row hangs. A connection cut after STARTTLS was offered is unclear, not lasting."""
    if fault is None:
        return Status.INCONCLUSIVE
    if fault.kind is Kind.EXCLUDED:
        return Status.EXCLUDED
    is_unclear = fault.kind in CUT and fault.stage >= Stage.STARTTLS
    return Status.INCONCLUSIVE if is_unclear or passes(fault) else Status.REMOTE_FAULT
