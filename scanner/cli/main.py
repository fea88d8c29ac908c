"""The command `starttls`: finds the command asked for, and turns how it ended into one line and an exit code.

A command's module is imported only when it is asked for: help must not wait for a TLS library.

Touches: argv, environment, standard streams, signals. Source: docs/record.md (commands, exit codes).
"""

import contextlib
import importlib
import json
import os
import sys
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from scanner import __version__
from scanner.cli.exits import Exit, Refused
from scanner.cli.interruption import heed_interruption, remember_interruption
from scanner.cli.streams import replace_closed, say, show

COMMANDS = {
    "scan": ("scanner.cli.scan", "the main job: a list of domains in, one row each out"),
    "explain": (
        "scanner.cli.explain",
        "one domain, or a line of your mail queue, on one page; a letter to the partner",
    ),
    "assess": ("scanner.cli.assess", "judge stored rows again, without a connection"),
    "diff": ("scanner.cli.diff.command", "what changed for each domain from one file of rows to a later one"),
    "compare": ("scanner.cli.compare", "what several machines saw of the same domains, judged together"),
    "plan": ("scanner.cli.plan.command", "what a scan would send and how long it would take; no target is contacted"),
    "doctor": ("scanner.cli.doctor.command", "may this machine scan? sources, port 25, names, resolver, limits, disk"),
    "lab": ("scanner.cli.lab", "serve the loopback lab until interrupted"),
    "schema": ("scanner.cli.schema", "print the JSON Schema of the rows"),
    "config": ("scanner.cli.config", "show every option, its value and where that came from"),
    "version": ("scanner.cli.version", "print the versions of everything that decides a verdict"),
}
Command = Callable[[Sequence[str], Mapping[str, str]], Exit]


def main() -> None:
    """Run one command and exit."""
    replace_closed()
    remember_interruption()
    leave(run(sys.argv[1:], os.environ))


def leave(code: Exit) -> NoReturn:
    """Exit with this code, and now: Python itself would wait for a thread that reads a list without end, and might die
    of an interruption that was caught long ago.
    """
    say("")
    if threading.active_count() > 1 or code is Exit.INTERRUPTED:
        os._exit(code)
    sys.exit(code)


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Run one command. Whatever it raises becomes one line on stderr."""
    try:
        code = asked(words, environment)
        show("")
    except Refused as refused:
        tell(refused.code, str(refused))
        return refused.code
    except BrokenPipeError:
        return Exit.CONSUMER_GONE
    except KeyboardInterrupt:
        with contextlib.suppress(BrokenPipeError, Refused):
            show("")
        tell(Exit.INTERRUPTED, "interrupted before anything was done")
        return Exit.INTERRUPTED
    except Exception as error:  # noqa: BLE001 - our bug, whose text may quote a peer
        say("".join(f"{visible(line)}\n" for line in traceback.format_exc().splitlines()))
        tell(Exit.INTERNAL, f"internal error, please report the lines above: {type(error).__name__}")
        return Exit.INTERNAL
    return code


def asked(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Run the command that the first word names."""
    if words and words[0] == "--version":
        words = ["version", *words[1:]]
    if not words or words[0] in {"-h", "--help"}:
        show(f"{usage()}\n")
        return Exit.OK if words else Exit.USAGE
    try:
        wanted = command(words[0])
        heed_interruption()
        return wanted(words[1:], environment)
    except SystemExit as left:  # argparse has shown the help that was asked for
        return Exit(int(left.code or 0))


def command(name: str) -> Command:
    """Import a command. Raises Refused for a word that is none."""
    if name not in COMMANDS:
        raise Refused(Exit.USAGE, f"no such command: {name!a} (one of {', '.join(COMMANDS)})")
    found: Command = importlib.import_module(COMMANDS[name][0]).run
    return found


def usage() -> str:
    """The commands, a line each."""
    lines = [f"  {name:<10} {what}" for name, (_, what) in COMMANDS.items()]
    head = f"starttls {__version__}: would my mail to this domain go out encrypted, wait, or bounce?"
    return "\n".join(
        [head, "", "usage: starttls COMMAND [OPTIONS]", "", *lines, "", "starttls COMMAND --help says more."]
    )


def visible(line: str) -> str:
    """Write what a terminal would obey as an escape."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


def tell(code: Exit, line: str, log_format: str = "text") -> None:
    """Write the last line on stderr: one line, whatever words of others it quotes."""
    line = visible(line)
    if log_format == "json":
        line = json.dumps({"type": "exit", "code": int(code), "reason": code.words, "detail": line})
        say(f"{line}\n")
    else:
        say(f"starttls: {line}\n")
