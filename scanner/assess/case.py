"""What every rule looks at: the evidence sorted by MX host, address and source, the moment, and the trust engine.

Touches: nothing. Source: RFC 5321 section 5.1 (who receives mail), RFC 7505.
"""

from dataclasses import dataclass
from datetime import datetime

from scanner.assess.findings import found
from scanner.assess.passing import NO_RECORDS
from scanner.assess.trust import Verifier
from scanner.model.assessment import Finding
from scanner.model.fault import Fault, Kind
from scanner.model.record import Evidence
from scanner.model.route import MxHost, Route, Validity
from scanner.model.session import Hello, Session


@dataclass(frozen=True, slots=True)
class View:
    """One address of one MX host as one of our sources saw it, in one session or more; usual ones first."""

    mx: str
    address: str
    source: str
    sessions: tuple[Session, ...]

    @property
    def encrypted(self) -> Session | None:
        """The session that got through the handshake."""
        return next((session for session in self.sessions if session.handshake is not None), None)

    @property
    def decisive(self) -> Session:
        """The session that says most."""
        return self.encrypted or self.sessions[0]

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
    """One domain before the judge."""

    evidence: Evidence
    views: tuple[View, ...]
    verifier: Verifier
    at: datetime

    @property
    def route(self) -> Route:
        """Where mail goes."""
        return self.evidence.route

    def of(self, host: MxHost) -> tuple[View, ...]:
        """What was seen of one host."""
        return tuple(view for view in self.views if view.mx == host.name)

    def addresses(self, host: MxHost) -> tuple[str, ...]:
        """Addresses of the host that a sender with our families would try, once each."""
        sessions = [each for each in self.evidence.sessions if each.endpoint.mx == host.name]
        tried = {each.endpoint.address for each in in_reach(tuple(sessions))}
        skipped = {each.endpoint.address for each in sessions} - tried
        return tuple(each for each in dict.fromkeys(host.addresses) if each not in skipped)


def out_of_reach(session: Session) -> bool:
    """Tell whether none of our sources has the family of this address: a sender like us never tries it."""
    return session.fault is not None and session.fault.kind is Kind.NO_FAMILY


def in_reach(sessions: tuple[Session, ...]) -> tuple[Session, ...]:
    """Leave out addresses of a family that we lack, at hosts that have another; no sender is hindered by them."""
    reached = {session.endpoint.mx for session in sessions if not out_of_reach(session)}
    return tuple(each for each in sessions if not (out_of_reach(each) and each.endpoint.mx in reached))


def views(sessions: tuple[Session, ...]) -> tuple[View, ...]:
    """Sort sessions by host, address and source; repetitions count once, and what no sender does not at all."""
    groups: dict[tuple[str, str, str], list[Session]] = {}
    for session in dict.fromkeys(it for it in sessions if not it.hello.is_deep):
        key = (session.endpoint.mx, session.endpoint.address, session.source)
        groups.setdefault(key, []).append(session)
    return tuple(View(*key, tuple(sorted(groups[key], key=_usual_first))) for key in sorted(groups))


def _usual_first(session: Session) -> tuple[bool, datetime]:
    return session.hello is Hello.WIDE, session.observed_at


def routing_fault(route: Route) -> Fault | None:
    """Why the MX hosts are not known, if they are not."""
    fault = route.mx.fault
    return None if fault is None or fault.kind is Kind.NODATA or route.mx.records else fault


def lookup_faults(host: MxHost) -> tuple[Fault, ...]:
    """What went wrong in asking for the host's addresses. No such record is an answer."""
    faults = (answer.fault for answer in (host.ipv4, host.ipv6))
    return tuple(fault for fault in faults if fault is not None and fault.kind not in NO_RECORDS)


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
