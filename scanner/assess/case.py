"""What every rule looks at: the evidence sorted by MX host, address and source, the moment, and the trust engine.

Touches: nothing. Source: RFC 5321 section 5.1 (who receives mail), RFC 7505.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from functools import wraps
from typing import Any, TypeVar, TypeVarTuple, cast

from scanner.assess.findings import found
from scanner.assess.trust import Verifier
from scanner.model.assessment import Finding
from scanner.model.fault import Fault, Kind
from scanner.model.record import Evidence
from scanner.model.route import MxHost, Route, Validity
from scanner.model.session import Hello, Session
from scanner.protocols.tlsa import NO_RECORDS

Place = tuple[str, str, str]
"""MX host, address, source."""
SERVERS_REMEMBERED = 2_000
Known = dict[object, tuple[Any, tuple[object, ...]]]
"""Answers, each with what it is about."""
W = TypeVar("W", "View", "Case")
About = TypeVarTuple("About")
T = TypeVar("T")


def once(ask: Callable[[W, *About], T]) -> Callable[[W, *About], T]:
    """Ask once about a view, or a case, and up to two things: seven senders want to know the same, and so do all
    domains that share the view.

    What a question is about is told by identity, and kept, so that nothing else can take its place.
    """
    count = ask.__code__.co_argcount - 1
    nothing: Any = ()

    @wraps(ask)
    def asked_alone(where: W) -> T:
        known = where.known.get(ask)
        if known is None:
            known = where.known[ask] = (ask(where, *nothing), ())
        answer: T = known[0]
        return answer

    @wraps(ask)
    def asked(where: W, one: object, other: object = None) -> T:  # *about would cost more than most answers
        key = ask, id(one), id(other)
        known = where.known.get(key)
        if known is None:
            about: Any = (one, other)[:count]
            known = where.known[key] = (ask(where, *about), about)
        answer: T = known[0]
        return answer

    return cast(Callable[[W, *About], T], asked if count else asked_alone)


@dataclass(frozen=True, slots=True)
class View:
    """One address of one MX host as one of our sources saw it, in one session or more; usual ones first. Domains that
    share a server have the very same view of it.

    `is_distorted`: our own egress is known to lose STARTTLS from this source, so what it misses proves nothing.
    `encrypted` is the session that got through the handshake, `decisive` the one that says most: TLS, else a dialogue
    without a fault, else the first.
    """

    mx: str
    address: str
    source: str
    sessions: tuple[Session, ...]
    is_distorted: bool = False
    encrypted: Session | None = field(init=False, compare=False, repr=False)
    decisive: Session = field(init=False, compare=False, repr=False)
    known: Known = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find out what every rule begins with."""
        encrypted = next((session for session in self.sessions if session.handshake is not None), None)
        whole = (session for session in self.sessions if session.fault is None)
        object.__setattr__(self, "encrypted", encrypted)
        object.__setattr__(self, "decisive", encrypted or next(whole, self.sessions[0]))

    @property
    def was_refused(self) -> bool:
        """Whether it is an address that we never connect to."""
        fault = self.sessions[0].fault
        return fault is not None and fault.kind is Kind.REFUSED_ADDRESS

    def asked_for(self, name: str) -> bool:
        """Tell whether the certificate is the one a sender who asks for this name would see (SNI)."""
        session = self.encrypted
        if session is None or session.handshake is None or session.inherited or session.hello is Hello.WIDE:
            return False
        return session.handshake.server_name in {name, ""}

    def finding(self, name: str, detail: str = "") -> Finding:
        """One finding about this view."""
        return found(name, self.mx, self.address, self.source, detail)


@dataclass(frozen=True, slots=True)
class Case:
    """One domain before the judge. `routing_fault` and `receives_no_mail`: the functions of these names, asked once.

    `lacks_family`: whether an address is of a family that we lack, which is rare. `by_host`: the views of each MX host.
    """

    evidence: Evidence
    views: tuple[View, ...]
    verifier: Verifier
    at: datetime
    route: Route = field(init=False)
    routing_fault: Fault | None = field(init=False)
    receives_no_mail: bool = field(init=False)
    lacks_family: bool = field(init=False)
    by_host: dict[str, tuple[View, ...]] = field(init=False, compare=False, repr=False)
    known: Known = field(init=False, default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Find out what every rule begins with."""
        route = self.evidence.route
        object.__setattr__(self, "route", route)
        object.__setattr__(self, "routing_fault", routing_fault(route))
        object.__setattr__(self, "receives_no_mail", receives_no_mail(route))
        object.__setattr__(self, "lacks_family", any(map(out_of_reach, self.evidence.sessions)))
        by_host: dict[str, tuple[View, ...]] = {}
        for view in self.views:
            by_host[view.mx] = (*by_host.get(view.mx, ()), view)
        object.__setattr__(self, "by_host", by_host)

    def of(self, host: MxHost) -> tuple[View, ...]:
        """What was seen of one host."""
        return self.by_host.get(host.name, ())

    def addresses(self, host: MxHost) -> tuple[str, ...]:
        """Addresses of the host that a sender with our families would try, once each."""
        addresses = tuple(dict.fromkeys(host.addresses))
        if not self.lacks_family:
            return addresses
        sessions = tuple(each for each in self.evidence.sessions if each.endpoint.mx == host.name)
        skipped = {each.endpoint.address for each in sessions}
        skipped -= {each.endpoint.address for each in in_reach(sessions)}
        return tuple(each for each in addresses if each not in skipped)


def out_of_reach(session: Session) -> bool:
    """Tell whether none of our sources has the family of this address: a sender like us never tries it."""
    return session.fault is not None and session.fault.kind is Kind.NO_FAMILY


def in_reach(sessions: tuple[Session, ...]) -> tuple[Session, ...]:
    """Leave out addresses of a family that we lack, at hosts that have another; no sender is hindered by them."""
    if not any(map(out_of_reach, sessions)):
        return sessions
    reached = {session.endpoint.mx for session in sessions if not out_of_reach(session)}
    return tuple(each for each in sessions if not (out_of_reach(each) and each.endpoint.mx in reached))


class Servers:
    """Views of servers that many domains share, so that nothing about them is found out twice.

    That changes the cost and nothing else. Sessions are told by identity, which whoever shares them keeps.
    """

    def __init__(self) -> None:
        self._views: dict[tuple[int, ...], View] = {}

    def view(self, place: Place, sessions: tuple[Session, ...], is_distorted: bool) -> View:  # noqa: FBT001 - a field
        """Look at these sessions, or remember how they looked."""
        if not all(session.shared for session in sessions):
            return alone(place, sessions, is_distorted)
        key = (is_distorted, *map(id, sessions))
        known = self._views.get(key)
        if known is None:
            if len(self._views) >= SERVERS_REMEMBERED:
                self._views.clear()
            known = self._views[key] = View(*place, sessions, is_distorted)
        return known


def alone(place: Place, sessions: tuple[Session, ...], is_distorted: bool) -> View:  # noqa: FBT001 - a field
    """Look at these sessions as if nobody else had."""
    return View(*place, sessions, is_distorted)


def views(
    sessions: tuple[Session, ...], distorted: frozenset[str] = frozenset(), servers: Servers | None = None
) -> tuple[View, ...]:
    """Sort sessions by host, address and source; repetitions count once, and what no sender does not at all.

    `distorted` are sources whose way out is known to lose STARTTLS (sources.py).
    """
    view = alone if servers is None else servers.view
    groups: dict[Place, list[Session]] = {}
    for session in sessions:
        if not session.hello.is_deep:
            key = (session.endpoint.mx, session.endpoint.address, session.source)
            groups.setdefault(key, []).append(session)
    return tuple([view(key, _in_order(groups[key]), key[2] in distorted) for key in sorted(groups)])


def _in_order(sessions: list[Session]) -> tuple[Session, ...]:
    return tuple(sessions) if len(sessions) == 1 else tuple(sorted(dict.fromkeys(sessions), key=_usual_first))


def _usual_first(session: Session) -> tuple[bool, bool, int, datetime]:
    """What was asked under our own server name comes before what was shown to another, which may be older."""
    return session.hello is Hello.WIDE, session.inherited, session.follow_up, session.observed_at


def routing_fault(route: Route) -> Fault | None:
    """Why the MX hosts are not known, if they are not."""
    fault = route.mx.fault
    return None if fault is None or fault.kind is Kind.NODATA or route.mx.records else fault


def lookup_faults(host: MxHost) -> tuple[Fault, ...]:
    """What went wrong in asking for the host's addresses. No such record is an answer."""
    faults = [answer.fault for answer in (host.ipv4, host.ipv6) if answer.fault is not None]
    return tuple([fault for fault in faults if fault.kind not in NO_RECORDS])


def has_no_address(host: MxHost) -> bool:
    """Tell whether DNS says, without any doubt, that there is none."""
    return not host.addresses and not lookup_faults(host)


def receives_no_mail(route: Route) -> bool:
    """RFC 7505 s3, RFC 8020 s2, or neither MX nor address (RFC 5321 s5.1): nothing to judge."""
    fault = routing_fault(route)
    if route.null_mx or (fault is not None and fault.kind is Kind.NXDOMAIN):
        return True
    return route.implicit and all(map(has_no_address, route.hosts))


def is_bogus(host: MxHost) -> bool:
    """Tell whether an answer about the host fails validation (RFC 4035 s4.3)."""
    answers = (host.ipv4, host.ipv6, host.tlsa)
    return any(
        answer.validity is Validity.BOGUS or (answer.fault is not None and answer.fault.kind is Kind.BOGUS)
        for answer in answers
    )
