"""How often Python looks for objects that only hold each other: seldom, because hardly any here do.

Touches: the cyclic collector of this process. Source: docs/performance.md (what was gained by measuring).
"""

import gc

YOUNG_MOST = 20_000
"""Objects before it looks at the young ones. The usual 700 come ten times in the life of a row."""


def collect_seldom() -> None:
    """Let it look less often; whoever enters an event loop calls this first."""
    gc.set_threshold(YOUNG_MOST)
