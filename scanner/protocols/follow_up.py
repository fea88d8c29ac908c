"""Who is asked again, where our sources disagree about one server: the first clean "no" is not the last word.

A disagreement is one source that got TLS and another that the far side kept from it. Then every source asks once more,
in the reverse order: a steady yes and no depends on who asks, one that turned round is a passing trouble or one of
several backends. Only a source that was answered differently asks a third time and a fourth, to learn how often it is
let in. Nobody is asked again anywhere else.

Touches: nothing. Source: docs/what-we-send.md (follow-ups); RFC 7672 section 9.2 (selective STARTTLS).
"""

from collections.abc import Sequence
from datetime import datetime

from scanner.model.fault import Kind, Side
from scanner.model.session import Hello, Oddity, Session

NOT_HELD = frozenset({Kind.PARKED, Kind.REFUSED_ADDRESS})
"""Faults on the far side for which nobody there was asked."""


def next_sources(seen: Sequence[Session]) -> tuple[str, ...]:
    """Name the sources of the next round, in its order; none where there is nothing more to learn.

    `seen` are the sessions with one endpoint so far.
    """
    if not is_disputed(seen):
        return ()
    done = max(session.follow_up for session in seen)
    usual = sorted((each for each in seen if each.hello is Hello.USUAL), key=_in_turn)
    heard = {session.source: answer(session) for session in usual}  # the latest word, in the order of the first
    again = [source for source, word in heard.items() if word is not None and (not done or has_changed(source, seen))]
    return tuple(again if done % 2 else reversed(again))


def _in_turn(session: Session) -> tuple[int, datetime]:
    """Rounds before instants: a wall clock may be set back in between."""
    return session.follow_up, session.observed_at


def is_disputed(seen: Sequence[Session]) -> bool:
    """Tell whether in the visits that every endpoint gets one source got TLS and another did not."""
    visits = [session for session in seen if not session.follow_up and not session.hello.is_deep]
    got_it = {session.source for session in visits if answer(session)}
    kept_out = {session.source for session in visits if answer(session) is False} - got_it
    return bool(got_it and kept_out)


def has_changed(source: str, seen: Sequence[Session]) -> bool:
    """Tell whether this source, asking in the same way, got TLS at one time and not at another."""
    usual = {answer(each) for each in seen if each.source == source and each.hello is Hello.USUAL}
    return {True, False} <= usual


def answer(session: Session) -> bool | None:
    """Say whether TLS was to be had as senders have it; None where nobody was asked, or the trouble was ours."""
    fault = session.fault
    if session.handshake is not None:
        return Oddity.STARTTLS_UNADVERTISED not in session.oddities  # no sender asks for what is not offered
    if not was_held(session) or (fault is not None and fault.side is not Side.REMOTE):
        return None
    return False


def was_held(session: Session) -> bool:
    """Tell whether anybody on the far side was asked at all."""
    return session.fault is None or session.fault.kind not in NOT_HELD
