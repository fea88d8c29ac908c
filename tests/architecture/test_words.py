"""The tree says what the words of the project promise."""

import ast
from pathlib import Path

SCANNER = Path(__file__).parents[2] / "scanner"
SOURCES = sorted(SCANNER.rglob("*.py"))


def test_every_module_opens_with_its_purpose() -> None:
    """A reader learns what a file is for from its first line."""
    silent = [path.name for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []


def test_no_room_is_named_after_nothing() -> None:
    """`utils`, `helpers`, `common`, `core` and `base` name no purpose."""
    assert [path for path in SOURCES if path.stem in {"utils", "helpers", "common", "core", "base"}] == []


def test_the_lock_files_hold_hashes_and_no_addresses() -> None:
    """A lock file names versions and hashes; where they come from is the installer's business."""
    for name in ("requirements.lock", "requirements-dev.lock"):
        text = (SCANNER.parent / name).read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text
