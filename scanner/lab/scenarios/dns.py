"""Mail routes: no MX, odd MX, many MX, aliases, addresses that must never be contacted, and resolvers in trouble.

Touches: nothing. Source: RFC 5321 section 5.1, RFC 7505, RFC 2181 section 10.3, RFC 1035 section 4.1.1, RFC 2308.
"""

from scanner.lab.scenario import (
    Dns,
    Expected,
    Record,
    Scenario,
    dns,
    inconclusive,
    no_mail,
    passes,
    remote_fault,
)
from scanner.lab.script import Host

UNREACHABLE = Expected(status="remote_fault", starttls="unknown", delivery_may="bounce")


def _fault(name: str, story: str, clause: str, word: str, expected: Expected, *catalogue: int) -> Scenario:
    """MX cannot be looked up."""
    label = f"dns-{name}"
    special = Dns(faults=((label, "*", word),))
    return dns(label, story, clause, expected, catalogue=catalogue, dns=special)


def _host(label: str, **more: object) -> Host:
    return Host(f"{label}.lab.test", **more)  # type: ignore[arg-type]


def _route(name: str, story: str, clause: str, expected: Expected, *records: Record, **more: object) -> Scenario:
    """MX and other records; `hosts` are names of well-behaved hosts, and `catalogue` is as ever."""
    hosts = tuple(_host(str(host)) for host in more.pop("hosts", ()))  # type: ignore[attr-defined]
    return dns(name, story, clause, expected, hosts=hosts, records=records, **more)


MANY = tuple(f"mx{number:02}-dns-25-mx" for number in range(25))

SCENARIOS = (
    _route(
        "dns-no-mx",
        "No MX: the domain itself is the host.",
        "RFC 5321 5.1",
        passes(),
        hosts=("dns-no-mx",),
        catalogue=(77,),
    ),
    dns(
        "dns-nxdomain",
        "The domain does not exist.",
        "RFC 2308 2.1",
        Expected(
            status="remote_fault", starttls="not_applicable", fault=("resolve", "nxdomain"), delivery_may="bounce"
        ),
        hosts=(),
        records=(),
        catalogue=(78,),
    ),
    _route(
        "dns-no-mail",
        "The domain has a TXT record, no MX and no address.",
        "RFC 5321 5.1",
        no_mail(),
        ("dns-no-mail", "TXT", '"v=spf1 -all"'),
        catalogue=(79,),
    ),
    _route("dns-null-mx", "Null MX.", "RFC 7505 3", no_mail(), ("dns-null-mx", "MX", "0 ."), catalogue=(80,)),
    _route(
        "dns-null-mx-10",
        "A null MX with preference 10.",
        "RFC 7505 3",
        Expected(status="remote_fault", starttls="unknown", findings=("null-mx-malformed",), delivery_may="bounce"),
        ("dns-null-mx-10", "MX", "10 ."),
        catalogue=(81,),
    ),
    _route(
        "dns-null-mx-and-others",
        "A null MX beside a real one.",
        "RFC 7505 3",
        passes(findings=("null-mx-not-alone",), delivery_may="bounce"),
        ("dns-null-mx-and-others", "MX", "0 ."),
        ("dns-null-mx-and-others", "MX", "10 mx-dns-null-mx-and-others"),
        hosts=("mx-dns-null-mx-and-others",),
        catalogue=(82,),
    ),
    _route(
        "dns-mx-alias",
        "The MX host is an alias.",
        "RFC 2181 10.3",
        passes(),
        ("dns-mx-alias", "MX", "10 alias-dns-mx-alias"),
        ("alias-dns-mx-alias", "CNAME", "mx-dns-mx-alias"),
        hosts=("mx-dns-mx-alias",),
        catalogue=(83,),
    ),
    _route(
        "dns-domain-alias",
        "The domain itself is an alias.",
        "RFC 5321 5.1",
        passes(),
        ("dns-domain-alias", "CNAME", "real-dns-domain-alias"),
        ("real-dns-domain-alias", "MX", "10 mx-dns-domain-alias"),
        hosts=("mx-dns-domain-alias",),
    ),
    _route(
        "dns-mx-is-address",
        "The MX host is an IPv4 address written as a name.",
        "RFC 5321 5.1",
        Expected(status="remote_fault", starttls="unknown", findings=("mx-is-address",)),
        ("dns-mx-is-address", "MX", "10 192.0.2.1."),
        catalogue=(84,),
    ),
    _route(
        "dns-mx-localhost",
        "The MX host is localhost; the lab allows loopback, where nobody listens.",
        "RFC 6761 6.3",
        remote_fault("connect", "refused"),
        ("dns-mx-localhost", "MX", "10 localhost."),
        catalogue=(85,),
    ),
    _route(
        "dns-mx-without-address",
        "The MX host has no address.",
        "RFC 5321 5.1",
        UNREACHABLE,
        ("dns-mx-without-address", "MX", "10 mx-dns-mx-without-address"),
        ("mx-dns-mx-without-address", "TXT", '"here"'),
        catalogue=(87,),
    ),
    _route(
        "dns-mx-nxdomain",
        "The MX host does not exist.",
        "RFC 5321 5.1",
        UNREACHABLE,
        ("dns-mx-nxdomain", "MX", "10 nowhere-dns-mx-nxdomain"),
        catalogue=(87,),
    ),
    _route(
        "dns-one-of-two-mx",
        "One MX host does not exist, the other works.",
        "RFC 5321 5.1",
        passes(),
        ("dns-one-of-two-mx", "MX", "10 nowhere-dns-one-of-two-mx"),
        ("dns-one-of-two-mx", "MX", "20 mx-dns-one-of-two-mx"),
        hosts=("mx-dns-one-of-two-mx",),
    ),
    _route(
        "dns-25-mx",
        "Twenty-five MX hosts.",
        "RFC 5321 5.1",
        passes(),
        *(("dns-25-mx", "MX", f"{10 + number} {name}") for number, name in enumerate(MANY)),
        hosts=MANY,
        catalogue=(88,),
    ),
    _route(
        "dns-equal-preference",
        "Two hosts of equal preference, the highest there is.",
        "RFC 5321 5.1",
        passes(),
        ("dns-equal-preference", "MX", "65535 a-dns-equal-preference"),
        ("dns-equal-preference", "MX", "65535 b-dns-equal-preference"),
        hosts=("a-dns-equal-preference", "b-dns-equal-preference"),
        catalogue=(98,),
    ),
    _route(
        "dns-underscore",
        "An underscore in the name of the MX host.",
        "RFC 952",
        passes(),
        ("dns-underscore", "MX", "10 mx_dns_underscore"),
        hosts=("mx_dns_underscore",),
        catalogue=(89,),
    ),
    _route(
        "dns-upper-case",
        "The MX host is written in capitals.",
        "RFC 4343 2",
        passes(webpki="pass"),
        ("dns-upper-case", "MX", "10 MX-DNS-Upper-Case"),
        hosts=("mx-dns-upper-case",),
        catalogue=(89,),
    ),
    _route(
        "dns-leading-hyphen",
        "A label of the MX host begins with a hyphen.",
        "RFC 1123 2.1",
        passes(delivery_may=None),
        ("dns-leading-hyphen", "MX", "10 -mx-dns-leading-hyphen"),
        hosts=("-mx-dns-leading-hyphen",),
        catalogue=(89,),
    ),
    _route(
        "dns-doubled-name",
        "A dot was forgotten: the zone comes twice in the name of the MX host.",
        "RFC 1035 5.1",
        UNREACHABLE,
        ("dns-doubled-name", "MX", "10 mx-dns-doubled-name.lab.test.lab.test."),
        catalogue=(89,),
    ),
    _route(
        "dns-hostile-label",
        "Control characters and a byte beyond ASCII in the name of the MX host.",
        "RFC 2181 11",
        UNREACHABLE,
        ("dns-hostile-label", "MX", r"10 mx\027\013\010\255\000.dns-hostile-label"),
        catalogue=(89,),
    ),
    _route(
        "dns-alias-loop",
        "The MX host is an alias of an alias of itself.",
        "RFC 1034 3.6.2",
        Expected(status="inconclusive", starttls="unknown", delivery_may="defer"),
        ("dns-alias-loop", "MX", "10 a-dns-alias-loop"),
        ("a-dns-alias-loop", "CNAME", "b-dns-alias-loop"),
        ("b-dns-alias-loop", "CNAME", "a-dns-alias-loop"),
    ),
    _fault(
        "servfail", "The resolver cannot say.", "RFC 1035 4.1.1", "servfail", inconclusive("resolve", "servfail"), 91
    ),
    _fault(
        "refused",
        "The resolver will not say.",
        "RFC 1035 4.1.1",
        "refused",
        remote_fault("resolve", "dns_refused", delivery_may=None),
    ),
    _fault(
        "notimp",
        "The resolver does not know how.",
        "RFC 1035 4.1.1",
        "notimp",
        remote_fault("resolve", "notimp", delivery_may=None),
    ),
    _fault(
        "formerr",
        "The resolver does not understand.",
        "RFC 1035 4.1.1",
        "formerr",
        remote_fault("resolve", "formerr", delivery_may=None),
    ),
    _fault("silence", "No answer ever comes.", "RFC 1035 4.2.1", "silence", inconclusive("resolve", "dns_timeout"), 91),
    _fault(
        "garbage",
        "The answer is no DNS message.",
        "RFC 1035 4.1",
        "garbage",
        remote_fault("resolve", "dns_malformed", delivery_may=None),
    ),
    _fault(
        "wrong-id",
        "The answer belongs to another question.",
        "RFC 5452 9.1",
        "wrong_id",
        inconclusive("resolve", "dns_timeout"),
    ),
    _fault("truncated", "The answer comes by TCP only.", "RFC 7766 5", "truncate", passes(), 92),
    _fault(
        "compression-loop",
        "A name in the answer points to itself.",
        "RFC 1035 4.1.4",
        "loop",
        remote_fault("resolve", "dns_malformed", delivery_may=None),
    ),
    dns(
        "dns-bogus",
        "The signatures are wrong: SERVFAIL, unless validation is switched off.",
        "RFC 4035 5.5",
        remote_fault("resolve", "bogus", dane="fail", findings=("dnssec-invalid",)),
        dns=Dns(bogus=("dns-bogus",)),
        catalogue=(90,),
    ),
    dns(
        "dns-nolisting",
        "The best MX host is dead on purpose.",
        "RFC 5321 5.1",
        remote_fault("connect", "refused", delivery_may="encrypted"),
        catalogue=(99,),
        hosts=(_host("dead-dns-nolisting", presence="refuses"), _host("mx-dns-nolisting")),
        records=(("dns-nolisting", "MX", "10 dead-dns-nolisting"), ("dns-nolisting", "MX", "20 mx-dns-nolisting")),
    ),
)
