"""What a partner's TLS policy, as the list demands it, makes of mail from each of our sources.

Each policy is one of the sender models: what must hold there, must hold for the partner. Waiting and bouncing are one
answer, because either way the message is not where it should be.

Touches: nothing. Source: docs/record.md (partner policy).
"""

from scanner.assess.case import Case
from scanner.model.assessment import Outcome, Prediction, Wait
from scanner.model.session import Role
from scanner.model.target import TlsPolicy

MODEL_OF = {TlsPolicy.MUST_TLS: "encrypt", TlsPolicy.VERIFY: "verify", TlsPolicy.DANE: "dane_only"}
"""`none` excuses a partner: no model has to hold."""
STUCK = frozenset({Outcome.DEFER, Outcome.BOUNCE})


def waits(policy: TlsPolicy | None, predictions: tuple[Prediction, ...], case: Case) -> tuple[Wait, ...]:
    """Say for every source what the policy makes of its mail; nothing where no policy demands anything."""
    model = None if policy is None else MODEL_OF.get(policy)
    if model is None:
        return ()
    roles = {session.source: session.role for session in case.evidence.sessions}
    asked = (prediction for prediction in predictions if prediction.model == model)
    return tuple(
        Wait(each.source, roles.get(each.source, Role.MAIL), is_stuck(each.outcome), each.outcome, each.words)
        for each in asked
    )


def is_stuck(outcome: Outcome) -> bool | None:
    """Tell whether the message does not arrive now; None where the evidence does not say."""
    return None if outcome is Outcome.UNKNOWN else outcome in STUCK


def would_wait(answers: tuple[Wait, ...]) -> bool | None:
    """Answer for our mail sources together: one that is stuck is enough, one that is unknown leaves it open."""
    told = [each.would_wait for each in answers if each.role is Role.MAIL]
    if True in told:
        return True
    return None if None in told or not told else False
