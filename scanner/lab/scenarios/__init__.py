"""THE table: every scenario of the lab, in the order of the list.

Touches: nothing. Source: the clause beside every scenario.
"""

from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import (
    addresses,
    certificates,
    dane,
    dns,
    dns_hostile,
    doors,
    ehlo,
    greeting,
    hostile,
    policies,
    sources,
    starttls,
    tls_hostile,
)

TABLES = (
    greeting,
    ehlo,
    starttls,
    certificates,
    sources,
    doors,
    dns,
    addresses,
    dane,
    policies,
    hostile,
    tls_hostile,
    dns_hostile,
)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for table in TABLES for scenario in table.SCENARIOS)
