"""DNS answers that are too long, never end, lead in circles, or name what must never be contacted.

Touches: nothing. Source: RFC 1034 section 3.6.2 (aliases), RFC 1035 section 4.2, RFC 5452 section 9.1, RFC 7766
section 5, RFC 5321 section 5.1.
"""

from scanner.lab.scenario import Dns, Expected, Scenario, dns, inconclusive, mx, passes, remote_fault, usual_mx
from scanner.lab.script import Host

LOST = Expected(status="remote_fault", starttls="unknown", fault=("resolve", "dns_malformed"))


def _host(label: str) -> Host:
    return Host(f"{mx(label)}.lab.test")


def _word(label: str, word: str, story: str, clause: str, expected: Expected) -> Scenario:
    """The MX record meets a fault of the wire."""
    return dns(label, story, clause, expected, dns=Dns(faults=((label, "*", word),)))


def _aliases(label: str, word: str, story: str, expected: Expected) -> Scenario:
    """The addresses of the MX host do."""
    special = Dns(faults=((mx(label), "A", word), (mx(label), "AAAA", word)))
    return dns(label, story, "RFC 1034 3.6.2", expected, dns=special)


def _named(label: str, target: str, story: str, expected: Expected) -> Scenario:
    """The MX host has a name that looks like an address to those who do not look closely."""
    return dns(label, story, "RFC 5321 5.1", expected, hosts=(), records=((label, "MX", f"10 {target}"),))


SCENARIOS = (
    dns(
        "dns-2000-mx",
        "Two thousand MX hosts, of which only the best exists.",
        "RFC 5321 5.1",
        passes(),
        hosts=(_host("dns-2000-mx"),),
        records=(
            ("dns-2000-mx", "MX", f"0 {mx('dns-2000-mx')}"),
            *(("dns-2000-mx", "MX", f"{number} x{number:04}.dns-2000-mx") for number in range(1, 2000)),
        ),
    ),
    dns(
        "dns-1000-addresses",
        "The MX host has a thousand addresses, where nobody listens.",
        "RFC 5321 5.1",
        remote_fault("connect", "refused", delivery_may=None),
        hosts=(),
        records=(
            usual_mx("dns-1000-addresses"),
            *((mx("dns-1000-addresses"), "A", f"127.25.{210 + n // 250}.{1 + n % 250}") for n in range(1000)),
        ),
    ),
    _aliases("dns-alias-chain", "long_chain", "The address hides behind two hundred aliases.", LOST),
    _aliases("dns-alias-circle", "alias_loop", "Two aliases name each other, and the resolver hands them out.", LOST),
    _word(
        "dns-tcp-stall",
        "truncate_stall",
        "The answer comes by TCP only, and there it never comes.",
        "RFC 7766 5",
        inconclusive("resolve", "dns_timeout"),
    ),
    _word(
        "dns-tcp-closed",
        "truncate_closed",
        "The answer comes by TCP only, and there the resolver hangs up.",
        "RFC 7766 5",
        inconclusive("resolve", "dns_timeout"),
    ),
    _word(
        "dns-tcp-garbage",
        "truncate_garbage",
        "The answer comes by TCP only: sixty kilobytes of nonsense.",
        "RFC 1035 4.2.2",
        remote_fault("resolve", "dns_malformed", delivery_may=None),
    ),
    _word(
        "dns-wrong-id-flood",
        "wrong_ids",
        "A hundred answers to other questions for every question.",
        "RFC 5452 9.1",
        inconclusive("resolve", "dns_timeout"),
    ),
    _named(
        "dns-dotted-label",
        r"127\.0\.0\.1.dns-dotted-label",
        "The dots of an address stand inside one label of the MX host's name.",
        LOST,
    ),
    _named(
        "dns-mx-is-number",
        "2130706433.",
        "The MX host is a number, which some libraries read as 127.0.0.1.",
        Expected(status="remote_fault", starttls="unknown", fault=("resolve", "nxdomain")),
    ),
)
