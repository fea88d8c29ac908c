"""`starttls plan`: what a scan of this list would send and how long it would take. No target is contacted, DNS only.

1. Read the options and the list, as a scan does.
2. Look every domain up, as a scan does, and count where it leads.
3. Print what was counted, for people or as one JSON object.

Touches: network (DNS), files, standard streams. Source: docs/operations.md (plan).
"""

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from scanner.cli import laboratory
from scanner.cli.arguments import parsed
from scanner.cli.borrowed import borrowed
from scanner.cli.exits import Exit
from scanner.cli.job import Job, prepared
from scanner.cli.loop import in_loop
from scanner.cli.options import SCAN, add_to, chosen_from
from scanner.cli.plan.lookups import Lookups, census_of, look_up
from scanner.cli.plan.words import Plan, as_json, as_text
from scanner.cli.streams import say, show

USED = frozenset(
    {
        *("column", "delimiter", "source", "sources", "resolver", "resolver-patience", "profile", "rate", "run-rate"),
        *("per-address", "open", "allow-net", "exclude", "no-share", "deep", "seed", "shard", "dns-deadline"),
        *("status-interval", "quiet", "lab", "config"),
    }
)
"""The options of a scan that decide what is counted. The others are taken too, and help does not name them."""


def run(words: Sequence[str], environment: Mapping[str, str]) -> Exit:
    """Plan one list."""
    parser = argparse.ArgumentParser(
        "starttls plan", usage="starttls plan [LIST] [OPTIONS]", exit_on_error=False, allow_abbrev=False
    )
    parser.add_argument("list", nargs="?", default="-", metavar="LIST", help="as for scan")
    parser.add_argument("--no-dns", action="store_true", help="count rows only, ask nobody")
    parser.add_argument("--json", action="store_true", help="one object")
    add_to(parser, borrowed(USED))
    flags = parsed(parser, words)
    chosen = chosen_from(flags, environment, SCAN)
    with ExitStack() as opened:
        if chosen["lab"]:
            chosen = laboratory.inside(chosen, opened.enter_context(laboratory.laboratory()))
        job = opened.enter_context(prepared(flags["list"], chosen))
        if not chosen["quiet"]:
            say(f"list: {job.targets.decision}\n")
        plan = counted(job) if flags["no_dns"] else looked_up(job)
        show((as_json if flags["json"] else as_text)(plan))
    return Exit.OK


def counted(job: Job) -> Plan:
    """Count rows only."""
    census = census_of(job)
    while rows := job.batch():
        for row in rows:
            census.add_row(row)
    return Plan(census, None)


def looked_up(job: Job) -> Plan:
    """Count rows and look every domain up. Raises Refused where the resolver is dead, or dies."""
    found: Lookups = in_loop(look_up, job)
    return Plan(found.census, found)
