from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.route import Endpoint
from scanner.model.session import Oddity, Reply, Session
from scanner.protocols import ehlo

PLAIN = Reply(220, (b"220 mx ESMTP",))


def reply(*texts: bytes) -> Reply:
    """A 250 reply with a first line and these keyword lines."""
    return Reply(250, (b"250-mx hello", *(b"250-" + text for text in texts[:-1]), b"250 " + texts[-1]))


def test_keywords_are_upper_case_and_without_parameters() -> None:
    assert ehlo.keywords(reply(b"size 1000", b"AUTH=LOGIN", b" STARTTLS ")) == ("SIZE", "AUTH", "STARTTLS")


def test_the_first_line_and_lines_without_code_are_no_keywords() -> None:
    assert ehlo.keywords(Reply(250, (b"junk", b"250-SIZE", b"STARTTLS", b"250 HELP"))) == ("HELP",)


def test_keywords_are_capped_and_the_search_is_not() -> None:
    many = reply(*(b"X%d" % n for n in range(1000)), b"STARTTLS")
    assert len(ehlo.keywords(many)) == ehlo.KEYWORDS_MOST
    assert ehlo.offers_starttls(many)


OFFERS: list[tuple[str, Reply, bool, tuple[Oddity, ...]]] = [
    ("plain", reply(b"STARTTLS"), True, ()),
    ("none", reply(b"SIZE"), False, ()),
    ("trailing blank", reply(b"STARTTLS "), True, ()),
    ("lower case", reply(b"starttls"), True, (Oddity.STARTTLS_LOWER_CASE,)),
    ("parameter", reply(b"STARTTLS foo"), True, (Oddity.STARTTLS_PARAMETER,)),
    ("equals", reply(b"STARTTLS=1"), True, (Oddity.STARTTLS_PARAMETER,)),
    ("equals alone", reply(b"STARTTLS="), True, (Oddity.STARTTLS_PARAMETER,)),
    ("lower case, then plain", reply(b"starttls", b"STARTTLS"), True, ()),
    ("fixed up", reply(b"XXXXXXXA"), False, (Oddity.STARTTLS_MANGLED,)),
    ("crossed out", reply(b"XXXXXXXX", b"SIZE"), False, (Oddity.STARTTLS_MANGLED,)),
    ("starred", reply(b"********"), False, (Oddity.STARTTLS_MANGLED,)),
    ("an X keyword", reply(b"XCLIENT", b"XXX"), False, ()),
    ("in the first line", Reply(250, (b"250 STARTTLS",)), False, (Oddity.STARTTLS_MISPLACED,)),
    ("without a code", Reply(250, (b"250-mx", b"STARTTLS", b"250 SIZE")), False, (Oddity.STARTTLS_MISPLACED,)),
    ("under another code", Reply(250, (b"250-mx", b"451-STARTTLS", b"250 SIZE")), True, ()),
    ("only mentioned", Reply(250, (b"250-mx speaks STARTTLS", b"250 SIZE")), False, ()),
    ("nothing at all", Reply(0, ()), False, ()),
]


@pytest.mark.parametrize(("answer", "offers", "odd"), [row[1:] for row in OFFERS], ids=[row[0] for row in OFFERS])
def test_an_offer_is_recognised_and_its_oddities_named(answer: Reply, offers: bool, odd: tuple[Oddity, ...]) -> None:  # noqa: FBT001 - a column
    assert ehlo.offers_starttls(answer) is offers
    assert ehlo.oddities(PLAIN, answer) == odd


@pytest.mark.parametrize(
    ("banner", "is_masked"),
    [
        (b"220 ****************", True),
        (b"220 *******0*2******200**", True),
        (b"220 mx ESMTP", False),
        (b"220 ", False),
        (b"220 *** welcome ***", False),
        (b"220 " + b"*" * 200_000 + b"x", False),  # the time limit of the tests is the test: it must not be squared
    ],
)
def test_a_masked_banner_is_recognised(banner: bytes, is_masked: bool) -> None:  # noqa: FBT001 - a column
    assert (Oddity.BANNER_MASKED in ehlo.oddities(Reply(220, (banner,)), reply(b"SIZE"))) is is_masked


@pytest.mark.parametrize(
    ("line", "address"),
    [
        (b"250-mx.example at your service, [198.51.100.7]", "198.51.100.7"),
        (b"250-mx Hello scan [IPv6:2001:DB8::7], nice", "2001:db8::7"),
        (b"250-mx Hello scan [2001:db8::7]", "2001:db8::7"),
        (b"250-mx hello 198.51.100.7.", "198.51.100.7"),
        (b"250-mx hello (2001:db8::7)", "2001:db8::7"),
        (b"250-mx hello [::ffff:198.51.100.7]", "198.51.100.7"),
        (b"250-mx hello [IPv6:::ffff:198.51.100.7]", "198.51.100.7"),
        (b"250-mx [999.1.1.1] hello", ""),
        (b"250-mx-10.2.3.4.example hello", ""),
        (b"250-mx", ""),
    ],
)
def test_the_echoed_address_is_found(line: bytes, address: str) -> None:
    assert ehlo.echoed_address(Reply(250, (line, b"250 198.51.100.99"))) == address


HELLO = Reply(250, (b"250 mx hello [198.51.100.7]",))
SILENT = Reply(250, (b"250 mx",))
LISTED = Reply(554, (b"554-5.7.1 sorry", b"554 5.7.1 Client host [198.51.100.8] blocked using a list"))
REFUSED = Reply(502, (b"502 no",))


@pytest.mark.parametrize(
    ("replies", "address"),
    [
        ({"ehlo": HELLO}, "198.51.100.7"),
        ({"ehlo": HELLO, "starttls": Reply(421, (b"421 [198.51.100.8] too many",))}, "198.51.100.7"),
        ({"ehlo": REFUSED, "helo": HELLO}, "198.51.100.7"),
        ({"greeting": LISTED}, "198.51.100.8"),
        ({"greeting": Reply(220, (b"220 mx [198.51.100.9] ESMTP",)), "ehlo": SILENT}, ""),
        ({"greeting": Reply(554, (b"554 Server 14.1.0.7 says no",))}, ""),
        ({"greeting": Reply(554, (b"554 mx [192.0.2.1] says no to [198.51.100.8]",))}, "198.51.100.8"),
        ({"ehlo": Reply(250, (b"250 mx [192.0.2.1] hello",))}, ""),
        ({}, ""),
    ],
)
def test_our_egress_is_what_an_answer_or_a_refusal_tells_and_never_the_servers_own_address(
    replies: dict[str, Reply], address: str
) -> None:
    told = Session(
        endpoint=Endpoint("mx.test", "192.0.2.1", 25, "mx.test"),
        source="mail",
        source_address="198.51.100.7",
        ehlo_name="c.test",
        observed_at=datetime(2026, 11, 24, tzinfo=UTC),
        **replies,  # type: ignore[arg-type] # a table of any replies
    )
    assert ehlo.egress(told) == address


def test_no_reply_echoes_nothing() -> None:
    assert ehlo.echoed_address(Reply(0, (b"junk",))) == ""


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_nothing_raises_for_any_lines(lines: list[bytes]) -> None:
    answer = Reply(250, tuple(b"250-" + line for line in lines))
    ehlo.keywords(answer)
    ehlo.oddities(answer, answer)
    ehlo.echoed_address(answer)
    ehlo.accused_addresses(Reply(554, answer.lines))
    assert ehlo.offers_starttls(answer) is any(k == "STARTTLS" for k in ehlo.keywords(answer))
