"""What the list, or a table beside it, demands of mail to a partner: words to policies.

Touches: nothing. Source: docs/record.md (partner policy).
"""

from collections.abc import Mapping

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.target import TlsPolicy
from scanner.targets import domain_names
from scanner.targets.refusal import quoted

KEY = "tls_policy"
"""Name of the column, or key of the object, that is taken for the policy without being asked for."""
WORDS = {policy.value: policy for policy in TlsPolicy}
KNOWN = ", ".join(WORDS)


def read(cell: str) -> TlsPolicy | Fault | None:
    """The policy of a cell, in any capitals; None where it is blank; its fault is BAD_ROW."""
    word = cell.strip().casefold()
    if not word:
        return None
    return WORDS.get(word) or Fault(Stage.INPUT, Kind.BAD_ROW, Side.INPUT, refusal(cell))


def partners(table: Mapping[str, object]) -> dict[str, TlsPolicy]:
    """Read a table of domains and policies, both as in a list. Raises ValueError, in one line."""
    found: dict[str, TlsPolicy] = {}
    for written, word in table.items():
        name = domain_names.read(written)
        policy = WORDS.get(word.strip().casefold()) if isinstance(word, str) else None
        reasons = (
            (isinstance(word, Mapping), f"{quoted((written,))}: a domain stands in quotes, for its dots"),
            (isinstance(name, Fault), f"{quoted((written,))} is no domain"),
            (name in found, f"{name} is there twice"),
            (policy is None, f"{name}: {refusal(word)}"),
        )
        why = next((why for wrong, why in reasons if wrong), None)
        if why is not None:
            raise ValueError(why)
        if policy is not None:
            found[str(name)] = policy
    return found


def refusal(word: object) -> str:
    """Say which words there are."""
    return f"no TLS policy: {quoted((str(word),))} (one of {KNOWN})"
