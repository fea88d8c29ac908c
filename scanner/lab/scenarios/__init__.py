"""THE table: every scenario of the lab, in the order of the list.

Touches: nothing. Source: the clause beside every scenario.
"""

from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import (
    addresses,
    certificates,
    dane,
    dns,
    ehlo,
    greeting,
    hostile,
    policies,
    sources,
    starttls,
)

TABLES = (greeting, ehlo, starttls, certificates, sources, dns, addresses, dane, policies, hostile)
SCENARIOS: tuple[Scenario, ...] = tuple(scenario for table in TABLES for scenario in table.SCENARIOS)
