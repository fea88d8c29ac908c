"""The first line decides how a list is read, by rules that a user can predict; in doubt the list is refused."""

import pytest

from scanner.targets.first_line import KNOWN, Form, decide
from scanner.targets.refusal import ListRefused


@pytest.mark.parametrize(
    ("first", "decision"),
    [
        ("example.org", "one name per line, no header"),
        ("localhost", "one name per line, no header"),
        ("postmaster@example.org", "one name per line, no header"),
        ("domain", "one name per line, header"),
        (" FQDN ", "one name per line, header"),
        ("domain,country", "comma-separated, header, column 'domain'"),
        ("country;Domain", "semicolon-separated, header, column 'Domain'"),
        ("rank\tname\tdomain", "tab-separated, header, column 'domain'"),
        ("url|rank", "bar-separated, header, column 'url'"),
        ('"a;b;c;d",host', "comma-separated, header, column 'host'"),
        ('"domain","a;b"', "comma-separated, header, column 'domain'"),
        ("1,example.org", "comma-separated, no header, column 2"),
        ("example.org,", "comma-separated, no header, column 1"),
        ("192.0.2.1,example.org,DE", "comma-separated, no header, column 2"),
        ('{"domain": "example.org"}', "JSON Lines, key 'domain'"),
        (' {"rank": 1, "Host": "example.org"}', "JSON Lines, key 'Host'"),
        ("{broken", "JSON Lines, key 'domain'"),
    ],
)
def test_a_first_line_tells_its_form(first: str, decision: str) -> None:
    """Without any option."""
    assert decide(first, Form()).decision == decision


@pytest.mark.parametrize("word", KNOWN)
def test_every_known_name_makes_a_header(word: str) -> None:
    """In any capitals, in any column."""
    assert decide(f"rank,{word.upper()}", Form()).decision == f"comma-separated, header, column {word.upper()!r}"


@pytest.mark.parametrize(
    ("first", "form", "decision"),
    [
        ("id,kunde,web", Form("web"), "comma-separated, header, column 'web'"),
        ("id,kunde,web", Form("WEB"), "comma-separated, header, column 'web'"),
        ("web,WEB", Form("2"), "comma-separated, header, column 'WEB'"),
        ("id,kunde,web", Form("3"), "comma-separated, header, column 'web'"),
        ("7,localhost", Form("2"), "comma-separated, no header, column 2"),
        ("a.example,b.example", Form("2"), "comma-separated, no header, column 2"),
        ("a.example,domain", Form("1"), "comma-separated, no header, column 1"),
        ("a.example,domain", Form("domain"), "comma-separated, header, column 'domain'"),
        ("domain,,", Form("1"), "comma-separated, header, column 'domain'"),
        ("a,b;domain", Form(delimiter=";"), "semicolon-separated, header, column 'domain'"),
        ("domain rank", Form(delimiter="space"), "separated by ' ', header, column 'domain'"),
        ("domain\trank,a,b", Form(delimiter="\\t"), "tab-separated, header, column 'domain'"),
        ('{"web": "example.org", "domain": ""}', Form("web"), "JSON Lines, key 'web'"),
        ("{broken", Form("web"), "JSON Lines, key 'web'"),
    ],
)
def test_what_was_asked_for_is_obeyed(first: str, form: Form, decision: str) -> None:
    """--column and --delimiter."""
    assert decide(first, form).decision == decision


@pytest.mark.parametrize(
    ("first", "form", "why"),
    [
        ("example.org,example.net", Form(), "--column"),
        ("id,kunde", Form(), "'id', 'kunde'"),
        ("example.org,site", Form(), "--column"),
        ("id,kunde", Form("web"), "no column 'web'"),
        ("id,kunde", Form("3"), "2 columns"),
        ("id,kunde", Form("0"), "--column 0"),
        ("domain,rank,Domain", Form(), "'domain' twice"),
        ("domain,rank,rank", Form("domain"), "'rank' twice"),
        ("domain", Form(delimiter="ab"), "'ab'"),
        ("domain", Form(delimiter='"'), "--delimiter"),
        ('{"rank": 1}', Form(), "'rank'"),
        ('{"domain": "example.org"}', Form("web"), "no key 'web'"),
        ("{", Form(), "jq -c"),
        ('"a.example,b', Form("web"), "--column N"),
        (None, Form("web"), "--column N"),
        (None, Form(delimiter=";"), "--column N"),
        ("\x1b[31mid,kunde", Form(), "\\x1b"),
    ],
)
def test_in_doubt_the_list_is_refused_with_a_way_out(first: str | None, form: Form, why: str) -> None:
    """Before anything is sent; control characters never reach the terminal."""
    with pytest.raises(ListRefused) as refused:
        decide(first, form)
    assert why in str(refused.value)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(("column", "delimiter"), [("", ""), ("1", ""), ("2", ";")])
def test_an_unreadable_first_line_costs_itself_only(column: str, delimiter: str) -> None:
    """What was asked for holds; else one name per line."""
    assert not decide(None, Form(column, delimiter)).header


def test_columns_that_are_not_passed_through_are_announced() -> None:
    """A cap is said, never silent."""
    header = ",".join(["domain", *(f"c{i}" for i in range(70))])
    assert decide(header, Form()).decision.endswith("only 64 of 70 other columns kept")
