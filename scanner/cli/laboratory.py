"""The loopback lab beside a scan: a process of its own, so that no event loop of ours helps it along.

It ends when we do: its standard input is a pipe from us. It hears no signal of the terminal, because the sessions of
a scan that was interrupted still want their QUIT answered.

Touches: processes (one child). Source: none.
"""

import contextlib
import ipaddress
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson

from scanner.cli.exits import Exit, Refused
from scanner.cli.options import Chosen
from scanner.model.session import Role, Source
from scanner.settings import SourceUse

EHLO_NAME = "scanner.lab.test"
LEAVES_WITHIN_S = 10


@contextlib.contextmanager
def laboratory() -> Iterator[dict[str, Any]]:
    """Start the lab and say where it is. Raises Refused where it does not start."""
    words = [sys.executable, "-m", "scanner.lab"]
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("both were asked for")
        try:
            yield ready(child.stdout.readline())
        finally:
            child.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(LEAVES_WITHIN_S)
            child.kill()


def ready(line: bytes) -> dict[str, Any]:
    """Read the line that the lab prints when all its servers listen."""
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise Refused(Exit.ENVIRONMENT, "the lab did not start; what it says stands above") from None
    return dict(told)


def inside(chosen: Chosen, lab: dict[str, Any]) -> Chosen:
    """Turn what nobody chose to the lab: its resolver, ports, trust anchor and networks, and short deadlines."""
    sources = tuple(Source(each["name"], each["address"], EHLO_NAME, Role(each["name"])) for each in lab["sources"])
    of_the_lab = {
        "resolver": (lab["resolver"],),
        "port": lab["smtp_port"],
        "https-port": lab["https_port"],
        "ca-file": lab["ca_file"],
        "allow-net": tuple(ipaddress.ip_network(each) for each in lab["allow_networks"]),
        "source": sources,
        "sources": SourceUse.EACH.value,
        "ehlo-name": EHLO_NAME,
        "profile": "lab",
        "i-am-testing": True,
    }
    open_ones = {name: value for name, value in of_the_lab.items() if chosen.origins[name] == "default"}
    return replace(
        chosen,
        values={**chosen.values, **open_ones},
        origins={**chosen.origins, **dict.fromkeys(open_ones, "lab")},
    )
