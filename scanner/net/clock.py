"""The only place that reads clocks.

Touches: clock. Source: none.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


def utc_now() -> datetime:
    """Read the wall clock, aware and in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the one place


@dataclass(frozen=True, slots=True)
class Clock:
    """`now` is for records, `monotonic_s` for deadlines and durations; both may be replaced by plain functions."""

    now: Callable[[], datetime] = utc_now
    monotonic_s: Callable[[], float] = time.monotonic
