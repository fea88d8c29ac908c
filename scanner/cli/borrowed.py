"""The options of a scan in commands that look at a scan before it begins: its whole command line is good there too.

Touches: nothing. Source: docs/record.md (options).
"""

import argparse
from collections.abc import Container
from dataclasses import replace

from scanner.cli.option import Option
from scanner.cli.options import SCAN


def borrowed(used: Container[str]) -> list[Option]:
    """Take every option of a scan; help names those that are used, by the names of their flags."""
    return [option if option.name in used else replace(option, help=argparse.SUPPRESS) for option in SCAN]
