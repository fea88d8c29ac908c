"""What Postfix would do with a message to this domain now, for each of its TLS levels, from each of our addresses.

    1. DNS may already decide: no such domain, null MX, a failed lookup.
    2. Each address of each MX host is one attempt (wire.py), under the demand that the level makes of that host.
    3. Attempts are folded in the order of preference: the first that ends, ends it; if none does, the message waits.

What the evidence does not show is UNKNOWN, with the reason. Inside one preference the order is random: the worst that
can happen is told, and that it depends.

Touches: nothing. Source: docs/verdicts.md (delivery); Postfix smtp_connect.c, smtp_addr.c, smtp_tls_policy.c; RFC 5321
section 5.1, RFC 7672 section 2.2, RFC 8461 section 5.
"""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from scanner.assess import levels, wire
from scanner.assess.case import Case, has_no_address, lookup_faults, once, receives_no_mail, routing_fault
from scanner.assess.levels import MODELS
from scanner.assess.wire import Step, Visit, unseen, visit, waits
from scanner.model.assessment import Outcome, Prediction
from scanner.model.fault import Fault, Kind
from scanner.model.route import MxHost, Route, Validity
from scanner.protocols.mx import is_host_name

ADDRESSES_TRIED = 5
"""smtp_mx_address_limit."""
WORST_FIRST = (
    Outcome.UNKNOWN,
    Outcome.BOUNCE,
    Outcome.DEFER,
    Outcome.CLEAR,
    Outcome.ENCRYPTED,
    Outcome.ENCRYPTED_AUTHENTICATED,
)
DNS_WORDS = "Host or domain name not found. Name service error for name={name} type={type}: {why}"
NO_NAME, NO_DATA = "Host not found", "Host found but no data record of requested type"
LATER = f"{NO_NAME}, try again"
MALFORMED = "Name service error for name={name} type=MX: Malformed or unexpected name server reply"
ANOTHER_SOURCE = "seen from another of our addresses"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One address of one host, as far as this source, or another one, saw it."""

    host: MxHost
    address: str
    visit: Visit | None
    is_borrowed: bool = False


def predict(case: Case) -> tuple[Prediction, ...]:
    """Every model from every source; one nameless source where DNS decided and nobody was asked."""
    sources = sorted({view.source for view in case.views}) or [""]
    decided = by_dns(case)
    hosts: list[MxHost] = []
    if decided is None:
        hosts, decided = _without_self(case)
    return tuple(
        _prediction(model, source, decided or outcome(case, ranked, model))
        for source in sources
        for ranked in [attempts(case, hosts, source)]
        for model in MODELS
    )


def _prediction(model: str, source: str, step: Step) -> Prediction:
    return Prediction(
        model, source, step.outcome, step.rule, step.dsn, step.words, certain=not step.reason, reason=step.reason
    )


def attempts(case: Case, hosts: list[MxHost], source: str) -> list[list[Attempt]]:
    """Every address of every host, by preference: the same for every model."""
    ranked = groupby(sorted(hosts, key=lambda it: it.preference), key=lambda it: it.preference)
    return [[attempt for host in equals for attempt in _attempts(case, host, source)] for _, equals in ranked]


def outcome(case: Case, ranked: list[list[Attempt]], model: str) -> Step:
    """Attempts by preference, folded; mostly there is one."""
    if len(ranked) == 1 == len(ranked[0]):
        return step_of(case, ranked[0][0], model)
    return in_order([[step_of(case, attempt, model) for attempt in equals] for equals in ranked])


def by_dns(case: Case) -> Step | None:
    """Standards table 2.2, where DNS alone decides."""
    route, name = case.route, case.route.domain
    if route.null_mx or any(not record.exchange for record in route.mx.records):
        return Step(Outcome.BOUNCE, "2.2-null-mx", "5.1.0", f"Domain {name} does not accept mail (nullMX)")
    fault = routing_fault(route)
    if fault is not None and fault.kind is not Kind.NXDOMAIN:
        return _lookup_failed(name, "MX", fault)
    if receives_no_mail(route):
        return Step(Outcome.BOUNCE, "2.2-nxdomain", "5.4.4", _not_found(name, fault or route.hosts[0].ipv6.fault))
    if route.hosts and all(is_malformed(case, host) for host in route.hosts):
        return Step(Outcome.BOUNCE, "2.2-malformed", "5.4.4", MALFORMED.format(name=name))
    return None if any(host.addresses for host in route.hosts) else _unaddressed(route)


def _unaddressed(route: Route) -> Step:
    """Bounce where every lookup said so; wait where one of them failed; Postfix takes an IP address for a host."""
    if any(is_address(host.name) for host in route.hosts):
        return unseen("an MX record holds an IP address, which Postfix would use", "2.2-no-address")
    for host in sorted(route.hosts, key=lambda it: it.name):
        for kind, answer in (("AAAA", host.ipv6), ("A", host.ipv4)):
            if answer.fault is not None and answer.fault in lookup_faults(host):
                return replace(_lookup_failed(host.name, kind, answer.fault), rule="2.2-no-address")
    if not route.hosts:
        return unseen("no MX host is known")
    host = min(route.hosts, key=lambda it: it.name)
    return Step(Outcome.BOUNCE, "2.2-no-address", "5.4.4", _not_found(host.name, host.ipv6.fault))


def _lookup_failed(name: str, kind: str, fault: Fault) -> Step:
    """SERVFAIL, bogus and time-outs wait; other answers reach a sender as its own resolver turns them."""
    if fault.kind not in {Kind.SERVFAIL, Kind.BOGUS, Kind.DNS_TIMEOUT}:
        return unseen(f"the lookup ended with {fault.kind.value}", "2.2-lookup")
    reason = "" if fault.kind is Kind.BOGUS else wire.PASSES
    return waits("2.2-lookup", "4.4.3", DNS_WORDS.format(name=name, type=kind, why=LATER), reason)


def _not_found(name: str, fault: Fault | None) -> str:
    """The last question that Postfix asks is AAAA, even where there is no such domain."""
    why = NO_NAME if fault is not None and fault.kind is Kind.NXDOMAIN else NO_DATA
    return DNS_WORDS.format(name=name, type="AAAA", why=why)


def _without_self(case: Case) -> tuple[list[MxHost], Step | None]:
    """Postfix drops hosts that are no better than itself; a loopback address is itself (RFC 5321 section 5.1).

    Not where it was connected to: then we were told that other hosts live there, as in a lab.
    """
    route = case.route
    named = [host for host in route.hosts if not is_malformed(case, host)]
    addressed = [host for host in named if host.addresses]
    itself = [host.preference for host in addressed if any(_is_itself(case, host, each) for each in host.addresses)]
    if not itself:
        return [host for host in named if not has_no_address(host)], None
    left = [host for host in addressed if host.preference < min(itself)]
    best = min(host.preference for host in named)
    if left:
        return left, None
    if best < min(itself):
        return [], waits("2.2-loop", "4.4.4", f"unable to find primary relay for {route.domain}")
    return [], Step(Outcome.BOUNCE, "2.2-loop", "5.4.6", f"mail for {route.domain} loops back to myself")


def step_of(case: Case, attempt: Attempt, model: str) -> Step:
    """What one attempt comes to."""
    host = attempt.host
    if host.ipv4.validity is Validity.BOGUS or host.ipv6.validity is Validity.BOGUS:
        return unseen("the addresses are bogus: it depends on whether the sender validates")
    if attempt.visit is None:
        return unseen("this address was not visited")
    step = levels.attempt(case, host, model, attempt.visit)
    return _doubted(step, ANOTHER_SOURCE) if attempt.is_borrowed else step


def _attempts(case: Case, host: MxHost, source: str) -> Iterator[Attempt]:
    """One for each address of the host; a host whose addresses could not be looked up is passed over."""
    seen = {(view.address, view.source): view for view in case.of(host)}
    for address in case.addresses(host):
        own = seen.get((address, source))
        view = own or next((seen[key] for key in sorted(seen) if key[0] == address), None)
        yield Attempt(host, address, None if view is None else visit(view), own is None and view is not None)


def in_order(preferences: list[list[Step]]) -> Step:
    """Fold attempts, the best preference first. The address limit may end the list before it is exhausted."""
    left = ADDRESSES_TRIED
    last: list[Step] = []
    for steps in preferences:
        ends = [step for step in steps if step.ends]
        passed = [step for step in steps if not step.ends]
        if ends:
            late = passed if len(passed) >= left else []
            return _one_of(ends + late)
        last = passed or last
        left -= len(passed)
        if left <= 0:
            break
    return _one_of(last) if last else unseen("no address was seen")


def _one_of(steps: list[Step]) -> Step:
    """The worst of what a random order may bring; which words stand in the log does not make it uncertain."""
    if len(steps) == 1:
        return steps[0]
    ranked = sorted(steps, key=lambda it: (WORST_FIRST.index(it.outcome), it.words, it.rule, it.reason))
    worst, best = ranked[0], ranked[-1]
    if worst.outcome is best.outcome:
        return next((step for step in ranked if step.is_certain), worst)
    return _doubted(worst, f"the order of equal MX hosts decides; {best.outcome.value} at best")


def _doubted(step: Step, reason: str) -> Step:
    return replace(step, reason=f"{step.reason}; {reason}" if step.reason else reason)


def _is_itself(case: Case, host: MxHost, address: str) -> bool:
    allowed = {view.address for view in case.of(host) if not view.was_refused}
    return address not in allowed and _is_loopback(address)


def _is_loopback(address: str) -> bool:
    return is_address(address) and ipaddress.ip_address(address).is_loopback


@once
def is_malformed(_case: Case, host: MxHost) -> bool:
    """Tell whether Postfix passes over the MX record because of its name (valid_hostname.c)."""
    return not is_host_name(host.name) and not is_address(host.name)


def is_address(name: str) -> bool:
    """Tell whether an address stands where a name belongs."""
    if ":" not in name and not name[-1:].isdigit():
        return False  # almost always, and an exception costs more
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
