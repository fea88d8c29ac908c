"""Causes at the server: it hides STARTTLS from one client, from one address family, on one backend, or has none.

Touches: nothing. Source: RFC 3207 section 4; Postfix smtpd.c, Exim smtp_in.c, Sendmail srvrsmtp.c (answers to a
STARTTLS that was not advertised).
"""

import re
from collections.abc import Iterator

from scanner.assess import starttls
from scanner.assess.causes.clues import Clue, Gap, host_names, keywords, quoted, told
from scanner.assess.sources import is_let_in, works
from scanner.model.assessment import Verdict
from scanner.model.fault import Kind, Stage
from scanner.model.session import Oddity

KNOBS = (
    (r"5\d\d (5\.\d\.\d )?#", "a Cisco ESA (IronPort) where the mail flow policy of a sender group has TLS off"),
    (r"502 5\.5\.1 Error: command not impl", "Postfix with smtpd_discard_ehlo_keyword_address_maps"),
    (r"503 .*when not advertised", "Exim with tls_advertise_hosts"),
    (r"503 5\.5\.0 TLS not available", "Sendmail with Srv_Features in the access map"),
)
"""Whose answer it is to a STARTTLS that was not advertised, and the setting that does it (checked in their sources)."""
ANY_KNOB = "whoever has a sender group, a connector or a list of clients for it (Cisco ESA, Exchange, MDaemon)"


def client_policy(gap: Gap) -> Iterator[Clue]:
    """Weigh the founding case. Repetition from both sides makes it certain; a middlebox that removes the keyword on one
    path only, or a backend chosen by our address, would look the same.
    """
    refusal = next((it for it in gap.faults if (it.stage, it.kind) == (Stage.STARTTLS, Kind.REPLY_5XX)), None)
    if gap.is_hidden:
        yield from _hidden(gap)
        yield from _likeness(gap)
    elif starttls.of_view(gap.view) is Verdict.FAIL and gap.beside is not None and refusal is not None:
        yield 60, f"{gap.them} gets TLS, and STARTTLS of {gap.us} is refused with {told(refusal)}"
        if gap.is_steady:
            yield 15, _repeated(gap)
    elif gap.is_absent and not any(map(is_let_in, (*gap.others, *gap.shared))) and not _is_garbled(gap):
        # One look cannot tell "hidden from us" from "not there".
        yield 20, f"only {gap.us} saw this server clearly, so that it may be hidden from this address alone"


def _hidden(gap: Gap) -> Iterator[Clue]:
    yield 55, f"at the same address STARTTLS is offered to {gap.them} and not to {gap.us}"
    if gap.is_steady:
        yield 15, _repeated(gap)
    if _is_accepted(gap):  # a policy that hides would refuse as well: all three servers do
        yield -40, ""
    elif gap.answer is not None:
        said = quoted(gap.answer)
        knob = next((knob for pattern, knob in KNOBS if re.match(f'"{pattern}', said)), "")
        yield (13 if knob else 5), f"STARTTLS, sent all the same, is answered with {said}, as by {knob or ANY_KNOB}"


def _likeness(gap: Gap) -> Iterator[Clue]:
    """One server that makes a difference looks the same but for the difference."""
    if gap.is_lone_loss:
        yield 12, "the two EHLO lists are the same but for STARTTLS"
    elif gap.lost - {"STARTTLS"}:  # another machine, or a stand-in, is likelier
        yield -15, f"other keywords are missing as well: {_listed(gap.lost - {'STARTTLS'})}"
    if any(gap.names):
        yield -25, ""
    if gap.is_slow or gap.is_teased_alone:  # greeted otherwise as well: something stands in for the server
        yield -15, ""
    if gap.is_cleared:
        yield 3, f"our own way out is not to blame: {gap.us} sees STARTTLS at other servers"


def _repeated(gap: Gap) -> str:
    return (
        f"both answers were the same when asked again, in turn ({starttls.clean_visits(gap.view)} visits from {gap.us})"
    )


def _listed(words: frozenset[str]) -> str:
    return ", ".join(sorted(words)[:4])[:80]


def _is_accepted(gap: Gap) -> bool:
    return gap.has(Oddity.STARTTLS_UNADVERTISED)


def _is_garbled(gap: Gap) -> bool:
    """Whether the keyword was there once: overwritten, or taken away from a server that has it."""
    return gap.has(Oddity.STARTTLS_MANGLED) or (_is_accepted(gap) and not gap.has(Oddity.STARTTLS_MISPLACED))


def unequal_backends(gap: Gap) -> Iterator[Clue]:
    """Weigh changing answers from one source: only several servers, or a change in that very minute, give them.

    Without them the name in the EHLO greeting is a hint: a balancer may choose by our address. Two addresses of one
    host that differ for everybody are two machines.
    """
    if starttls.is_flapping(gap.view):
        yield 88, f"{gap.us} was given different answers, one after the other, at one address"
        yield from _other_names(gap, 8)
    elif gap.is_absent and any(map(works, gap.shared)):  # two of our sources, and one client to the server
        yield 70, "the server answers differently to one address, by which two of our sources leave"
    elif gap.is_absent and any(gap.names):
        yield 62, "the server names itself differently to those that are offered STARTTLS"
        yield from _other_names(gap, 0)
        yield 10 * gap.is_steady, ""  # a balancer that goes by address; few servers have a name for each client
    elif gap.is_absent and gap.beside is None:
        kin = _of_other_addresses(gap, is_same_family=True)
        if kin:
            yield 50, f"{kin}, another address of the same MX host, offers it"


def _other_names(gap: Gap, points: int) -> Iterator[Clue]:
    here, there = gap.names
    varied = sorted(host_names(gap.view))
    if here:
        yield points, f"in its EHLO greeting it is {here} for {gap.us} and {there} for {gap.them}"
    elif len(varied) > 1:
        yield points, f"in its EHLO greeting it is {' or '.join(varied[:3])}"


def _of_other_addresses(gap: Gap, *, is_same_family: bool) -> str:
    """An address of the same MX host where TLS works, of the same family as ours or of the other; empty if none."""
    is_ipv6 = ":" in gap.view.address
    found = (it.address for it in gap.kin if works(it) and ((":" in it.address) is is_ipv6) is is_same_family)
    return min(found, default="")


def address_family(gap: Gap) -> Iterator[Clue]:
    """Weigh a host that has TLS over one family only, for whoever asks. Two unequal machines look like it too."""
    kin = _of_other_addresses(gap, is_same_family=False)
    if not kin or gap.beside is not None or starttls.is_flapping(gap.view):
        return
    ours, theirs = ("IPv6", "IPv4") if ":" in gap.view.address else ("IPv4", "IPv6")
    if gap.is_absent:
        yield 88, f"over {theirs} ({kin}) the same MX host has TLS, over {ours} it has none for anybody who looked"
    else:
        yield 45, f"over {theirs} ({kin}) the same MX host has TLS, over {ours} it could not be seen"
    if _of_other_addresses(gap, is_same_family=True):  # then the family does not decide
        yield -60, ""


def server_without_tls(gap: Gap) -> Iterator[Clue]:
    """Weigh plain absence. It takes two sources to tell "nobody" from "not us"."""
    if not gap.is_absent or gap.has_seen_tls or _is_garbled(gap) or starttls.is_flapping(gap.view):
        return
    same = {view.source for view in gap.others if starttls.of_view(view) is Verdict.ABSENT}
    if same:
        yield 85, f"STARTTLS is offered to none of {', '.join(sorted({gap.us, *same}))}"
    else:
        yield 65, f"{gap.us} is not offered STARTTLS, and nobody else saw this server clearly"
    if gap.has(Oddity.HELO_ONLY):
        yield 0, "EHLO is refused altogether, so that there are no extensions"
    if gap.has(Oddity.STARTTLS_MISPLACED):  # there is TLS after all, and nobody finds it
        yield -20, "the word stands where no sender looks for it"
    if starttls.clean_visits(gap.view) > 1:
        yield 7, "it was the same when asked again"
    if gap.answer is not None and gap.answer.code // 100 == 5:
        yield 5, f"STARTTLS, sent all the same, is answered with {quoted(gap.answer)}"
    if gap.is_denied or not (keywords(gap.view) or gap.has(Oddity.HELO_ONLY)):  # it may be otherwise for others
        yield -15, ""
