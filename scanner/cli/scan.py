"""`starttls scan`: the main job. Joins the list, the survey, the network and the output; nothing else does.

1. Read the options, open the list, the exclusions and the trust anchors: whatever is wrong ends here, exit 2.
2. Ask whether this machine may scan (`preflight`), exit 5.
3. Run: rows flow from the list through the survey to the sink, until the list ends or somebody asks to stop.
4. Say in words and in a code how it ended.

Touches: files, standard streams; everything of `scanner.net`. Source: docs/record.md (commands, exit codes).
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from scanner.cli import laboratory
from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import Job, prepared
from scanner.cli.loop import in_loop
from scanner.cli.main import tell
from scanner.cli.options import SCAN, Chosen, add_to, chosen_from
from scanner.cli.streams import say
from scanner.model.fault import is_of_memory

OUT_OF_MEMORY = "out of memory; what is written stays, and the same command goes on from there"


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Scan one list."""
    parser = argparse.ArgumentParser(
        "starttls scan", usage="starttls scan [LIST] [OPTIONS]", exit_on_error=False, allow_abbrev=False
    )
    help_text = "CSV, TSV, lines, JSON Lines, Tranco; .gz, .zst; - or nothing is standard input"
    parser.add_argument("list", nargs="?", default="-", metavar="LIST", help=help_text)
    add_to(parser, SCAN)
    flags = parsed(parser, words)
    return scan(flags["list"], chosen_from(flags, environment, SCAN))


def scan(path: str, chosen: Chosen) -> Exit:
    """Scan with options that are settled. The last line on stderr says how it ended."""
    code, line = Exit.INTERNAL, Exit.INTERNAL.words
    try:
        with ExitStack() as opened:
            if chosen["lab"]:
                chosen = laboratory.inside(chosen, opened.enter_context(laboratory.laboratory()))
            job = opened.enter_context(prepared(path, chosen))
            code, line = ended(job)
    except Refused as refused:
        code, line = refused.code, str(refused)
    if code is not Exit.OK or not chosen["quiet"] or chosen["log-format"] == "json":
        tell(code, line, chosen["log-format"])
    return code


def ended(job: Job) -> tuple[Exit, str]:
    """Run to the end."""
    from scanner.cli.motion import Ending, scan_list  # noqa: PLC0415 - what is refused must not wait for DNS and HTTP libraries

    if not job.chosen["quiet"]:
        say(f"list: {job.targets.decision}\n")
    endings: list[Ending] = []

    async def scanned() -> None:
        endings.append(await scan_list(job))

    try:
        in_loop(scanned)
    except Exception as error:  # without descriptors the loop cannot be taken down, which changes no ending
        if not endings and is_of_memory(error):
            return Exit.INTERNAL, OUT_OF_MEMORY
        if not endings or not isinstance(error, OSError | RuntimeError):
            raise
    return endings[0].exit, endings[0].line
