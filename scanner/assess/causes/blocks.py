"""Causes at the door: the server, or what stands before it, does not want this client now, or does not trust it yet.

Touches: nothing. Source: RFC 5321 sections 3.1, 3.8 and 4.2; RFC 3463 section 3.8 (X.7: security or policy);
postscreen(8), spamd(8), and what servers were seen to say.
"""

import re
from collections.abc import Iterator

from scanner.assess import starttls
from scanner.assess.causes.clues import Clue, Gap, greetings_ms, heard, keywords, quoted, told
from scanner.assess.sources import TURNED_AWAY, is_let_in
from scanner.model.assessment import Verdict
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.session import Reply

LISTED = re.compile(
    r"block|black ?list|\blisted|dnsbl|\brbl|spamhaus|barracuda|spamcop|sorbs|reputation|\bbann|polic|denied|reject"
    r"|unsolicited|5\.7\.\d|4\.7\.1\b|reverse|\bptr\b|rdns",
    re.IGNORECASE,
)
"""Words for "we have something against you"."""
BUSY = re.compile(
    r"too many|too (fast|much|frequent)|\brate\b|throttl|limit|4\.4\.5|4\.7\.28|concurren|simultan|exceed",
    re.IGNORECASE,
)
"""Words for "not so fast"."""
GREY = re.compile(r"gr[ae]y-?list|spamd|tarpit|spam sender|wasting your time", re.IGNORECASE)
"""What greylists and tarpits say of themselves."""
BARE = 50
"""What a 5xx without a reason is worth."""
OUR_NAME = re.compile(r"\bhelo\b|\behlo\b|fully.qualified|\bfqdn\b", re.IGNORECASE)
"""Words for "I do not like the name you give"."""
TESTED = re.compile(r"protocol error|4\.3\.2 service currently|pregreet|service not available", re.IGNORECASE)
"""What postscreen says after its tests."""


def _refusals(gap: Gap) -> list[Fault]:
    """Replies by which the greeting or EHLO turned us away, in an order of their own."""
    found = [fault for fault in gap.faults if (fault.stage, fault.kind) in TURNED_AWAY]
    return sorted(found, key=lambda it: (it.stage, it.code or 0, it.detail))


def _welcome(gap: Gap, points: int) -> Iterator[Clue]:
    """Whom the server does talk to."""
    welcome = [view.source for view in gap.others if is_let_in(view)]
    if welcome:
        yield points, f"the same server lets in {', '.join(welcome)}"


def reputation_block(gap: Gap) -> Iterator[Clue]:
    """Weigh a refusal for good, best with its reason. A host that is closed to all sends a bare 5xx as well."""
    refusals = _refusals(gap)
    points = max(map(_severity, refusals), default=0)
    if points:
        worst = next(fault for fault in refusals if _severity(fault) == points)
        yield points, f"{gap.us} is turned away with {told(worst)}"
        yield from _welcome(gap, 7 if points > BARE else 20)
        if points == BARE and gap.others and not any(map(is_let_in, gap.others)):
            yield -20, ""  # nobody is wanted there
        if OUR_NAME.search(worst.detail):
            yield -45, "it may be the name that we give in EHLO: it must be whole, and resolve"
    elif gap.is_denied:  # Sendmail greets a client that `Connect:` rejects, and shows it a bare EHLO list
        yield 78, f"STARTTLS is not offered, and answered with {quoted(gap.answer)}: a reason of policy (RFC 3463, X.7)"
        if gap.beside is not None:
            yield 10, f"{gap.them} is offered it by the same server"
    else:
        yield from _hung_up(gap)


def _severity(fault: Fault) -> int:
    """How much a reply sounds like a block; 0 where it only puts us off."""
    is_hard, is_listed = fault.kind is Kind.REPLY_5XX, bool(LISTED.search(fault.detail))
    is_busy = bool(BUSY.search(fault.detail) or GREY.search(fault.detail))
    if is_listed:
        return 88 if is_hard else 0 if is_busy else 75
    return 0 if not is_hard else 30 if is_busy else BARE


def _hung_up(gap: Gap) -> Iterator[Clue]:
    """Weigh a silent refusal, as of TCPREFUSE in Cisco ESA or of a packet filter: only where somebody else has TLS."""
    if gap.beside is None or heard(gap.view) or _refusals(gap):
        return
    kinds = {fault.kind for fault in gap.faults if fault.stage <= Stage.GREETING}
    if kinds & {Kind.CLOSED, Kind.RESET, Kind.REFUSED}:  # a packet came back, so the way is open
        yield 62, f"the server hangs up on {gap.us} without a word and talks to {gap.them}"


def rate_limit(gap: Gap) -> Iterator[Clue]:
    """Weigh 421 and 450, best with "too many". A server that shuts down, or greylists, sends the bare codes as well."""
    refusals = [*_refusals(gap), *(it for it in gap.faults if it.kind is Kind.PARKED)]
    busy = next((it for it in refusals if BUSY.search(it.detail)), None)
    soft = next((it for it in refusals if it.kind in {Kind.REPLY_421, Kind.PARKED}), None)
    chosen = busy or soft
    if chosen is None:
        return
    points = 50 if busy is None else 40 if busy.kind is Kind.REPLY_5XX else 82
    yield points, f"{gap.us} is told {told(chosen)}"
    if "#4.4.5" in chosen.detail:
        yield 3, "so speaks a Cisco ESA (IronPort) to a sender group that it throttles"
    if heard(gap.view) or any(is_let_in(view) for view in gap.kin if view.source == gap.us):
        yield 6, f"{gap.us} was let in at another visit"
    yield from _welcome(gap, 5)
    if LISTED.search(chosen.detail) and busy is None:
        yield -20, ""


def greylist_tarpit(gap: Gap) -> Iterator[Clue]:
    """Weigh the marks of spamd: a greeting byte by byte, a list without keywords, 451. One alone proves little."""
    if starttls.of_view(gap.view) in {Verdict.PASS, Verdict.FAIL}:
        return
    clues = [*_dripping(gap), *_stand_in(gap)]
    words = next((text for text in _said(gap) if GREY.search(text)), "")
    if words:
        clues.append((45, f"it says of itself {words}"))
    if sum(points for points, _ in clues) >= 40:
        yield from clues
        yield from _welcome(gap, 5)


def _dripping(gap: Gap) -> Iterator[Clue]:
    """Weigh how the greeting came: begun and not ended, or late."""
    late = [it for it in gap.view.sessions if it.fault is not None and it.fault.kind is Kind.TIMEOUT]
    if any(_is_cut_short(it.greeting) for it in late) and not gap.is_teased:
        yield 65, "the greeting came bit by bit and never to its end"
    elif gap.is_slow:
        there = [] if gap.beside is None else greetings_ms(gap.beside)
        other = f", for {gap.them} {min(there)} ms" if there else ""
        yield 30, f"for {gap.us} the greeting took {max(greetings_ms(gap.view))} ms{other}"


def _is_cut_short(greeting: Reply | None) -> bool:
    """Begun, and no whole line of it misread: a bare CR is a careless server, which waits for nothing."""
    is_partial = greeting is not None and greeting.code == 0 and any(greeting.lines)
    return is_partial and greeting is not None and not any(b"\r" in line for line in greeting.lines)


def _stand_in(gap: Gap) -> Iterator[Clue]:
    """Weigh what it answers: the same few words to everything."""
    if any(it.ehlo is not None for it in heard(gap.view)) and not keywords(gap.view):
        yield 20, "the EHLO reply has no keyword at all"
    codes = {fault.code for fault in gap.faults} | {0 if gap.answer is None else gap.answer.code}
    if 451 in codes or 450 in codes:
        yield 25, f"it puts {gap.us} off with {451 if 451 in codes else 450}"


def _said(gap: Gap) -> list[str]:
    """Greetings, EHLO replies and refusals, cut short."""
    replies = (reply for it in gap.view.sessions for reply in (it.greeting, it.ehlo))
    return sorted([quoted(reply) for reply in replies if reply is not None] + [told(fault) for fault in gap.faults])


def postscreen(gap: Gap) -> Iterator[Clue]:
    """Weigh the marks of postscreen: a teaser line, a wait, and then less than others are shown.

    A greeting of several lines is nothing special by itself: it counts with a wait, or beside a shorter one.
    """
    if not gap.is_teased or not (gap.is_absent or gap.faults):
        return
    clues = [(30, "the greeting begins with a line of its own, as postscreen's teaser does")]
    if gap.is_slow:
        clues.append((30, f"the rest of it came after {max(greetings_ms(gap.view))} ms"))
    if gap.is_hidden:
        words = f"its list for {gap.us} lacks {_missing(gap)}: the stand-in, while its TLS proxy is not ready"
        clues.append((30 if "PIPELINING" in gap.lost else 20, words))  # which it never offers
    clues += [(30, f"it says {said}") for said in _said(gap) if TESTED.search(said)][:1]
    if gap.is_teased_alone:
        clues.append((15, f"{gap.them}, who passed the tests, gets a greeting without it"))
    if sum(points for points, _ in clues) >= 60:
        yield from clues


def _missing(gap: Gap) -> str:
    return ", ".join(sorted(gap.lost)[:4])[:80] or "STARTTLS"
