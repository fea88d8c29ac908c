"""The whole page about one domain, in the order in which a tired administrator needs it.

1. Would my mail go out encrypted, wait, or bounce.
2. Who is shown STARTTLS and who is not.
3. Why, what to do, and on whose side.
4. What his own queue shows.
5. What else was found, and the dialogue as on the wire.

Touches: nothing. Source: docs/explain.md.
"""

from collections.abc import Iterator
from dataclasses import replace

from scanner.assess.findings import FINDING_TYPES
from scanner.explain import dialogue, matrix, queue, remedies
from scanner.explain.remedies import Remedy
from scanner.explain.shown import NAME_LETTERS, at, first, paragraph, place, sender, shown, title
from scanner.explain.styles import Line, Style
from scanner.model.assessment import Finding
from scanner.model.fault import Stage
from scanner.model.record import Record
from scanner.model.session import Session

CAUSES_MOST, EVIDENCE_MOST = 4, 6
FINDINGS_MOST, PLACES_MOST, HYGIENE_MOST = 16, 4, 12
REMEDIES_MOST = 5
DIALOGUES_MOST, GOOD_MOST = 8, 2
_NAMES = list(FINDING_TYPES)
HYGIENE = frozenset(_NAMES[_NAMES.index("only-old-tls") :])
"""Types that change nothing for mail of today (docs/verdicts.md)."""


def page(record: Record, policy: str | None = None) -> tuple[Line, ...]:
    """Explain a record. `policy` is one of `queue.POLICIES`; None: that of the list, else `may`."""
    asked = queue.policy_of(record, policy)
    return tuple(_sections(record, asked))


def _sections(record: Record, policy: str) -> Iterator[Line]:
    domain = shown(record.target.domain or record.target.raw, NAME_LETTERS)
    yield Line(f"{domain}, looked at {at(record.observed_at)}", Style.FAINT)
    if record.evidence is None:
        yield from _not_looked_at(record, domain)
        return
    yield from queue.headline(record, policy)
    yield from queue.other_senders(record, policy)
    yield from matrix.lines(matrix.matrix(record.evidence))
    yield from _why(record, policy)
    yield from _what_to_do(record)
    yield from queue.queue(record, policy)
    yield from _findings(record.assessment.findings)
    yield from _dialogues(record)


def _not_looked_at(record: Record, domain: str) -> Iterator[Line]:
    """Say why nothing was sent: a bad name, or somebody who asked to be left alone."""
    fault = record.target.fault
    why = shown(fault.detail) or fault.kind.value if fault is not None else record.assessment.status.value
    yield from paragraph(f"{domain} was not looked at: {why}", style=Style.DOUBT)
    yield from _findings(record.assessment.findings)


def _why(record: Record, policy: str) -> Iterator[Line]:
    """The causes, the likeliest first, each with its evidence; without any, what the prediction means."""
    causes, left = first(record.assessment.causes, CAUSES_MOST)
    meaning = "" if causes else queue.meaning(record, policy)
    if causes or meaning:
        yield from title("Why")
    yield from paragraph(meaning, "  ") if meaning else ()
    for cause in causes:
        known = remedies.CAUSES.get(cause.cause)
        sentence = f": {known.sentence}" if known is not None else ""
        yield from paragraph(f"{cause.confidence:>3}% {shown(cause.cause, 64)}{sentence}", "  ", " " * 7)
        evidence, more = first(cause.evidence, EVIDENCE_MOST)
        for each in evidence:
            yield from paragraph(shown(each), " " * 7 + "- ", " " * 9, Style.FAINT)
        yield from _more(more, " " * 7)
    yield from _more(left, "  ")


def _what_to_do(record: Record) -> Iterator[Line]:
    """Remedies of the causes, else of the findings; each once."""
    told = list(dict.fromkeys(_remedies(record)))[:REMEDIES_MOST]
    sides = (("On your side", [each.ours for each in told]), ("Ask the partner", [each.theirs for each in told]))
    for head, words in sides:
        texts = [each for each in dict.fromkeys(words) if each]
        if texts:
            yield from title(head)
            for each in texts:
                yield from paragraph(each, "  - ", "    ")


def _remedies(record: Record) -> Iterator[Remedy]:
    """The likeliest cause speaks; another one only where it is half as likely. Then what findings ask for.

    Where the partner promised TLS, there is nothing for us to decide: only what to ask is taken from a cause.
    """
    causes = record.assessment.causes
    is_promised = any(each.type in PROMISED for each in record.assessment.findings)
    for cause in causes[:CAUSES_MOST]:
        known = remedies.CAUSES.get(cause.cause)
        if known is not None and cause.confidence * 2 >= causes[0].confidence:
            told = replace(known.remedy, ours="") if is_promised else known.remedy
            yield _filled(told, record, _culprit(record))
    for finding in record.assessment.findings:
        remedy = remedies.FINDINGS.get(finding.type)
        if remedy is not None and not (causes and finding.type in TOLD_BY_CAUSES):
            yield _filled(remedy, record, finding)


PROMISED = frozenset({"dane-required", "sts-required"})
TOLD_BY_CAUSES = frozenset(
    {
        "source-dependent",
        "blocked-for-source",
        "flapping",
        "own-egress",
        "same-egress",
        "starttls-mangled",
        "starttls-stripped",
        "starttls-not-supported",
        "smtp-session-rejected",
    }
)
"""Findings that a cause explains better."""


def _culprit(record: Record) -> Finding | None:
    """The finding that names the server which the causes are about: the heaviest that names one."""
    return next((each for each in record.assessment.findings if each.mx), None)


def _filled(remedy: Remedy, record: Record, finding: Finding | None) -> Remedy:
    """Put in who is meant."""
    source = (finding.source if finding is not None else "") or queue.mail_source(record)
    names = {
        "source": shown(queue.address_of(record, source), NAME_LETTERS) or sender(source, ""),
        "host": shown(finding.mx, NAME_LETTERS) if finding is not None and finding.mx else "your server",
    }
    return Remedy(filled(remedy.ours, names), filled(remedy.theirs, names))


def filled(words: str, names: dict[str, str]) -> str:
    """Fill in names; braces of a peer mean nothing."""
    parts = words.split("{")
    return parts[0] + "".join(
        names.get(name, f"{{{name}}}") + rest for name, _, rest in (part.partition("}") for part in parts[1:])
    )


def _findings(findings: tuple[Finding, ...]) -> Iterator[Line]:
    """Each type once with its sentence and where it was found; hygiene by name only."""
    by_type: dict[str, list[Finding]] = {}
    for finding in findings:
        by_type.setdefault(finding.type, []).append(finding)
    heavy, left = first([name for name in by_type if name not in HYGIENE], FINDINGS_MOST)
    light, _ = first([name for name in by_type if name in HYGIENE], HYGIENE_MOST)
    if heavy:
        yield from title("Findings")
    for name in heavy:
        yield from _finding(name, by_type[name])
    yield from _more(left, "  ")
    if light:
        yield from title("Hygiene (changes nothing for mail of today)")
        yield from paragraph(", ".join(shown(name, 64) for name in light), "  ")


def _finding(name: str, found: list[Finding]) -> Iterator[Line]:
    known = FINDING_TYPES.get(name)
    rule = f" ({shown(found[0].rule, 64)})" if found[0].rule else ""
    sentence = f": {known.sentence}" if known is not None else ""
    yield from paragraph(f"{shown(name, 64)}{sentence}{rule}", "  ", "    ")
    places, left = first(found, PLACES_MOST)
    for each in places:
        where = place(each.mx, each.address) if each.mx or each.address else ""
        words = [where, f"from {shown(each.source, NAME_LETTERS)}" if each.source else "", shown(each.detail)]
        told = ", ".join(word for word in words if word)
        yield from paragraph(told, "    at " if where else "    ", "       ", Style.FAINT) if told else ()
    yield from _more(left, "    ")


def _dialogues(record: Record) -> Iterator[Line]:
    """The sessions as on the wire, those that tell most first; what went the same way is shown once."""
    alike: dict[tuple[object, ...], list[Session]] = {}
    for session in telling(record):
        alike.setdefault(dialogue.wire(session), []).append(session)
    good = [group for group in alike.values() if group[0].stage is Stage.DONE]
    groups = [group for group in alike.values() if group not in good[GOOD_MOST:]][:DIALOGUES_MOST]
    if groups:
        yield from title("On the wire")
    for session, *others in groups:
        yield Line()
        yield from dialogue.dialogue(session, len(others))
    yield from _more(len(alike) - len(groups), "  ", "sessions: all of them are in the row")


def telling(record: Record) -> list[Session]:
    """Sessions that senders would hold, first those at servers where our sources disagree or TLS does not work."""
    if record.evidence is None:
        return []
    interest = {(row.mx, row.address): matrix.interest(row) for row in matrix.matrix(record.evidence).rows}
    usual = [each for each in record.evidence.sessions if not each.hello.is_deep]
    return sorted(usual, key=lambda it: (interest[it.endpoint.mx, it.endpoint.address], it.role, it.follow_up))


def _more(left: int, indent: str, what: str = "more") -> Iterator[Line]:
    if left:
        yield Line(f"{indent}... {left} {'more ' if what != 'more' else ''}{what}", Style.FAINT)
