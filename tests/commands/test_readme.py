"""The README says what is true: its row is a real one, and its questions to a file of rows have answers."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
QUESTIONS = [line for line in README.splitlines() if line.startswith("jq ")]


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make scan` prints."""
    path = tmp_path_factory.mktemp("readme") / "rows.jsonl"
    command = [sys.executable, "-m", "scanner", "scan", "--lab", str(ROOT / "inputs" / "lab.csv"), "-q"]
    with path.open("wb") as out:
        subprocess.run(command, stdout=out, check=True, timeout=60)
    return path


def holds(whole: Any, part: Any) -> bool:
    """Whether everything that the README shows is there; a list may go on."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and holds(whole[key], each) for key, each in part.items())
    if isinstance(part, list):
        return len(whole) >= len(part) and all(map(holds, whole, part))
    return bool(whole == part)


def test_the_row_of_the_readme_is_a_real_one(rows: Path) -> None:
    found = re.search(r"```json\n(.*?)```", README, re.DOTALL)
    assert found
    shown = json.loads(found[1])
    real = next(row for row in map(json.loads, rows.read_text().splitlines()) if row["domain"] == shown["domain"])
    assert holds(real, shown)


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
@pytest.mark.parametrize("question", QUESTIONS)
def test_every_question_of_the_readme_has_an_answer(question: str, rows: Path) -> None:
    asked = question.replace("rows.jsonl", str(rows))
    answer = subprocess.run(["bash", "-o", "pipefail", "-c", asked], capture_output=True, text=True, check=False)
    assert (answer.returncode, answer.stderr) == (0, "")
    assert answer.stdout.strip()


def test_there_are_questions() -> None:
    assert len(QUESTIONS) >= 6
