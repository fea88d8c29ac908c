"""What one row knows of its domain that may change from one night to the next, as sets of words.

A fact that is not known has no entry: a time-out, a 421 or a dead resolver is no change of the peer. An entry without
words says that there is nothing.

Touches: nothing. Source: docs/record.md (what changed).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from scanner import text
from scanner.assess.chains import SOON
from scanner.jsonl.judgement import AXES, DELIVERY
from scanner.model.assessment import Outcome, Status, Verdict
from scanner.model.session import Hello
from scanner.protocols.tlsa import NO_RECORDS

Part = Mapping[str, Any]
Place = tuple[str, str]
"""What it is, and the MX host that it is about; empty where it is about the domain."""
Fact = tuple[str, frozenset[str]]

IN_HEAD = ("status", *AXES, *(f"delivery.{model}" for model in DELIVERY), "would_wait", "differs_by_source")
IN_HEAD_TOO = ("first_finding", "tls_version_min", "tls_version_max", "provider")
OF_POLICIES = ("mta_sts_id", "mta_sts_mode", "mta_sts_mx", "tls_rpt_rua")
OF_HOSTS = ("address", "tlsa", "certificate", "expiry")
KINDS = (*IN_HEAD, *IN_HEAD_TOO, "mx", *OF_POLICIES, *OF_HOSTS)
"""Everything that is compared, in the order in which it is told."""

NOT_LOOKED_AT = frozenset({Status.EXCLUDED, Status.INPUT_ERROR})
OF_SENDERS = frozenset(hello for hello in Hello if not hello.is_deep)
EXPIRED, EXPIRES_SOON = "expired", f"expires within {SOON.days} days"
NOTHING = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Facts:
    """One row. `observed_at` is RFC 3339, as written in the row."""

    domain: str
    observed_at: str
    provider: str
    known: Mapping[Place, frozenset[str]]


def facts_of(row: Part) -> Facts:
    """Read a row as it was written. Of one that was cut, only the head is known whole.

    Raises KeyError, TypeError, ValueError or AttributeError for what is no row.
    """
    known = {(what, ""): words for what, words in _of_head(row)}
    if row["route"] is not None and not row["truncated"]:
        known.update({(what, ""): words for what, words in _of_directions(row)})
        known.update(_of_hosts(row))
    domain, provider = text.to_str(row["domain"]), _shown(row["provider"] or "")
    return Facts(domain, _shown(row["observed_at"]), provider, known)


def _shown(words: str) -> str:
    """Escape again what a file may hold unescaped."""
    return text.from_str(text.to_str(words))


def _one(word: str | None) -> frozenset[str]:
    return frozenset({_shown(word)}) if word else NOTHING


def _of_head(row: Part) -> Iterator[Fact]:
    """Verdicts, and what follows from them where passing trouble had no part in it."""
    if row["status"] not in NOT_LOOKED_AT:
        yield from ((axis, _one(row[axis])) for axis in AXES if row[axis] != Verdict.UNKNOWN)
    if row["differs_by_source"] is not None:
        yield "differs_by_source", _flag(row["differs_by_source"])
    if row["provider"] is not None:
        yield "provider", _one(row["provider"])
    if row["status"] != Status.INCONCLUSIVE:
        yield from _of_conclusions(row)


def _of_conclusions(row: Part) -> Iterator[Fact]:
    delivery = row["delivery"]
    yield from ((name, _one(row[name])) for name in ("status", "first_finding"))
    outcomes = ((model, delivery[model]) for model in DELIVERY)
    yield from ((f"delivery.{model}", _one(it)) for model, it in outcomes if it not in {None, Outcome.UNKNOWN})
    versions = ((name, row[name]) for name in ("tls_version_min", "tls_version_max"))
    yield from ((name, _one(version)) for name, version in versions if version is not None)
    if row["would_wait"] is not None:
        yield "would_wait", _flag(row["would_wait"])


def _flag(flag: object) -> frozenset[str]:
    return frozenset({"yes" if flag else "no"})


def _of_directions(row: Part) -> Iterator[Fact]:
    """MX records and published policies, each where DNS gave an answer."""
    route, mta_sts, tls_rpt = row["route"], row["policies"]["mta_sts"], row["policies"]["tls_rpt"]
    if _is_answered(route):
        records = (f"{it['preference']} {_shown(it['exchange']) or '.'}" for it in route["published"])
        yield "mx", frozenset(records)
    if _is_answered(mta_sts):
        yield "mta_sts_id", _one(mta_sts["id"])
        policy = mta_sts["policy"]
        if policy is not None or not mta_sts["id"]:  # a policy that could not be fetched may be there still
            yield "mta_sts_mode", _one(policy["mode"] if policy else None)
            yield "mta_sts_mx", frozenset(map(_shown, policy["mx"] if policy else ()))
    if _is_answered(tls_rpt):
        yield "tls_rpt_rua", frozenset(map(_shown, tls_rpt["rua"]))


def _is_answered(lookup: Part) -> bool:
    return lookup["fault"] is None or lookup["fault"]["kind"] in NO_RECORDS


def _of_hosts(row: Part) -> Iterator[tuple[Place, frozenset[str]]]:
    """Addresses, TLSA records and certificates of every MX host."""
    for host in row["route"]["mx"]:
        name = _shown(host["host"])
        if _is_answered(host["ipv4"]) and _is_answered(host["ipv6"]):
            yield ("address", name), frozenset(map(_shown, host["addresses"]))
        if _is_answered(host["tlsa_lookup"]):
            yield ("tlsa", name), frozenset(map(_tlsa, host["tlsa"]))
    at = datetime.fromisoformat(row["observed_at"])
    for name, leaves in _leaves(row["sessions"]).items():
        yield ("certificate", name), frozenset(map(_certificate, leaves))
        yield ("expiry", name), frozenset(word for leaf in leaves if (word := _expiry(leaf["not_after"], at)))


def _tlsa(record: Part) -> str:
    fields = (record[key] for key in ("usage", "selector", "matching_type", "association"))
    return _shown(" ".join(map(str, fields)))


def _leaves(sessions: Sequence[Part]) -> dict[str, list[Part]]:
    """Certificates that senders are shown, by MX host."""
    found: dict[str, list[Part]] = {}
    for session in sessions:
        tls = session["tls"]
        if tls is not None and tls["leaf"] is not None and session["hello"] in OF_SENDERS:
            found.setdefault(_shown(session["mx"]), []).append(tls["leaf"])
    return found


def _certificate(leaf: Part) -> str:
    until = leaf["not_after"]
    return _shown(leaf["sha256"] + (f" until {until[:10]}" if until else ""))


def _expiry(not_after: str | None, at: datetime) -> str:
    """Say whether a certificate has expired or will soon; empty where neither."""
    left = datetime.fromisoformat(not_after) - at if not_after else SOON * 2
    if left < timedelta():
        return EXPIRED
    return EXPIRES_SOON if left < SOON else ""
