from dataclasses import replace

import pytest

from scanner.explain import letter
from scanner.explain.letter import objection
from scanner.model.assessment import Cause
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.record import Record
from tests.unit.explain import pages as some
from tests.unit.stories import REFUSED, session


def text_of(record: Record) -> str:
    return "\n".join(letter.letter(record))


def flat(record: Record) -> str:
    return " ".join(text_of(record).split())


def test_a_letter_is_a_message_to_the_postmaster() -> None:
    head = letter.letter(some.HIDDEN)[:3]
    assert head == (
        "To: postmaster@example.test",
        "Subject: STARTTLS at example.test, as seen from our mail server",
        "",
    )


def test_both_addresses_are_named_with_what_they_are_for() -> None:
    words = flat(some.HIDDEN)
    assert "198.51.100.10 (EHLO probe.test), which sends our mail to you" in words
    assert "203.0.113.7 (EHLO probe.test), which only looks, for comparison" in words
    assert "2026-11-24 12:30:15 UTC" in words


def test_it_asks_the_one_question_that_belongs_to_the_cause() -> None:
    assert (
        "Our question: Which sender group does 198.51.100.10 fall into at mx.example.test[192.0.2.1], and does its "
        "mail-flow policy allow TLS?"
    ) in flat(some.HIDDEN)
    assert "Our question: On which list is 198.51.100.10" in flat(some.BLOCKED)


def test_without_a_cause_it_asks_by_what_was_seen() -> None:
    record = replace(some.HIDDEN, assessment=replace(some.HIDDEN.assessment, causes=()))
    assert "Which sender group does 198.51.100.10 fall into" in flat(record)
    record = replace(some.STS_STUCK, assessment=replace(some.STS_STUCK.assessment, causes=()))
    assert "Does mx.example.test[192.0.2.1] offer STARTTLS to 198.51.100.10" in flat(record)


def test_both_dialogues_are_in_it_that_without_tls_first() -> None:
    text = text_of(some.HIDDEN)
    assert text.index("502 5.5.1 Error: command not implemented") < text.index("Ready to start TLS")
    assert text.count("C: EHLO probe.test") == 3


@pytest.mark.parametrize(
    ("seen", "question"),
    [
        ({"fault": Fault(Stage.CONNECT, Kind.TIMEOUT)}, "Is mx.example.test[192.0.2.1] up"),
        ({"fault": Fault(Stage.GREETING, Kind.CLOSED)}, "not let 198.51.100.10 in?"),
        ({"fault": Fault(Stage.HANDSHAKE, Kind.TLS_ALERT)}, "why does the handshake with 198.51.100.10 fail?"),
        ({}, "Is the certificate that mx.example.test[192.0.2.1] shows"),
    ],
)
def test_without_a_cause_it_asks_about_where_the_session_stopped(seen: dict[str, object], question: str) -> None:
    record = replace(some.STS_STUCK, evidence=some.seen(session(**seen)))
    record = replace(record, assessment=replace(record.assessment, causes=()))
    assert question in flat(record)


OURS = session(fault=Fault(Stage.CONNECT, Kind.NO_ROUTE, Side.OURS))


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (some.PLAIN, "goes out encrypted"),
        (replace(some.STS_STUCK, evidence=some.seen(OURS)), "inconclusive through us"),
        (REFUSED, "no server was asked"),
        (some.NO_MAIL, "no server was asked"),
        (
            replace(some.HIDDEN, assessment=replace(some.HIDDEN.assessment, causes=(Cause("own-egress", 90, ()),))),
            "on our own side (own-egress)",
        ),
    ],
)
def test_no_partner_is_bothered_without_a_reason(record: Record, why: str) -> None:
    assert why in objection(record)
    assert letter.letter(record) == ()
