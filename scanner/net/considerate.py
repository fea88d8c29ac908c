"""A Prober that asks once more, right before it connects, whether the peer wants to be left alone.

A session may wait hours for its turn, and whoever asked meanwhile must not be knocked at.

Touches: nothing itself. Source: docs/what-we-send.md (how to be left alone).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from scanner.model.route import Endpoint
from scanner.model.session import Hello, Session, Source
from scanner.protocols.exclusions import LeftAlone
from scanner.survey import Prober, left_alone


@dataclass(frozen=True, slots=True)
class Considerate:
    """Implements survey.Prober over another. Faults: EXCLUDED, with no packet sent; else those of the inner prober."""

    inner: Prober
    exclusions: LeftAlone
    now: Callable[[], datetime]

    async def converse(self, endpoint: Endpoint, source: Source, hello: Hello, follow_up: int = 0) -> Session:
        """Hold the session, or leave the peer alone."""
        rule = self.exclusions.rule_for_endpoint(endpoint)
        if rule is None:
            return await self.inner.converse(endpoint, source, hello, follow_up)
        return replace(left_alone(endpoint, source, rule, self.now()), hello=hello, follow_up=follow_up)
