"""What a lock leaves behind."""

from pathlib import Path

import pytest

from scanner import parts
from scanner.parts import Locked


def test_a_lock_file_that_cannot_be_removed_keeps_nobody_out(tmp_path: Path) -> None:
    """A directory in its place stands for a file system that turned read-only: the run ends as it was going to."""
    rows = tmp_path / "rows.jsonl"
    held = parts.lock(rows)
    with pytest.raises(Locked):
        parts.lock(rows)
    held.path.unlink()
    held.path.mkdir()
    held.release()
    held.path.rmdir()
    parts.lock(rows).release()
    assert not held.path.exists()
