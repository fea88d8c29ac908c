"""The assessment in a row: verdicts in the head, what they rest on behind it.

Touches: nothing. Source: docs/record.md.
"""

from collections.abc import Iterable

from scanner.jsonl.caps import Pen
from scanner.jsonl.values import Part, read_text, read_texts
from scanner.model.assessment import Assessment, Cause, Finding, Outcome, Prediction, Status, Verdict, Wait
from scanner.model.session import Role

AXES = ("starttls", "webpki", "dane", "mta_sts", "tls_rpt")
DELIVERY = ("may", "encrypt", "verify", "secure", "dane", "dane_only", "mta_sts")
"""Sender models in the head: the words of Postfix, and MTA-STS."""


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
        **pen.listed("predictions", assessment.predictions, lambda it: write_prediction(it, pen), most),
        **pen.listed("waits", assessment.waits, lambda it: write_wait(it, pen), most),
    }


def write_delivery(predictions: tuple[Prediction, ...], sources: Iterable[str]) -> dict[str, object]:
    """Write the outcome for each model of the head, from the first source that predictions were made for."""
    outcomes: dict[str, object] = dict.fromkeys(DELIVERY)
    if not predictions:
        return outcomes
    predicted = {prediction.source for prediction in predictions}
    first = next((source for source in sources if source in predicted), predictions[0].source)
    for prediction in predictions:
        if prediction.source == first and prediction.model in outcomes:
            outcomes[prediction.model] = prediction.outcome
    return outcomes


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


def read_assessment(row: Part) -> Assessment:
    """Undo `write_verdicts` and `write_conclusions`."""
    axes = {axis: Verdict(row[axis]) for axis in AXES}
    return Assessment(
        status=Status(row["status"]),
        differs_by_source=row["differs_by_source"],
        findings=tuple(map(_read_finding, row["findings"])),
        causes=tuple(map(_read_cause, row["causes"])),
        predictions=tuple(map(_read_prediction, row["predictions"])),
        would_wait=row["would_wait"],
        waits=tuple(map(_read_wait, row["waits"])),
        **axes,
    )


def _read_finding(part: Part) -> Finding:
    return Finding(**{key: read_text(part[key]) for key in ("type", "rule", "mx", "address", "source", "detail")})


def _read_cause(part: Part) -> Cause:
    return Cause(read_text(part["cause"]), part["confidence"], read_texts(part["evidence"]))


def _read_prediction(part: Part) -> Prediction:
    return Prediction(
        model=read_text(part["model"]),
        source=read_text(part["source"]),
        outcome=Outcome(part["outcome"]),
        rule=read_text(part["rule"]),
        dsn=read_text(part["dsn"]),
        words=read_text(part["words"]),
        certain=part["certain"],
        reason=read_text(part["reason"]),
    )


def _read_wait(part: Part) -> Wait:
    words = (read_text(part["source"]), Role(part["role"]), part["would_wait"], Outcome(part["outcome"]))
    return Wait(*words, read_text(part["words"]))
