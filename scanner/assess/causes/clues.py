"""What there is to go by where STARTTLS is missing or differs: one gap, and who saw more of the same server.

Everything here is a fact on the wire, put so that a rule of `causes.py` can weigh it. Peer text is cut short.

Touches: nothing. Source: RFC 5321 sections 3.1, 4.1.1.1 and 4.2; docs/verdicts.md (causes).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from scanner.assess import sources, starttls
from scanner.assess.case import Case, View
from scanner.assess.sources import works
from scanner.model.assessment import Verdict
from scanner.model.fault import Fault, Kind, Side
from scanner.model.session import Canary, Oddity, Reply, Session
from scanner.protocols import ehlo
from scanner.protocols.replies import coded_lines, text_of

Clue = tuple[int, str]
"""Points for or against a cause, and a sentence for people; empty where the points say enough."""
QUOTED_LETTERS = 80
SLOW_MS = 1000
"""A greeting that takes longer may be held back; it counts only beside one that came in a fifth of the time."""
SLOW_TIMES = 5
SLOW_ALONE_MS = 8000
"""With nothing to compare with: longer than a postscreen waits, which is six seconds."""
DENIED = re.compile(r'"5\d\d[ -]5\.7\.')
"""RFC 3463 s3.8: X.7 is security or policy."""
NOT_THEIRS = frozenset({Kind.REFUSED_ADDRESS, Kind.EXCLUDED})


@dataclass(frozen=True)  # no slots: they leave no room for what is found out once
class Gap:
    """One view without working TLS. `others` saw the same address from elsewhere, `shared` from the very same egress,
    `kin` saw other addresses of the same MX host.
    """

    case: Case
    view: View
    others: tuple[View, ...]
    shared: tuple[View, ...]
    kin: tuple[View, ...]

    @property
    def us(self) -> str:
        """Our source."""
        return self.view.source

    @cached_property
    def beside(self) -> View | None:
        """Somebody who has TLS at the very same server."""
        return next((view for view in self.others if works(view)), None)

    @property
    def has_seen_tls(self) -> bool:
        """Whether any of our sources had TLS at this server, however it got there."""
        return any(map(works, (*self.others, *self.shared)))

    @property
    def them(self) -> str:
        """The source that has TLS."""
        return "" if self.beside is None else self.beside.source

    @property
    def is_absent(self) -> bool:
        """Whether a clean dialogue showed no STARTTLS."""
        return starttls.of_view(self.view) is Verdict.ABSENT

    @property
    def is_hidden(self) -> bool:
        """Whether somebody else is shown what is missing here."""
        return self.is_absent and self.beside is not None and self.has(Oddity.STARTTLS_MANGLED) is False

    @cached_property
    def is_steady(self) -> bool:
        """Whether both answers, the one here and the one beside, came more than once."""
        pair = (self.view, self.beside)
        return all(view is not None and starttls.clean_visits(view) > 1 for view in pair)

    @cached_property
    def canary(self) -> Canary | None:
        """What our source saw of good servers."""
        return sources.canary_of(self.case, self.us)

    @property
    def is_cleared(self) -> bool:
        """Whether STARTTLS gets through our own egress, as a canary showed."""
        return self.canary is not None and self.canary.offered > 0

    @cached_property
    def lost(self) -> frozenset[str]:
        """Keywords that the other source is shown and we are not."""
        return frozenset() if self.beside is None else keywords(self.beside) - keywords(self.view)

    @cached_property
    def is_lone_loss(self) -> bool:
        """Whether the lists are the same but for STARTTLS: then it is the same software, told to leave it out."""
        return self.beside is not None and keywords(self.beside) ^ keywords(self.view) == {"STARTTLS"}

    @cached_property
    def names(self) -> tuple[str, str]:
        """Names in the EHLO greeting, here and beside, where they differ and each is always the same; else empty.

        Some providers write a new name for every connection: that tells no backend from another.
        """
        if self.beside is None:
            return "", ""
        here, there = host_names(self.view), host_names(self.beside)
        return (min(here), min(there)) if len(here) == len(there) == 1 and here != there else ("", "")

    @cached_property
    def faults(self) -> tuple[Fault, ...]:
        """What stopped the sessions, where it was not we."""
        return tuple(it.fault for it in self.view.sessions if it.fault is not None and it.fault.side is Side.REMOTE)

    @cached_property
    def answer(self) -> Reply | None:
        """The reply to a STARTTLS that was not advertised."""
        asked = (it.starttls for it in self.view.sessions if starttls.is_heard(it) and not starttls.is_offered(it))
        return min((reply for reply in asked if reply is not None), key=lambda it: (it.code, it.lines), default=None)

    @property
    def is_denied(self) -> bool:
        """Whether that reply names a reason of policy: the server has something against us."""
        return DENIED.match(quoted(self.answer)) is not None

    @cached_property
    def is_teased(self) -> bool:
        """Whether the greeting came in several lines, as a greeting with postscreen's teaser does."""
        return has_teaser(self.view)

    @property
    def is_teased_alone(self) -> bool:
        """Whether the other source was greeted without that."""
        return self.is_teased and self.beside is not None and not has_teaser(self.beside)

    @property
    def is_slow(self) -> bool:
        """Whether the greeting was held back for us once: who passed a test is not tested again."""
        here = max(greetings_ms(self.view), default=0)
        if self.beside is None:
            return here >= SLOW_ALONE_MS
        return here >= SLOW_MS and here >= SLOW_TIMES * min(greetings_ms(self.beside), default=0)

    def has(self, oddity: Oddity) -> bool:
        """Whether it was seen in a session of this view."""
        return is_odd(self.view, oddity)

    def is_ours_alone(self, oddity: Oddity) -> bool:
        """Whether it was seen here and by somebody else, who was let in, not."""
        heard = [view for view in self.others if sources.is_let_in(view)]
        return self.has(oddity) and bool(heard) and not any(is_odd(view, oddity) for view in heard)


def gaps(case: Case) -> tuple[Gap, ...]:
    """Every view that leaves something to explain, in the order of host, address and source."""
    return tuple(gap for gap in _all(case) if is_gap(gap))


def _all(case: Case) -> Iterator[Gap]:
    for view in case.views:
        if works(view) and not is_odd(view, Oddity.BANNER_MASKED):  # as nearly everywhere
            continue
        place = [it for it in case.views if (it.mx, it.address) == (view.mx, view.address) and it is not view]
        shared = tuple(it for it in place if sources.shares_egress(view, it))
        others = tuple(it for it in place if it not in shared and not starttls.is_lost_by_us(it))
        kin = tuple(it for it in case.views if it.mx == view.mx and it.address != view.address)
        yield Gap(case, view, others, shared, kin)


def is_gap(gap: Gap) -> bool:
    """Whether there is something to explain. A handshake that fails for everybody is told by its finding."""
    verdict = starttls.of_view(gap.view)
    if verdict is Verdict.PASS:
        return gap.is_ours_alone(Oddity.BANNER_MASKED)
    if verdict is Verdict.FAIL:
        return gap.beside is not None
    if verdict is Verdict.UNKNOWN and not starttls.is_lost_by_us(gap.view):
        return gap.answer is not None or any(fault.kind not in NOT_THEIRS for fault in gap.faults)
    return True


def keywords(view: View) -> frozenset[str]:
    """Everything that EHLO was ever answered with."""
    return frozenset(keyword for it in heard(view) if it.ehlo is not None for keyword in ehlo.keywords(it.ehlo))


def heard(view: View) -> tuple[Session, ...]:
    """Sessions with a clean greeting and a clean EHLO reply."""
    return tuple(it for it in view.sessions if starttls.is_heard(it))


def host_names(view: View) -> frozenset[str]:
    """What the server calls itself in its EHLO replies (RFC 5321 s4.1.1.1), as far as that looks like a name."""
    lines = [coded_lines(it.ehlo) for it in heard(view) if it.ehlo is not None]
    words = [text_of(each[0]).split(maxsplit=1)[:1] for each in lines if each]
    names = (word[0][:QUOTED_LETTERS].decode("utf-8", "backslashreplace").lower() for word in words if word)
    return frozenset(name for name in names if "." in name.strip("."))


def has_teaser(view: View) -> bool:
    """Whether a greeting was more than one line."""
    greetings = (it.greeting for it in view.sessions)
    return any(it is not None and len(it.lines) > 1 and it.lines[0].startswith(b"220-") for it in greetings)


def is_odd(view: View, oddity: Oddity) -> bool:
    """Whether it was seen in a session of this view."""
    return any(oddity in it.oddities for it in view.sessions)


def greetings_ms(view: View) -> list[int]:
    """How long the greetings took."""
    return [ms for it in view.sessions for stage, ms in it.times_ms if stage == "greeting"]


def quoted(reply: Reply | None) -> str:
    """A reply on one line, in quotes, cut short."""
    return "nothing" if reply is None else cut(b" ".join(reply.lines[:3]).decode("utf-8", "backslashreplace"))


def told(fault: Fault) -> str:
    """What the peer said when it turned us away, in quotes, cut short."""
    return cut(f"{fault.code or ''} {fault.detail}".strip())


def cut(text: str) -> str:
    """Put in quotes what is not ours."""
    shown = text if len(text) <= QUOTED_LETTERS else text[: QUOTED_LETTERS - 3] + "..."
    return f'"{shown}"'
