"""What a sender demands of one MX host, and what an attempt under that demand comes to.

A demand is a table: for each event on the wire the step that the sender takes. Only where TLS stands and the table says
nothing, the certificate decides.

Touches: nothing. Source: Postfix smtp_tls_policy.c and TLS_README; RFC 7672 section 2.2, RFC 8461 sections 4 and 5.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scanner.assess.case import Case
from scanner.assess.dane import Standing
from scanner.assess.senders.facts import COVERED, UNCOVERED, UNFETCHED, Checked, Facts
from scanner.assess.senders.wire import ESTABLISHED, Reading, Step, unseen
from scanner.model.route import MxHost, Validity

Steps = dict[str, Step | None]
"""By event and flaw (wire.py). None: TLS stands, and the certificate decides."""
UNCHECKED = unseen("the certificate is not looked at")
UNSEEN_DANE = unseen("no validating resolver could tell what a DANE sender sees", "2.4-unknown")


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """What each event comes to; `good` and `bad` are the ends of the check, `by_problem` other ends than `bad`."""

    steps: Steps
    check: Callable[[Facts], Checked] | None = None
    good: Step = UNCHECKED
    bad: Step = UNCHECKED
    by_problem: Mapping[str, Step] = field(default_factory=dict)


Choice = Callable[[Facts], Demand | Step]
"""What is demanded of a host; a step where DNS decides before anything is connected to."""


@dataclass(frozen=True, slots=True, eq=False)
class Mailer:
    """What all policies of one mail server have in common.

    `routed`: the hosts that it tries, or the step by which DNS decides; `reading` is how it reads the wire; `addresses`
    are tried at most, and where `reaches_all` at least one of each preference. `reason`: why nothing about
    it is certain.
    """

    routed: Callable[[Case], tuple[MxHost, ...] | Step]
    reading: Reading
    addresses: int
    reaches_all: bool = False
    reason: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Sender:
    """One sender model."""

    name: str
    mailer: Mailer
    demand: Demand | Choice


@dataclass(frozen=True, slots=True, eq=False)
class Means:
    """What a sender demands by what is published: TLSA records, a policy, neither.

    `unfetched` is `may` while a policy could not be fetched; `half_dane` is for hosts whose MX records are not signed;
    `lookup` is for TLSA records that cannot be had, `uncovered` for hosts that the policy does not name.
    """

    may: Demand
    unfetched: Demand
    encrypt: Demand
    dane: Demand
    half_dane: Demand
    sts: Demand
    lookup: Step
    uncovered: Step


def with_dane(facts: Facts, means: Means) -> Demand | Step:
    """DANE, opportunistic: unsigned MX records do not stop the host's own records from being enforced."""
    standing = facts.standing
    if standing in {Standing.NONE, Standing.INSECURE}:
        return means.may
    if standing is Standing.LOOKUP_FAILED:
        return lookup_failed(facts, means.lookup)
    by_mx: dict[Validity, Demand | Step] = {Validity.SECURE: means.dane, Validity.INSECURE: means.half_dane}
    if standing is Standing.USABLE:
        return by_mx.get(facts.mx, UNSEEN_DANE)
    by_standing: dict[Standing, Demand | Step] = {Standing.UNUSABLE: means.encrypt, Standing.BOGUS: means.lookup}
    return by_standing.get(standing, UNSEEN_DANE)


def with_policy(facts: Facts, means: Means) -> Demand | Step:
    """DANE where it applies, else the policy (RFC 8461 section 2: STS never overrides DANE)."""
    if facts.mx is not Validity.INSECURE and facts.standing not in {Standing.NONE, Standing.INSECURE}:
        return with_dane(facts, means)
    return with_policy_only(facts, means)


def with_policy_only(facts: Facts, means: Means) -> Demand | Step:
    """The enforced policy, else as `may`."""
    by_policy: dict[str, Demand | Step] = {COVERED: means.sts, UNCOVERED: means.uncovered, UNFETCHED: means.unfetched}
    return by_policy.get(facts.policy, means.may)


def lookup_failed(facts: Facts, step: Step) -> Step:
    """RFC 7672 s2.1.2: not "no TLSA"."""
    return step if facts.is_lookup_secure else UNSEEN_DANE


def attempt(facts: Facts, sender: Sender) -> Step:
    """One delivery attempt at one address. Connecting comes before any demand, DNS before connecting."""
    asked = sender.demand
    demand = asked if isinstance(asked, Demand) else asked(facts)
    if isinstance(demand, Step):
        return demand
    event = dict(facts.events)[sender.mailer.reading]
    step = demand.steps[event]
    if facts.flaw and event in ESTABLISHED:
        step = demand.steps[facts.flaw] or step
    return _checked(facts, demand) if step is None else step


def _checked(facts: Facts, demand: Demand) -> Step:
    """TLS stands: what is it worth?"""
    problem, doubt = ("", "") if demand.check is None else demand.check(facts)
    if not problem:
        return demand.good
    return unseen(doubt, demand.bad.rule) if doubt else demand.by_problem.get(problem, demand.bad)
