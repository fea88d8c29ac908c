"""The founding case, told apart from all that looks like it, by the command itself against real servers.

`FOUNDING=50 tests/servers/run PYTHON -k founding` repeats it fifty times; no run may give one wrong verdict.
"""

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.servers import founding, scanning
from tests.servers.founding import CASES, Case, Party
from tests.servers.lab import Lab
from tests.servers.world import MailWorld

RUNS = int(os.environ.get("FOUNDING", "2"))
VISITS_MOST = 2
"""Sessions with one endpoint of a domain from two sources, before anybody is asked again."""
Row = dict[str, Any]


@pytest.fixture(scope="module")
def rows(lab: Lab, mail_world: MailWorld) -> Iterator[list[dict[str, Row]]]:
    """The rows of every run, by domain."""
    home = lab.folder("founding")
    with founding.boxes(lab):
        yield [scanned(mail_world, home / str(number)) for number in range(RUNS)]


def scanned(world: MailWorld, home: Path) -> dict[str, Row]:
    """One run: every party scans what is its own."""
    home.mkdir()
    rows: dict[str, Row] = {}
    for number, party in enumerate(founding.parties()):
        listed, out = home / f"{number}.csv", home / f"{number}.jsonl"
        listed.write_text("".join(f"{case.domain}\n" for case in CASES if case.party == party))
        words = ("scan", str(listed), "-o", str(out), "--ehlo-name", world.ehlo_name, "--i-am-testing")
        done = scanning.starttls(world, *words, *canary(party), *scanning.OPTIONS, sources=sources(party))
        assert done.returncode == 0, done.stderr
        rows |= {row["domain"]: row for row in map(orjson.loads, out.read_bytes().splitlines())}
    return rows


def sources(party: Party) -> tuple[str, str]:
    """As the command line names them."""
    return f"{party.mail}=mail", f"{party.witness}=witness,role=witness"


def canary(party: Party) -> tuple[str, ...]:
    """As the command line names it."""
    return ("--canary", party.canary) if party.canary else ()


@pytest.mark.timeout(60 + 60 * RUNS)
def test_each_case_is_told_apart_in_every_run(rows: list[dict[str, Row]]) -> None:
    """Verdict, what mail from us meets, the first cause: none may be wrong once."""
    wrong = Counter(
        f"{case.name}: {problem}" for run in rows for case in CASES for problem in problems(case, run[case.domain])
    )
    print(f"founding: {len(CASES)} scenarios, {RUNS} runs: wrong {wrong.total()}")  # noqa: T201
    assert wrong == Counter()


def problems(case: Case, row: Row) -> Iterator[str]:
    """What the row says wrongly."""
    seen = {
        "starttls": row["starttls"],
        "mail": met(row, "mail"),
        "differs": row["differs_by_source"] or case.differs,
        "findings": tuple(it for it in case.findings if it in {each["type"] for each in row["findings"]}),
    }
    yield from (f"{key} is {value}" for key, value in seen.items() if value != getattr(case, key))
    first = row["causes"][0]["cause"] if row["causes"] else None
    if first not in (case.causes or (None,)):
        yield f"first cause is {first}"
    if first is not None and not all(each["evidence"] for each in row["causes"]):
        yield "a cause without evidence"
    if case.knob not in "".join(row["causes"][0]["evidence"] if row["causes"] else ()):
        yield f"{case.knob} is not named"


def met(row: Row, source: str) -> str:
    """What becomes of mail from this source that requires TLS."""
    asked = [it["outcome"] for it in row["predictions"] if (it["model"], it["source"]) == ("encrypt", source)]
    return str(asked[0])


@pytest.mark.timeout(60 + 60 * RUNS)
def test_none_of_them_is_called_a_server_without_starttls(rows: list[dict[str, Row]]) -> None:
    """`absent` is for the one that has none, whoever asks."""
    absent = {domain for run in rows for domain, row in run.items() if row["starttls"] == "absent"}
    assert absent == {"plain.founding.test"}


@pytest.mark.timeout(60 + 60 * RUNS)
def test_two_sources_cost_two_sessions_and_follow_ups_where_they_disagree(rows: list[dict[str, Row]]) -> None:
    """Everybody else is visited once from each source."""
    for row in (row for run in rows for row in run.values()):
        endpoints = {(it["mx"], it["address"]) for it in row["sessions"]}
        first = [it for it in row["sessions"] if it["follow_up"] == 0 and it["hello"] == "usual"]
        assert len(first) <= VISITS_MOST * len(endpoints), row["domain"]
        disagree = len({it["tls"] is not None for it in first}) == 2 or "stripped" in row["domain"]
        assert disagree or len(first) == len(row["sessions"]), row["domain"]
