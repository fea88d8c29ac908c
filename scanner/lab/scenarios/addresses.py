"""Addresses: such as must never be contacted, such where nobody is, and several of one host or domain.

Touches: nothing. Source: RFC 6890 (special purposes), RFC 5321 sections 5.1 and 5.2, RFC 793 section 3.4.
"""

from scanner.lab.scenario import Expected, Scenario, absent, dns, inconclusive, mx, remote_fault
from scanner.lab.scenarios.sources import HIDDEN
from scanner.lab.script import Host

NEVER = "nobody connects there"


def _refused(name: str, address: str, kind: str = "A", *catalogue: int) -> Scenario:
    """The MX host's address is no place to connect to."""
    label = f"address-{name}"
    records = ((label, "MX", f"10 {mx(label)}"), (mx(label), kind, address))
    expected = remote_fault("connect", "refused_address", findings=("mx-address-special",), delivery_may=None)
    story = f"The MX host has the address {address}: {NEVER}."
    return dns(label, story, "RFC 6890 2.2.2", expected, catalogue=catalogue, hosts=(), records=records)


def _host(label: str, **more: object) -> Host:
    return Host(f"{label}.lab.test", **more)  # type: ignore[arg-type]


SCENARIOS = (
    _refused("unspecified", "0.0.0.0", "A", 85),  # noqa: S104 - nothing is bound to it
    _refused("private-10", "10.1.2.3", "A", 86),
    _refused("private-192", "192.168.1.1", "A", 86),
    _refused("link-local", "169.254.169.254", "A", 86),
    _refused("multicast", "224.0.0.25", "A"),
    _refused("unique-local", "fd00::25", "AAAA", 86),
    _refused("mapped-private", "::ffff:10.1.2.3", "AAAA"),
    _refused("carrier", "100.64.0.1"),
    dns(
        "connect-refused",
        "Nobody listens.",
        "RFC 793 3.4",
        remote_fault("connect", "refused"),
        hosts=(_host("mx-connect-refused", presence="refuses"),),
    ),
    dns(
        "connect-timeout",
        "Nobody answers.",
        "RFC 1122 4.2.3.5",
        inconclusive("connect", "timeout"),
        hosts=(_host("mx-connect-timeout", presence="backlog"),),
    ),
    dns(
        "address-ipv6-only",
        "The MX host has an IPv6 address, and none of our sources has.",
        "RFC 5321 5.2",
        inconclusive("connect", "no_family"),
        hosts=(_host("mx-address-ipv6-only", play=HIDDEN, address="::1"),),
    ),
    dns(
        "address-two",
        "The MX host has two addresses, and only behind one of them is TLS.",
        "RFC 3207 4",
        Expected(status="ok", starttls="partial"),
        hosts=(_host("mx-address-two"), _host("mx-address-two", play=HIDDEN)),
    ),
    dns(
        "mx-mixed",
        "The first MX host offers STARTTLS, the second does not.",
        "RFC 3207 4",
        Expected(status="ok", starttls="partial", delivery_may="encrypted"),
        hosts=(_host("mx-mx-mixed"), _host("second-mx-mixed", play=HIDDEN)),
        records=(("mx-mixed", "MX", "10 mx-mx-mixed"), ("mx-mixed", "MX", "20 second-mx-mixed")),
    ),
    dns(
        "mx-plain-everywhere",
        "Two MX hosts, none with TLS.",
        "RFC 3207 4",
        absent(),
        hosts=(_host("mx-mx-plain-everywhere", play=HIDDEN), _host("second-mx-plain-everywhere", play=HIDDEN)),
        records=(
            ("mx-plain-everywhere", "MX", "10 mx-mx-plain-everywhere"),
            ("mx-plain-everywhere", "MX", "10 second-mx-plain-everywhere"),
        ),
    ),
)
