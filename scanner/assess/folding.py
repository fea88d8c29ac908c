"""Many verdicts into one: one function, one table.

Order and repetition never matter, and one more unreachable host never makes a verdict better.

Touches: nothing. Source: docs/verdicts.md (folding).
"""

from collections.abc import Iterable

from scanner.model.assessment import Verdict

WORST_FIRST = (
    Verdict.FAIL,
    Verdict.UNKNOWN,
    Verdict.PARTIAL,
    Verdict.ABSENT,
    Verdict.PASS,
    Verdict.NOT_APPLICABLE,
)
"""What "better" means, for everybody: a later verdict is better than an earlier one."""
DECIDES_ALONE = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.PARTIAL)
"""One of these among many is the verdict of all, the first first. What remains is pass, absent, or a mix: partial."""


def fold(verdicts: Iterable[Verdict]) -> Verdict:
    """Fold many into one. What is not applicable does not count; nothing at all is not applicable."""
    counted = set(verdicts) - {Verdict.NOT_APPLICABLE}
    if not counted:
        return Verdict.NOT_APPLICABLE
    alone = next((verdict for verdict in DECIDES_ALONE if verdict in counted), None)
    if alone is not None:
        return alone
    return counted.pop() if len(counted) == 1 else Verdict.PARTIAL


def better(one: Verdict, other: Verdict) -> bool:
    """Tell whether one verdict is better than the other."""
    return WORST_FIRST.index(one) > WORST_FIRST.index(other)
