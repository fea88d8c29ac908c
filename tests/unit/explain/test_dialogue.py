import pytest

from scanner.explain.dialogue import WHAT_HAPPENED, WHILE, dialogue, fault_words
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Hello, Reply, Session
from tests.unit.explain.pages import bare
from tests.unit.stories import reply, session


def said(made: Session) -> list[str]:
    """The dialogue without its head, margins and times."""
    return [line.text[11:].strip() for line in dialogue(made)][1:]


def test_a_good_session_reads_from_connect_to_quit() -> None:
    assert [line for line in said(session()) if not line.startswith("S: 250-")] == [
        "(connected)",
        "S: 220 mx.example.test ESMTP Postfix",
        "C: EHLO probe.test",
        "S: 250 8BITMIME",
        "C: STARTTLS",
        "S: 220 2.0.0 Ready to start TLS",
        "(TLSv1.3, TLS_AES_256_GCM_SHA384, X25519, asked for mx.example.test)",
        "certificate: CN=mx.test",
        "issued by:   CN=ca.test",
        "for:         mx.test, mail.test",
        "valid:       2026-10-25 to 2027-01-23",
        "C: EHLO probe.test",
        "S: 250 DSN",
        "C: QUIT",
    ]


def test_each_step_says_how_long_it_took() -> None:
    lines = [line.text for line in dialogue(session())]
    assert "    120 ms S: 220 mx.example.test ESMTP Postfix" in lines
    assert any(line.startswith("     40 ms    (TLSv1.3") for line in lines)


@pytest.mark.parametrize(
    ("made", "end"),
    [
        (
            bare(None, stage=Stage.RESOLVE, starttls=None, fault=Fault(Stage.CONNECT, Kind.REFUSED)),
            ["(the connection was refused)"],
        ),
        (
            bare(None, stage=Stage.CONNECT, starttls=None, fault=Fault(Stage.GREETING, Kind.TIMEOUT)),
            ["(connected)", "(no answer in time while waiting for the greeting)"],
        ),
        (
            bare(
                reply(b"421 4.7.0 busy"),
                stage=Stage.CONNECT,
                ehlo=None,
                starttls=None,
                fault=Fault(Stage.GREETING, Kind.REPLY_421, code=421),
            ),
            [
                "S: 421 4.7.0 busy",
                "(the server closes the service for now (421))",
                "C: QUIT",
            ],
        ),
        (
            bare(reply(b"220 mx"), ehlo=None, starttls=None, fault=Fault(Stage.EHLO, Kind.CLOSED)),
            ["C: EHLO probe.test", "(the server closed the connection after EHLO)"],
        ),
        (
            bare(reply(b"220 mx"), ehlo=reply(b"502 no"), helo=reply(b"250 mx"), starttls=None),
            ["C: EHLO probe.test", "S: 502 no", "C: HELO probe.test", "S: 250 mx", "C: QUIT"],
        ),
        (
            session(
                stage=Stage.STARTTLS,
                handshake=None,
                ehlo_tls=None,
                fault=Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40, detail="HANDSHAKE_FAILURE"),
            ),
            ["(the server ended the handshake with an alert (40):", "HANDSHAKE_FAILURE)"],
        ),
    ],
)
def test_a_session_ends_where_it_ended_and_says_why(made: Session, end: list[str]) -> None:
    assert said(made)[-len(end) :] == end


@pytest.mark.parametrize("kind", [Kind.NO_FAMILY, Kind.NO_ROUTE, Kind.STALLED])
def test_what_was_our_fault_is_said_to_be(kind: Kind) -> None:
    words = fault_words(Fault(Stage.CONNECT, kind, Side.OURS))
    assert "server" not in words
    assert "our" in words or "source" in words


def test_every_kind_that_a_session_can_end_with_has_words() -> None:
    of_others = {kind for kind in Kind if kind.value.startswith(("dns", "nx", "no_data", "http"))}
    of_a_session = list(Kind)[list(Kind).index(Kind.REFUSED_ADDRESS) :]
    elsewhere = {Kind.HTTP_STATUS, Kind.CONTENT_ENCODED, Kind.CERTIFICATE, Kind.BUG}
    assert set(of_a_session) - elsewhere - of_others <= set(WHAT_HAPPENED)
    assert {stage for stage in Stage if Stage.CONNECT <= stage < Stage.DONE} == set(WHILE)


def test_the_head_says_who_where_and_when() -> None:
    head = " ".join(line.text.strip() for line in dialogue(session(hello=Hello.WIDE, follow_up=2, shared=True)))
    assert head.startswith(
        "mail (198.51.100.10) to mx.example.test[192.0.2.1]:25, 2026-11-24 12:30:15 UTC, visit 3, a wider ClientHello, "
        "seen for another domain"
    )


def test_long_replies_and_long_lines_are_cut_and_say_so() -> None:
    long = Reply(250, (*(b"250-X%d" % n for n in range(40)), b"250 " + b"A" * 900))
    lines = said(bare(reply(b"220 " + b"B" * 900), ehlo=long))
    assert "... 17 more lines" in lines
    assert f"S: 220 {'B' * 156} ..." in lines


def test_what_a_peer_sends_is_shown_and_never_obeyed() -> None:
    lines = said(bare(Reply(220, (b"220 \x1b[2J\x07 \xe2\x80\xae\r\xff \\",))))
    assert r"S: 220 \x1b[2J\x07 \u{202e}\x0d\xff \\" in lines
