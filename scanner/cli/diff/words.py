"""What changed, in words and as objects.

Touches: nothing. Source: docs/record.md (what changed).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import orjson

from scanner import text
from scanner.cli.diff.changes import Change, Counts, Difference, Presence
from scanner.cli.diff.facts import KINDS, Facts
from scanner.cli.rowfile import Rows
from scanner.jsonl.values import write_time_if_any

DOMAIN_LETTERS = 40
PROVIDERS_SHOWN = 8
PROVIDERS_TOLD = 1_000
DIGEST = re.compile(r"[0-9a-f]{17,}")
DIGEST_LETTERS = 16
PRESENCE_WORDS = {Presence.NEW: "no row before", Presence.GONE: "no row any more"}


def as_text(it: Difference, changes: Sequence[Change]) -> str:
    """Write a line for each change."""
    domain = text.from_str(it.domain).ljust(DOMAIN_LETTERS)
    lines = [PRESENCE_WORDS[it.presence]] if it.presence in PRESENCE_WORDS else [*map(change_words, changes)]
    return "".join(f"{domain}  {line}\n" for line in lines)


def change_words(change: Change) -> str:
    """Write one change; long digests are shortened."""
    about = f" [{change.mx}]" if change.mx else ""
    nothing = "-" if change.is_known else "?"
    was, now = (DIGEST.sub(shortened, words or nothing) for words in (change.was, change.now))
    return f"{change.what}{about}: {was} -> {now}"


def shortened(digest: re.Match[str]) -> str:
    """Write as much of a digest as tells it from others."""
    return f"{digest[0][:DIGEST_LETTERS]}..."


def as_json(it: Difference, changes: Sequence[Change]) -> bytes:
    """Write one object."""
    head = {
        "type": "difference",
        "domain": text.from_str(it.domain),
        "presence": it.presence,
        "provider": it.provider or None,
        "was_observed_at": write_time_if_any(it.was_at),
        "observed_at": write_time_if_any(it.now_at),
    }
    told = [{"what": change.what, "mx": change.mx or None, **moved(change)} for change in changes]
    return orjson.dumps({**head, "changes": told}, option=orjson.OPT_APPEND_NEWLINE)


def moved(change: Change) -> dict[str, object]:
    """Write what was and what is."""
    return {key: asdict(change)[key] for key in ("was", "now", "is_known")}


def summary_json(counts: Counts) -> bytes:
    """Write one object."""
    summary = {
        "type": "summary",
        "both": counts.presence[Presence.BOTH],
        "new": counts.presence[Presence.NEW],
        "gone": counts.presence[Presence.GONE],
        "changed": counts.changed,
        "not_known": counts.not_known,
        "domains_by_change": {what: counts.domains[what] for what in KINDS if counts.domains[what]},
        "starttls_lost": counts.lost.total(),
        "starttls_gained": counts.gained.total(),
        "starttls_lost_by_provider": dict(counts.lost.most_common(PROVIDERS_TOLD)),
        "starttls_gained_by_provider": dict(counts.gained.most_common(PROVIDERS_TOLD)),
    }
    return orjson.dumps(summary, option=orjson.OPT_APPEND_NEWLINE)


def summary_lines(counts: Counts, was: Rows[Facts], now: Rows[Facts]) -> Iterator[str]:
    """Say in a few lines what changed, how often, and what was not compared."""
    both = counts.presence[Presence.BOTH]
    alike = both - counts.changed - counts.not_known
    told = f"{counts.changed} changed, {alike} alike, {counts.not_known} where a row cannot tell (--all shows them)"
    yield f"{both} domains in both files: {told}"
    for word, presence in (("new", Presence.NEW), ("gone", Presence.GONE)):
        if counts.presence[presence]:
            yield f"{counts.presence[presence]} {word}, first {text.from_str(counts.examples[presence])}"
    for word, counter in (("lost", counts.lost), ("gained", counts.gained)):
        if counter:
            yield f"starttls {word}: {counter.total()} ({provider_words(counter)})"
    if counts.domains:
        yield ", ".join(f"{what} {counts.domains[what]}" for what in KINDS if counts.domains[what])
    for rows in (was, now):
        left_out = [f"{count} {why}" for why, count in rows.left_out.items() if count]
        if left_out:
            yield f"{text.from_str(rows.path)}: left out {', '.join(left_out)}"


def provider_words(counter: Counter[str]) -> str:
    """Name the providers with the most domains."""
    most = counter.most_common(PROVIDERS_SHOWN)
    rest = len(counter) - len(most)
    return ", ".join(f"{name} {count}" for name, count in most) + (f", {rest} more" if rest > 0 else "")
