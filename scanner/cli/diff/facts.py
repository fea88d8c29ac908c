"""What one row knows of its domain that may change from one night to the next, as sets of words.

A fact that is not known has no entry: a time-out, a 421 or a dead resolver is no change of the peer. An entry without
words says that there is nothing. Whatever is looked at is held to its type and to the words of its set, so that a row
that somebody changed is refused and not taken for another.

Touches: nothing. Source: docs/record.md (what changed).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from operator import itemgetter
from typing import Any

from scanner import text
from scanner.assess.chains import SOON
from scanner.jsonl.certificates import DIGEST
from scanner.jsonl.directions import MODES
from scanner.jsonl.judgement import AXES, DELIVERY, OUTCOMES, STATUSES, VERDICTS
from scanner.jsonl.sessions import HELLOS
from scanner.jsonl.values import (
    Part,
    read_fault,
    read_flag,
    read_flag_if_any,
    read_int,
    read_list,
    read_text,
    read_text_if_any,
    read_time,
    read_version,
    read_word,
)
from scanner.model.assessment import Outcome, Status, Verdict
from scanner.protocols.tlsa import NO_RECORDS

Place = tuple[str, str]
"""What it is, and the MX host that it is about; empty where it is about the domain."""
Fact = tuple[str, frozenset[str]]

MODELS = tuple(f"delivery.{model}" for model in DELIVERY)
IN_HEAD = ("status", *AXES, *MODELS, "would_wait", "differs_by_source")
IN_HEAD_TOO = ("first_finding", "tls_version_min", "tls_version_max", "provider")
OF_POLICIES = ("mta_sts_id", "mta_sts_mode", "mta_sts_mx", "tls_rpt_rua")
OF_HOSTS = ("address", "tlsa", "certificate", "other_certificate", "expiry")
KINDS = (*IN_HEAD, *IN_HEAD_TOO, "mx", *OF_POLICIES, *OF_HOSTS)
"""Everything that is compared, in the order in which it is told."""

HEAD = ("status", "differs_by_source", "provider", "first_finding", "tls_version_min", "tls_version_max", "would_wait")
READ_HEAD, READ_DELIVERY = itemgetter(*HEAD, *AXES), itemgetter(*DELIVERY)
HEADS_KEPT = 2048
"""Made once for all rows that are read: most domains of a provider have the same."""
NOT_LOOKED_AT = frozenset({Status.EXCLUDED, Status.INPUT_ERROR})
EXPIRED, EXPIRES_SOON = "expired", f"expires within {SOON.days} days"
NOTHING = frozenset[str]()


@dataclass(frozen=True, slots=True)
class Leaf:
    """The first certificate of a chain: its digest and the days that it holds for, None where they are not readable."""

    sha256: str
    not_before_at: datetime | None
    not_after_at: datetime | None

    @property
    def words(self) -> str:
        """Name it."""
        return self.sha256 + (f" until {self.not_after_at.date().isoformat()}" if self.not_after_at else "")

    def expiry(self, at: datetime) -> str:
        """Say whether it has expired or will soon; empty where neither."""
        left = self.not_after_at - at if self.not_after_at else SOON * 2
        if left < timedelta():
            return EXPIRED
        return EXPIRES_SOON if left < SOON else ""


@dataclass(frozen=True, slots=True)
class Facts:
    """One row. `leaves` are the certificates that senders are shown, by MX host."""

    domain: str
    at: datetime
    provider: str
    known: Mapping[Place, frozenset[str]]
    leaves: Mapping[str, frozenset[Leaf]]


def facts_of(row: Part) -> Facts:
    """Read a row as it was written. Of one that was cut, only the head is known whole.

    Raises KeyError, TypeError, ValueError or AttributeError for what is no row of this version.
    """
    read_version(row["schema"])
    at, leaves = read_time(row["observed_at"]), dict[str, frozenset[Leaf]]()
    known = dict(_of_head(*READ_HEAD(row), *READ_DELIVERY(row["delivery"])))
    if not read_flag(row["truncated"]) and row["route"] is not None:
        known.update({(what, ""): words for what, words in _of_directions(row)})
        known.update(_of_hosts(row))
        leaves = _leaves(row)
        known.update(_of_leaves(leaves, at))
    return Facts(read_text(row["domain"]), at, _shown(row["provider"] or ""), known, leaves)


def _shown(words: Any) -> str:
    """Escape again what a file may hold unescaped."""
    return text.from_str(read_text(words))


def _parts(shown: Any) -> tuple[Part, ...]:
    return read_list(shown, lambda part: part)


def _one(words: str) -> frozenset[str]:
    return frozenset({words}) if words else NOTHING


def _text(words: Any) -> frozenset[str]:
    """Null says that there is none."""
    return _one(text.from_str(read_text_if_any(words)))


def _texts(words: Any) -> frozenset[str]:
    return frozenset(read_list(words, _shown))


@lru_cache(HEADS_KEPT, typed=True)
def _of_head(*words: Any) -> Mapping[Place, frozenset[str]]:
    """Typed, because 1 would find what was kept for true, which is another thing."""
    return {(what, ""): facts for what, facts in _of_verdicts(dict(zip((*HEAD, *AXES, *MODELS), words, strict=True)))}


def _of_verdicts(row: Part) -> Iterator[Fact]:
    """Verdicts, and what follows from them where passing trouble had no part in it."""
    status, axes = read_word(STATUSES, row["status"]), {axis: read_word(VERDICTS, row[axis]) for axis in AXES}
    if status not in NOT_LOOKED_AT:
        yield from ((axis, _one(verdict)) for axis, verdict in axes.items() if verdict is not Verdict.UNKNOWN)
    yield from _flag("differs_by_source", row)
    if row["provider"] is not None:
        yield "provider", _text(row["provider"])
    if status is not Status.INCONCLUSIVE:
        yield "status", _one(status)
        yield from _of_conclusions(row)


def _flag(name: str, row: Part) -> Iterator[Fact]:
    flag = read_flag_if_any(row[name])
    if flag is not None:
        yield name, _one("yes" if flag else "no")


def _of_conclusions(row: Part) -> Iterator[Fact]:
    outcomes = {model: read_word(OUTCOMES, row[model]) for model in MODELS if row[model] is not None}
    yield "first_finding", _text(row["first_finding"])
    yield from ((model, _one(it)) for model, it in outcomes.items() if it is not Outcome.UNKNOWN)
    for name in ("tls_version_min", "tls_version_max"):
        if row[name] is not None:
            yield name, _text(row[name])
    yield from _flag("would_wait", row)


def _of_directions(row: Part) -> Iterator[Fact]:
    """MX records and published policies, each where DNS gave an answer."""
    route, mta_sts, tls_rpt = row["route"], row["policies"]["mta_sts"], row["policies"]["tls_rpt"]
    if _is_answered(route):
        yield "mx", frozenset(read_list(route["published"], _mx))
    if _is_answered(mta_sts):
        yield "mta_sts_id", _text(mta_sts["id"])
        policy = mta_sts["policy"]
        if policy is not None:
            yield "mta_sts_mode", _one(read_word(MODES, policy["mode"]))
            yield "mta_sts_mx", _texts(policy["mx"])
        elif not mta_sts["id"]:  # where one is announced, a policy that could not be fetched may be there still
            yield from (("mta_sts_mode", NOTHING), ("mta_sts_mx", NOTHING))
    if _is_answered(tls_rpt):
        yield "tls_rpt_rua", _texts(tls_rpt["rua"])


def _is_answered(lookup: Part) -> bool:
    fault = read_fault(lookup["fault"])
    return fault is None or fault.kind in NO_RECORDS


def _mx(record: Part) -> str:
    return f"{read_int(record['preference'])} {_shown(record['exchange']) or '.'}"


def _of_hosts(row: Part) -> Iterator[tuple[Place, frozenset[str]]]:
    """Addresses and TLSA records of every MX host."""
    for host in _parts(row["route"]["mx"]):
        name = _shown(host["host"])
        if _is_answered(host["ipv4"]) and _is_answered(host["ipv6"]):
            yield ("address", name), _texts(host["addresses"])
        if _is_answered(host["tlsa_lookup"]):
            yield ("tlsa", name), frozenset(read_list(host["tlsa"], _tlsa))


def _tlsa(record: Part) -> str:
    numbers = (read_int(record[key]) for key in ("usage", "selector", "matching_type"))
    return " ".join([*map(str, numbers), bytes.fromhex(record["association"]).hex()])


def _leaves(row: Part) -> dict[str, frozenset[Leaf]]:
    """Certificates that senders are shown, by MX host: a question of `--deep` is none of theirs."""
    found: dict[str, set[Leaf]] = {}
    for session in _parts(row["sessions"]):
        is_deep, tls = read_word(HELLOS, session["hello"]).is_deep, session["tls"]
        if tls is not None and tls["leaf"] is not None and not is_deep:
            found.setdefault(_shown(session["mx"]), set()).add(_leaf(tls["leaf"]))
    return {name: frozenset(leaves) for name, leaves in found.items()}


def _leaf(leaf: Part) -> Leaf:
    if not DIGEST.fullmatch(leaf["sha256"]):
        raise ValueError("no SHA-256 in lower-case hex")
    return Leaf(leaf["sha256"], _day(leaf["not_before"]), _day(leaf["not_after"]))


def _day(shown: Any) -> datetime | None:
    return None if shown is None else read_time(shown)


def _of_leaves(leaves: Mapping[str, frozenset[Leaf]], at: datetime) -> Iterator[tuple[Place, frozenset[str]]]:
    for name, those in leaves.items():
        yield ("certificate", name), frozenset(leaf.words for leaf in those)
        yield ("expiry", name), frozenset(word for leaf in those if (word := leaf.expiry(at)))
