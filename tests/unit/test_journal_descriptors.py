"""A run that waits for descriptors is not ended by its own checkpoint, which needs one."""

import errno
import os
from pathlib import Path

import pytest

from scanner.journal import open_journal
from scanner.parts import OutputFailed
from tests.unit.journals import CLAIM, numbers, rows


def exhausted(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let every open fail."""

    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("scanner.parts.os.open", fail)


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_rows_are_synced_without_descriptors_and_the_checkpoint_catches_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    out = tmp_path / "rows.jsonl"
    journal = open_journal(out, CLAIM)
    before = journal.names.checkpoint.read_bytes()
    with monkeypatch.context() as meanwhile:
        exhausted(meanwhile, number)
        journal.append(rows(1, 2))
        await journal.sync()
        assert journal.unsynced_rows == 0
        assert journal.names.checkpoint.read_bytes() == before
    journal.append(rows(3))
    await journal.sync()
    journal.close()
    again = open_journal(out, CLAIM)
    assert (again.run.rows, again.done.count) == (3, 3)
    again.close()
    assert numbers(journal.names.part) == [1, 2, 3]


async def test_a_checkpoint_that_fails_otherwise_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal(tmp_path / "rows.jsonl", CLAIM)
    journal.append(rows(1))
    with monkeypatch.context() as meanwhile:
        exhausted(meanwhile, errno.EACCES)
        with pytest.raises(OutputFailed, match="Permission denied"):
            await journal.sync()
    journal.close()


async def test_a_publication_needs_its_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = open_journal(tmp_path / "rows.jsonl", CLAIM)
    journal.append(rows(1))
    with monkeypatch.context() as meanwhile:
        exhausted(meanwhile, errno.EMFILE)
        with pytest.raises(OutputFailed, match="Too many open files"):
            await journal.publish(b"{}\n")
    journal.close()
