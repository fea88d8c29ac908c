"""`starttls config show`: what a scan with these flags, this environment and this file would be told, and by whom.

`starttls config init`: a file of every option to begin with; options that are given as flags stand in it.

Touches: files (the configuration file), stdout. Source: docs/operations.md (configuration file).
"""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scanner.cli.arguments import parsed
from scanner.cli.configuration import effective
from scanner.cli.exits import Exit, Refused
from scanner.cli.options import OF_DOCTOR, SCAN, add_to, choose, chosen_from
from scanner.cli.streams import show
from scanner.cli.template import template


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Show what is set, or write a file to set it in."""
    parser = argparse.ArgumentParser(
        "starttls config",
        usage="starttls config [show | init [FILE]] [OPTIONS]",
        exit_on_error=False,
        allow_abbrev=False,
    )
    what = "show: the options of a scan with these flags; init: a file of all options, to FILE or stdout"
    parser.add_argument("what", nargs="?", default="show", choices=["show", "init"], help=what)
    parser.add_argument("file", nargs="?", metavar="FILE", help="of init; it must not exist")
    parser.add_argument("--origin", action="store_true", help="of show: say where each value came from")
    add_to(parser, (*SCAN, *OF_DOCTOR))
    asked = parsed(parser, words)
    if asked["what"] == "init":
        begin(asked)
        return Exit.OK
    if asked["file"] is not None:
        raise Refused(Exit.USAGE, f"{asked['file']!a}: a file is what `config init` writes; to read one, --config FILE")
    for line in shown(asked, environment):
        show(line)
    return Exit.OK


def shown(asked: Mapping[str, Any], environment: Mapping[str, str]) -> list[str]:
    """Give `option = value`, a line each; what has no value is decided by the profile."""
    chosen = chosen_from(asked, environment, (*SCAN, *OF_DOCTOR))
    lines = []
    for name, text in effective(chosen).items():
        value = "(by the profile)" if text is None else repr(text)
        lines.append(f"{name} = {value}" + f"  # {chosen.origins[name]}" * asked["origin"] + "\n")
    return lines


def begin(asked: Mapping[str, Any]) -> None:
    """Write the file, or print it. Raises Refused, also for a flag that a scan would refuse."""
    choose(asked, {}, (*SCAN, *OF_DOCTOR), {})
    text = template(asked)
    if asked["file"] is None:
        show(text)
        return
    try:
        with Path(asked["file"]).open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise Refused(Exit.USAGE, f"{asked['file']}: {error.strerror}") from None
