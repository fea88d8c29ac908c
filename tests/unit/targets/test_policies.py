"""What a list demands of its partners: a word a row, or a table beside it. What is not understood is never skipped."""

import io

import pytest

from scanner.model.fault import Fault, Kind
from scanner.model.target import TlsPolicy
from scanner.settings import Limits
from scanner.targets import Form, ListRefused, TargetList, policies


def listed(content: str, policy: str = "", column: str = "") -> TargetList:
    return TargetList(io.BytesIO(content.encode()), Form(column, policy=policy), Limits())


@pytest.mark.parametrize("policy", TlsPolicy)
@pytest.mark.parametrize("shape", ["{}", " {}\t"])
def test_each_policy_is_read_in_any_capitals(policy: TlsPolicy, shape: str) -> None:
    assert policies.read(shape.format(policy.value)) is policy
    assert policies.read(shape.format(policy.value.upper())) is policy


@pytest.mark.parametrize("blank", ["", " ", "\t"])
def test_a_blank_cell_says_nothing(blank: str) -> None:
    assert policies.read(blank) is None


@pytest.mark.parametrize("word", ["tls", "must tls", "must_tls", "dane-only", "0", "\x1b[31m"])
def test_another_word_is_a_fault_that_lists_the_known_ones(word: str) -> None:
    fault = policies.read(word)
    assert isinstance(fault, Fault)
    assert fault.kind is Kind.BAD_ROW
    assert fault.detail.endswith("(one of none, must-tls, verify, dane)")
    assert fault.detail.isprintable()


@pytest.mark.parametrize(
    ("content", "policy", "column", "decision"),
    [
        (
            "domain,tls_policy\na.example,dane\n",
            "",
            "",
            "comma-separated, header, column 'domain', policy in column 'tls_policy'",
        ),
        (
            "id;web;demand\n1;a.example;dane\n",
            "Demand",
            "web",
            "semicolon-separated, header, column 'web', policy in column 'demand'",
        ),
        (
            "id,web,demand\n1,a.example,dane\n",
            "3",
            "2",
            "comma-separated, header, column 'web', policy in column 'demand'",
        ),
        ("a.example,dane\n", "2", "1", "comma-separated, no header, column 1, policy in column 2"),
        ("dane,a.example\n", "1", "", "comma-separated, no header, column 2, policy in column 1"),
        ('{"domain":"a.example","tls_policy":"dane"}\n', "", "", "JSON Lines, key 'domain', policy under 'tls_policy'"),
        ('{"domain":"a.example","demand":"dane"}\n', "demand", "", "JSON Lines, key 'domain', policy under 'demand'"),
    ],
)
def test_the_policy_stands_where_the_first_line_or_the_user_says(
    content: str, policy: str, column: str, decision: str
) -> None:
    targets = listed(content, policy, column)
    assert targets.decision == decision
    (target,) = targets.batch()
    assert (target.domain, target.policy, target.fault) == ("a.example", TlsPolicy.DANE, None)
    assert "dane" in [cell for _, cell in target.columns], "the cell is passed through as any other"


@pytest.mark.parametrize(
    ("content", "policies_read"),
    [
        ("domain,TLS_Policy\na.example,dane\n", [None]),
        ("domain\na.example\n", [None]),
        ("domain,tls_policy\na.example\nb.example,\nc.example,none\n", [None, None, TlsPolicy.NONE]),
        (
            '{"domain":"a.example"}\n{"domain":"b.example","tls_policy":null}\n{"domain":"c.test","tls_policy":"none"}\n',
            [None, None, TlsPolicy.NONE],
        ),
    ],
)
def test_where_nothing_is_said_nothing_is_demanded(content: str, policies_read: list[TlsPolicy | None]) -> None:
    """Also by a column whose name is only like the known one, and in a row that is too short."""
    assert [target.policy for target in listed(content).batch()] == policies_read


@pytest.mark.parametrize(
    ("content", "word"),
    [
        ("domain,tls_policy\na.example,tls\nb.example,dane\n", "'tls'"),
        ('{"domain":"a.example","tls_policy":["dane"]}\n{"domain":"b.example","tls_policy":"dane"}\n', '["dane"]'),
        ('{"domain":"a.example","tls_policy":false}\n{"domain":"b.example","tls_policy":"dane"}\n', "'false'"),
    ],
)
def test_a_row_with_an_unknown_word_is_a_bad_row_and_costs_itself_only(content: str, word: str) -> None:
    """It is not scanned as if it demanded nothing: an alarm would stay silent for ever."""
    bad, good = listed(content).batch()
    assert bad.fault is not None
    assert (bad.domain, bad.raw, bad.policy, bad.fault.kind) == ("", "a.example", None, Kind.BAD_ROW)
    assert word in bad.fault.detail
    assert (good.domain, good.policy) == ("b.example", TlsPolicy.DANE)


def test_a_bad_domain_is_told_before_a_bad_policy() -> None:
    (bad,) = listed("domain,tls_policy\n192.0.2.1,tls\n").batch()
    assert bad.fault is not None
    assert bad.fault.kind is Kind.IP_ADDRESS


@pytest.mark.parametrize(
    ("content", "policy", "column", "why"),
    [
        ("domain,x\na.example,y\n", "z", "", "no column 'z'; the first line has 'domain', 'x': use --policy-column"),
        ("domain,x\na.example,y\n", "3", "", "--policy-column 3: the first line has 2 columns"),
        ("domain,x\na.example,y\n", "domain", "", "--policy-column: this column holds the domains"),
        ("1,a.example\n", "demand", "", "--policy-column N"),
        ("a.example\n", "2", "", "--policy-column 2"),
        ('{"domain":"a.example"}\n', "demand", "", "no key 'demand' in the first object"),
        ('{"domain":"a.example"}\n', "domain", "", "this column holds the domains"),
        ('"a.example,b\n', "demand", "1", "--column N"),
        ('"a.example,b\n', "2", "", "--column N"),
    ],
)
def test_a_policy_column_that_is_not_there_refuses_the_list(content: str, policy: str, column: str, why: str) -> None:
    with pytest.raises(ListRefused) as refused:
        listed(content, policy, column)
    assert why in str(refused.value)


def test_an_unreadable_first_line_costs_itself_only() -> None:
    bad, good = listed('"a.example,b\nb.example,dane\n', "2", "1").batch()[:2]
    assert bad.fault is not None
    assert (good.domain, good.policy) == ("b.example", TlsPolicy.DANE)


def test_a_table_names_partners_as_a_list_does() -> None:
    table = {"Partner.Example.": "must-tls", "bücher.example": "DANE", "b.example": "none"}
    assert policies.partners(table) == {
        "partner.example": TlsPolicy.MUST_TLS,
        "xn--bcher-kva.example": TlsPolicy.DANE,
        "b.example": TlsPolicy.NONE,
    }


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ({"a.example": "tls"}, "a.example: no TLS policy: 'tls' (one of none, must-tls, verify, dane)"),
        ({"a.example": ""}, "a.example: no TLS policy: ''"),
        ({"a.example": True}, "a.example: no TLS policy: 'True'"),
        ({"localhost": "dane"}, "'localhost' is no domain"),
        ({"192.0.2.1": "dane"}, "'192.0.2.1' is no domain"),
        ({"a.example": "dane", "A.example": "dane"}, "a.example is there twice"),
        ({"partner": {"example": "dane"}}, "'partner': a domain stands in quotes, for its dots"),
    ],
)
def test_a_table_that_is_not_understood_is_refused_in_one_line(table: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=r"\A.+\Z") as refused:
        policies.partners(table)
    assert str(refused.value).startswith(why)
