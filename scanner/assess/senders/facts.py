"""Everything that any sender model looks at, about one address of one MX host: one value, the same for all of them.

Models see nothing else. So whatever they do is a function of these few words, which a million domains share.

Touches: nothing. Source: RFC 7672 sections 2.2 and 3, RFC 7671 section 9, RFC 8461 sections 4 and 5.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

from scanner.assess import dane, mta_sts, webpki
from scanner.assess.case import Case, View, once
from scanner.assess.dane import Standing
from scanner.assess.names import DNS_ID, matches, presented
from scanner.assess.senders.wire import Reading, on_the_wire
from scanner.assess.webpki import Problem
from scanner.model.certificate import Certificate
from scanner.model.route import MxHost, Validity
from scanner.protocols import tlsa
from scanner.protocols.mta_sts import covers

Checked = tuple[str, str]
"""What came of a check: the type of the first problem, empty where there is none, and why that is not certain."""
GOOD: Checked = ("", "")
NOBODY: Checked = ("anonymous-tls", "")
NO_POLICY, COVERED, UNCOVERED, UNFETCHED = "none", "covered", "uncovered", "unfetched"
MISMATCH = "certificate-host-mismatch"
UNSURE = "the certificate is not known"


@dataclass(frozen=True, slots=True)
class Facts:
    """`events` by way of reading, `flaw` (wire.py); DNS: `standing` to `is_elsewhere`; `policy`; and the certificate.

    `is_elsewhere`: the TLSA records are not those at the end of the CNAME chain. Checks are those of names, of the
    policy, and of TLSA records: the strongest digests, any digest, and the former with dates.
    """

    events: tuple[tuple[Reading, str], ...]
    flaw: str
    standing: Standing
    mx: Validity
    addresses: Validity
    is_implicit: bool
    is_lookup_secure: bool
    is_elsewhere: bool
    policy: str
    by_host_name: Checked = NOBODY
    by_next_hop: Checked = NOBODY
    by_policy: Checked = NOBODY
    by_tlsa: Checked = NOBODY
    by_any_tlsa: Checked = NOBODY
    by_tlsa_in_time: Checked = NOBODY


@dataclass(frozen=True, slots=True)
class Around:
    """What may make two domains differ behind one server at one moment: few values, and no more of them than that."""

    readings: tuple[Reading, ...]
    standing: Standing
    mx: Validity
    addresses: Validity
    is_implicit: bool
    is_lookup_secure: bool
    is_elsewhere: bool
    policy: str
    is_next_hop: bool


_around = cache(Around)
"""The very same value for all domains that do not differ."""


def facts(case: Case, host: MxHost, view: View, readings: tuple[Reading, ...]) -> Facts:
    """Look at everything once."""
    route, chain, has_records = case.route, webpki.chain_of(view), bool(host.tlsa.records)
    standing = dane.standing_of(case, host)
    around = _around(
        readings,
        standing,
        route.mx.validity,
        tlsa.validity(host.ipv4, host.ipv6) if host.ipv6.records else host.ipv4.validity,
        route.implicit,
        standing is Standing.LOOKUP_FAILED and _is_lookup_secure(host),
        has_records and host.tlsa_base != tlsa.expanded(host.name, host.ipv4, host.ipv6),
        _policy(case, host),
        bool(chain) and any(_below(route.domain, presented(chain[0]) or ())),
    )
    seen = _without_records(view, around, webpki.nameless_problems(case, view))
    if not (chain and has_records):
        return seen
    by_tlsa, by_any_tlsa, by_tlsa_in_time = _records(case, host, view, chain[0])
    return replace(seen, by_tlsa=by_tlsa, by_any_tlsa=by_any_tlsa, by_tlsa_in_time=by_tlsa_in_time)


@once
def _without_records(view: View, it: Around, nameless: tuple[Problem, ...]) -> Facts:
    """Everything but the match of TLSA records, which depends on the moment, and on the name of the domain."""
    return Facts(
        *on_the_wire(view, it.readings),
        it.standing,
        it.mx,
        it.addresses,
        it.is_implicit,
        it.is_lookup_secure,
        it.is_elsewhere,
        it.policy,
        *(_names(view, nameless, it.is_next_hop) if webpki.chain_of(view) else ()),
    )


def _policy(case: Case, host: MxHost) -> str:
    policy, fetch = mta_sts.enforced(case), case.evidence.mta_sts.fetch
    if policy is not None:
        return COVERED if covers(policy, host.name) else UNCOVERED
    return NO_POLICY if fetch is None or fetch.fault is None else UNFETCHED


def _is_lookup_secure(host: MxHost) -> bool:
    """RFC 7672 s2.1.2: where the addresses are secure; where nobody knows, a sender may never have asked."""
    answers = (answer for answer in (host.ipv4, host.ipv6) if answer.records)
    return host.tlsa.validity is Validity.SECURE or all(answer.validity is Validity.SECURE for answer in answers)


def _names(view: View, nameless: tuple[Problem, ...], is_next_hop: bool) -> tuple[Checked, Checked, Checked]:  # noqa: FBT001 - one call
    by_host_name, by_another, by_any, by_policy = _by_name(view, nameless)
    return by_host_name, by_any if is_next_hop else by_another, by_policy


def _by_name(view: View, nameless: tuple[Problem, ...]) -> tuple[Checked, Checked, Checked, Checked]:
    """For the name of the host; for a name that is not there; for one that is; and by a policy.

    Postfix takes the common name where there is no DNS name; MTA-STS never does.
    """
    leaf = webpki.chain_of(view)[0]
    names = presented(leaf)
    of_host = webpki.for_its_name(view, nameless)
    by_policy = _told(of_host)
    if names is None:
        unread = _told((*nameless, Problem("validation-failure", "names cannot be read", is_certain=False)))
        return unread, unread, unread, by_policy
    if leaf.dns_names:  # then it was asked already
        is_host = all(problem.type != MISMATCH for problem in of_host)
    else:
        is_host = any(matches(name, view.mx) for name in names)
    by_any, by_another = _told(nameless), _told((*nameless, Problem(MISMATCH, ", ".join(names[:5]))))
    return by_any if is_host else by_another, by_another, by_any, by_policy


def _records(case: Case, host: MxHost, view: View, leaf: Certificate) -> tuple[Checked, Checked, Checked]:
    told = dane.problems(case, host, view)
    loosely = dane.problems_with(case, host, view, tuple(filter(tlsa.usable, host.tlsa.records)))
    late = [
        Problem(it.type, f"{it.type}, which RFC 7672 section 3.1.1 ignores", is_certain=False)
        for it in webpki.date_problems(leaf, webpki.dates(leaf, case.at))
    ]
    return _told(told), _told(loosely), _told(told or tuple(late))


def _told(problems: tuple[Problem, ...]) -> Checked:
    """One certain "no" is enough."""
    if not problems:
        return GOOD
    if any(problem.is_certain for problem in problems):
        return problems[0].type, ""
    return problems[0].type, "; ".join(problem.detail for problem in problems) or UNSURE


def _below(domain: str, names: tuple[str, ...]) -> Iterator[bool]:
    """`nexthop, dot-nexthop`: the wildcard counts as any other label (smtp_tls_secure_cert_match)."""
    if domain not in " ".join(names).lower():
        return  # almost always, and most names stand in a crowd
    ending = f".{domain}"
    for name in map(str.lower, names):
        yield (name == domain or name.endswith(ending)) and DNS_ID.fullmatch(name) is not None
