"""The three standard streams of a command, whatever its caller did to them.

Touches: standard streams. Source: docs/record.md (streams); docs.python.org, signal, "Note on SIGPIPE".
"""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

from scanner.cli.exits import Exit, Refused

STAND_INS = (("stdin", os.O_WRONLY, "r"), ("stdout", os.O_RDONLY, "w"), ("stderr", os.O_WRONLY, "w"))
"""What takes the place of a closed stream: to read from the first and to write to the second fails, as it must."""


def replace_closed() -> None:
    """Take descriptors 0 to 2 where the caller closed them: the next file that is opened would be one of them."""
    for number, (name, flags, mode) in enumerate(STAND_INS):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, flags)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8"))


def show(text: str) -> None:
    """Print what a command was asked for, now. Raises BrokenPipeError and Refused."""
    with told():
        sys.stdout.write(text)
        sys.stdout.flush()


def show_line(line: bytes) -> None:
    """Print one of many lines, soon. Raises BrokenPipeError and Refused."""
    with told():
        sys.stdout.buffer.write(line)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Tell in one line what standard output cannot take. Raises BrokenPipeError where nobody reads it, else Refused."""
    try:
        yield
    except BrokenPipeError:
        silence(sys.stdout)
        raise
    except OSError as error:
        silence(sys.stdout)
        raise Refused(Exit.OUTPUT, f"standard output: {error.strerror}") from None


def say(text: str) -> None:
    """Write for people, on stderr. A closed stderr is nobody's concern any more, and no reason to end a scan."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        silence(sys.stderr)


def teller(*, quiet: bool) -> Callable[[str], None]:
    """Make a function that says one line at a time, or nothing at all."""

    def tell(line: str) -> None:
        if not quiet:
            say(f"{line}\n")

    return tell


def silence(stream: TextIO) -> None:
    """Let what is left in the buffer go nowhere: Python's own flush at exit would fail, and change the exit code."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
