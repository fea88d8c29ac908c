"""When the wall clock was set in mid-run, or the machine slept: told, and written down with the run.

Pace, deadlines and durations live by the monotonic clock, which nobody can set; only the instants in rows follow the
wall clock. Whoever reads them later wants to know that an hour is there twice.

Touches: clock (given). Source: docs/guarantees.md (clocks).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import anyio

from scanner.manifest import ClockStep
from scanner.net.clock import Clock

LOOK_EVERY_S = 1.0
STEP_S = 1.0
"""A clock that is slewed gains or loses a few thousandths of a second between two looks."""
APART_MOST_S = 0.1
"""Between the readings of the two clocks; where we were held up just there, the look counts for nothing."""
KEPT = 100


@dataclass(slots=True)
class Steps:
    """Knows by how much the wall clock went its own way. `watch` has to run; `tell` gets lines for people."""

    clock: Clock
    tell: Callable[[str], None]
    seen: tuple[ClockStep, ...] = ()
    _lead_s: float | None = field(init=False)

    def __post_init__(self) -> None:
        self._lead_s = self._measured()

    async def watch(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await anyio.sleep(LOOK_EVERY_S)
            self.look()

    def look(self) -> None:
        """Compare the clocks with each other."""
        lead_s, before_s = self._measured(), self._lead_s
        if lead_s is None:
            return
        self._lead_s = lead_s
        if before_s is not None and abs(lead_s - before_s) >= STEP_S:
            self._note(round(lead_s - before_s, 3))

    def _measured(self) -> float | None:
        """By how many seconds the wall clock leads; None where too much time passed between the readings."""
        began_at_s = self.clock.monotonic_s()
        wall_s = self.clock.now().timestamp()
        return wall_s - began_at_s if self.clock.monotonic_s() - began_at_s <= APART_MOST_S else None

    def _note(self, by_s: float) -> None:
        step = ClockStep(self.clock.now(), by_s)
        self.seen = (*self.seen, step)[:KEPT]
        way = "forward" if by_s > 0 else "back"
        self.tell(f"clock: the wall clock went {way} by {abs(by_s):.1f} s, to {step.at:%Y-%m-%d %H:%M:%S} UTC")
