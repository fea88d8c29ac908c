"""`starttls schema`: the contract of the rows, as the rows are tested against.

Touches: stdout. Source: docs/record.md.
"""

import argparse
from collections.abc import Mapping, Sequence

import orjson

from scanner import schema
from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit
from scanner.cli.streams import show

SCHEMAS = {"row": schema.row, "certificate": schema.certificate}


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Print one JSON Schema."""
    parser = argparse.ArgumentParser("starttls schema", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("what", nargs="?", default="row", choices=sorted(SCHEMAS), help="which line is described")
    asked = parsed(parser, words)
    show(orjson.dumps(SCHEMAS[asked["what"]](), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode())
    return Exit.OK
