"""Our sources compared: who is shown STARTTLS and who is not, who is turned away, and when it is our own doing.

Two sources are compared at one address of one MX host, where both saw clearly and got the same answer every time, and
where they really came from two addresses. Who was turned away is blocked, which is not "no STARTTLS".

Touches: nothing. Source: RFC 7672 section 9.2 (selective STARTTLS); docs/verdicts.md (sources).
"""

import ipaddress
from collections.abc import Iterator
from itertools import combinations

from scanner.assess import dane, starttls
from scanner.assess.case import Case, View
from scanner.assess.dane import Standing
from scanner.assess.findings import found
from scanner.model.assessment import Finding, Verdict
from scanner.model.fault import Kind, Stage
from scanner.model.record import Evidence
from scanner.model.session import Canary, Oddity, Session

CLEAR = frozenset({Verdict.PASS, Verdict.ABSENT, Verdict.FAIL})
TURNED_AWAY = frozenset(
    (stage, kind) for stage in (Stage.GREETING, Stage.EHLO) for kind in (Kind.REPLY_4XX, Kind.REPLY_5XX, Kind.REPLY_421)
)
"""Faults that are an answer: the server is there, and does not want to talk to us."""
MISSING_AT_LEAST = 2
"""Canaries that hide the keyword from a source before that is its own egress: one may hide it for reasons of its own.
An overwritten keyword is no policy of a server, so one is enough.
"""
OPERATOR_BITS = 16, 32
"""Most operators have all their servers within this much of an address."""
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Pair = tuple[View, View]


def distorted(evidence: Evidence) -> frozenset[str]:
    """Sources that are known to lose STARTTLS on their own way out: by their canaries, else by many operators."""
    suspected = _mangled_everywhere(evidence)
    if not evidence.canaries:
        return suspected
    proven = {canary.source for canary in evidence.canaries if convicts(canary)}
    cleared = {canary.source for canary in evidence.canaries if canary.offered}
    return (suspected | proven) - cleared


def convicts(canary: Canary) -> bool:
    """Whether servers that are known to offer STARTTLS all seem to lack it from this source."""
    return not canary.offered and (canary.mangled > 0 or canary.missing >= MISSING_AT_LEAST)


def _mangled_everywhere(evidence: Evidence) -> frozenset[str]:
    """Sources with an overwritten keyword at every server of two operators or more, where another source has it whole.

    Two receivers that have nothing to do with each other do not share a middlebox; we do.
    """
    if not any(Oddity.STARTTLS_MANGLED in it.oddities for it in evidence.sessions):  # as nearly everywhere
        return frozenset()
    heard = [it for it in evidence.sessions if not it.hello.is_deep and starttls.is_heard(it)]
    places = {source: {it.endpoint for it in heard if it.source == source} for source in {it.source for it in heard}}
    mangled = {(it.source, it.endpoint) for it in heard if Oddity.STARTTLS_MANGLED in it.oddities}
    whole = {it.endpoint for it in heard if starttls.is_offered(it)}
    return frozenset(
        source
        for source, seen in places.items()
        if all((source, endpoint) in mangled for endpoint in seen)
        and seen <= whole
        and are_unrelated((endpoint.mx, endpoint.address) for endpoint in seen)
    )


def are_unrelated(servers: Iterator[tuple[str, str]]) -> bool:
    """Whether two of these servers have neither their domain nor their network in common.

    The last two labels stand for the operator: too few of them (`co.uk`) only makes us say less.
    """
    told = {
        (".".join(mx.lower().rstrip(".").split(".")[-2:]), network(address, OPERATOR_BITS)) for mx, address in servers
    }
    return any(one[0] != other[0] and one[1] != other[1] for one, other in combinations(sorted(told), 2))


def network(address: str, bits: tuple[int, int]) -> str:
    """The neighbourhood of an address, in so many bits of IPv4 or IPv6; what is no address stands alone."""
    read = parsed(address)
    if read is None:
        return address
    return str(ipaddress.ip_network((int(read), bits[read.version == 6]), strict=False))


def parsed(address: str) -> Address | None:
    """Read an address; None where it is none."""
    try:
        return ipaddress.ip_address(address)
    except ValueError:
        return None


def differs(case: Case) -> bool | None:
    """Whether STARTTLS depends on the source, at any server; None where nobody could compare."""
    pairs = [pair for place in by_endpoint(case.views).values() for pair in compared(place)]
    return any(map(are_at_odds, pairs)) if pairs else None


def by_endpoint(views: tuple[View, ...]) -> dict[tuple[str, str], list[View]]:
    """Sort views by the server they saw. One source has nobody to differ from."""
    places: dict[tuple[str, str], list[View]] = {}
    for view in views if len({view.source for view in views}) > 1 else ():
        places.setdefault((view.mx, view.address), []).append(view)
    return places


def compared(place: list[View]) -> Iterator[Pair]:
    """Pairs of views that can be compared: both clear and steady, from two addresses."""
    steady = [view for view in place if starttls.of_view(view) in CLEAR and not starttls.is_flapping(view)]
    return (pair for pair in combinations(steady, 2) if not shares_egress(*pair))


def are_at_odds(pair: Pair) -> bool:
    """Whether one has TLS and the other has not."""
    return works(pair[0]) is not works(pair[1])


def works(view: View) -> bool:
    """Whether TLS was had."""
    return starttls.of_view(view) is Verdict.PASS


def shares_egress(one: View, other: View) -> bool:
    """Whether a server saw two of our addresses as one: some translation on our side folds them."""
    ours = {it.source_address for view in (one, other) for it in view.sessions} - {""}
    echoed = _egresses(one) & _egresses(other)
    return len(ours) > 1 and any(is_ours(each, ours) for each in echoed)


def is_ours(echoed: str, ours: set[str]) -> bool:
    """Whether it can be our egress. A private address is that of a balancer over there, unless we have one too."""
    read = [parsed(each) for each in (echoed, *ours)]
    if read[0] is None or None in read:
        return False
    return read[0].is_global or not any(each is not None and each.is_global for each in read[1:])


def _egresses(view: View) -> set[str]:
    return {it.egress for it in view.sessions} - {""}


def findings(case: Case) -> Iterator[Finding]:
    """Everything that only a comparison shows, and what our own way out does."""
    yield from (_own_egress(case, view) for view in case.views if starttls.is_lost_by_us(view))
    for (mx, address), place in by_endpoint(case.views).items():
        for one, other in combinations(place, 2):
            if shares_egress(one, other):
                shown = min(_egresses(one) & _egresses(other))
                yield found("same-egress", mx, address, detail=f"{one.source} and {other.source} come from {shown}")
        yield from _of_difference(case, [pair for pair in compared(place) if are_at_odds(pair)])
        yield from _of_blocks(place)


def _own_egress(case: Case, view: View) -> Finding:
    canary = canary_of(case, view.source)
    if canary is None or not convicts(canary):
        return view.finding("own-egress", "overwritten at every server of several operators, from this source only")
    lost, seen = canary.missing + canary.mangled, canary.missing + canary.mangled + canary.unseen
    return view.finding("own-egress", f"{lost} of {seen} canaries lose STARTTLS from here, none offers it")


def canary_of(case: Case, source: str) -> Canary | None:
    """What this source saw of servers that are known to be good; None where nobody named any."""
    told = [canary for canary in case.evidence.canaries if canary.source == source]
    return max(told, key=lambda it: (it.offered, it.mangled, it.missing, it.unseen), default=None)


def _of_difference(case: Case, pairs: list[Pair]) -> Iterator[Finding]:
    views = {view.source: view for pair in pairs for view in pair}
    if not views:
        return
    one = next(iter(views.values()))
    told = ", ".join(_answer(views[source]) for source in sorted(views))
    yield found("source-dependent", one.mx, one.address, detail=told)
    host = next((host for host in case.route.hosts if host.name == one.mx), None)
    if host is not None and dane.standing_of(case, host) is Standing.USABLE:
        hidden = [view for view in views.values() if starttls.of_view(view) is Verdict.ABSENT]
        yield from (view.finding("selective-starttls-under-dane") for view in hidden)


def _answer(view: View) -> str:
    """Yes or no, and how often: what was seen once may be a backend, or a moment."""
    times = starttls.clean_visits(view)
    return f"{view.source}: {'yes' if works(view) else 'no'} ({'seen once' if times < 2 else f'{times} visits'})"


def _of_blocks(place: list[View]) -> Iterator[Finding]:
    """Turned away, while another source at the same server was let in."""
    if any(is_let_in(view) for view in place):
        for view in place:
            refused = refusal(view)
            if refused is not None and not is_let_in(view):
                yield view.finding("blocked-for-source", starttls.words(refused.fault))


def is_let_in(view: View) -> bool:
    """Whether the server talked to us at all."""
    return any(map(starttls.is_heard, view.sessions))


def refusal(view: View) -> Session | None:
    """The session that was turned away by the greeting or by EHLO, if one was."""
    return next((it for it in view.sessions if it.fault and (it.fault.stage, it.fault.kind) in TURNED_AWAY), None)
