"""A message to the partner's postmaster, ready to send: who we are, what we saw and when, and one question.

Plain text of 72 columns in ASCII, so that it survives any mail system. What the partner's own server said is escaped.

Touches: nothing. Source: RFC 5321 section 4.5.1 (postmaster), RFC 5322 section 2.1.1 (78 columns at most).
"""

from collections.abc import Iterator

from scanner.explain import dialogue, matrix, queue, remedies
from scanner.explain.page import filled, telling
from scanner.explain.shown import NAME_LETTERS, ascii_only, at, place, shown, wrapped
from scanner.model.assessment import Outcome
from scanner.model.fault import Stage
from scanner.model.record import Record
from scanner.model.session import Role, Session

COLUMNS = 72
HEADERS = ("To: ", "Subject: ")
SESSIONS_MOST = 4
SOURCES_MOST = 6
NOTHING_TO_ASK = frozenset({"own-egress", "same-egress"})
"""Causes on our own side: no partner can help."""
FINE = frozenset({Outcome.ENCRYPTED, Outcome.ENCRYPTED_AUTHENTICATED})
USUAL_QUESTION = "Does {host} offer STARTTLS to {source}, and if not, is that meant to be so?"
CERTIFICATE_QUESTION = (
    "Is the certificate that {host} shows the one that senders should see? It does not pass our check."
)
BY_STAGE = {
    Stage.CONNECT: "Is {host} up, or is anything filtered between {source} and its port 25?",
    Stage.GREETING: "Why does {host} not let {source} in?",
    Stage.EHLO: "Why does {host} not let {source} in?",
    Stage.STARTTLS: "Why does {host} offer STARTTLS to {source}, and not start TLS when asked?",
    Stage.HANDSHAKE: "Which TLS versions and suites does {host} take, and why does the handshake with {source} fail?",
    Stage.EHLO_TLS: "Why does {host} break off inside TLS? Does it demand a certificate of {source}?",
}
"""Where no cause is known: by where the session stopped."""
HIDDEN_QUESTION = remedies.CAUSES["client-policy"].question


def objection(record: Record, policy: str | None = None) -> str:
    """Why there is nothing to write to the partner; empty where there is."""
    causes = record.assessment.causes
    if causes and causes[0].cause in NOTHING_TO_ASK:
        return f"the likeliest cause is on our own side ({causes[0].cause}): ask no partner before that is mended"
    if not telling(record):
        return "no server was asked, so there is nothing to show"
    if record.evidence is not None and record.evidence.own_fault is not None:
        return "it is inconclusive through us: look again first"
    told = [queue.prediction(record, each) for each in ("encrypt", queue.policy_of(record, policy))]
    if not record.assessment.differs_by_source and all(each is not None and each.outcome in FINE for each in told):
        return "mail to them goes out encrypted from our address"
    return ""


def letter(record: Record, policy: str | None = None) -> tuple[str, ...]:
    """The lines of the message, headers first; nothing where there is nobody to blame but us (`objection`)."""
    if objection(record, policy):
        return ()
    sessions = _shown(telling(record))
    return tuple(
        line
        for words in _parts(record, sessions, queue.policy_of(record, policy))
        for line in _lines(ascii_only(words))
    )


def _parts(record: Record, sessions: list[Session], policy: str) -> Iterator[str]:
    domain = shown(record.target.domain, NAME_LETTERS)
    yield f"To: postmaster@{domain}"
    yield f"Subject: STARTTLS at {domain}, as seen from our mail server"
    yield ""
    yield "Dear postmaster,"
    yield ""
    yield from _who_we_are(record, sessions)
    yield ""
    yield from _what_we_saw(record, domain, policy)
    yield ""
    yield f"Our question: {_question(record, sessions)}"
    yield ""
    yield "The dialogues follow as they were on the wire (C: our side, S: your server)."
    for session in sessions:
        yield ""
        yield from (line.text for line in dialogue.dialogue(session, width=COLUMNS))
    yield ""
    yield "No message was sent, and no mailbox was asked for. Thank you for your help."


def _who_we_are(record: Record, sessions: list[Session]) -> Iterator[str]:
    """Our addresses and names, so that they can be found in the partner's tables and logs."""
    yield "we looked at your mail servers from these addresses of ours:"
    known = {each.source: each for each in sorted(telling(record), key=lambda it: it.role)}
    for each in list(known.values())[:SOURCES_MOST]:
        address = shown(each.source_address or each.egress, NAME_LETTERS) or "an address that the system chose"
        egress = f", seen by you as {shown(each.egress, NAME_LETTERS)}" if _is_other(each) else ""
        role = "sends our mail to you" if each.role is Role.MAIL else "only looks, for comparison"
        yield f"  {address}{egress} (EHLO {shown(each.ehlo_name, NAME_LETTERS)}), which {role}"
    first, last = (at(pick(each.observed_at for each in sessions)) for pick in (min, max))
    yield f"at {first}." if first == last else f"between {first} and {last}."


def _is_other(session: Session) -> bool:
    return bool(session.egress) and session.egress != session.source_address


def _what_we_saw(record: Record, domain: str, policy: str) -> Iterator[str]:
    """The consequence for us, and the table."""
    told = queue.prediction(record, policy)
    if told is not None:
        yield f"With {queue.POLICIES[policy]}, our mail to {domain} {queue.VERBS[told.outcome].lower()}."
    if record.evidence is not None:
        yield from (line.text for line in matrix.lines(matrix.matrix(record.evidence)))


def _question(record: Record, sessions: list[Session]) -> str:
    """That of the likeliest cause."""
    causes = record.assessment.causes
    known = remedies.CAUSES.get(causes[0].cause) if causes else None
    worst = sessions[0]
    usual = HIDDEN_QUESTION if record.assessment.differs_by_source else _by_session(worst)
    names = {
        "source": shown(worst.source_address or worst.egress or worst.source, NAME_LETTERS) or "our address",
        "host": place(worst.endpoint.mx, worst.endpoint.address),
    }
    return filled(known.question if known is not None and known.question else usual, names)


def _by_session(worst: Session) -> str:
    if worst.fault is not None:
        return BY_STAGE.get(worst.fault.stage, USUAL_QUESTION)
    return CERTIFICATE_QUESTION if worst.handshake is not None else USUAL_QUESTION


def _shown(sessions: list[Session]) -> list[Session]:
    """One dialogue of each source at the server that tells most: a whole one if there is, that without TLS first."""
    where = sessions[0].endpoint
    here = sorted((it for it in sessions if it.endpoint == where), key=lambda it: (it.fault is not None, it.follow_up))
    by_source = {each.source: each for each in reversed(here)}
    return sorted(by_source.values(), key=lambda it: (it.handshake is not None, it.role))[:SESSIONS_MOST]


def _lines(words: str) -> Iterator[str]:
    """Break one line where it is too long: prose at the margin, a header with a blank (RFC 5322 section 2.2.3), what
    is set in a little deeper.
    """
    if len(words) <= COLUMNS:
        yield words.rstrip()
        return
    indent = " " * min(len(words) - len(words.lstrip()), COLUMNS // 2)
    hanging = f"{indent}  " if indent else " " if words.startswith(HEADERS) else ""
    yield from wrapped(words.strip(), indent, hanging, COLUMNS)
