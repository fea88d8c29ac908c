"""Whoever asks to be left alone in mid-run is heard; a broken file changes nothing."""

import hashlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import pytest

from scanner.cli.exclusion_file import ExclusionFile
from scanner.model.route import Endpoint
from scanner.protocols import exclusions

AT = datetime(2026, 11, 25, tzinfo=UTC)
ENDPOINT = Endpoint("mx.b.test", "192.0.2.1", 25, "mx.b.test")


@dataclass
class Desk:
    """A file, and what is said about it."""

    path: Path
    told: list[str] = field(default_factory=list)
    looks: int = 0
    file: ExclusionFile = field(init=False)

    def __post_init__(self) -> None:
        self.path.write_text("a.test\n")
        rules = exclusions.read("a.test")
        self.file = ExclusionFile(str(self.path), self.now, self.told.append, rules, every_s=0.01)
        self.looked()

    def now(self) -> datetime:
        return AT + timedelta(seconds=self.looks)

    def looked(self, times: int = 2) -> None:
        for _ in range(times):
            self.looks += 1
            self.file.look()

    def says(self, text: str | bytes) -> None:
        """Write another version, at a time that no other has."""
        self.path.write_bytes(text if isinstance(text, bytes) else text.encode())
        os.utime(self.path, ns=(self.looks, self.looks))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "exclude")


def test_a_new_version_is_obeyed_and_its_digest_kept(desk: Desk) -> None:
    before = len(desk.file.versions)
    desk.says("a.test\nb.test\n192.0.2.0/24\n")
    desk.looked()
    assert desk.file.rule_for_name("www.b.test") == "b.test"
    assert desk.file.rule_for_endpoint(Endpoint("mx.c.test", "192.0.2.9", 25, "")) == "192.0.2.0/24"
    assert desk.told[-1] == f"--exclude {desk.path}: 3 rules are in force now"
    assert len(desk.file.versions) == before + 1
    assert desk.file.versions[-1].sha256 == hashlib.sha256(desk.path.read_bytes()).hexdigest()


def test_rules_that_are_gone_exclude_nobody_any_more(desk: Desk) -> None:
    desk.says("b.test\n")
    desk.looked()
    assert desk.file.rule_for_name("a.test") is None


def test_a_version_that_is_still_being_written_waits(desk: Desk) -> None:
    desk.says("")
    desk.looked(1)
    assert desk.file.rule_for_name("a.test") == "a.test"
    desk.says("a.test\nb.test\n")
    desk.looked(1)
    assert desk.file.rule_for_endpoint(ENDPOINT) is None
    desk.looked(1)
    assert desk.file.rule_for_endpoint(ENDPOINT) == "b.test"


@pytest.mark.parametrize(
    ("content", "reason"),
    [("a.test\n10.0.0.0/99\n", "line 2"), (b"\xff\xfe", "utf-8"), (None, "No such file")],
)
def test_a_version_that_is_not_understood_leaves_the_rules_and_is_told_once(
    desk: Desk, content: str | bytes | None, reason: str
) -> None:
    before = len(desk.told)
    if content is None:
        desk.path.unlink()
    else:
        desk.says(content)
    desk.looked(6)
    assert desk.file.rule_for_name("a.test") == "a.test"
    [said] = desk.told[before:]
    assert reason in said
    assert said.endswith("; the rules read before stay in force")
    desk.says("a.test\nb.test\n")
    desk.looked()
    assert desk.file.rule_for_name("b.test") == "b.test"


def test_the_same_words_at_another_time_are_no_new_version(desk: Desk) -> None:
    before = desk.file.versions
    desk.says("a.test\n")
    desk.looked()
    assert desk.file.versions == before


async def test_it_is_watched_until_somebody_says_stop(desk: Desk) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(desk.file.watch)
        desk.says("b.test\n")
        with anyio.fail_after(30):
            while desk.file.rule_for_name("b.test") is None:  # noqa: ASYNC110 - a file tells nobody
                await anyio.sleep(0.01)
        group.cancel_scope.cancel()


async def test_where_no_file_is_named_nothing_is_watched() -> None:
    with anyio.fail_after(30):
        await ExclusionFile("", lambda: AT, print).watch()
