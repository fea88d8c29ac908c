"""How often Python looks for objects that only hold each other: seldom, because hardly any here do.

Touches: the cyclic collector of this process. Source: docs/performance.md (what was gained by measuring).
"""

import gc

YOUNG_MOST = 20_000
"""Objects before it looks at the young ones. After the usual 700 it looks every few rows, and now and then at all that
a scan remembers, which took a twentieth of a scan to find next to nothing.
"""


def collect_seldom() -> None:
    """Let it look less often; whoever enters an event loop calls this first."""
    gc.set_threshold(YOUNG_MOST)
