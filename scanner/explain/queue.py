"""Would my mail go out encrypted, wait, or bounce: the answer for one policy, and what the queue will show.

The answer is the prediction of the record for the model of that name and our first mail source. Nothing is predicted
anew: a page says what the row says.

Touches: nothing. Source: docs/verdicts.md (delivery).
"""

from collections.abc import Iterator

from scanner.assess.partners import MODEL_OF, STUCK
from scanner.explain.shown import paragraph, place, sender, shown, title
from scanner.explain.situations import EXIM, GMAIL, OF_RULE, ON_PREMISES, ONLINE, POSTFIX, said
from scanner.explain.styles import Line, Style
from scanner.model.assessment import Outcome, Prediction
from scanner.model.record import Record
from scanner.model.session import Role, Session
from scanner.model.target import TlsPolicy

POLICIES = {
    "may": "TLS where it is offered",
    "encrypt": "TLS required",
    "verify": "a verified certificate required",
    "secure": "a certificate for the domain required",
    "dane": "DANE where it is published",
    "dane_only": "DANE required",
    "mta_sts": "DANE and MTA-STS where they are published",
    "none": "nothing demanded",
}
"""What `--policy` takes, in words: the sender models, and `none`, which demands nothing, as `may` does."""
VERBS = {
    Outcome.ENCRYPTED_AUTHENTICATED: "would go out encrypted, to a server that proved who it is",
    Outcome.ENCRYPTED: "would go out encrypted",
    Outcome.CLEAR: "would go out in CLEAR TEXT",
    Outcome.DEFER: "would WAIT in the queue",
    Outcome.BOUNCE: "would BOUNCE",
    Outcome.UNKNOWN: "may go out, wait or bounce: it cannot be told",
}
SHORTLY = {
    Outcome.ENCRYPTED_AUTHENTICATED: "encrypted and verified",
    Outcome.ENCRYPTED: "encrypted",
    Outcome.CLEAR: "in clear",
    Outcome.DEFER: "waits",
    Outcome.BOUNCE: "bounces",
    Outcome.UNKNOWN: "not to be told",
}
STYLES = {
    Outcome.ENCRYPTED_AUTHENTICATED: Style.GOOD,
    Outcome.ENCRYPTED: Style.GOOD,
    Outcome.CLEAR: Style.BAD,
    Outcome.DEFER: Style.BAD,
    Outcome.BOUNCE: Style.BAD,
    Outcome.UNKNOWN: Style.DOUBT,
}
OTHERS_MOST = 6
BY_DEFAULT = {EXIM: "exim", ON_PREMISES: "exchange_onprem", ONLINE: "exchange_online", GMAIL: "gmail"}
SENDERS = {
    "may": BY_DEFAULT,
    "none": BY_DEFAULT,
    "encrypt": {mailer: f"{model}_require" for mailer, model in BY_DEFAULT.items()},
    "dane": {EXIM: "exim", ONLINE: "exchange_online"},
    "dane_only": {EXIM: "exim_dane"},
    "mta_sts": {ONLINE: "exchange_online", GMAIL: "gmail"},
}
"""Models of other mailers that make the same demand; none of them is known to verify as `verify` and `secure` do."""


def policy_of(record: Record, asked: str | None) -> str:
    """The policy to answer for: that which was asked for, else the partner's of the list, else `may`."""
    if asked is not None:
        return asked
    policy = record.target.policy
    return MODEL_OF.get(policy, "may") if policy is not None and policy is not TlsPolicy.NONE else "may"


def prediction(record: Record, policy: str, source: str | None = None) -> Prediction | None:
    """What becomes of mail from a source, the first mail source otherwise; None where the row does not say."""
    model = "may" if policy == "none" else policy
    told = [each for each in record.assessment.predictions if each.model == model]
    wanted = mail_source(record) if source is None else source
    return next((each for each in told if each.source in {wanted, ""}), told[0] if told and source is None else None)


def mail_source(record: Record) -> str:
    """The first source that mail is sent from; empty where there is none."""
    sessions = _sessions(record)
    return next((each.source for each in sessions if each.role is Role.MAIL), "")


def address_of(record: Record, source: str) -> str:
    """The address of a source, as it was used."""
    return next((each.source_address for each in _sessions(record) if each.source == source), "")


def headline(record: Record, policy: str) -> Iterator[Line]:
    """The one sentence, and a line for each other source."""
    domain = shown(record.target.domain or record.target.raw)
    told = prediction(record, policy)
    if told is None:
        yield from paragraph(
            f"What becomes of mail to {domain} cannot be told: no server was asked.", style=Style.DOUBT
        )
        return
    who = f" from {sender(told.source, address_of(record, told.source))}" if told.source else ""
    words = f"Mail to {domain}{who}, with {POLICIES[policy]} ({policy}), {VERBS[told.outcome]}{_doubt(told)}."
    yield from paragraph(words, style=STYLES[told.outcome])
    yield from _others(record, policy, told)


def _others(record: Record, policy: str, told: Prediction) -> Iterator[Line]:
    """What the same mail would do from our other addresses."""
    names = dict.fromkeys(each.source for each in record.assessment.predictions if each.source != told.source)
    for name in list(names)[:OTHERS_MOST]:
        other = prediction(record, policy, name)
        if other is not None:
            words = f"From {sender(name, address_of(record, name))} it {VERBS[other.outcome]}{_doubt(other)}."
            yield from paragraph(words, style=STYLES[other.outcome])


def meaning(record: Record, policy: str) -> str:
    """What stops the message, in general words; empty where nothing does."""
    told = prediction(record, policy)
    situation = OF_RULE.get(told.rule) if told is not None and told.outcome in STUCK else None
    return "" if situation is None else situation.meaning


def queue(record: Record, policy: str) -> Iterator[Line]:
    """What the administrator will read, in the words of his own mailer."""
    told, asked = prediction(record, policy), policy
    if told is None:
        return
    if told.outcome not in STUCK:
        told, asked = prediction(record, "encrypt"), "encrypt"
    if told is None or told.outcome not in STUCK:
        return
    words = _in_words(told, record, asked)
    if words:
        yield from title(
            "What your queue shows" if asked == policy else "What your queue would show, if you required TLS"
        )
    for mailer, line in words.items():
        yield from paragraph(line, f"  {mailer:<21} ", " " * 24)


def _in_words(told: Prediction, record: Record, policy: str) -> dict[str, str]:
    """By mailer: as predicted where the row has it, else as that mailer says it of such a case."""
    predicted = {POSTFIX: told, **senders(record, policy)}
    words = {mailer: written(each) for mailer, each in predicted.items() if each.words}
    situation = OF_RULE.get(told.rule)
    host = _a_server(record)
    for phrase in said(situation) if situation is not None else ():
        if phrase.mailer not in predicted or phrase.mailer == POSTFIX:
            words.setdefault(phrase.mailer, phrase.words.replace("{host}", host))
    return words


def written(told: Prediction) -> str:
    """The words with their status code, as they stand in a log."""
    words = told.words.strip()
    more = " ..." if words.endswith(":") else ""  # the TLS library of the sender says the rest
    code = "" if not told.dsn or words[:1].isdigit() else f"{shown(told.dsn, 16)} "
    return f"{code}{shown(words)}{more}"


def _a_server(record: Record) -> str:
    session = next(iter(_sessions(record)), None)
    return "mx.example[192.0.2.1]" if session is None else place(session.endpoint.mx, session.endpoint.address)


def senders(record: Record, policy: str) -> dict[str, Prediction]:
    """What mailers other than Postfix would do under the same demand, where the row predicts it."""
    source = mail_source(record)
    by_model = {each.model: each for each in record.assessment.predictions if each.source in {source, ""}}
    models = SENDERS.get(policy, {})
    return {mailer: by_model[model] for mailer, model in models.items() if model in by_model}


def other_senders(record: Record, policy: str) -> Iterator[Line]:
    """The same in one line."""
    told = senders(record, policy)
    if told:
        words = "; ".join(f"{mailer}: {SHORTLY[each.outcome]}" for mailer, each in told.items())
        yield from paragraph(f"Other senders with the same demand: {words}.", style=Style.FAINT)


def _doubt(told: Prediction) -> str:
    return "" if told.certain or not told.reason else f" (not for certain: {shown(told.reason)})"


def _sessions(record: Record) -> tuple[Session, ...]:
    return () if record.evidence is None else record.evidence.sessions
