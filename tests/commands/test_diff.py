"""The same list, scanned twice: only what changed is told."""

from pathlib import Path

import orjson
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import Lab, listed, starttls

HIDDEN, GOOD, WENT, CAME = "source-hidden.lab.test", "d1.many.lab.test", "d2.many.lab.test", "d3.many.lab.test"


@pytest.fixture(scope="module")
def nights(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The second one sees what is hidden from the first, in another order."""
    folder = tmp_path_factory.mktemp("nights")
    asked = {"old": [WENT, GOOD, HIDDEN, "192.0.2.1"], "new": [HIDDEN, CAME, GOOD]}
    for (name, names), source in zip(asked.items(), lab.told["sources"], strict=True):
        flags = ("--source", f"{source['address']}=mail@scanner.lab.test", "--sources", "spread")
        words = ("scan", listed(folder / f"{name}.csv", names), "-q", "-o", folder / f"{name}.jsonl")
        assert starttls(*words, *lab.sourceless, *flags).code == Exit.OK
    return folder / "old.jsonl", folder / "new.jsonl"


def test_what_changed_since_the_last_night_is_told(nights: tuple[Path, Path]) -> None:
    found = starttls("diff", *nights)
    lines = [line.split(maxsplit=1) for line in found.out.decode().splitlines()]
    assert found.code == Exit.OK
    assert {name for name, _ in lines} == {HIDDEN, WENT, CAME}
    assert [HIDDEN, "starttls: absent -> pass"] in lines
    assert "2 domains in both files: 1 changed, 1 alike, 0 where a row cannot tell" in found.err


def test_an_alarm_wakes_somebody(nights: tuple[Path, Path]) -> None:
    old, new = nights
    found = starttls("diff", new, old, "--fail-on", "lost", "--json")
    *changed, summary = map(orjson.loads, found.out.splitlines())
    assert (found.code, found.last) == (
        Exit.ALARM,
        f"starttls: finished, and a --fail-on rule matched: lost: 1, first {HIDDEN}",
    )
    assert {it["domain"]: it["presence"] for it in changed} == {HIDDEN: "both", WENT: "new", CAME: "gone"}
    assert summary["starttls_lost_by_provider"] == {"lab.test": 1}
    assert starttls("diff", old, new, "--fail-on", "lost").code == Exit.OK


def test_a_file_beside_itself_has_not_changed(nights: tuple[Path, Path]) -> None:
    same = starttls("diff", nights[0], nights[0], "--all")
    assert (same.code, same.out) == (Exit.OK, b"")


def test_what_cannot_be_compared_is_refused_in_one_line(nights: tuple[Path, Path], tmp_path: Path) -> None:
    assert "two files are needed" in starttls("diff", nights[0]).refused(Exit.USAGE)
    assert "No such file" in starttls("diff", nights[0], tmp_path / "none").refused(Exit.USAGE)
