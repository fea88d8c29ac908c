"""What each TLS level of Postfix demands of one MX host, and what an attempt under that demand comes to.

`verify` matches the MX host's name, `secure` the next-hop domain and what lies below it. `mta_sts` is a sender with
DANE and MTA-STS on top of `may`: DANE where the host has it (RFC 8461 section 2: STS never overrides DANE), else the
policy.

Touches: nothing. Source: Postfix smtp_tls_policy.c and TLS_README; RFC 7672 section 2.2, RFC 8461 sections 4 and 5.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from scanner.assess import dane, mta_sts, webpki
from scanner.assess.case import Case, View
from scanner.assess.dane import Standing
from scanner.assess.hygiene import OLD_VERSIONS
from scanner.assess.names import DNS_ID, matches, presented
from scanner.assess.webpki import Problem
from scanner.assess.wire import EVENTS, NO_HANDSHAKE, Step, Visit, told, unseen, waits
from scanner.model.assessment import Outcome
from scanner.model.certificate import Certificate
from scanner.model.fault import Kind
from scanner.model.route import MxHost, Validity
from scanner.protocols.mta_sts import covers

NO_SNI = "this level sends no server name; the certificate was shown to one that did"
VERIFIED = Step(Outcome.ENCRYPTED_AUTHENTICATED, "2.3-verified", "2.0.0")
UNVERIFIED = waits("2.3-unverified", "4.7.5", "Server certificate not verified")
Check = Callable[[Case, MxHost, View], tuple[Problem, ...]]


@dataclass(frozen=True, slots=True)
class Demand:
    """Whether TLS is a must, and what is checked of the certificate. `good` and `bad` are the ends of the check."""

    is_required: bool = False
    check: Check | None = None
    good: Step = VERIFIED
    bad: Step = UNVERIFIED
    reason: str = ""


ENCRYPTED = Step(Outcome.ENCRYPTED, "2.3-certificate", "2.0.0")
MAY, ENCRYPT = Demand(), Demand(is_required=True)


def by_host_name(case: Case, host: MxHost, view: View) -> tuple[Problem, ...]:
    """`verify`: trust, dates, purpose, and the MX host's name."""
    return _verified(case, view, lambda names: any(matches(name, host.name) for name in names))


def by_next_hop(case: Case, _host: MxHost, view: View) -> tuple[Problem, ...]:
    """`secure`: as `verify`, but the domain itself or any name below it (smtp_tls_secure_cert_match)."""
    return _verified(case, view, lambda names: any(_below(case.route.domain, names)))


def by_tlsa(case: Case, host: MxHost, view: View) -> tuple[Problem, ...]:
    """`dane`: RFC 7672 section 3."""
    return dane.problems(case, host, view)


def by_policy(case: Case, _host: MxHost, view: View) -> tuple[Problem, ...]:
    """MTA-STS: RFC 8461 section 4.2."""
    return webpki.problems(case, view)


GUESSED = Demand(is_required=True, good=replace(VERIFIED, reason=NO_SNI), bad=replace(UNVERIFIED, reason=NO_SNI))
VERIFY, SECURE = replace(GUESSED, check=by_host_name), replace(GUESSED, check=by_next_hop)
STS = Demand(
    is_required=True,
    check=by_policy,
    good=replace(VERIFIED, rule="2.5-enforce"),
    bad=replace(UNVERIFIED, rule="2.5-enforce"),
)
DANE = Demand(
    is_required=True,
    check=by_tlsa,
    good=replace(VERIFIED, rule="2.4-match"),
    bad=replace(UNVERIFIED, rule="2.4-mismatch"),
)
HALF_DANE = replace(DANE, good=Step(Outcome.ENCRYPTED, "2.4-insecure-mx", "2.0.0"))
UNSEEN_DANE = unseen("no validating resolver could tell what a DANE sender sees", "2.4-unknown")
LOOKUP = waits("2.4-lookup", "4.7.5", "TLSA lookup error for {mx}:{port}")
NO_TLSA = waits("2.4-none", "4.7.5", "no TLSA records found")
UNSIGNED = waits("2.4-insecure-mx", "4.7.5", "non DNSSEC destination")
BY_STANDING: dict[Standing, Demand | Step] = {
    Standing.NONE: MAY,
    Standing.INSECURE: MAY,
    Standing.UNKNOWN: UNSEEN_DANE,
    Standing.BOGUS: LOOKUP,
    Standing.UNUSABLE: ENCRYPT,
    Standing.USABLE: DANE,
}
ONLY_BY_STANDING: dict[Standing, Demand | Step] = {
    Standing.NONE: NO_TLSA,
    Standing.INSECURE: NO_TLSA,
    Standing.UNKNOWN: UNSEEN_DANE,
    Standing.BOGUS: LOOKUP,
    Standing.UNUSABLE: replace(NO_TLSA, rule="2.4-unusable", words=""),
    Standing.USABLE: DANE,
}


def with_dane(case: Case, host: MxHost) -> Demand | Step:
    """`dane`: opportunistic, so unsigned MX records do not stop the host's own records from being enforced."""
    standing = dane.standing_of(case, host)
    if standing is Standing.LOOKUP_FAILED:
        return _lookup_failed(host)
    demand = BY_STANDING[standing]
    if standing is not Standing.USABLE or case.route.mx.validity is Validity.SECURE:
        return demand
    return HALF_DANE if case.route.mx.validity is Validity.INSECURE else UNSEEN_DANE


def with_dane_only(case: Case, host: MxHost) -> Demand | Step:
    """`dane_only`: anything but secure, usable records means waiting."""
    status = case.route.mx.validity
    if status is Validity.INSECURE and not case.route.implicit:
        return UNSIGNED
    standing = dane.standing_of(case, host)
    if standing is Standing.LOOKUP_FAILED:
        return _lookup_failed(host)
    if standing in {Standing.USABLE, Standing.UNUSABLE} and status is not Validity.SECURE:
        return UNSEEN_DANE
    return ONLY_BY_STANDING[standing]


def with_policy(case: Case, host: MxHost) -> Demand | Step:
    """`mta_sts`: DANE where it applies, else the enforced policy, else as `may`."""
    is_signed = case.route.mx.validity is not Validity.INSECURE
    if is_signed and dane.standing_of(case, host) not in {Standing.NONE, Standing.INSECURE}:
        return with_dane(case, host)
    policy = mta_sts.enforced(case)
    if policy is not None:
        return STS if covers(policy, host.name) else waits("2.5-mx-mismatch", "4.7.5", "")
    fault = case.evidence.mta_sts.fetch.fault if case.evidence.mta_sts.fetch is not None else None
    return replace(MAY, reason="the MTA-STS policy could not be fetched now") if fault is not None else MAY


MODELS: dict[str, Callable[[Case, MxHost], Demand | Step]] = {
    "may": lambda _case, _host: MAY,
    "encrypt": lambda _case, _host: ENCRYPT,
    "verify": lambda _case, _host: VERIFY,
    "secure": lambda _case, _host: SECURE,
    "dane": with_dane,
    "dane_only": with_dane_only,
    "mta_sts": with_policy,
}
"""Every sender model, in the order of the record."""


def attempt(case: Case, host: MxHost, model: str, visit: Visit) -> Step:
    """One delivery attempt at one address. Connecting comes before any demand, DNS before connecting."""
    demand, view, name = MODELS[model](case, host), visit.view, visit.event
    if isinstance(demand, Step):
        return told(demand, view)
    if name == "tls":
        return told(_established(case, host, demand, view), view)
    step = EVENTS[name].required if demand.is_required else EVENTS[name].optional
    is_weaker_by_chance = demand.reason and not demand.is_required and not step.reason
    return told(replace(step, reason=demand.reason) if is_weaker_by_chance else step, view)


def _established(case: Case, host: MxHost, demand: Demand, view: View) -> Step:
    """TLS stands: what is it worth?"""
    session = view.decisive
    if demand.check is None:
        return _unchecked(view, demand)
    if not webpki.chain_of(view):
        return replace(NO_HANDSHAKE, rule="2.3-anonymous")
    if session.handshake is not None and session.handshake.version in OLD_VERSIONS:
        return replace(NO_HANDSHAKE, rule="2.3-old-tls")
    problems = demand.check(case, host, view)
    if problems and not any(problem.is_certain for problem in problems):
        return unseen(
            "; ".join(problem.detail for problem in problems) or "the certificate is not known", demand.bad.rule
        )
    return demand.bad if problems else demand.good


def _unchecked(view: View, demand: Demand) -> Step:
    """Encrypted, whatever the certificate; after a refused EHLO inside TLS by way of HELO."""
    fault = view.decisive.fault
    if fault is None:
        return replace(ENCRYPTED, reason=demand.reason) if demand.reason else ENCRYPTED
    reason = "" if fault.kind is Kind.REPLY_5XX else "may pass"
    return replace(ENCRYPTED, rule="2.3-ehlo-tls-5xx", reason=reason)


def _lookup_failed(host: MxHost) -> Step:
    """RFC 7672 s2.1.2, where the addresses are secure; where nobody knows, a sender may never have asked."""
    is_secure = host.tlsa.validity is Validity.SECURE or all(
        answer.validity is Validity.SECURE for answer in (host.ipv4, host.ipv6) if answer.records
    )
    return LOOKUP if is_secure else UNSEEN_DANE


def _verified(case: Case, view: View, is_named: Callable[[tuple[str, ...]], bool]) -> tuple[Problem, ...]:
    return (*webpki.nameless_problems(case, view), *_names(webpki.chain_of(view)[0], is_named))


def _names(leaf: Certificate, is_named: Callable[[tuple[str, ...]], bool]) -> Iterator[Problem]:
    """Postfix takes the common name where there is no DNS name."""
    names = presented(leaf)
    if names is None:
        yield Problem("validation-failure", "names cannot be read", is_certain=False)
    elif not is_named(names):
        yield Problem("certificate-host-mismatch", ", ".join(names[:5]))


def _below(domain: str, names: tuple[str, ...]) -> Iterator[bool]:
    """`nexthop, dot-nexthop`: the wildcard counts as any other label."""
    ending = f".{domain}"
    for name in map(str.lower, names):
        yield (name == domain or name.endswith(ending)) and DNS_ID.fullmatch(name) is not None
