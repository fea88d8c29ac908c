"""The command with a wall clock that somebody sets back and forth all the time: `python -m tests.faults.jumping scan`.

The monotonic clock is the real one.
"""

import os
import sys
import time
from datetime import datetime, timedelta
from functools import partial

from scanner.cli import job
from scanner.cli.main import leave, run
from scanner.net.clock import Clock, utc_now

SET_EVERY_S = 1.5
WRONG_BY = (timedelta(0), timedelta(hours=5), timedelta(hours=-1), timedelta(days=1))


def now(began_at_s: float) -> datetime:
    """Read it."""
    return utc_now() + WRONG_BY[int((time.monotonic() - began_at_s) / SET_EVERY_S) % len(WRONG_BY)]


if __name__ == "__main__":
    setattr(job, "Clock", lambda: Clock(partial(now, time.monotonic())))  # noqa: B010 - what mypy lets nobody assign
    leave(run(sys.argv[1:], os.environ))
