"""A row of a scan, held against what the table of the lab says of its domain."""

from collections.abc import Iterator
from typing import Any

from scanner.lab.scenario import Scenario

AXES = ("status", "starttls", "webpki", "dane", "mta_sts", "tls_rpt", "differs_by_source")
Row = dict[str, Any]
PATIENT = {
    "connect": 6,
    "greeting": 12,
    "ehlo": 12,
    "starttls": 12,
    "handshake": 15,
    "session": 50,
    "dns": 12,
    "policy": 12,
}
"""Seconds, longer than the lab's own deadlines: a loaded machine must not look like a slow peer. None of them makes the
scan longer than the fifty seconds that one domain takes whose resolver is silent four times."""
HANGS_S = 400
"""Only a scan that hangs takes so long; where ten others want the processor it may take four minutes."""


def faults(row: Row) -> list[tuple[str, str]]:
    """(stage, kind) of the route, its hosts and its sessions, in that order."""
    route = row["route"] or {"fault": None, "mx": []}
    found = [route["fault"], *(host["fault"] for host in route["mx"]), *(each["fault"] for each in row["sessions"])]
    return [(each["stage"], each["kind"]) for each in found if each]


def wrongs(scenario: Scenario, row: Row) -> list[str]:
    """What is not as the table says, in words; nothing where all is well."""
    return list(_wrongs(scenario, row))


def _wrongs(scenario: Scenario, row: Row) -> Iterator[str]:
    hoped = scenario.expected
    for axis in AXES:
        wanted = getattr(hoped, axis)
        if wanted not in {None, row[axis]}:
            yield f"{axis} is {row[axis]} and not {wanted}"
    may = row["delivery"]["may"]
    if hoped.delivery_may not in {None, may} and may != "unknown":
        yield f"delivery would be {may} and not {hoped.delivery_may}"
    if hoped.fault is not None and hoped.fault not in faults(row):
        yield f"faults are {faults(row)} and not {hoped.fault}"
    cause = next((each["cause"] for each in row["causes"]), None)
    if hoped.cause not in {None, cause}:
        yield f"the likeliest cause is {cause} and not {hoped.cause}"
    oddities = {oddity for session in row["sessions"] for oddity in session["oddities"]}
    findings = {finding["type"] for finding in row["findings"]}
    for missing in (set(hoped.oddities) - oddities) | (set(hoped.findings) - findings):
        yield f"{missing} was not found"
