"""Words of a command line against a parser, with one clear line for what does not fit.

Touches: nothing. Source: docs/record.md (exit code 2).
"""

import argparse
from collections.abc import Sequence
from typing import Any

from scanner.cli.exits import Exit, Refused


def parsed(parser: argparse.ArgumentParser, words: Sequence[str]) -> dict[str, Any]:
    """Parse. `parser` must not exit on errors. Raises Refused."""
    try:
        found, strange = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise Refused(Exit.USAGE, f"{error} (see {parser.prog} --help)") from None
    if strange:
        raise Refused(Exit.USAGE, f"unknown: {' '.join(strange)!a} (see {parser.prog} --help)")
    return vars(found)
