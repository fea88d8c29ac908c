"""Which MX hosts senders pass over: names that are none, addresses for names, and the sender itself.

Touches: nothing. Source: RFC 5321 section 5.1; Postfix valid_hostname.c.
"""

import ipaddress
from functools import lru_cache

from scanner.assess.case import Case
from scanner.model.route import MxHost
from scanner.protocols.mx import is_host_name

NOWHERE = frozenset({"0.0.0.0"})  # noqa: S104 - an address that is passed over, not one to listen on


def is_plain(case: Case) -> bool:
    """Tell whether every MX host can be tried, so that no sender has a reason to leave one out."""
    route = case.route
    if route.null_mx or not route.hosts or case.routing_fault is not None:
        return False
    if not all(record.exchange for record in route.mx.records) or any(_is_odd(case, host) for host in route.hosts):
        return False
    return len(route.hosts) == 1 or not repeated(route.hosts)


def repeated(hosts: tuple[MxHost, ...]) -> frozenset[tuple[str, str]]:
    """Name and address of hosts whose address a better preference has as well."""
    if len({each for host in hosts for each in host.addresses}) == sum(len(host.addresses) for host in hosts):
        return frozenset()  # as nearly everywhere
    best: dict[str, int] = {}
    for host in hosts:
        for address in host.addresses:
            best[address] = min(best.get(address, host.preference), host.preference)
    pairs = ((host, address) for host in hosts for address in host.addresses)
    return frozenset((host.name, address) for host, address in pairs if best[address] < host.preference)


@lru_cache(1024)  # names of MX hosts come again and again
def _is_no_name(name: str) -> bool:
    return not is_host_name(name) and not is_address(name)


def is_malformed(host: MxHost) -> bool:
    """Tell whether senders pass over the MX record because of its name (valid_hostname.c)."""
    return _is_no_name(host.name)


def is_itself(case: Case, host: MxHost, address: str) -> bool:
    """Tell whether a sender takes this address for its own: loopback, but not where we were told that others live there
    and connected, as in a lab.
    """
    allowed = {view.address for view in case.of(host) if not view.was_refused}
    return address not in allowed and _is_loopback(address)


def _is_odd(case: Case, host: MxHost) -> bool:
    """Look at addresses as text first: few are near."""
    near = _near(host.name, host.addresses)
    return near is None or any(each in NOWHERE or is_itself(case, host, each) for each in near)


@lru_cache(1024)  # as above
def _near(name: str, addresses: tuple[str, ...]) -> tuple[str, ...] | None:
    """Addresses that may be our own; None where the host cannot be tried at all."""
    if not addresses or _is_no_name(name) or is_address(name):
        return None
    return tuple([each for each in addresses if each.startswith(("127.", "::", "0"))])


def _is_loopback(address: str) -> bool:
    return is_address(address) and ipaddress.ip_address(address).is_loopback


def is_address(name: str) -> bool:
    """Tell whether an address stands where a name belongs."""
    if ":" not in name and not name[-1:].isdigit():
        return False  # almost always, and an exception costs more
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
