"""The resolvers: do they live, how fast, do they tell the truth, do large answers arrive, can DANE be judged?

Touches: nothing. Source: RFC 4035 section 4.9.3 (AD over a trusted path), RFC 6761 section 6.4 (`invalid.`), RFC 7766
(TCP), RFC 6891 section 6.2.5 (large answers).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanner.cli.doctor.check import Check, fail, ok, warn
from scanner.model.fault import Fault

SLOW_S = 0.5
LOCAL = "run a validating resolver on this machine, such as unbound, and name it: --resolver 127.0.0.1"


@dataclass(frozen=True, slots=True)
class ResolverSeen:
    """What one server did. `fault`: it did not answer in `took_s`; then nothing else was asked. `validates` is None
    where its word cannot count, because it is not on this machine. `invented`: it has an address for a name that
    cannot exist. `large` and `tcp`: what went wrong with a large answer, and over TCP.
    """

    server: str
    took_s: float
    fault: Fault | None = None
    validates: bool | None = None
    invented: bool = False
    large: Fault | None = None
    tcp: Fault | None = None


def resolver_checks(seen: Sequence[ResolverSeen]) -> Iterator[Check]:
    """Judge all of them: one that is dead beside a living one costs time, and no rows."""
    is_any_alive = any(each.fault is None for each in seen)
    for number, each in enumerate(seen):
        yield alive(each, is_any_alive=is_any_alive)
        if each.fault is None:
            yield honest(each)
            yield roomy(each)
        if number == 0:  # DNSSEC is asked of the first
            yield dnssec(each)


def alive(seen: ResolverSeen, *, is_any_alive: bool) -> Check:
    """Judge whether it answers, and how fast."""
    if seen.fault is not None:
        reason = f"asked for the name servers of the root: {seen.fault.kind} {seen.fault.detail}".strip()
        judged = warn if is_any_alive else fail
        return judged("resolver", reason, "start it, or name another: --resolver ADDR", seen.server)
    took = f"answers in {round(seen.took_s * 1000)} ms"
    if seen.took_s > SLOW_S:
        return warn("resolver", f"{took}, which is slow", "name a resolver near this machine", seen.server)
    return ok("resolver", took, seen.server)


def honest(seen: ResolverSeen) -> Check:
    """Judge whether a name that cannot exist does not."""
    if seen.invented:
        reason = "it invents addresses for names that do not exist, so that every domain seems to have mail"
        return fail("nxdomain", reason, "name a resolver that answers as the zones do", seen.server)
    return ok("nxdomain", "a name that cannot exist does not", seen.server)


def roomy(seen: ResolverSeen) -> Check:
    """Judge whether answers arrive that do not fit into one small packet: long TXT, many MX, DNSSEC."""
    trouble = [
        f"{what}: {fault.kind} {fault.detail}".strip()
        for what, fault in (("large answers", seen.large), ("TCP", seen.tcp))
        if fault
    ]
    if not trouble:
        return ok("large_answers", "large answers and TCP work", seen.server)
    remedy = "let TCP port 53 and UDP fragments through between this machine and the resolver"
    return warn("large_answers", "; ".join(trouble), remedy, seen.server)


def dnssec(seen: ResolverSeen) -> Check:
    """Judge whether DANE can be judged."""
    if seen.validates:
        return ok("dnssec", "validates, on this machine: DANE is judged", seen.server)
    if seen.fault is not None:
        return warn("dnssec", "not known, it does not answer: DANE stays unknown", LOCAL, seen.server)
    if seen.validates is None:
        reason = "not on this machine, anybody on the way could claim that it validates: DANE stays unknown"
        return warn("dnssec", reason, LOCAL, seen.server)
    reason = "does not validate: DANE stays unknown"
    return warn("dnssec", reason, "switch its validation on (unbound: auto-trust-anchor-file)", seen.server)
