"""`starttls lab`: the loopback lab in the foreground, for a scan from another terminal or for tools of one's own.

Touches: processes (one child), stdout. Source: docs/record.md (commands).
"""

import argparse
import signal
from collections.abc import Mapping, Sequence

import orjson

from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit
from scanner.cli.laboratory import laboratory
from scanner.cli.streams import say, show


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Serve until SIGINT or SIGTERM. One JSON object on stdout says where everything listens."""
    parsed(argparse.ArgumentParser("starttls lab", exit_on_error=False, allow_abbrev=False), words)
    ends = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)
    with laboratory() as told:
        show(f"{orjson.dumps(told).decode()}\n")
        say("the lab is open; starttls scan --lab starts one of its own; Ctrl-C closes this one\n")
        signal.sigwait(ends)
    return Exit.OK
