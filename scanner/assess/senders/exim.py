"""Exim as a sender: `exim` as it comes, `exim_require` (hosts_require_tls) and `exim_dane` (hosts_require_dane).

All three look for TLSA records, as Exim does where its resolver validates. It asks for them at the end of the CNAME
chain only, wants MX and address records signed, takes any record that matches, however weak its digest, and does not
look at a certificate otherwise. Where TLS cannot be had it goes on in clear at once.

Touches: nothing. Source: Exim 4.96 of Debian 12 (GnuTLS), run row by row; smtp.c, dnslookup.c; RFC 5321 section 5.1.
"""

import re
from dataclasses import replace
from functools import partial
from operator import attrgetter

from scanner.assess.case import Case, lookup_faults
from scanner.assess.dane import Standing
from scanner.assess.senders.demands import UNSEEN_DANE, Demand, Mailer, Sender, Steps, lookup_failed
from scanner.assess.senders.facts import Facts
from scanner.assess.senders.hosts import NOWHERE, is_address, is_itself, is_malformed, repeated
from scanner.assess.senders.wire import PASSES, UNSEEN, Reading, Step, never, unseen, waits
from scanner.model.assessment import Outcome
from scanner.model.fault import Fault, Kind
from scanner.model.route import Answer, MxHost, Validity
from scanner.model.session import Oddity, Reply, Session

ADDRESSES_TRIED = 5
"""hosts_max_try: once so many have failed, one of each further preference is tried."""
REPLY_BYTES = 4096
OFFER = re.compile(rb"250[ -]STARTTLS(?:\s.*)?", re.DOTALL)
"""In upper case, and with nothing but a blank behind it."""

STAYS = "in clear by HELO, if the server stays after its 421"
STAYS_INSIDE = "encrypted by HELO, if the server stays after its 421"
REFUSED_CLEAR = "a server that offers STARTTLS may refuse a message in clear, which only a message would show"
DENIED = "STARTTLS, which is not offered, was denied for reasons of policy; so may be the message"
GREETED = "SMTP error from remote mail server after initial connection: {reply}"
NOT_OFFERED = "a TLS session is required, but the server did not offer TLS support"
NOT_STARTED = "a TLS session is required, but an attempt to start TLS failed"
LATER, FOR_GOOD = "4.0.0", "5.0.0"
"""Exim logs no enhanced status code; its own bounces carry these."""


def fails(rule: str, words: str, reason: str = "") -> Step:
    """The next host, else bounced."""
    return Step(Outcome.BOUNCE, rule, FOR_GOOD, words, ends=False, reason=reason)


CLEAR = Step(Outcome.CLEAR, "2.3-absent", "2.0.0")
AT_ONCE = Step(Outcome.CLEAR, "2.3-exim-handshake", "2.0.0", reason=REFUSED_CLEAR)
ENCRYPTED = Step(Outcome.ENCRYPTED, "2.3-certificate", "2.0.0")
ABSENT = waits("2.3-absent", LATER, NOT_OFFERED)
NO_HANDSHAKE = waits("2.3-exim-handshake", LATER, "TLS session: ")
LOST = waits("2.3-lost", LATER, "")

ALWAYS: Steps = {
    **UNSEEN,
    "refused": waits("2.2-connect", LATER, "Connection refused"),
    "timeout": waits("2.2-connect", LATER, "Connection timed out", PASSES),
    "unreachable": waits("2.2-connect", LATER, "No route to host"),
    "special": waits("2.2-special", LATER, "", "the address was not contacted"),
    "greeting-4xx": waits("2.3-exim-greeting", LATER, GREETED, PASSES),
    "greeting-5xx": fails("2.3-exim-greeting", GREETED),
    "malformed": waits("2.3-exim-malformed", LATER, ""),
    "lost": LOST,
    "timed-out": replace(LOST, reason=PASSES),
    "helo-4xx": waits("2.3-exim-helo", LATER, "", PASSES),
    "helo-5xx": fails("2.3-exim-helo", ""),
    "tls": ENCRYPTED,
    "ehlo-tls-421": waits("2.3-exim-ehlo-tls-421", LATER, "", STAYS_INSIDE),
    "ehlo-tls-4xx": replace(ENCRYPTED, rule="2.3-ehlo-tls-5xx", reason=PASSES),
    "ehlo-tls-5xx": replace(ENCRYPTED, rule="2.3-ehlo-tls-5xx"),
    "old-tls": None,
}
OPTIONAL: Steps = ALWAYS | {
    "ehlo-421": waits("2.3-exim-ehlo-421", LATER, "", STAYS),
    "helo": replace(CLEAR, rule="2.3-exim-ehlo"),
    "helo-unseen": replace(CLEAR, rule="2.3-exim-ehlo", reason="HELO was not tried"),
    "absent": CLEAR,
    "absent-denied": unseen(DENIED, "2.3-absent"),
    "starttls-4xx": replace(CLEAR, rule="2.3-starttls-4xx", reason=PASSES),
    "starttls-421": waits("2.3-starttls-421", LATER, "", "in clear, if the server stays after its 421"),
    "starttls-5xx": replace(CLEAR, rule="2.3-exim-starttls-5xx"),
    **dict.fromkeys(("handshake", "handshake-once", "late-refusal", "late-timeout", "anonymous"), AT_ONCE),
}
REQUIRED: Steps = ALWAYS | {
    "ehlo-421": waits("2.3-exim-ehlo-421", LATER, "", PASSES),
    "helo": replace(ABSENT, rule="2.3-exim-ehlo"),
    "helo-unseen": replace(ABSENT, rule="2.3-exim-ehlo", reason="HELO was not tried"),
    "absent": ABSENT,
    "absent-denied": ABSENT,
    "starttls-4xx": waits("2.3-starttls-4xx", LATER, NOT_STARTED, PASSES),
    "starttls-421": waits("2.3-starttls-421", LATER, "", PASSES),
    "starttls-5xx": waits("2.3-exim-starttls-5xx", LATER, NOT_STARTED),
    "handshake": NO_HANDSHAKE,
    "handshake-once": replace(NO_HANDSHAKE, reason="seen only once"),
    "late-refusal": replace(NO_HANDSHAKE, words=""),
    "late-timeout": replace(NO_HANDSHAKE, words="", reason=PASSES),
    "anonymous": NO_HANDSHAKE,
}
BY_TLSA: Steps = REQUIRED | {
    "starttls-4xx": waits(
        "2.3-starttls-4xx", LATER, "SMTP error from remote mail server after STARTTLS: {reply}", PASSES
    ),
    **dict.fromkeys(("tls", "ehlo-tls-4xx", "ehlo-tls-5xx"), None),
}


OTHER_NAME = "the authorities that this sender trusts vouch for the chain where ours do"
MAY, REQUIRE = Demand(OPTIONAL), Demand(REQUIRED)
DANE = Demand(
    BY_TLSA,
    attrgetter("by_any_tlsa"),
    Step(Outcome.ENCRYPTED_AUTHENTICATED, "2.4-exim-match", "2.0.0"),
    waits("2.4-exim-mismatch", LATER, "TLS session: (certificate verification failed)"),
    {"certificate-host-mismatch": replace(ENCRYPTED, rule="2.4-exim-anchor", reason=OTHER_NAME)},
)
UNUSABLE = Demand(REQUIRED | {"tls": replace(ENCRYPTED, rule="2.4-exim-unusable")})
LOOKUP = waits("2.4-lookup", LATER, "DANE error: tlsa lookup DEFER")
NO_TLSA = Step(Outcome.BOUNCE, "2.4-exim-none", FOR_GOOD, "DANE error: tlsa lookup FAIL")
UNSIGNED = Step(Outcome.BOUNCE, "2.4-exim-none", FOR_GOOD, "DANE error: ")


def by_tlsa_else(without: Demand | Step, unsigned: Demand | Step, facts: Facts) -> Demand | Step:
    """DANE where MX, address and TLSA records are signed; else what is demanded without it."""
    held = {facts.mx, facts.addresses}
    if Validity.INSECURE in held:
        return unsigned
    if facts.standing in {Standing.NONE, Standing.INSECURE} or facts.is_elsewhere:
        return without if held == {Validity.SECURE} else unsigned
    if facts.standing is Standing.LOOKUP_FAILED:
        return lookup_failed(facts, LOOKUP)
    if facts.standing is Standing.BOGUS:
        return LOOKUP
    by_standing = {Standing.USABLE: DANE, Standing.UNUSABLE: UNUSABLE} if held == {Validity.SECURE} else {}
    return by_standing.get(facts.standing, UNSEEN_DANE)


def sees_starttls(reply: Reply) -> bool:
    """Whether a line of the reply is the offer, to the letter."""
    return any(map(OFFER.fullmatch, reply.lines))


def stumbles(session: Session) -> bool:
    """Whether a line without a code, or more than the buffer holds, ends the session."""
    if Oddity.JUNK_LINE in session.oddities:
        return True
    return session.ehlo is not None and sum(map(len, session.ehlo.lines)) > REPLY_BYTES


NULL_MX = Step(Outcome.BOUNCE, "2.2-exim-null-mx", FOR_GOOD, "an MX or SRV record indicated no SMTP service")
UNROUTEABLE = Step(Outcome.BOUNCE, "2.2-nxdomain", FOR_GOOD, "Unrouteable address")
UNADDRESSED = Step(
    Outcome.BOUNCE, "2.2-exim-no-address", FOR_GOOD, "all relevant MX records point to non-existent hosts"
)
INCOMPLETE = waits("2.2-lookup", LATER, "host lookup did not complete")


def routed(case: Case) -> tuple[MxHost, ...] | Step:
    """The hosts, or what DNS decides. Loopback addresses are left out (ignore_target_hosts), and so is a null MX beside
    others.
    """
    route = case.route
    fault = case.routing_fault
    if route.null_mx or (route.mx.records and not any(record.exchange for record in route.mx.records)):
        return NULL_MX
    if fault is not None and fault.kind is not Kind.NXDOMAIN:
        return _incomplete(fault)
    if case.receives_no_mail:
        return UNROUTEABLE
    left = tuple(host for host in route.hosts if _is_tried(case, host))
    if left:
        return _once_each(left)
    failed = [fault for host in route.hosts for fault in lookup_faults(host)]
    return _incomplete(failed[0]) if failed else UNADDRESSED


def _is_tried(case: Case, host: MxHost) -> bool:
    if is_malformed(host) or is_address(host.name):
        return False
    return any(address not in NOWHERE and not is_itself(case, host, address) for address in host.addresses)


def _once_each(hosts: tuple[MxHost, ...]) -> tuple[MxHost, ...]:
    """An address is tried for its best host only, under whatever that host demands."""
    again = repeated(hosts)
    fewer = (
        replace(host, ipv4=_without(again, host, host.ipv4), ipv6=_without(again, host, host.ipv6)) for host in hosts
    )
    return tuple(host for host in fewer if host.addresses) if again else hosts


def _without(again: frozenset[tuple[str, str]], host: MxHost, answer: Answer[str]) -> Answer[str]:
    return replace(answer, records=tuple(each for each in answer.records if (host.name, each) not in again))


def _incomplete(fault: Fault) -> Step:
    """SERVFAIL, bogus and time-outs wait; other answers reach a sender as its own resolver turns them."""
    if fault.kind not in {Kind.SERVFAIL, Kind.BOGUS, Kind.DNS_TIMEOUT}:
        return unseen(f"the lookup ended with {fault.kind.value}", "2.2-lookup")
    return INCOMPLETE if fault.kind is Kind.BOGUS else replace(INCOMPLETE, reason=PASSES)


READING = Reading(sees_starttls, never, stumbles, frozenset({Oddity.PLAINTEXT_AFTER_STARTTLS}))
EXIM = Mailer(routed, READING, ADDRESSES_TRIED, reaches_all=True)
SENDERS = (
    Sender("exim", EXIM, partial(by_tlsa_else, MAY, MAY)),
    Sender("exim_require", EXIM, partial(by_tlsa_else, REQUIRE, REQUIRE)),
    Sender("exim_dane", EXIM, partial(by_tlsa_else, NO_TLSA, UNSIGNED)),
)
