"""The command `starttls`: finds the command asked for, and turns how it ended into one line and an exit code.

A command's module is imported only when it is asked for: help must not wait for a TLS library.

Touches: argv, environment, standard streams. Source: docs/record.md (commands, exit codes).
"""

import importlib
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from scanner import __version__
from scanner.cli.exits import Exit, Refused

COMMANDS = {
    "scan": ("scanner.cli.scan", "the main job: a list of domains in, one row each out"),
    "lab": ("scanner.cli.lab", "serve the loopback lab until interrupted"),
    "schema": ("scanner.cli.schema", "print the JSON Schema of the rows"),
    "config": ("scanner.cli.config", "show every option, its value and where that came from"),
    "version": ("scanner.cli.version", "print the versions of everything that decides a verdict"),
}
Command = Callable[[Sequence[str], Mapping[str, str]], Exit]


def main() -> None:
    """Run one command and exit."""
    sys.exit(run(sys.argv[1:], os.environ))


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Run one command. Whatever it raises becomes one line on stderr."""
    if words and words[0] == "--version":
        words = ["version", *words[1:]]
    if not words or words[0] in {"-h", "--help"}:
        print(usage())  # noqa: T201 - help is output
        return Exit.OK if words else Exit.USAGE
    try:
        return command(words[0])(words[1:], environment)
    except Refused as refused:
        tell(refused.code, str(refused))
        return refused.code
    except BrokenPipeError:
        silence_stdout()
        return Exit.CONSUMER_GONE
    except KeyboardInterrupt:
        return Exit.INTERRUPTED


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


def tell(code: Exit, line: str, log_format: str = "text") -> None:
    """Write the last line on stderr. A closed stderr is nobody's concern any more."""
    with suppress(OSError):
        if log_format == "json":
            line = json.dumps({"type": "exit", "code": int(code), "reason": code.words, "detail": line})
            sys.stderr.write(f"{line}\n")
        else:
            sys.stderr.write(f"starttls: {line}\n")
        sys.stderr.flush()


def silence_stdout() -> None:
    """Give Python's own flush at exit a stdout that cannot fail (docs.python.org, "Note on SIGPIPE")."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
