"""Could the row be concluded, and if not, on whose side does it hang?

Touches: nothing. Source: docs/record.md (status).
"""

from collections.abc import Iterator

from scanner.assess import starttls
from scanner.assess.case import Case, lookup_faults
from scanner.assess.passing import status_of
from scanner.model.assessment import Status, Verdict

PRECEDENCE = (Status.INCONCLUSIVE, Status.REMOTE_FAULT, Status.EXCLUDED)
"""One of these among several reasons is the status, the first first: what may pass is worth another look."""


def status(case: Case, starttls_axis: Verdict) -> Status:
    """Say `ok` for everything that was concluded, be it good or bad."""
    if starttls_axis in starttls.CONCLUDED:
        return Status.OK
    if case.receives_no_mail:
        return Status.REMOTE_FAULT if case.routing_fault is not None else Status.OK
    held = set(_reasons(case))
    return next((status for status in PRECEDENCE if status in held), Status.REMOTE_FAULT)


def _reasons(case: Case) -> Iterator[Status]:
    """Every reason; none where MX hosts simply have no address, which lasts and is theirs."""
    fault = case.routing_fault
    if fault is not None:
        yield status_of(fault)
    for host in starttls.unseen(case):
        faults = lookup_faults(host)
        yield from map(status_of, faults or (None,))
    for view in case.views:
        if starttls.of_view(view) is Verdict.UNKNOWN:
            yield from (Status.INCONCLUSIVE,) if starttls.is_lost_by_us(view) else ()
            yield from (status_of(it.fault) for it in view.sessions if starttls.of_session(it) is Verdict.UNKNOWN)
