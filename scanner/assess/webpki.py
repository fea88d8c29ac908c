"""Would a server that verifies certificates accept this one for the MX host's name?

Each fact is asked by itself and all are told: trust, dates, name, purpose, signature. The first "no" hides nothing.

Touches: nothing. Source: RFC 8461 section 4.2, RFC 9525, RFC 5280 sections 4.1.2.5 and 4.2.1.12, RFC 8460 section 4.3.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

from scanner.assess import starttls
from scanner.assess.case import Case, View, once
from scanner.assess.folding import fold
from scanner.assess.names import certified
from scanner.assess.trust import EXPIRED, NOT_YET_VALID, Answer, ChainFault
from scanner.model.assessment import Finding, Verdict
from scanner.model.certificate import Certificate

BROKEN_HASHES = frozenset({"md5", "md4", "md2", "sha1"})
TRUST_FINDING = {EXPIRED: "certificate-expired", NOT_YET_VALID: "validation-failure", -1: "validation-failure"}
"""By the code of X509_verify_cert; everything else is `certificate-not-trusted`."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One "no", by its finding; `is_certain` False where another server name, or another reader, could see better."""

    type: str
    detail: str
    is_certain: bool = True


class Dates(Enum):
    """Where a moment lies, as seen from the validity of a leaf."""

    IN_TIME = auto()
    EARLY = auto()
    LATE = auto()
    UNREADABLE = auto()


def axis(case: Case, starttls_axis: Verdict) -> Verdict:
    """Fold over the views; where nothing was seen the answer is that of STARTTLS."""
    if starttls_axis is Verdict.NOT_APPLICABLE or not case.views:
        return starttls_axis
    return fold([of_view(case, view) for view in case.views] + [Verdict.UNKNOWN for _ in starttls.unseen(case)])


def of_view(case: Case, view: View) -> Verdict:
    """One chain, for the name of its MX host."""
    return _verdict(view, nameless_problems(case, view))


@once
def _verdict(view: View, nameless: tuple[Problem, ...]) -> Verdict:
    offered = starttls.of_view(view)
    if offered is Verdict.ABSENT or view.encrypted is None:
        return offered
    if not chain_of(view):
        return Verdict.FAIL
    found = for_its_name(view, nameless)
    if any(problem.is_certain for problem in found):
        return Verdict.FAIL
    if found:
        return Verdict.UNKNOWN
    return Verdict.PARTIAL if offered is Verdict.PARTIAL else Verdict.PASS


def findings(case: Case) -> Iterator[Finding]:
    """Every problem of every chain that was presented."""
    for view in case.views:
        for problem in problems(case, view):
            yield view.finding(problem.type, problem.detail)


@once
def problems(case: Case, view: View) -> tuple[Problem, ...]:
    """Everything that keeps this chain from being accepted for the name of its MX host."""
    return for_its_name(view, nameless_problems(case, view)) if chain_of(view) else ()


@once
def nameless_problems(case: Case, view: View) -> tuple[Problem, ...]:
    """Everything that keeps this chain from being accepted for any name."""
    chain = chain_of(view)
    return _for_any_name(view, trust_answer(case, view), dates(chain[0], case.at)) if chain else ()


@once
def _for_any_name(view: View, answer: Answer, when: Dates) -> tuple[Problem, ...]:
    chain = chain_of(view)
    return (*trust_problems(answer.fault), *date_problems(chain[0], when), *use_problems(chain))


@once
def for_its_name(view: View, nameless: tuple[Problem, ...]) -> tuple[Problem, ...]:
    """Add what keeps the chain from being accepted for the name of this MX host."""
    return (*nameless, *name_problems(view, chain_of(view)[0]))


@once
def trust_answer(case: Case, view: View) -> Answer:
    """Why the chain leads to no anchor, if it does not."""
    return case.verifier.answer(chain_of(view), case.at)


def chain_of(view: View) -> tuple[Certificate, ...]:
    """What the server presented, leaf first; empty where there was no handshake or no certificate."""
    session = view.encrypted
    return session.handshake.chain if session is not None and session.handshake is not None else ()


def trust_problems(fault: ChainFault | None) -> Iterator[Problem]:
    """RFC 5280 section 6.1."""
    if fault is not None:
        where = f" (error {fault.code} at depth {fault.depth})" if fault.code > 0 else ""
        yield Problem(TRUST_FINDING.get(fault.code, "certificate-not-trusted"), fault.text + where)


def dates(leaf: Certificate, at: datetime) -> Dates:
    """RFC 5280 section 4.1.2.5, for the leaf; the dates above it are part of trust."""
    if leaf.not_before_at is None or leaf.not_after_at is None:
        return Dates.UNREADABLE
    if at > leaf.not_after_at:
        return Dates.LATE
    return Dates.EARLY if at < leaf.not_before_at else Dates.IN_TIME


def date_problems(leaf: Certificate, when: Dates) -> Iterator[Problem]:
    """Say what is wrong with the moment."""
    if when is Dates.UNREADABLE:
        yield Problem("validation-failure", "dates cannot be read", is_certain=False)
    elif when is Dates.LATE:
        yield Problem("certificate-expired", f"since {leaf.not_after_at:%Y-%m-%d}")
    elif when is Dates.EARLY:
        yield Problem("validation-failure", f"not valid before {leaf.not_before_at:%Y-%m-%d}")


def name_problems(view: View, leaf: Certificate) -> Iterator[Problem]:
    """RFC 8461 section 4.2. A certificate shown to somebody who asked for another name proves no mismatch."""
    named = certified(leaf, view.mx)
    if named is None:
        yield Problem("validation-failure", "names cannot be read", is_certain=False)
    elif not named:
        told = ", ".join(leaf.dns_names[:5]) or f"no DNS name, common name {leaf.common_name}"
        yield Problem("certificate-host-mismatch", told, view.asked_for(view.mx))


def use_problems(chain: tuple[Certificate, ...]) -> Iterator[Problem]:
    """Purpose of the leaf (RFC 5280 section 4.2.1.12), and signatures that nobody accepts (RFC 9325 section 4.5)."""
    if not chain[0].server_auth:
        yield Problem("validation-failure", "not meant for servers")
    hashes = sorted({it.signature_hash for it in chain if not it.self_issued} & BROKEN_HASHES)
    if hashes:
        yield Problem("validation-failure", f"signed with {hashes[0]}")
