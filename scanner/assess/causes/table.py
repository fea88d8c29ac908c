"""Why STARTTLS is missing, or there for one of our addresses only: the candidates, ranked, each with its evidence.

Every rule looks at one gap (clues.py) and yields clues: points, and a sentence for an administrator. The sum of the
points, from 0 to 100, is the confidence; what counts against a cause has negative points. Nothing is said of a server
where TLS works for everybody.

Touches: nothing. Source: docs/verdicts.md (causes).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from scanner.assess.case import Case
from scanner.assess.causes import blocks, hidings, ways
from scanner.assess.causes.clues import Clue, Gap, gaps
from scanner.model.assessment import Cause

LEAST, MOST = 10, 98
"""Less is not worth a line; more is never known from outside."""
EVIDENCE_MOST = 8


@dataclass(frozen=True, slots=True)
class Rule:
    """What the cause is, in one sentence, and the function that weighs it."""

    sentence: str
    clues: Callable[[Gap], Iterator[Clue]]


RULES = {
    "own-egress": Rule(
        "Our own way out (a firewall that inspects SMTP) loses STARTTLS: no partner is to blame.", ways.own_egress
    ),
    "same-egress": Rule("Two of our sources leave by one address, so that they cannot be compared.", ways.same_egress),
    "middlebox": Rule("A firewall on the path overwrites the keyword or masks the greeting.", ways.middlebox),
    "middlebox-strip": Rule(
        "The keyword is removed on the path, while the server takes STARTTLS.", ways.middlebox_strip
    ),
    "postscreen": Rule(
        "Postfix's postscreen tests this client, and stands in for the server without STARTTLS.", blocks.postscreen
    ),
    "greylist-tarpit": Rule(
        "A tarpit or greylist such as OpenBSD's spamd answers this client in place of the server.",
        blocks.greylist_tarpit,
    ),
    "reputation-block": Rule(
        "The server turns this client away: a block list, its reputation, or a policy.", blocks.reputation_block
    ),
    "rate-limit": Rule(
        "The server has had too many connections from this client, and will listen later.", blocks.rate_limit
    ),
    "client-policy": Rule("The server is configured to hide STARTTLS from this client.", hidings.client_policy),
    "unequal-backends": Rule(
        "Several servers stand behind one name or address, and not all of them have TLS.", hidings.unequal_backends
    ),
    "address-family": Rule(
        "The host has TLS over IPv4 and not over IPv6, or the other way round.", hidings.address_family
    ),
    "route": Rule("Packets of this source are lost on the way.", ways.route),
    "server-without-tls": Rule("The server offers STARTTLS to nobody.", hidings.server_without_tls),
}
"""In the order in which causes of the same confidence are told: what is nearer to us, and easier to check, first."""
PLACES = {name: place for place, name in enumerate(RULES)}


def causes(case: Case) -> tuple[Cause, ...]:
    """Every cause worth a line, the likeliest first; nothing where nothing is missing and nothing differs."""
    found = gaps(case)
    if not found:  # as nearly everywhere
        return ()
    is_one_server = len({(gap.view.mx, gap.view.address) for gap in found}) < 2
    told = [_cause(name, rule, found, is_one_server) for name, rule in RULES.items()]
    return tuple(sorted((each for each in told if each), key=lambda it: (-it.confidence, PLACES[it.cause])))


def _cause(name: str, rule: Rule, found: Iterable[Gap], is_one_server: bool) -> Cause | None:  # noqa: FBT001 - one call
    """As likely as where it is likeliest; evidence from every server, the strongest first."""
    weighed = [(gap, tuple(rule.clues(gap))) for gap in found]
    likely = [(_sum(clues), gap, clues) for gap, clues in weighed if _sum(clues) >= LEAST]
    if not likely:
        return None
    ranked = sorted(likely, key=lambda it: -it[0])
    evidence = (f"{_where(gap, is_one_server)}{words}" for _, gap, clues in ranked for _, words in clues if words)
    return Cause(name, ranked[0][0], tuple(dict.fromkeys(evidence))[:EVIDENCE_MOST])


def _sum(clues: Iterable[Clue]) -> int:
    return min(MOST, sum(points for points, _ in clues))


def _where(gap: Gap, is_one_server: bool) -> str:  # noqa: FBT001 - one call
    """Name the server where there are several."""
    return "" if is_one_server else f"{gap.view.mx} [{gap.view.address}]: "
