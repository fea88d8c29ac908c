"""Who stands where: addresses for every host of the table, and the zone data that follow from it.

Touches: nothing. Source: RFC 1035 section 3.3.
"""

from dataclasses import dataclass

from scanner.lab.scenario import ZONE, PolicyHost, Record, Scenario
from scanner.lab.script import Host

DNS_ADDRESS = "127.25.0.53"
HTTPS_ADDRESS = "127.25.0.80"
HTTPS_REFUSED = "127.25.0.81"
MANY = "many"
MANY_HOSTS, MANY_ADDRESSES = 200, 50


@dataclass(frozen=True, slots=True)
class Cast:
    """`hosts` by address; `policies` by host name; `records` as in a scenario, absolute owners end in a dot."""

    hosts: dict[str, Host]
    policies: dict[str, PolicyHost]
    records: tuple[Record, ...]


def cast(scenarios: tuple[Scenario, ...]) -> Cast:
    """Give every host an address, in the order of the table."""
    hosts: dict[str, Host] = {}
    records: list[Record] = [*COMMON]
    for host in (host for scenario in scenarios for host in scenario.hosts):
        address = host.address or f"127.25.{1 + len(hosts) // 200}.{1 + len(hosts) % 200}"
        hosts[address] = host
        records.append((host.name + ".", "AAAA" if ":" in address else "A", address))
    hosts |= {_many_address(number): Host(f"mx{number:03}.{MANY}.{ZONE}") for number in range(MANY_ADDRESSES)}
    policies = {f"mta-sts.{scenario.domain}": scenario.policy for scenario in scenarios if scenario.policy is not None}
    records += [(name + ".", "A", _policy_address(policy)) for name, policy in policies.items() if _is_there(policy)]
    records += [record for scenario in scenarios for record in scenario.records]
    return Cast(hosts, policies, tuple(records))


def many(label: str) -> Record | None:
    """The record of a name under `many.lab.test`: MX of the n-th domain, address of the n-th MX host."""
    number = int(label.lstrip("dmx") or 0) if label.lstrip("dmx").isdecimal() else -1
    if number < 0 or len(label) > 9:
        return None
    if label.startswith("d"):
        return (label, "MX", f"10 mx{number % MANY_HOSTS:03}.{MANY}")
    if label.startswith("mx") and number < MANY_HOSTS:
        return (label, "A", _many_address(number % MANY_ADDRESSES))
    return None


COMMON: tuple[Record, ...] = (
    (".", "NS", "ns.lab.test."),
    (".", "SOA", "ns.lab.test. postmaster.lab.test. 1 3600 600 86400 60"),
    ("lab.test.", "SOA", "ns.lab.test. postmaster.lab.test. 1 3600 600 86400 60"),
    ("lab.test.", "NS", "ns.lab.test."),
    ("ns.lab.test.", "A", DNS_ADDRESS),
    ("localhost.", "A", "127.0.0.1"),
    ("scanner.lab.test.", "A", "127.9.0.1"),
    ("scanner.lab.test.", "A", "127.9.0.2"),
    ("1.0.9.127.in-addr.arpa.", "PTR", "scanner.lab.test."),
    ("2.0.9.127.in-addr.arpa.", "PTR", "scanner.lab.test."),
    ("xn--mller-kva.lab.test.", "MX", "10 mx-plain-good"),
)


def _many_address(number: int) -> str:
    return f"127.25.200.{1 + number}"


def _is_there(policy: PolicyHost) -> bool:
    return policy.presence != "nowhere"


def _policy_address(policy: PolicyHost) -> str:
    return HTTPS_ADDRESS if policy.presence == "listens" else HTTPS_REFUSED
