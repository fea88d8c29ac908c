"""Claims, rows and outputs for the tests of journal and sinks."""

from datetime import UTC, datetime
from pathlib import Path

import orjson

from scanner.checkpoint import Claim, ListIdentity

AT = datetime(2026, 11, 24, tzinfo=UTC)
LIST = ListIdentity("list.csv", 20, "a" * 64)
CLAIM = Claim("run-1", LIST, "settings", 7, AT)


def row(n: int, run_id: str = "run-1", about: str = "x") -> bytes:
    """One line of output."""
    return orjson.dumps({"run_id": run_id, "n": n, "about": about}) + b"\n"


def rows(*numbers: int) -> list[tuple[int, bytes]]:
    """Several, as the journal takes them."""
    return [(n, row(n)) for n in numbers]


def numbers(path: Path) -> list[int]:
    """Every `n` in a file; raises where a line is not whole."""
    content = path.read_bytes()
    assert content.endswith(b"\n") or not content
    return [orjson.loads(line)["n"] for line in content.splitlines()]
