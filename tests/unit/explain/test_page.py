"""The whole page. To renew the pages that are kept, write `text_of` of each into `golden`, and read them."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.assess.findings import FINDING_TYPES
from scanner.explain import letter, page, queue, remedies
from scanner.explain.styles import Style, rendered, wants_colour
from scanner.model.assessment import Cause, Outcome
from scanner.model.record import Record
from scanner.model.session import Session
from scanner.model.target import TlsPolicy
from tests.unit import records
from tests.unit.explain import pages as some
from tests.unit.stories import REFUSED, SIGNED, TYPICAL

GOLDEN = Path(__file__).parent / "golden"
CAUSES = (
    "client-policy",
    "reputation-block",
    "rate-limit",
    "greylist-tarpit",
    "postscreen",
    "middlebox",
    "middlebox-strip",
    "unequal-backends",
    "address-family",
    "route",
    "own-egress",
    "same-egress",
    "server-without-tls",
)
LINES_MOST, LETTERS_MOST = 4000, 4000


def text_of(name: str) -> str:
    """A page as it is shown."""
    return rendered(page.page(*some.PAGES[name]))


def shown(record: Record, policy: str | None = None) -> str:
    return rendered(page.page(record, policy))


@pytest.mark.parametrize("name", some.PAGES)
def test_pages_stay_as_they_are(name: str) -> None:
    assert text_of(name) == (GOLDEN / f"{name}.txt").read_text()


def test_the_first_sentence_answers_the_question() -> None:
    answer = " ".join(shown(some.HIDDEN).splitlines()[1:3])
    assert answer == (
        "Mail to example.test from mail (198.51.100.10), with TLS required (encrypt), would WAIT in the queue."
    )


@pytest.mark.parametrize(
    ("policy", "asked", "answer"),
    [
        (None, None, "may"),
        (TlsPolicy.NONE, None, "may"),
        (TlsPolicy.MUST_TLS, None, "encrypt"),
        (TlsPolicy.VERIFY, None, "verify"),
        (TlsPolicy.DANE, None, "dane_only"),
        (TlsPolicy.MUST_TLS, "may", "may"),
    ],
)
def test_the_policy_is_what_was_asked_for_else_the_partners(
    policy: TlsPolicy | None, asked: str | None, answer: str
) -> None:
    record = replace(TYPICAL, target=replace(TYPICAL.target, policy=policy))
    assert queue.policy_of(record, asked) == answer


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_words(outcome: Outcome) -> None:
    assert outcome in queue.VERBS
    assert outcome in queue.STYLES
    assert outcome in queue.SHORTLY


def test_where_nothing_is_demanded_the_queue_of_one_who_does_is_shown() -> None:
    text = shown(some.HIDDEN, "may")
    assert "would go out in CLEAR TEXT" in text
    assert "What your queue would show, if you required TLS" in text
    assert "The remote SMTP service does not support TLS." in text


def test_where_mail_goes_out_no_queue_is_shown() -> None:
    assert "queue" not in shown(some.PLAIN)


def test_what_another_mailer_was_predicted_to_say_goes_before_what_such_mailers_say() -> None:
    told = replace(some.HIDDEN.assessment.predictions[1], model="exim_require", words="its own words")
    record = replace(
        some.HIDDEN,
        assessment=replace(some.HIDDEN.assessment, predictions=(*some.HIDDEN.assessment.predictions, told)),
    )
    text = shown(record)
    assert "Exim                  4.7.4 its own words" in text
    assert "the server did not offer TLS support" not in text


def test_every_cause_has_a_sentence_a_remedy_and_a_question_where_a_partner_can_help() -> None:
    assert set(remedies.CAUSES) == set(CAUSES)
    for name, known in remedies.CAUSES.items():
        assert known.sentence
        assert known.remedy.ours or known.remedy.theirs
        assert bool(known.question) == (name not in letter.NOTHING_TO_ASK)


def test_every_finding_that_matters_for_mail_has_a_remedy() -> None:
    """Testing mode is no fault, and hygiene changes nothing today."""
    assert set(FINDING_TYPES) - page.HYGIENE - {"sts-testing"} == set(remedies.FINDINGS)


def test_the_likeliest_cause_says_what_to_do_and_an_unlikely_one_does_not() -> None:
    text = shown(some.HIDDEN)
    assert "Which sender group, host list or access map does 198.51.100.10 fall into" in text.replace("\n    ", " ")
    assert "Look at your own firewall" not in text


def test_without_causes_findings_say_what_to_do() -> None:
    record = replace(some.BLOCKED, assessment=replace(some.BLOCKED.assessment, causes=()))
    assert "On which list is 198.51.100.10" in shown(record)


def test_sessions_that_went_the_same_way_are_shown_once() -> None:
    text = shown(some.HIDDEN)
    assert text.count("502 5.5.1 Error") == 1
    assert text.count("and 1 more like this") == 2


def test_what_was_never_looked_at_says_why() -> None:
    assert "192.0.2.1 was not looked at: an IP address, not a domain" in shown(REFUSED)


@pytest.mark.parametrize("record", [TYPICAL, SIGNED, REFUSED, *(record for record, _ in some.PAGES.values())])
def test_colours_change_nothing_but_the_colours(record: Record) -> None:
    lines = page.page(record)
    coloured = rendered(lines, is_coloured=True)
    for style in Style:
        coloured = coloured.replace(f"\x1b[{style}m", "")
    assert coloured.replace("\x1b[0m", "") == rendered(lines)


@pytest.mark.parametrize(
    ("is_terminal", "environment", "answer"),
    [
        (True, {}, True),
        (True, {"TERM": "xterm"}, True),
        (True, {"NO_COLOR": ""}, True),
        (True, {"NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
        (False, {}, False),
    ],
)
def test_colours_are_for_terminals_whose_user_wants_them(
    *, is_terminal: bool, environment: dict[str, str], answer: bool
) -> None:
    assert wants_colour(is_terminal=is_terminal, environment=environment) is answer


@pytest.mark.parametrize("name", some.PAGES)
def test_pages_fit_a_terminal_but_for_what_was_on_the_wire(name: str) -> None:
    head, _, _ = text_of(name).partition("On the wire")
    assert max(map(len, head.splitlines())) <= 80


@settings(max_examples=60, deadline=None)
@given(records.records(), st.sampled_from([None, *queue.POLICIES]))
def test_a_page_of_anything_is_printable_and_bounded(record: Record, policy: str | None) -> None:
    lines = page.page(record, policy)
    assert lines
    assert len(lines) < LINES_MOST
    for line in lines:
        assert line.text.isprintable()
        assert len(line.text) < LETTERS_MOST


@settings(max_examples=60, deadline=None)
@given(records.records(), st.sampled_from([None, *queue.POLICIES]))
def test_a_letter_of_anything_is_ascii_of_72_columns(record: Record, policy: str | None) -> None:
    lines = letter.letter(record, policy)
    assert bool(lines) != bool(letter.objection(record, policy))
    for line in lines:
        assert line.isascii()
        assert line.isprintable()
        assert len(line) <= letter.COLUMNS


def test_a_page_of_very_much_is_bounded() -> None:
    def numbered(session: Session, number: int) -> Session:
        endpoint = replace(session.endpoint, mx=f"mx{number}.{'x' * 3000}", address=f"192.0.2.{number % 256}")
        return replace(session, endpoint=endpoint, source=f"source {number % 50} {'y' * 3000}")

    many = tuple(numbered(some.HOSTILE.evidence.sessions[0], n) for n in range(600)) if some.HOSTILE.evidence else ()
    causes = tuple(Cause(f"cause {n}", 50, ("z" * 5000,) * 300) for n in range(50))
    findings = tuple(replace(some.HIDDEN.assessment.findings[0], mx=f"{n}", detail="d" * 5000) for n in range(500))
    record = replace(
        some.HIDDEN,
        evidence=some.seen(*many),
        assessment=replace(some.HIDDEN.assessment, causes=causes, findings=findings),
    )
    assert len(shown(record)) < 100_000
