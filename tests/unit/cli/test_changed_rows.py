"""Files in which somebody changed a row: whoever reads it names the file and the line, or goes on as with any other."""

import copy
import io
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner.cli import compare, lastrow
from scanner.cli.diff import command as diff
from scanner.cli.exits import Exit, Refused
from scanner.cli.rowfile import reading
from tests.fuzz import changed_rows
from tests.unit import stories as some

GOOD, LINE = changed_rows.LINES[1], changed_rows.LINES[0]
Command = Callable[[list[str]], None]


def diffed(paths: list[str]) -> None:
    diff.run([*paths, "--all", "--json"], {})


def compared(paths: list[str]) -> None:
    with ExitStack() as held:
        files = {Path(path).name: held.enter_context(reading(path)) for path in paths}
        compare.compare(files, changed_rows.judge(), is_json=True, is_all=True)


COMMANDS = [diffed, compared]


@contextmanager
def silent() -> Iterator[io.BytesIO]:
    """Take what is printed."""
    taken = io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", io.TextIOWrapper(taken, "utf-8", write_through=True))
        patch.setattr(sys, "stderr", io.StringIO())
        yield taken


def refused(command: Command, line: bytes, *, is_first: bool) -> str | None:
    """Why a file with this row in its second line was refused, beside one of good rows; None where it was not."""
    with tempfile.TemporaryDirectory() as folder, silent() as printed:
        bad, good = Path(folder) / "bad", Path(folder) / "good"
        bad.write_bytes(GOOD + line + b"\n")
        good.write_bytes(LINE + GOOD)
        found: Refused | None = None
        try:
            command(list(map(str, (bad, good) if is_first else (good, bad))))
        except Refused as error:
            found = error
        assert all(map(orjson.loads, printed.getvalue().splitlines()))
        if found is None:
            return None
        changed_rows.assert_in_one_line(str(found))
        assert (found.code, str(found).partition(": ")[0]) == (Exit.USAGE, f"{bad}, line 2")
        return str(found)


@given(data=st.binary(max_size=60), command=st.sampled_from(COMMANDS), is_first=st.booleans())
@settings(max_examples=200)
def test_a_changed_row_is_named_by_its_line_or_compared_like_any_other(
    data: bytes, command: Command, *, is_first: bool
) -> None:
    refused(command, changed_rows.from_bytes(data), is_first=is_first)


WRONG: tuple[tuple[str, Any], ...] = (
    ("schema", "1.1"),
    ("schema", None),
    ("domain", 7),
    ("truncated", None),
    ("truncated", 1),
    ("route", []),
    ("observed_at", "2026-11-24"),
    ("status", "fine"),
    ("starttls", ["pass"]),
    ("differs_by_source", "no"),
    ("would_wait", 0),
    ("route.mx", {}),
    ("route.mx.0.addresses", "192.0.2.1"),
    ("route.mx.0.tlsa_lookup.fault", {"kind": "nodata"}),
    ("route.published.0.preference", "10"),
    ("policies.mta_sts.id", 1),
    ("policies.mta_sts.fault.kind", "gone"),
    ("policies.tls_rpt.rua", {"mailto:a@b.test": 1}),
    ("sessions", "none"),
    ("sessions.0.hello", "loud"),
)
OF_DIFF_ALONE: tuple[tuple[str, Any], ...] = (
    ("provider", 7),
    ("first_finding", ["a"]),
    ("tls_version_min", 1.2),
    ("delivery", None),
    ("delivery.may", "maybe"),
    ("delivery.dane_only", ["clear"]),
    ("sessions.0.tls.leaf", "none"),
    ("sessions.0.tls.leaf.sha256", "another one"),
    ("sessions.0.tls.leaf.not_after", "2027"),
    ("sessions.0.tls.leaf.not_before", 0),
)
"""These are made of the evidence again wherever a row is judged again, and are not read there."""


@pytest.mark.parametrize("is_first", [True, False])
@pytest.mark.parametrize(
    ("command", "place", "wrong"),
    [(each, *wrong) for each in COMMANDS for wrong in WRONG] + [(diffed, *wrong) for wrong in OF_DIFF_ALONE],
)
def test_what_cannot_stand_at_a_place_is_refused(command: Command, place: str, wrong: Any, *, is_first: bool) -> None:
    path = tuple(int(key) if key.isdecimal() else key for key in place.split("."))
    row = orjson.loads(LINE)
    changed_rows.at(row, path)
    assert refused(command, orjson.dumps(changed_rows.put(copy.deepcopy(row), path, wrong)), is_first=is_first)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_row_of_a_newer_version_is_refused_before_any_is_compared(command: Command) -> None:
    newer = LINE.replace(b'"schema":"1.0"', b'"schema":"1.4","news":[1]').replace(b'"starttls":"pass"', b'"starttls":7')
    why = refused(command, newer.rstrip(), is_first=False)
    assert why
    assert "schema 1.4 was written by a newer starttls-scanner: this one reads up to 1.0" in why


@given(st.binary(max_size=60))
def test_a_changed_row_that_is_to_be_explained_is_refused_in_one_line_or_read(data: bytes) -> None:
    line = changed_rows.from_bytes(data)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows"
        path.write_bytes(GOOD + line + b"\n")
        domain = lastrow.domain_of(line) or some.TYPICAL.target.domain
        try:
            assert lastrow.stored(str(path), domain, None).target.domain == domain
        except Refused as error:
            changed_rows.assert_in_one_line(str(error))


@pytest.mark.parametrize(("place", "wrong"), [("sessions", 7), ("sessions.0", "x"), ("sessions.0.tls", [1])])
def test_sessions_that_are_none_are_refused_before_their_certificates_are_looked_up(
    place: str, wrong: Any, tmp_path: Path
) -> None:
    path = tuple(int(key) if key.isdecimal() else key for key in place.split("."))
    (tmp_path / "rows").write_bytes(orjson.dumps(changed_rows.put(orjson.loads(LINE), path, wrong)))
    (tmp_path / "rows.certificates.jsonl").touch()
    with pytest.raises(Refused, match=r"the row of example\.test: not a row of schema 1\.0"):
        lastrow.stored(str(tmp_path / "rows"), some.TYPICAL.target.domain, None)
