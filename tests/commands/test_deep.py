"""`--deep` against the lab: what it adds to a row, and what it leaves alone."""

from typing import Any

import jsonschema_rs
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import Lab, starttls

LEFT = ("starttls", "webpki", "dane", "mta_sts", "tls_rpt", "status", "delivery", "differs_by_source", "predictions")
VERSIONS = ["only_tls_1_3", "only_tls_1_2", "only_tls_1_1", "only_tls_1_0"]
SUITES = ["only_static_rsa", "only_finite_field", "only_cbc", "only_anonymous", "only_null"]
DEEP = {"old-tls-accepted", "weak-suite-accepted", "no-tls-1-3"}
ANONYMOUS = {"no-tls-1-3", "weak-suite-accepted"}
ROWS: list[tuple[str, list[str], set[str]]] = [
    ("plain-good", [*VERSIONS[1:], *SUITES], {"weak-suite-accepted"}),
    ("tls-1-3-only", VERSIONS[1:], set()),
    ("tls-1-2-only", [VERSIONS[0], *VERSIONS[2:], *SUITES], {"no-tls-1-3", "weak-suite-accepted"}),
    ("tls-1-0-only", [*VERSIONS[:3], *(each for each in SUITES if each != "only_cbc")], ANONYMOUS),
    ("tls-rsa-exchange", [VERSIONS[0], *VERSIONS[2:], *SUITES[1:]], {"no-tls-1-3", "weak-suite-accepted"}),
    ("tls-alert-40", [], set()),
    ("starttls-454", [], set()),
]


@pytest.mark.parametrize(("name", "questions", "found"), ROWS, ids=[row[0] for row in ROWS])
def test_deep_adds_sessions_and_findings_and_changes_no_verdict(
    lab: Lab, row_schema: jsonschema_rs.Validator, name: str, questions: list[str], found: set[str]
) -> None:
    given = f"{name}.lab.test\n".encode()
    words = (*lab.flags, "--sources", "each")
    [usual] = starttls("scan", *words, given=given).rows
    [deep] = starttls("scan", "--deep", *words, given=given).rows
    row_schema.validate(deep)
    asked = [each for each in deep["sessions"] if each["hello"].startswith("only_")]
    assert [each["hello"] for each in asked] == questions
    assert {each["source"] for each in asked} <= {"mail"}
    assert types(deep) & DEEP == found
    assert types(deep) - DEEP == types(usual)
    assert {key: deep[key] for key in LEFT} == {key: usual[key] for key in LEFT}


def types(row: dict[str, Any]) -> set[str]:
    """The types of its findings."""
    return {each["type"] for each in row["findings"]}


def test_deep_asks_each_address_once_however_many_domains_are_there(lab: Lab) -> None:
    """Both domains have the same MX host."""
    rows = starttls("scan", "--deep", *lab.flags, given=b"d7.many.lab.test\nd207.many.lab.test\n").rows
    asked = [each for row in rows for each in row["sessions"] if each["hello"].startswith("only_")]
    assert len(asked) == 2 * len({each["hello"] for each in asked})
    assert sum(not each["shared"] for each in asked) == len(asked) / 2


def test_deep_is_not_to_be_had_once_for_every_domain(lab: Lab) -> None:
    line = starttls("scan", "--deep", "--no-share", *lab.flags, given=b"plain-good.lab.test\n").refused(Exit.USAGE)
    assert "--no-share" in line
