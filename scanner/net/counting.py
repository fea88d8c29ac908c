"""A Prober that knows how many sessions are asked of it now.

Touches: nothing itself.
"""

from dataclasses import dataclass

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.survey import Prober


@dataclass(slots=True)
class Counting:
    """Implements survey.Prober over another. `inside`: sessions that were asked for and have not come back."""

    inner: Prober
    inside: int = 0

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session. Faults: those of the inner one."""
        self.inside += 1
        try:
            return await self.inner.converse(endpoint, source, hello, follow_up)
        finally:
            self.inside -= 1


def waiting(asked: Counting, held: Counting) -> int:
    """How many sessions are asked for and not held: they wait for their turn, or for one that is held already."""
    return max(0, asked.inside - held.inside)
