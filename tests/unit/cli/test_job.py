"""Where a policy comes from: the list first, then the table of partners."""

import pytest

from scanner.cli.job import demanded
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.target import Target, TlsPolicy

PARTNERS = {"a.example": TlsPolicy.DANE}
BAD = Fault(Stage.INPUT, Kind.BAD_ROW, Side.INPUT)


@pytest.mark.parametrize(
    ("target", "policy"),
    [
        (Target(1, "a.example"), TlsPolicy.DANE),
        (Target(1, "b.example"), None),
        (Target(1, "sub.a.example"), None),
        (Target(1, "a.example", policy=TlsPolicy.VERIFY), TlsPolicy.VERIFY),
        (Target(1, "a.example", policy=TlsPolicy.NONE), TlsPolicy.NONE),
        (Target(1, "", "a.example", fault=BAD), None),
    ],
)
def test_the_table_speaks_where_the_list_says_nothing(target: Target, policy: TlsPolicy | None) -> None:
    (found,) = demanded([target], PARTNERS)
    assert found.policy is policy
    assert demanded([target], {}) == [target]
