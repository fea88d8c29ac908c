"""Guided by coverage, without end: `python tests/fuzz/harness.py PARSER [options of libFuzzer]`.

Needs atheris, which is no dependency: `python -m pip install atheris` in an environment of its own. Begins with the
kept corpus, and adds nothing to it: whatever is worth keeping is put there by hand.
"""

import importlib
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def main() -> int:
    """Fuzz one parser."""
    sys.path.insert(0, str(ROOT))
    try:
        atheris: Any = importlib.import_module("atheris")
    except ImportError:
        sys.stdout.write("atheris is not installed here: the law is tested with Hypothesis by `pytest tests/fuzz`\n")
        return 0
    with atheris.instrument_imports(include=["scanner", "dns"]):
        from tests.fuzz.parsers import PARSERS, obey  # noqa: PLC0415 - what it imports is watched
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PARSERS:
        sys.stdout.write(f"name one of: {' '.join(PARSERS)}\n")
        return 2
    with tempfile.TemporaryDirectory() as found:
        kept = str(ROOT / "tests/fuzz/corpus" / name)
        atheris.Setup([sys.argv[0], *sys.argv[2:], found, kept], lambda data: obey(name, data))
        atheris.Fuzz()
    return 0


if __name__ == "__main__":
    sys.exit(main())
