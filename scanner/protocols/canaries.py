"""Servers that are known to offer STARTTLS, as each of our sources sees them: do others hide it, or do we lose it?

Touches: nothing. Source: RFC 3207 section 4, RFC 5321 sections 3.1 and 4.1.1.1.
"""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from scanner.model.fault import Side
from scanner.model.session import Canary, Oddity, Session
from scanner.protocols import ehlo


class Sighting(StrEnum):
    """What one visit to a canary came to, in the words of a `Canary`."""

    OFFERED = "offered"
    MISSING = "missing"
    MANGLED = "mangled"
    UNSEEN = "unseen"


def sighting(session: Session) -> Sighting | None:
    """Say what was seen; None where our own trouble, or an exclusion, kept us from looking."""
    if session.fault is not None and session.fault.side is not Side.REMOTE:
        return None
    if session.greeting is None or not session.greeting.is_positive:
        return Sighting.UNSEEN
    if session.ehlo is None or not session.ehlo.is_positive:
        return Sighting.UNSEEN
    if ehlo.offers_starttls(session.ehlo):
        return Sighting.OFFERED
    return Sighting.MANGLED if Oddity.STARTTLS_MANGLED in session.oddities else Sighting.MISSING


def counted(sightings: Iterable[tuple[str, Sighting]]) -> tuple[Canary, ...]:
    """Count what each source saw, by its name; a source that saw nothing at all has no entry."""
    counts: dict[str, Counter[str]] = {}
    for source, seen in sightings:
        counts.setdefault(source, Counter())[seen.value] += 1
    return tuple(Canary(source, **counts[source]) for source in counts)
