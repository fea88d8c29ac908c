"""A plan in words and as an object.

Touches: nothing. Source: docs/operations.md (plan).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import orjson

from scanner import text
from scanner.cli.plan.lookups import Lookups
from scanner.cli.preflight import DESCRIPTORS_KEPT_FREE, DESCRIPTORS_PER_SESSION
from scanner.pace import Cap
from scanner.plan import OUTCOMES, POLICY_QUERIES, SESSION_S, Bound, Census, bounds, output_bytes

PROVIDERS_SHOWN = 20
LABEL_WIDTH = 12
OUTCOME_WORDS = {
    "mail": "with MX hosts",
    "implicit": "without MX, mail goes to the domain itself",
    "null_mx": "take no mail (null MX)",
    "no_mail": "have neither MX nor address",
    "no_such_domain": "do not exist",
    "no_address": "have MX hosts without an address",
    "unresolved": "could not be looked up",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """What was counted; `lookups` is None where nobody was asked."""

    census: Census
    lookups: Lookups | None

    @property
    def bounds(self) -> list[Bound]:
        """What the caps make of it, the slowest first."""
        return bounds(self.census)

    @property
    def dns_queries(self) -> int:
        """How many questions a scan asks, the policy records among them."""
        return 0 if self.lookups is None else self.lookups.queries + POLICY_QUERIES * self.census.outcomes.total()

    @property
    def output_bytes(self) -> int:
        """How much a scan writes; without DNS as if every domain had one address."""
        census = self.census
        visits = census.visits if self.lookups else census.rows
        return output_bytes(census.rows, visits, census.endpoints if self.lookups else census.rows)

    @property
    def open_files(self) -> int:
        """How many descriptors a scan wants."""
        return int(self.census.rules.settings.limits.open_sessions * DESCRIPTORS_PER_SESSION) + DESCRIPTORS_KEPT_FREE


def as_text(plan: Plan) -> str:
    """Write for people; names of peers are escaped."""
    lines = [*row_lines(plan.census)]
    if plan.lookups is not None:
        lines += [*route_lines(plan), *session_lines(plan), *time_lines(plan)]
    lines += [*machine_lines(plan)]
    return "".join(f"{label:<{LABEL_WIDTH}}{text.from_str(words)}\n" for label, words in lines)


def row_lines(census: Census) -> Iterator[tuple[str, str]]:
    """Write what is in the list."""
    yield "rows", f"{census.rows:,}: {census.bad:,} bad, {census.excluded:,} excluded, {census.duplicates:,} duplicates"


def route_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Write where the domains lead."""
    census = plan.census
    for number, name in enumerate(name for name in OUTCOMES if census.outcomes[name]):
        yield "" if number else "domains", f"{census.outcomes[name]:,} {OUTCOME_WORDS[name]}"
    yield "hosts", f"{census.hosts:,} mail hosts, {census.endpoints:,} addresses to visit"
    refused = {
        "special-purpose": census.special,
        "left alone": census.left_alone,
        "of a family that no source has": census.no_family,
    }
    words = ", ".join(f"{count:,} {why}" for why, count in refused.items() if count)
    if words:
        yield "", f"not visited: {words}"


def session_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Write what would be sent."""
    census = plan.census
    shares = ", ".join(f"{name} {count:,}" for name, count in sorted(census.sources.items()))
    yield "sessions", f"{census.sessions:,}, {census.visits - census.sessions:,} saved by sharing ({shares or 'none'})"
    if census.deep_most:
        yield "", f"up to {census.deep_most:,} more with --deep"
    for number, (name, count) in enumerate(census.top_providers(PROVIDERS_SHOWN)):
        yield "" if number else "providers", f"{name} {count:,} ({share(count, census):.1%})"
    yield "dns", f"{plan.dns_queries:,} queries"


def share(count: int, census: Census) -> float:
    """Say what part of all sessions this is."""
    return count / census.sessions if census.sessions else 0.0


def time_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Write how long it takes, and what decides that."""
    found = plan.bounds
    if not found:
        yield "time", "nothing to visit"
        return
    yield "time", f"at least {spell(found[0].least_s)}: {bound_words(found[0], found[0].least_s)}"
    yield "", f"likely {likely_words(plan, found)}, if a session takes {SESSION_S:g} s and nobody asks us to slow down"
    for bound in found[1:]:
        yield "", f"then {bound_words(bound, bound.least_s)}"


def likely_s(plan: Plan, found: list[Bound]) -> float:
    """Say how long it will take: as long as its slowest cap or as long as DNS took, whichever is longer."""
    dns_s = 0.0 if plan.lookups is None else plan.lookups.took_s
    return max(dns_s, *(bound.likely_s for bound in found), 0.0)


def likely_words(plan: Plan, found: list[Bound]) -> str:
    """Write the likely duration, and what decides it: often the same cap, else places, else DNS."""
    slowest = max(found, key=lambda bound: bound.likely_s)
    seconds = likely_s(plan, found)
    if seconds > slowest.likely_s:
        return f"{spell(seconds)} (DNS, which took as long just now)"
    return f"{spell(seconds)} ({slowest.name})"


def bound_words(bound: Bound, seconds: float) -> str:
    """Write what a cap makes of its busiest part."""
    rate = f"at {bound.per_s:g}/s" if bound.per_s else "at its growing pace"
    source = "" if bound.cap in {Cap.RUN, Cap.SOURCE} else " per source"
    kind = "" if bound.cap is Cap.RUN else f"{bound.cap.value} "
    held = f"{bound.sessions:,} session{'s' * (bound.sessions != 1)}"
    return f"{kind}{bound.name}: {held} {rate}{source} = {spell(seconds)}"


def machine_lines(plan: Plan) -> Iterator[tuple[str, str]]:
    """Write what this machine has to have."""
    yield "disk", f"about {plan.output_bytes / 2**20:,.0f} MiB"
    yield "open files", f"{plan.open_files:,}"


def spell(seconds: float) -> str:
    """Write a duration for people."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02} min"


def as_json(plan: Plan) -> str:
    """Write one object; what needs DNS is null where nobody was asked."""
    census = plan.census
    rows = {
        "type": "plan",
        "rows": census.rows,
        "bad_rows": census.bad,
        "excluded": census.excluded,
        "duplicates": census.duplicates,
        "open_files": plan.open_files,
        "disk_bytes": plan.output_bytes,
    }
    routed = dict.fromkeys(routed_part(plan)) if plan.lookups is None else routed_part(plan)
    return orjson.dumps(rows | routed, option=orjson.OPT_APPEND_NEWLINE).decode()


def routed_part(plan: Plan) -> dict[str, object]:
    """Give everything that DNS decides."""
    census, found = plan.census, plan.bounds
    providers = census.top_providers(PROVIDERS_SHOWN)
    return {
        "domains": {name: census.outcomes[name] for name in OUTCOMES},
        "mx_hosts": census.hosts,
        "endpoints": census.endpoints,
        "not_visited": {"special": census.special, "excluded": census.left_alone, "no_family": census.no_family},
        "sessions": census.sessions,
        "sessions_saved": census.visits - census.sessions,
        "sessions_by_source": dict(sorted(census.sources.items())),
        "deep_sessions_most": census.deep_most,
        "providers": [
            {"provider": text.from_str(name), "sessions": count, "share": round(share(count, census), 4)}
            for name, count in providers
        ],
        "resolver": plan.lookups.resolver if plan.lookups else None,
        "dns_queries": plan.dns_queries,
        "dns_took_s": round(plan.lookups.took_s, 1) if plan.lookups else None,
        "least_s": round(found[0].least_s, 1) if found else 0.0,
        "likely_s": round(likely_s(plan, found), 1) if found else 0.0,
        "assumed_session_s": SESSION_S,
        "bounds": [bound_object(bound) for bound in found],
    }


def bound_object(bound: Bound) -> dict[str, object]:
    """Give one cap at its busiest part; `per_s` is null for the interval of an address."""
    return {
        "cap": bound.cap.value,
        "name": text.from_str(bound.name),
        "sessions": bound.sessions,
        "per_s": bound.per_s or None,
        "least_s": round(bound.least_s, 1),
        "likely_s": round(bound.likely_s, 1),
    }
