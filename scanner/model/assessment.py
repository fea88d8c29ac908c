"""What the evidence means: verdicts, findings, predictions. Made by pure functions, and makeable again.

Touches: nothing. Source: docs/verdicts.md; finding names from RFC 8460 section 4.3 where one fits.
"""

from dataclasses import dataclass
from enum import StrEnum

from scanner.model.session import Role


class Verdict(StrEnum):
    """The answer on one axis. Never a boolean: not knowing is an answer."""

    PASS = "pass"  # noqa: S105 - a verdict
    PARTIAL = "partial"
    FAIL = "fail"
    ABSENT = "absent"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Status(StrEnum):
    """Whether the row could be concluded, and if not, on whose side the reason lies."""

    OK = "ok"
    REMOTE_FAULT = "remote_fault"
    INCONCLUSIVE = "inconclusive"
    EXCLUDED = "excluded"
    INPUT_ERROR = "input_error"


class Outcome(StrEnum):
    """What happens to a message."""

    ENCRYPTED_AUTHENTICATED = "encrypted_authenticated"
    ENCRYPTED = "encrypted"
    CLEAR = "clear"
    DEFER = "defer"
    BOUNCE = "bounce"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One named fact worth acting on. `rule` cites the clause; `detail` may hold peer text (escaped when written)."""

    type: str
    rule: str
    mx: str = ""
    address: str = ""
    source: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why STARTTLS is missing or differs by source: one candidate, `confidence` from 0 to 100, with its evidence."""

    cause: str
    confidence: int
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one sender model, from one of our sources, would do with a message now.

    `dsn` is the enhanced status code (RFC 3463), `words` what its administrator reads in the log, `certain` False
    when `reason` (order of equal MX, time, source) decides.
    """

    model: str
    source: str
    outcome: Outcome
    rule: str
    dsn: str = ""
    words: str = ""
    certain: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """Would mail under the partner's TLS policy wait, or bounce, from this source? None: not to be told."""

    source: str
    role: Role
    would_wait: bool | None
    outcome: Outcome
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """The judgement of one domain. Every axis is always there.

    `would_wait` is the answer of `waits` for our mail sources; None where no policy asks, or nobody can tell.
    """

    status: Status
    starttls: Verdict = Verdict.UNKNOWN
    webpki: Verdict = Verdict.UNKNOWN
    dane: Verdict = Verdict.UNKNOWN
    mta_sts: Verdict = Verdict.UNKNOWN
    tls_rpt: Verdict = Verdict.UNKNOWN
    differs_by_source: bool | None = None
    findings: tuple[Finding, ...] = ()
    causes: tuple[Cause, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    would_wait: bool | None = None
    waits: tuple[Wait, ...] = ()
