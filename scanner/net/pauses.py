"""How long to wait before something that failed is tried again: longer each time, and never too long.

Touches: nothing. Source: none.
"""

from collections.abc import Iterator


def growing(first_s: float, most_s: float) -> Iterator[float]:
    """Seconds to pause, twice as many each time."""
    pause_s = first_s
    while True:
        yield pause_s
        pause_s = min(pause_s * 2, most_s)
