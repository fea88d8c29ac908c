"""Two machines scan the same partners; put together, their files show what neither could see alone."""

from dataclasses import dataclass
from pathlib import Path

import jsonschema_rs
import pytest

from scanner.cli.exits import Exit
from tests.commands.starttls import Lab, listed, rows_of, starttls

HIDDEN, MANGLED, BLOCKED = "source-hidden.lab.test", "source-mangled.lab.test", "source-554.lab.test"
GOOD, ONLY_HERE, ONLY_THERE = "d1.many.lab.test", "d2.many.lab.test", "d3.many.lab.test"


@dataclass(frozen=True)
class Scanned:
    """The files of two machines, and the anchor that both judged with."""

    mail: Path
    witness: Path
    anchor: str

    @property
    def words(self) -> tuple[object, ...]:
        return ("compare", f"here={self.mail}", f"there={self.witness}", "--ca-file", self.anchor)


@pytest.fixture(scope="module")
def scanned(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Scanned:
    """The same list, not quite, in another order, from one source each."""
    folder = tmp_path_factory.mktemp("vantage")
    names = {
        "mail": [HIDDEN, GOOD, BLOCKED, MANGLED, ONLY_HERE, "192.0.2.1"],
        "witness": [MANGLED, ONLY_THERE, GOOD, HIDDEN, BLOCKED],
    }
    for (name, each), source in zip(names.items(), lab.told["sources"], strict=True):
        flags = ("--source", f"{source['address']}={source['name']}@scanner.lab.test", "--sources", "spread")
        words = ("scan", listed(folder / f"{name}.csv", each), "-q", "-o", folder / f"{name}.jsonl")
        assert starttls(*words, *lab.sourceless, *flags).code == Exit.OK
    return Scanned(folder / "mail.jsonl", folder / "witness.jsonl", lab.told["ca_file"])


def test_what_is_hidden_from_one_machine_is_found(scanned: Scanned) -> None:
    found = starttls(*scanned.words)
    assert found.code == Exit.OK
    lines = [line.split() for line in found.out.decode().splitlines()]
    assert lines[0][:3] == ["domain", "here", "there"]
    assert {tuple(line[:3]) for line in lines[1:]} == {(HIDDEN, "-", "Y"), (MANGLED, "-", "Y")}
    assert "4 domains seen from two places or more: 2 differ, 1 alike, 1 cannot be told" in found.err
    assert f"here: 5 rows, 1 without evidence, 1 missing that others have, first {ONLY_THERE}" in found.err
    assert f"there: 5 rows, 1 missing that others have, first {ONLY_HERE}" in found.err


def test_joined_rows_are_rows(scanned: Scanned, row_schema: jsonschema_rs.Validator) -> None:
    rows = starttls(*scanned.words, "--json").rows
    assert {row["domain"] for row in rows} == {HIDDEN, MANGLED}
    for row in rows:
        row_schema.validate(row)
        assert row["differs_by_source"] is True
        assert {it["source"] for it in row["sessions"]} == {"here/mail", "there/witness"}
        assert {it["source"] for it in row["predictions"]} == {"here/mail", "there/witness"}
    whole = starttls(*scanned.words, "--json", "--all").rows
    assert [row["domain"] for row in whole] == list(dict.fromkeys(row["domain"] for row in whole))
    assert {row["domain"] for row in whole} == {HIDDEN, MANGLED, BLOCKED, GOOD, ONLY_HERE, ONLY_THERE}
    assert {row["webpki"] for row in whole if row["domain"] == GOOD} == {"pass"}


def test_the_order_of_the_files_changes_nothing_about_what_differs(scanned: Scanned) -> None:
    here, there = scanned.words[1:3]
    forth, back = (starttls("compare", *each).out.decode().splitlines() for each in ((here, there), (there, here)))
    assert {line.split()[0] for line in forth} == {line.split()[0] for line in back}


@pytest.mark.parametrize("flag", ["", "--json"])
def test_a_file_beside_itself_does_not_differ(scanned: Scanned, flag: str) -> None:
    words = [word for word in (flag,) if word]
    same = starttls("compare", f"a={scanned.mail}", f"b={scanned.mail}", *words)
    assert (same.code, same.out) == (Exit.OK, b"")


def test_what_cannot_be_compared_is_refused_in_one_line(scanned: Scanned, tmp_path: Path) -> None:
    assert "two files are needed" in starttls("compare", scanned.mail).refused(Exit.USAGE)
    assert "No such file" in starttls("compare", scanned.mail, tmp_path / "none").refused(Exit.USAGE)
    (tmp_path / "broken").write_bytes(scanned.mail.read_bytes()[:-20])
    assert "not a row" in starttls("compare", scanned.mail, tmp_path / "broken").refused(Exit.USAGE)
    assert rows_of(scanned.mail.read_bytes())
