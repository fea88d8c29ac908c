"""The assessment in a row: verdicts in the head, what they rest on behind it.

Touches: nothing. Source: docs/record.md.
"""

from collections.abc import Iterable
from functools import lru_cache
from operator import attrgetter, is_, itemgetter
from typing import Any

from scanner.jsonl.caps import Pen
from scanner.jsonl.once import ReadOnce, written_once
from scanner.jsonl.values import (
    ROLES,
    Part,
    read_flag,
    read_flag_if_any,
    read_int,
    read_list,
    read_text,
    read_text_if_any,
    read_word,
)
from scanner.model.assessment import Assessment, Cause, Finding, Outcome, Prediction, Status, Verdict, Wait

AXES = ("starttls", "webpki", "dane", "mta_sts", "tls_rpt")
DELIVERY = ("may", "encrypt", "verify", "secure", "dane", "dane_only", "mta_sts")
"""Sender models in the head: the words of Postfix, and MTA-STS."""

STATUSES = {status.value: status for status in Status}
VERDICTS = {verdict.value: verdict for verdict in Verdict}
OUTCOMES = {outcome.value: outcome for outcome in Outcome}
PREDICTED = itemgetter("model", "source", "outcome", "rule", "dsn", "words", "certain", "reason")
CERTAIN, SOURCE = attrgetter("certain"), attrgetter("source")
PREDICTIONS_KEPT = 512
"""Made once for all rows that are read: most servers are good servers, and of those a sender expects the same."""


def write_verdicts(assessment: Assessment) -> dict[str, object]:
    """Write the axes."""
    axes: dict[str, object] = {axis: getattr(assessment, axis) for axis in AXES}
    return {
        "status": assessment.status,
        **axes,
        "differs_by_source": assessment.differs_by_source,
        "would_wait": assessment.would_wait,
    }


def write_conclusions(assessment: Assessment, sources: Iterable[str], pen: Pen) -> dict[str, object]:
    """Write what follows from the evidence; `sources` are those of its sessions that mail is sent from, in order."""
    findings, most = assessment.findings, pen.caps.items
    return {
        "first_finding": pen.text(findings[0].type) if findings else None,
        "delivery": write_delivery(assessment.predictions, sources),
        **pen.listed("findings", findings, lambda it: write_finding(it, pen), most),
        **pen.listed("causes", assessment.causes, lambda it: write_cause(it, pen), most),
        **write_predictions(assessment.predictions, pen),
        **pen.listed("waits", assessment.waits, lambda it: write_wait(it, pen), most),
    }


def write_delivery(predictions: tuple[Prediction, ...], sources: Iterable[str]) -> dict[str, object]:
    """Write the outcome for each model of the head, from the first source that predictions were made for."""
    if not predictions:
        return dict.fromkeys(DELIVERY)
    predicted = set(map(SOURCE, predictions))
    first = next((source for source in sources if source in predicted), predictions[0].source)
    outcomes = {it.model: it.outcome for it in predictions if it.source == first}
    return {model: outcomes.get(model) for model in DELIVERY}


def write_finding(finding: Finding, pen: Pen) -> dict[str, object]:
    """Write one fact."""
    return {
        "type": pen.text(finding.type),
        "mx": pen.text_if_any(finding.mx),
        "address": pen.text_if_any(finding.address),
        "source": pen.text_if_any(finding.source),
        "detail": pen.text_if_any(finding.detail),
        "rule": pen.text(finding.rule),
    }


def write_cause(cause: Cause, pen: Pen) -> dict[str, object]:
    """Write one candidate."""
    return {
        "cause": pen.text(cause.cause),
        "confidence": cause.confidence,
        **pen.listed("evidence", cause.evidence, pen.text, pen.caps.items),
    }


def write_predictions(predictions: tuple[Prediction, ...], pen: Pen) -> dict[str, object]:
    """Write what senders would do."""
    listed = pen.first(predictions, pen.caps.predictions)
    return {
        "predictions": _listed(pen, *listed),
        "predictions_count": len(predictions),
        "predictions_truncated": len(listed) < len(predictions),
    }


@written_once(PREDICTIONS_KEPT)
def _listed(pen: Pen, *predictions: Prediction) -> object:
    return [write_prediction(it, pen) for it in predictions]


def write_prediction(prediction: Prediction, pen: Pen) -> dict[str, object]:
    """Write what one sender would do."""
    it = prediction
    text = pen.texts(it.model, it.source, it.rule, it.dsn, it.words, it.reason)
    return {
        "model": text(it.model),
        "source": text(it.source) if it.source else None,
        "outcome": it.outcome,
        "rule": text(it.rule),
        "dsn": text(it.dsn) if it.dsn else None,
        "words": text(it.words) if it.words else None,
        "certain": it.certain,
        "reason": text(it.reason) if it.reason else None,
    }


def write_wait(wait: Wait, pen: Pen) -> dict[str, object]:
    """Write what the policy makes of mail from one source."""
    return {
        "source": pen.text_if_any(wait.source),
        "role": wait.role,
        "would_wait": wait.would_wait,
        "outcome": wait.outcome,
        "words": pen.text_if_any(wait.words),
    }


def read_assessment(row: Part, predictions: ReadOnce[tuple[Prediction, ...]]) -> Assessment:
    """Undo `write_verdicts` and `write_conclusions`. Of most servers, senders expect the same."""
    axes = {axis: read_word(VERDICTS, row[axis]) for axis in AXES}
    return Assessment(
        status=read_word(STATUSES, row["status"]),
        differs_by_source=read_flag_if_any(row["differs_by_source"]),
        findings=read_list(row["findings"], _read_finding),
        causes=read_list(row["causes"], _read_cause),
        predictions=predictions(row["predictions"], _read_predictions),
        would_wait=read_flag_if_any(row["would_wait"]),
        waits=read_list(row["waits"], _read_wait),
        **axes,
    )


def _read_finding(part: Part) -> Finding:
    places = {key: read_text_if_any(part[key]) for key in ("mx", "address", "source", "detail")}
    return Finding(read_text(part["type"]), read_text(part["rule"]), **places)


def _read_cause(part: Part) -> Cause:
    return Cause(read_text(part["cause"]), read_int(part["confidence"]), read_list(part["evidence"], read_text))


def _read_predictions(shown: list[Part]) -> tuple[Prediction, ...]:
    made = tuple(map(_prediction, read_list(shown, PREDICTED)))
    if not all(map(is_, map(CERTAIN, made), map(itemgetter("certain"), shown))):
        raise TypeError("no flag")  # 1 would find what was kept for true
    return made


@lru_cache(PREDICTIONS_KEPT)
def _prediction(shown: tuple[Any, ...]) -> Prediction:
    model, source, outcome, rule, dsn, words, certain, reason = shown
    return Prediction(
        model=read_text(model),
        source=read_text_if_any(source),
        outcome=read_word(OUTCOMES, outcome),
        rule=read_text(rule),
        dsn=read_text_if_any(dsn),
        words=read_text_if_any(words),
        certain=read_flag(certain),
        reason=read_text_if_any(reason),
    )


def _read_wait(part: Part) -> Wait:
    return Wait(
        source=read_text_if_any(part["source"]),
        role=read_word(ROLES, part["role"]),
        would_wait=read_flag_if_any(part["would_wait"]),
        outcome=read_word(OUTCOMES, part["outcome"]),
        words=read_text_if_any(part["words"]),
    )
