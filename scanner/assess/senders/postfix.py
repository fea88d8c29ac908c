"""Postfix as a sender: what DNS decides, and what each of its TLS levels makes of every event.

`verify` matches the MX host's name, `secure` the next-hop domain and what lies below it. `mta_sts` is a sender with
DANE and MTA-STS on top of `may`: DANE where the host has it, else the policy.

Touches: nothing. Source: Postfix smtp_connect.c, smtp_addr.c, smtp_proto.c, smtp_trouble.c and smtp_tls_policy.c, run
row by row; valid_hostname.c; RFC 5321 section 5.1.
"""

import re
from dataclasses import replace
from functools import partial
from operator import attrgetter

from scanner.assess.case import Case, has_no_address, lookup_faults
from scanner.assess.dane import Standing
from scanner.assess.senders import demands
from scanner.assess.senders.demands import UNSEEN_DANE, Demand, Mailer, Means, Sender, Steps, lookup_failed
from scanner.assess.senders.facts import Facts
from scanner.assess.senders.hosts import is_address, is_itself, is_malformed
from scanner.assess.senders.wire import PASSES, UNSEEN, Reading, Step, doubted, never, unseen, waits
from scanner.model.assessment import Outcome
from scanner.model.fault import Fault, Kind
from scanner.model.route import MxHost, Route, Validity
from scanner.model.session import Reply
from scanner.protocols import ehlo

EHLO_BYTES = 2048
"""line_length_limit: what an EHLO reply holds beyond this is dropped."""
MASKED = re.compile(rb"[20 *\t\n]*")
"""Greetings after which Postfix believes in an old firewall and sends HELO (smtp_pix_workarounds)."""
ADDRESSES_TRIED = 5
"""smtp_mx_address_limit."""
DNS_WORDS = "Host or domain name not found. Name service error for name={name} type={type}: {why}"
NO_NAME, NO_DATA = "Host not found", "Host found but no data record of requested type"
LATER = f"{NO_NAME}, try again"
MALFORMED = "Name service error for name={name} type=MX: Malformed or unexpected name server reply"

CLEAR_LATER = "in clear to the same host once the message has waited 300 s"
NO_SNI = "this level sends no server name; the certificate was shown to one that did"
UNASKED = "HELO was not tried"
DENIED = "STARTTLS, which is not offered, was denied for reasons of policy; so may be the message"
DEMANDED = "a server that offers STARTTLS may demand it, which only a message would show"
REFUSED = "host {host} refused to talk to me: {reply}"
NO_TLS = "TLS is required, but host {host} refused to start TLS: {reply}"
LOST = "lost connection with {host} while {where}"
TIMED_OUT = "conversation with {host} timed out while {where}"

CLEAR = Step(Outcome.CLEAR, "2.3-absent", "2.0.0")
ENCRYPTED = Step(Outcome.ENCRYPTED, "2.3-certificate", "2.0.0")
VERIFIED = Step(Outcome.ENCRYPTED_AUTHENTICATED, "2.3-verified", "2.0.0")
UNVERIFIED = waits("2.3-unverified", "4.7.5", "Server certificate not verified")
NOT_OFFERED = waits("2.3-absent", "4.7.4", "TLS is required, but was not offered by host {host}")
NO_HANDSHAKE = waits("2.3-handshake", "4.7.5", "Cannot start TLS: handshake failure")
UNASKED_FOR = Step(Outcome.CLEAR, "2.3-none", "2.0.0", reason=DEMANDED)

ALWAYS: Steps = {
    **UNSEEN,
    "refused": waits("2.2-connect", "4.4.1", "connect to {host}:{port}: Connection refused"),
    "timeout": waits("2.2-connect", "4.4.1", "connect to {host}:{port}: Connection timed out", PASSES),
    "unreachable": waits("2.2-connect", "4.4.1", "connect to {host}:{port}: No route to host"),
    "special": waits("2.2-special", "4.4.1", "", "the address was not contacted"),
    "greeting-4xx": waits("2.3-greeting", "{dsn}", REFUSED, PASSES),
    "greeting-5xx": waits("2.3-greeting", "{soft_dsn}", REFUSED),
    "lost": waits("2.3-lost", "4.4.2", LOST),
    "timed-out": waits("2.3-lost", "4.4.2", TIMED_OUT, PASSES),
    "ehlo-421": waits("2.3-ehlo-421", "{dsn}", REFUSED, PASSES),
    "helo-4xx": waits("2.3-helo", "{dsn}", REFUSED, PASSES),
    "helo-5xx": Step(Outcome.BOUNCE, "2.3-helo", "{dsn}", REFUSED),
}
"""Where the level makes no difference."""
OPTIONAL: Steps = ALWAYS | {
    "helo": replace(CLEAR, rule="2.3-ehlo"),
    "helo-unseen": replace(CLEAR, rule="2.3-ehlo", reason=UNASKED),
    "absent": CLEAR,
    "absent-denied": unseen(DENIED, "2.3-absent"),
    "starttls-4xx": replace(CLEAR, rule="2.3-starttls-4xx", reason=PASSES),
    "starttls-421": unseen("not known what follows the 421", "2.3-starttls-421"),
    "starttls-5xx": replace(CLEAR, rule="2.3-starttls-5xx"),
    "handshake": replace(NO_HANDSHAKE, reason=CLEAR_LATER),
    "handshake-once": replace(NO_HANDSHAKE, reason=CLEAR_LATER),
    "late-refusal": waits("2.3-late-refusal", "4.4.2", LOST, CLEAR_LATER),
    "late-timeout": waits("2.3-late-refusal", "4.4.2", TIMED_OUT, CLEAR_LATER),
    "ehlo-tls-421": waits("2.3-ehlo-tls-421", "{dsn}", REFUSED, PASSES),
    "ehlo-tls-4xx": replace(ENCRYPTED, rule="2.3-ehlo-tls-5xx", reason=PASSES),
    "ehlo-tls-5xx": replace(ENCRYPTED, rule="2.3-ehlo-tls-5xx"),
    "tls": ENCRYPTED,
    "anonymous": None,
    "old-tls": None,
}
REQUIRED: Steps = OPTIONAL | {
    "helo": replace(NOT_OFFERED, rule="2.3-ehlo"),
    "helo-unseen": replace(NOT_OFFERED, rule="2.3-ehlo", reason=UNASKED),
    "absent": NOT_OFFERED,
    "absent-denied": NOT_OFFERED,
    "starttls-4xx": waits("2.3-starttls-4xx", "{dsn}", NO_TLS, PASSES),
    "starttls-421": waits("2.3-starttls-421", "{dsn}", NO_TLS, PASSES),
    "starttls-5xx": Step(Outcome.BOUNCE, "2.3-starttls-5xx", "{dsn}", NO_TLS),
    "handshake": NO_HANDSHAKE,
    "handshake-once": replace(NO_HANDSHAKE, reason="seen only once"),
    "late-refusal": waits("2.3-late-refusal", "4.4.2", LOST),
    "late-timeout": waits("2.3-late-refusal", "4.4.2", TIMED_OUT, PASSES),
}
CHECKED: Steps = REQUIRED | {
    **dict.fromkeys(("tls", "ehlo-tls-4xx", "ehlo-tls-5xx"), None),
    "anonymous": replace(NO_HANDSHAKE, rule="2.3-anonymous"),
    "old-tls": replace(NO_HANDSHAKE, rule="2.3-old-tls"),
}
UNUSED: Steps = OPTIONAL | {
    **dict.fromkeys(OPTIONAL.keys() - ALWAYS.keys() - {"anonymous", "old-tls"}, UNASKED_FOR),
    "helo": replace(CLEAR, rule="2.3-ehlo"),
    "helo-unseen": replace(CLEAR, rule="2.3-ehlo", reason=UNASKED),
    "absent": CLEAR,
    "absent-denied": unseen(DENIED, "2.3-absent"),
}
"""What comes after STARTTLS never comes."""

NONE, MAY, ENCRYPT = Demand(UNUSED), Demand(OPTIONAL), Demand(REQUIRED)
UNFETCHED = Demand(
    {
        name: step if step is None or step.reason else doubted(step, "the MTA-STS policy could not be fetched now")
        for name, step in OPTIONAL.items()
    }
)
GUESSED_GOOD, GUESSED_BAD = replace(VERIFIED, reason=NO_SNI), replace(UNVERIFIED, reason=NO_SNI)
VERIFY = Demand(CHECKED, attrgetter("by_host_name"), GUESSED_GOOD, GUESSED_BAD)
SECURE = Demand(CHECKED, attrgetter("by_next_hop"), GUESSED_GOOD, GUESSED_BAD)
STS = Demand(
    CHECKED, attrgetter("by_policy"), replace(VERIFIED, rule="2.5-enforce"), replace(UNVERIFIED, rule="2.5-enforce")
)
MISMATCH = replace(UNVERIFIED, rule="2.4-mismatch")
DANE = Demand(CHECKED, attrgetter("by_tlsa"), replace(VERIFIED, rule="2.4-match"), MISMATCH)
HALF_DANE = Demand(CHECKED, attrgetter("by_tlsa"), Step(Outcome.ENCRYPTED, "2.4-insecure-mx", "2.0.0"), MISMATCH)
LOOKUP = waits("2.4-lookup", "4.7.5", "TLSA lookup error for {mx}:{port}")
MEANS = Means(MAY, UNFETCHED, ENCRYPT, DANE, HALF_DANE, STS, LOOKUP, waits("2.5-mx-mismatch", "4.7.5", ""))
NO_TLSA = waits("2.4-none", "4.7.5", "no TLSA records found")
UNSIGNED = waits("2.4-insecure-mx", "4.7.5", "non DNSSEC destination")
ONLY_BY_STANDING: dict[Standing, Demand | Step] = {
    Standing.NONE: NO_TLSA,
    Standing.INSECURE: NO_TLSA,
    Standing.UNKNOWN: UNSEEN_DANE,
    Standing.BOGUS: LOOKUP,
    Standing.UNUSABLE: replace(NO_TLSA, rule="2.4-unusable", words=""),
    Standing.USABLE: DANE,
}


def with_dane_only(facts: Facts) -> Demand | Step:
    """`dane_only`: anything but secure, usable records means waiting."""
    if facts.mx is Validity.INSECURE and not facts.is_implicit:
        return UNSIGNED
    if facts.standing is Standing.LOOKUP_FAILED:
        return lookup_failed(facts, LOOKUP)
    if facts.standing in {Standing.USABLE, Standing.UNUSABLE} and facts.mx is not Validity.SECURE:
        return UNSEEN_DANE
    return ONLY_BY_STANDING[facts.standing]


def is_masked(greeting: Reply) -> bool:
    """Whether Postfix sends HELO after this greeting."""
    return MASKED.fullmatch(b"\n".join(greeting.lines)) is not None


def sees_starttls(reply: Reply) -> bool:
    """Whether the offer stands within the part of the EHLO reply that Postfix keeps."""
    if sum(map(len, reply.lines)) + len(reply.lines) <= EHLO_BYTES:
        return ehlo.offers_starttls(reply)
    kept: list[bytes] = []
    length = 0
    for line in reply.lines:
        if length >= EHLO_BYTES:
            break
        kept.append(line)
        length += len(line) + 1
    return ehlo.offers_starttls(Reply(reply.code, tuple(kept)))


def routed(case: Case) -> tuple[MxHost, ...] | Step:
    """Standards table 2.2: the hosts, or what DNS decides."""
    decided = _by_dns(case)
    return _without_self(case) if decided is None else decided


def _by_dns(case: Case) -> Step | None:
    route, name = case.route, case.route.domain
    if route.null_mx or any(not record.exchange for record in route.mx.records):
        return Step(Outcome.BOUNCE, "2.2-null-mx", "5.1.0", f"Domain {name} does not accept mail (nullMX)")
    fault = case.routing_fault
    if fault is not None and fault.kind is not Kind.NXDOMAIN:
        return _lookup_failed(name, "MX", fault)
    if case.receives_no_mail:
        return Step(Outcome.BOUNCE, "2.2-nxdomain", "5.4.4", _not_found(name, fault or route.hosts[0].ipv6.fault))
    if route.hosts and all(is_malformed(host) for host in route.hosts):
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
    reason = "" if fault.kind is Kind.BOGUS else PASSES
    return waits("2.2-lookup", "4.4.3", DNS_WORDS.format(name=name, type=kind, why=LATER), reason)


def _not_found(name: str, fault: Fault | None) -> str:
    """The last question that Postfix asks is AAAA, even where there is no such domain."""
    why = NO_NAME if fault is not None and fault.kind is Kind.NXDOMAIN else NO_DATA
    return DNS_WORDS.format(name=name, type="AAAA", why=why)


def _without_self(case: Case) -> tuple[MxHost, ...] | Step:
    """Postfix drops hosts that are no better than itself; a loopback address is itself (RFC 5321 section 5.1)."""
    route = case.route
    named = [host for host in route.hosts if not is_malformed(host)]
    addressed = [host for host in named if host.addresses]
    itself = [host.preference for host in addressed if any(is_itself(case, host, each) for each in host.addresses)]
    if not itself:
        return tuple(host for host in named if not has_no_address(host))
    left = tuple(host for host in addressed if host.preference < min(itself))
    if left:
        return left
    if min(host.preference for host in named) < min(itself):
        return waits("2.2-loop", "4.4.4", f"unable to find primary relay for {route.domain}")
    return Step(Outcome.BOUNCE, "2.2-loop", "5.4.6", f"mail for {route.domain} loops back to myself")


READING = Reading(sees_starttls, is_masked, never)
POSTFIX = Mailer(routed, READING, ADDRESSES_TRIED)
SENDERS = (
    Sender("none", POSTFIX, NONE),
    Sender("may", POSTFIX, MAY),
    Sender("encrypt", POSTFIX, ENCRYPT),
    Sender("verify", POSTFIX, VERIFY),
    Sender("secure", POSTFIX, SECURE),
    Sender("dane", POSTFIX, partial(demands.with_dane, means=MEANS)),
    Sender("dane_only", POSTFIX, with_dane_only),
    Sender("mta_sts", POSTFIX, partial(demands.with_policy, means=MEANS)),
)
