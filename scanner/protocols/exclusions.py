"""Who asked to be left alone: one CIDR or domain suffix per line, `#` comments (the form of zmap's file).

Touches: nothing. Source: docs/what-we-send.md.
"""

import ipaddress
from dataclasses import dataclass
from typing import Protocol

from scanner.model.route import Endpoint
from scanner.settings import Network


class LeftAlone(Protocol):
    """Who must not be knocked at, as known now."""

    def rule_for_name(self, name: str) -> str | None:
        """Name the suffix that covers this domain or host."""

    def rule_for_endpoint(self, endpoint: Endpoint) -> str | None:
        """Name the rule that covers the MX host or its address."""


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Implements LeftAlone. Networks and domain suffixes; a suffix covers the domain itself and everything below it."""

    networks: tuple[Network, ...] = ()
    suffixes: frozenset[str] = frozenset()

    def rule_for_name(self, name: str) -> str | None:
        """Name the suffix that covers this domain or host."""
        if not self.suffixes:
            return None
        labels = name.lower().rstrip(".").split(".")
        tails = (".".join(labels[start:]) for start in range(len(labels)))
        return next((tail for tail in tails if tail in self.suffixes), None)

    def rule_for_endpoint(self, endpoint: Endpoint) -> str | None:
        """Name the rule that covers the MX host or its address."""
        by_name = self.rule_for_name(endpoint.mx)
        if by_name is not None or not self.networks:
            return by_name
        address = ipaddress.ip_address(endpoint.address)
        return next((str(net) for net in self.networks if net.version == address.version and address in net), None)


NONE = Exclusions()


def read(text: str) -> Exclusions:
    """Read the file. Raises ValueError with the line number: a rule that is not understood must not be skipped."""
    networks: list[Network] = []
    suffixes: set[str] = set()
    for number, line in enumerate(text.splitlines(), 1):
        rule = line.partition("#")[0].strip().lower()
        if not rule:
            continue
        if "/" in rule or ":" in rule or rule.replace(".", "").isdigit():
            try:
                networks.append(ipaddress.ip_network(rule, strict=False))
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
        else:
            suffixes.add(rule.strip("."))
    return Exclusions(tuple(networks), frozenset(suffixes))
