"""Causes on the way: what we send, or what comes back, is changed or lost before it is there.

Touches: nothing. Source: RFC 3207 section 6 (a man in the middle can delete the offer); Cisco ASA `inspect esmtp`,
which overwrites keywords with X and masks greetings with asterisks.
"""

from collections.abc import Iterator

from scanner.assess import starttls
from scanner.assess.causes.clues import Clue, Gap, host_names
from scanner.assess.sources import are_at_odds, is_let_in, network, works
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.session import Oddity

LOST = frozenset({Kind.TIMEOUT, Kind.UNREACHABLE, Kind.CLOSED, Kind.RESET})
NEAR_BITS = 24, 48


def own_egress(gap: Gap) -> Iterator[Clue]:
    """Weigh the canaries: servers known to be good that all lack STARTTLS from here leave only our own way out.

    Without them nothing tells a middlebox at our end of the path from one at theirs.
    """
    canary = gap.canary
    lost = 0 if canary is None else canary.missing + canary.mangled
    if starttls.is_lost_by_us(gap.view):
        if lost:
            yield 97, f"{gap.us} misses STARTTLS at {lost} servers that are known to offer it, and sees it at none"
        else:
            yield 85, f"{gap.us} sees an overwritten keyword at every server of several operators, others see it whole"
    elif gap.is_cleared or not gap.is_absent:
        return
    elif lost:
        yield 60, f"{gap.us} misses STARTTLS at a server that is known to offer it, the only one that was asked"
    elif gap.has(Oddity.STARTTLS_MANGLED):
        yield 35, f"no canary was asked: the firewall may as well be ours, on the way out of {gap.us}"
    elif gap.beside is not None:
        yield 12, f"no canary was asked, so that {gap.us} may miss STARTTLS elsewhere as well"


def same_egress(gap: Gap) -> Iterator[Clue]:
    """Weigh the address that the server echoes: two answers to one client are no difference between clients."""
    odd = [view for view in gap.shared if works(view) or are_at_odds((gap.view, view))]
    if odd and not starttls.is_lost_by_us(gap.view):
        told = min({it.egress for it in gap.view.sessions if it.egress} & {it.egress for it in odd[0].sessions})
        yield 92, f"the server saw {gap.us} and {odd[0].source} both come from {told}"


def middlebox(gap: Gap) -> Iterator[Clue]:
    """Weigh what only a machine on the path does: no server overwrites its own keywords or masks its own greeting.

    Whose side it stands on is another matter: what canaries see decides.
    """
    if starttls.is_lost_by_us(gap.view):
        return
    if gap.has(Oddity.STARTTLS_MANGLED):
        yield 75, f"the keyword reaches {gap.us} overwritten (XXXXXXXA), as Cisco ASA and its like do"
        if gap.is_ours_alone(Oddity.STARTTLS_MANGLED):
            yield 10, f"the others see it whole: {_let_in(gap)}"
    if gap.has(Oddity.BANNER_MASKED):
        is_both = gap.has(Oddity.STARTTLS_MANGLED)
        yield (5 if is_both else 55), f"the greeting reaches {gap.us} masked with asterisks"
        if gap.is_ours_alone(Oddity.BANNER_MASKED):
            yield (0 if is_both else 15), f"the greeting that others get is not masked: {_let_in(gap)}"
    elif not gap.has(Oddity.STARTTLS_MANGLED):
        return
    if gap.is_cleared:
        yield 5, f"it is not on our own way out: {gap.us} sees STARTTLS whole at other servers"


def _let_in(gap: Gap) -> str:
    return ", ".join(view.source for view in gap.others if is_let_in(view))


def middlebox_strip(gap: Gap) -> Iterator[Clue]:
    """Weigh a STARTTLS that is taken and not offered. A server that hides it refuses it too: Postfix, Exim and Sendmail
    do. A careless server that forgets to offer what it has is left.
    """
    if not gap.has(Oddity.STARTTLS_UNADVERTISED) or gap.has(Oddity.STARTTLS_MISPLACED):
        return
    if starttls.is_lost_by_us(gap.view):
        return
    yield 70, f"{gap.us} is not offered STARTTLS, sends it all the same, and it is accepted"
    if any(it.handshake is not None for it in gap.view.sessions):
        yield 5, "TLS stands behind it: the server has it, and somebody took the keyword away"
    if gap.beside is not None:
        yield 12, f"{gap.them} is offered it at the same address"
    elif any(map(is_let_in, gap.others)):  # stripped for all of us: as likely left out by the server
        yield -10, ""
    if gap.is_cleared:
        yield 3, f"it is not on our own way out: {gap.us} sees STARTTLS at other servers"


def route(gap: Gap) -> Iterator[Clue]:
    """Weigh silence where another source is served: our packets are lost, or dropped by a filter that knows us."""
    if gap.beside is None or starttls.is_flapping(gap.view):
        return
    lost = [it for it in gap.faults if it.kind in LOST and it.stage <= Stage.EHLO]
    if not lost or len(lost) < len(gap.view.sessions):
        return
    yield _weight(lost), f"{gap.us} ends with {_ends(lost)}, {gap.them} is served at the same address"
    if any(it.greeting is not None and it.greeting.lines for it in gap.view.sessions):
        yield -20, ""  # something came through: slowness on purpose is likelier
    if host_names(gap.beside):
        yield 0, f"to {gap.them} the server is {min(host_names(gap.beside))}, as ever"
    if are_neighbours(gap):
        yield -15, "both sources are in one network, so that most of the way is the same"
    else:
        yield 10, "the two sources are in different networks"


def _weight(lost: list[Fault]) -> int:
    """A packet that says no came all the way; silence did not."""
    return 60 if {it.kind for it in lost} <= {Kind.TIMEOUT, Kind.UNREACHABLE} else 35


def _ends(lost: list[Fault]) -> str:
    return ", ".join(sorted({f"{it.kind.value} at {it.stage.word}" for it in lost}))


def are_neighbours(gap: Gap) -> bool:
    """Whether our two addresses lie in one /24 or /48: then they have most of their way in common."""
    other = () if gap.beside is None else gap.beside.sessions
    ours, theirs = ({network(it.source_address, NEAR_BITS) for it in each} for each in (gap.view.sessions, other))
    return bool(ours & theirs)
