"""P10: exit codes are a contract."""

import re
from pathlib import Path

from scanner.cli.exits import Exit

RECORD = Path(__file__).parents[3] / "docs" / "record.md"


def test_the_table_of_the_contract_is_the_table_of_the_code() -> None:
    section = RECORD.read_text().partition("## Exit codes")[2]
    rows = re.findall(r"^\| (\d+) \| (.+) \|$", section, re.MULTILINE)
    assert rows == [(str(int(code)), code.words) for code in Exit]


def test_a_signal_ends_as_shells_expect() -> None:
    assert (Exit.HUNG_UP, Exit.INTERRUPTED, Exit.CONSUMER_GONE, Exit.TERMINATED) == (
        128 + 1,
        128 + 2,
        128 + 13,
        128 + 15,
    )
