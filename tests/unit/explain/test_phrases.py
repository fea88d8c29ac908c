import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.explain import phrases
from scanner.explain.phrases import understood
from scanner.explain.queue import POLICIES
from scanner.explain.situations import OF_RULE, PHRASES, Phrase, Situation, said
from scanner.explain.styles import rendered

POSTFIX = (
    "Nov 24 12:00:01 mx postfix/smtp[123]: 4F1: to=<user@Partner.Example>, relay=mx.partner.example[192.0.2.1]:25, "
    "delay=1, dsn=4.7.4, status=deferred (TLS is required, but was not offered by host mx.partner.example[192.0.2.1])"
)
QUEUE = (
    "4F1*     2310 Tue Nov 24 12:00:01  boss@ours.example\n"
    "(TLS is required, but host mx2.partner.example[2001:db8::1] refused to start TLS: 454 4.7.0 not now)\n"
    "                                         user@partner.example\n"
)
EXIM = (
    "2026-11-24 12:00:01 1abc-0 == user@partner.example R=dnslookup T=remote_smtp defer (-38) "
    "H=mx.partner.example [192.0.2.1]: a TLS session is required, but the server did not offer TLS support"
)
ONLINE = (
    "Reason: [{LED=450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is required to send mail] "
    "[LastAttemptedServerName=mx.partner.example] [LastAttemptedIP=192.0.2.1:25]}]"
)
BOUNCE = (
    "Reporting-MTA: dns; mail.ours.example\nFinal-Recipient: rfc822; user@partner.example\nAction: failed\n"
    "Status: 5.7.321\nRemote-MTA: dns; mx.partner.example\nDiagnostic-Code: smtp; 550 5.7.321 starttls-not-supported\n"
)
REPORT = (
    '{"policy":{"policy-domain":"partner.example"},"failure-details":[{"result-type":"certificate-host-mismatch",'
    '"receiving-mx-hostname":"mx.partner.example"}]}'
)
OF_2006 = "The remote SMTP service does not support TLS."


@pytest.mark.parametrize(
    ("pasted", "situation", "policy", "named"),
    [
        (POSTFIX, Situation.NOT_OFFERED, "encrypt", ("partner.example", "mx.partner.example", "192.0.2.1", "4.7.4")),
        (QUEUE, Situation.START_REFUSED, "encrypt", ("", "mx2.partner.example", "2001:db8::1", "4.7.0")),
        (EXIM, Situation.NOT_OFFERED, "encrypt", ("partner.example", "mx.partner.example", "192.0.2.1", "")),
        (ONLINE, Situation.NOT_OFFERED, "encrypt", ("", "mx.partner.example", "192.0.2.1", "4.4.317")),
        (BOUNCE, Situation.NOT_OFFERED, "mta_sts", ("partner.example", "mx.partner.example", "", "5.7.321")),
        (REPORT, Situation.NOT_VERIFIED, "mta_sts", ("partner.example", "mx.partner.example", "", "")),
        (OF_2006, Situation.NOT_OFFERED, "encrypt", ("", "", "", "")),
        (f"partner.example: {OF_2006}", Situation.NOT_OFFERED, "encrypt", ("partner.example", "", "", "")),
        (
            f"Remote domain: partner.example\n{OF_2006}",
            Situation.NOT_OFFERED,
            "encrypt",
            ("partner.example", "", "", ""),
        ),
        (
            "lost connection with mx.partner.example[192.0.2.1] while receiving the initial server greeting",
            Situation.LOST,
            "may",
            ("", "mx.partner.example", "192.0.2.1", ""),
        ),
        (
            "from=<boss@ours.example>, status: 530 5.7.0 Must issue a STARTTLS command first at partner.example",
            Situation.TLS_DEMANDED,
            "encrypt",
            ("partner.example", "", "", "5.7.0"),
        ),
    ],
)
def test_what_mail_servers_write_is_understood(
    pasted: str, situation: Situation, policy: str, named: tuple[str, str, str, str]
) -> None:
    """`named` are the domain, the MX host, its address, and the status code."""
    told = understood(pasted)
    assert told.phrase is not None
    assert (told.phrase.situation, told.policy) == (situation, policy)
    assert (told.domain, told.mx, told.address, told.code) == named


@pytest.mark.parametrize("phrase", PHRASES, ids=lambda phrase: phrase.words)
def test_every_phrase_is_found_in_its_own_words_by_whoever_says_them(phrase: Phrase) -> None:
    found = understood(f"a line before\n  {phrase.words.replace('...', 'why')}\nand after")
    assert found.phrase is not None
    assert found.phrase.situation is phrase.situation
    assert phrase.policy in POLICIES


@pytest.mark.parametrize(
    "situation", sorted(set(OF_RULE.values()) - {Situation.POLICY, Situation.TLSA, Situation.UNREACHABLE}, key=str)
)
def test_what_a_prediction_can_end_with_is_said_by_some_mailer(situation: Situation) -> None:
    assert said(situation)


@pytest.mark.parametrize("name", ["certificate-expired.example.test", "mx.queue.expired.test", "a@tlsa-invalid.test"])
def test_a_name_is_no_phrase(name: str) -> None:
    assert understood(f"about {name}").phrase is None


@pytest.mark.parametrize("pasted", ["", "hello", "good morning, world", "\x1b[31m", "a@b", "1.2.3", "x" * 100])
def test_what_says_nothing_is_not_understood(pasted: str) -> None:
    assert understood(pasted) == phrases.Understood()


def test_our_own_names_are_not_the_partners() -> None:
    told = understood(f"Reporting-MTA: dns; mail.ours.example\nfrom=<boss@ours.example> {OF_2006}")
    assert told.name == ""


@pytest.mark.parametrize(
    "hostile",
    [
        "a." * 32_000,
        "a" * 65_000,
        ("a" * 63 + ".") * 1000,
        "to=<" * 16_000,
        "x@" * 32_000,
        "host " * 13_000,
        "[" * 65_000,
    ],
    ids=lambda text: text[:8],
)
def test_texts_made_to_be_slow_are_read_all_the_same(hostile: str) -> None:
    understood(hostile)


def test_no_more_is_read_than_anybody_pastes() -> None:
    assert understood(" " * phrases.PASTED_BYTES + OF_2006).phrase is None


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=()), max_size=300))
def test_anything_pasted_is_shown_printable(pasted: str) -> None:
    told = understood(pasted)
    for line in (*phrases.page(pasted, told), *phrases.next_steps(told)):
        assert line.text.isprintable()


def test_the_page_of_2006_says_what_it_means_and_what_to_run() -> None:
    told = understood(OF_2006)
    text = rendered([*phrases.page(OF_2006, told), *phrases.next_steps(told)]).replace("\n", " ")
    assert "This is how Exchange 2000, 2003 says it." in text
    assert "showed no STARTTLS" in text
    assert "some servers and middleboxes hide STARTTLS from one client address" in text
    assert "starttls explain partner.example --policy encrypt" in text
