"""Senders that nobody can run here, by their documents: Exchange, Exchange Online and Gmail.

What the documents do not say is unknown; what they say is told with less confidence than what was run.

Touches: nothing. Source: Microsoft's "Email non-delivery reports in Exchange Online", "How SMTP DNS-based
Authentication of Named Entities works", KB 329061 and 4051498; Google Workspace Admin Help 2520500.
"""

from dataclasses import dataclass, replace
from functools import partial
from operator import attrgetter

from scanner.assess.case import Case, lookup_faults
from scanner.assess.senders import demands
from scanner.assess.senders.demands import Demand, Mailer, Means, Sender, Steps
from scanner.assess.senders.hosts import is_address, is_malformed
from scanner.assess.senders.wire import PASSES, UNSEEN, Reading, Step, doubted, never, unseen, waits
from scanner.model.assessment import Outcome
from scanner.model.fault import Kind
from scanner.model.route import MxHost
from scanner.protocols import ehlo

ALL_ADDRESSES = 10_000
"""No limit is documented."""
BY_DOCUMENTS = "from the vendor's documents"
UNDOCUMENTED = unseen("not documented", "2.6-session")
NO_TLS = (
    *("helo", "helo-unseen", "absent", "absent-denied", "starttls-4xx", "starttls-421", "starttls-5xx"),
    *("handshake", "handshake-once", "late-refusal", "late-timeout", "ehlo-tls-421", "anonymous"),
)
"""Events after which there is no TLS with this server."""
STANDS = ("tls", "ehlo-tls-4xx", "ehlo-tls-5xx")


def without_tls(step: Step) -> Steps:
    """One end for every way to miss TLS."""
    return dict.fromkeys(NO_TLS, step)


def bounces(rule: str, dsn: str, words: str = "", reason: str = "") -> Step:
    """Bounced at once."""
    return Step(Outcome.BOUNCE, rule, dsn, words, reason=reason)


def unconnected(refused: Step, late: Step, cut: Step) -> Steps:
    """Everything that goes wrong before anybody speaks of TLS."""
    return {
        **UNSEEN,
        "refused": refused,
        "unreachable": replace(refused, words=""),
        "timeout": late,
        "special": waits("2.2-special", "4.4.0", "", "the address was not contacted"),
        **dict.fromkeys(("lost", "timed-out"), cut),
        **dict.fromkeys(("greeting-4xx", "ehlo-421", "helo-4xx"), replace(cut, words="", reason=PASSES)),
        **dict.fromkeys(("greeting-5xx", "helo-5xx"), UNDOCUMENTED),
        "old-tls": None,
    }


CLEAR = Step(Outcome.CLEAR, "2.6-clear", "2.0.0")
ENCRYPTED = Step(Outcome.ENCRYPTED, "2.6-tls", "2.0.0")
VERIFIED = Step(Outcome.ENCRYPTED_AUTHENTICATED, "2.6-tls", "2.0.0")
OPPORTUNISTIC: Steps = without_tls(CLEAR) | dict.fromkeys(STANDS, ENCRYPTED)
CHECKED: Steps = dict.fromkeys(STANDS, None)


def unfetched(steps: Steps) -> Demand:
    """As ever, unless a policy was remembered from better days."""
    why = "the MTA-STS policy could not be fetched now"
    return Demand({name: None if step is None else doubted(step, why) for name, step in steps.items()})


def enforced(steps: Steps, bad: Step) -> Demand:
    """A policy that is enforced: TLS, and a certificate that holds (RFC 8461 section 4.2)."""
    return Demand(steps | without_tls(bad) | CHECKED, attrgetter("by_policy"), replace(VERIFIED, rule="2.6-sts"), bad)


@dataclass(frozen=True, slots=True)
class Answers:
    """What DNS decides: a null MX, one beside others, no such domain, a failed lookup, hosts without address."""

    null: Step
    beside: Step
    nothing: Step
    lookup: Step
    unaddressed: Step


def routed(answers: Answers, case: Case) -> tuple[MxHost, ...] | Step:
    """The hosts, or what DNS decides."""
    route, fault = case.route, case.routing_fault
    if route.null_mx:
        return answers.null
    if any(not record.exchange for record in route.mx.records):
        return answers.beside
    if fault is not None and fault.kind is not Kind.NXDOMAIN:
        return answers.lookup if fault.kind is Kind.BOGUS else doubted(answers.lookup, PASSES)
    if case.receives_no_mail:
        return answers.nothing
    left = tuple(host for host in route.hosts if host.addresses and _is_name(host))
    if left:
        return left
    return answers.lookup if any(map(lookup_faults, route.hosts)) else answers.unaddressed


def _is_name(host: MxHost) -> bool:
    return not is_malformed(host) and not is_address(host.name)


BESIDE = unseen("a null MX beside others is against RFC 7505 section 3, which does not say what follows", "2.6-dns")
READING = Reading(ehlo.offers_starttls, never, never)


def documented(answers: Answers) -> Mailer:
    """Make a mailer of which only documents tell."""
    return Mailer(partial(routed, answers), READING, ALL_ADDRESSES, reason=BY_DOCUMENTS)


# ---- Exchange on one's own machines: the send connector, opportunistic or with RequireTLS
LAST_ERROR = '451 4.4.0 Primary target IP address responded with: "{}"'
ON_PREM_BEFORE = unconnected(
    waits("2.6-session", "4.4.0", LAST_ERROR.format("421 4.2.1 Unable to connect.")),
    waits("2.6-session", "4.4.0", LAST_ERROR.format("421 4.4.1 Connection timed out."), PASSES),
    waits("2.6-session", "4.4.0", LAST_ERROR.format("421 4.4.2 Connection dropped")),
)
ON_PREM_REQUIRED = waits(
    "2.6-exchange-required", "4.4.0", LAST_ERROR.format("451 5.7.3 STARTTLS is required to send mail")
)
ON_PREM_REFUSED = replace(ON_PREM_REQUIRED, words="The remote SMTP service does not support TLS.")
ON_PREM = documented(
    Answers(
        bounces("2.6-dns", ""),
        BESIDE,
        bounces("2.6-dns", "5.4.4", "554 5.4.4 SMTPSEND.DNS.NonExistentDomain"),
        waits("2.6-dns", "4.4.0", "451 4.4.0 DNS query failed"),
        waits("2.6-dns", "4.4.0", "451 4.4.0 DNS query failed"),
    )
)
ON_PREM_MAY = Demand(ON_PREM_BEFORE | OPPORTUNISTIC)
ON_PREM_REQUIRE = Demand(ON_PREM_MAY.steps | without_tls(ON_PREM_REQUIRED) | {"starttls-5xx": ON_PREM_REFUSED})

# ---- Exchange Online: opportunistic with DANE and MTA-STS always on, or a connector that always uses TLS
CONNECTOR = "450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is required to send mail]"
ONLINE_BEFORE = unconnected(
    waits("2.6-session", "4.4.316", "450 4.4.316 Connection refused [Message=Socket error code 10061]"),
    waits("2.6-session", "4.4.315", "450 4.4.315 Connection timed out", PASSES),
    waits("2.6-session", "4.4.317", "450 4.4.317 Cannot connect to remote server"),
)


def dane_fails(code: str, word: str) -> Step:
    """Tried again for a day, with this code; then a bounce with 5 in its place."""
    return waits("2.6-online-dane", f"4.7.{code}", f"{word} (5.7.{code} when the message expires)")


ONLINE_MAY: Steps = ONLINE_BEFORE | OPPORTUNISTIC
ONLINE_STS = waits("2.6-sts", "4.4.8", "failed MTA-STS validation")
ONLINE_TLSA = ONLINE_MAY | without_tls(dane_fails("321", "starttls-not-supported"))


ONLINE_DANE = Demand(  # the documents call an expired certificate a failure, and make no exception for DANE-EE
    ONLINE_TLSA | CHECKED,
    attrgetter("by_tlsa_in_time"),
    replace(VERIFIED, rule="2.6-online-dane"),
    dane_fails("323", "tlsa-invalid"),
    {
        "certificate-expired": dane_fails("322", "certificate-expired"),
        "certificate-host-mismatch": dane_fails("325", "certificate-host-mismatch"),
    },
)
ONLINE_MEANS = Means(
    may=Demand(ONLINE_MAY),
    unfetched=unfetched(ONLINE_MAY),
    encrypt=Demand(ONLINE_TLSA),
    dane=ONLINE_DANE,
    half_dane=Demand(ONLINE_MAY),
    sts=enforced(ONLINE_MAY, ONLINE_STS),
    lookup=dane_fails("324", "dnssec-invalid"),
    uncovered=ONLINE_STS,
)
ONLINE_REQUIRED = ONLINE_MAY | without_tls(waits("2.6-exchange-required", "4.4.317", CONNECTOR))
ONLINE_REQUIRING = replace(
    ONLINE_MEANS, may=Demand(ONLINE_REQUIRED), unfetched=unfetched(ONLINE_REQUIRED), half_dane=Demand(ONLINE_REQUIRED)
)
ONLINE = documented(
    Answers(
        bounces("2.6-dns", ""),
        BESIDE,
        bounces("2.6-dns", "5.4.310", "550 5.4.310 DNS domain does not exist"),
        waits("2.6-dns", "4.4.312", "450 4.4.312 DNS query failed"),
        waits("2.6-dns", "4.4.312", "450 4.4.312 DNS query failed"),
    )
)

# ---- Gmail: opportunistic with MTA-STS, or "secure transport (TLS) compliance"; no DANE on the way out
GMAIL_LATER = waits("2.6-session", "", "")
GMAIL_MAY: Steps = unconnected(GMAIL_LATER, replace(GMAIL_LATER, reason=PASSES), GMAIL_LATER) | OPPORTUNISTIC
GMAIL_STS = waits("2.6-sts", "", "")
GMAIL_REQUIRED = GMAIL_MAY | without_tls(bounces("2.6-gmail-required", ""))
GMAIL_MEANS = Means(
    may=Demand(GMAIL_MAY),
    unfetched=unfetched(GMAIL_MAY),
    encrypt=Demand(GMAIL_MAY),
    dane=Demand(GMAIL_MAY),
    half_dane=Demand(GMAIL_MAY),
    sts=enforced(GMAIL_MAY, GMAIL_STS),
    lookup=GMAIL_LATER,
    uncovered=GMAIL_STS,
)
GMAIL_REQUIRING = replace(GMAIL_MEANS, may=Demand(GMAIL_REQUIRED), unfetched=unfetched(GMAIL_REQUIRED))
GMAIL = documented(
    Answers(bounces("2.6-dns", ""), BESIDE, bounces("2.6-dns", ""), waits("2.6-dns", "", ""), bounces("2.6-dns", ""))
)

SENDERS = (
    Sender("exchange_onprem", ON_PREM, ON_PREM_MAY),
    Sender("exchange_onprem_require", ON_PREM, ON_PREM_REQUIRE),
    Sender("exchange_online", ONLINE, partial(demands.with_policy, means=ONLINE_MEANS)),
    Sender("exchange_online_require", ONLINE, partial(demands.with_policy, means=ONLINE_REQUIRING)),
    Sender("gmail", GMAIL, partial(demands.with_policy_only, means=GMAIL_MEANS)),
    Sender("gmail_require", GMAIL, partial(demands.with_policy_only, means=GMAIL_REQUIRING)),
)
