"""Every attack that was studied, and the scenarios of the lab that play it; or why none can.

Behaviours of ordinary servers that break naive scanners are numbered in the catalogue that scenarios refer to: 1 to 24
greetings, 25 to 48 answers to EHLO, 49 to 76 STARTTLS and handshakes.
"""

from dataclasses import dataclass

from scanner.lab.scenario import Scenario
from scanner.lab.scenarios import SCENARIOS

BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}
CATALOGUE = range(1, 77)
NOT_IN_CATALOGUE = {
    47: "another list at a second EHLO in plain: we say EHLO once, and what TLS changes in the list is no fault",
    76: "a ClientHello longer than one segment is lost on the way: on our side that is scenario starttls-stall",
}


@dataclass(frozen=True, slots=True)
class Attack:
    """`scenarios` by name; without any, `why_not` says what shows it instead."""

    words: str
    scenarios: tuple[str, ...] = ()
    why_not: str = ""


def played(words: str, *scenarios: str) -> Attack:
    """An attack of the lab."""
    return Attack(words, scenarios)


SMTP = (
    played("endless greeting", "hostile-endless-greeting"),
    played("byte by byte", "hostile-dripped-greeting", "hostile-dripped-ehlo", "greeting-dripped"),
    played("every step as slow as it may be", "hostile-slow-everywhere"),
    played("endless continuation lines", "hostile-endless-ehlo", "hostile-flood-in-tls"),
    played("many tiny lines, a packet each", "hostile-tiny-lines"),
    played("a line of five megabytes", "hostile-five-megabytes"),
    played(
        "floods that nobody asked for",
        "hostile-flood-after-ehlo",
        "tls-flood-after-handshake",
        "hostile-flood-at-farewell",
    ),
    played("replies injected before TLS", "starttls-injection", "hostile-injection-flood"),
    played("plain text instead of a handshake", "hostile-flood-after-220", "starttls-plaintext"),
    played("a handshake that stalls", "starttls-stall", "hostile-handshake-half"),
    played("a reset in the handshake", "hostile-handshake-reset", "starttls-reset"),
    played(
        "reply codes for careless parsers",
        "hostile-code-underscore",
        "hostile-code-sign",
        "hostile-code-minus",
        "hostile-code-blank",
        "hostile-code-out-of-range",
    ),
    played("two codes in one reply", "greeting-mixed-codes", "ehlo-last-line-550"),
    played("text that sticks to the code", "hostile-code-glued"),
    played(
        "control characters and bytes beyond ASCII",
        "hostile-escapes",
        "greeting-nul",
        "greeting-eight-bit",
        "greeting-cr-inside",
        "greeting-bare-cr",
    ),
    played("lines made for slow patterns", "hostile-almost-masked"),
    played("thousands of keywords", "hostile-2500-keywords", "ehlo-thousand-keywords"),
    played("a second greeting for an answer", "hostile-late-greeting"),
    played("421 for a greeting", "greeting-421"),
    played("a tarpit that says nothing", "greeting-never", "ehlo-never-answered", "starttls-silence"),
    played("QUIT is never answered", "hostile-no-farewell"),
    Attack(
        "a TLS context for every session",
        why_not="our own cost: contexts are made once (scanner/net/smtp.py)",
    ),
)
TLS = (
    played("usual keys", "plain-good", "certificate-rsa-2048", "certificate-rsa-4096", "certificate-rsa-8192"),
    played("a key of 16384 bits", "certificate-rsa-16384"),
    played("a long exponent", "certificate-rsa-exponent"),
    played("thousands of names", "certificate-many-names"),
    played("more names than a TLS library takes", "hostile-certificate-list", "certificate-endless"),
    played("long chains", "certificate-long-chain", "certificate-longest-chain"),
    played("large groups", "tls-dhe-1024", "tls-dhe-2048", "tls-dhe-8192"),
    played("control characters in names", "certificate-hostile-names"),
    played("certificates that cannot be read", "certificate-garbled-names", "certificate-garbage"),
    played("a handshake of nonsense", "hostile-handshake-garbage"),
    played(
        "client certificates wanted",
        "tls-client-certificate-1-2",
        "tls-client-certificate-1-3",
        "tls-client-certificate-421",
        "tls-client-certificate-optional",
    ),
    played("session tickets by the thousand", "tls-two-thousand-tickets"),
    Attack("renegotiation", why_not="Python's TLS cannot ask for it: tests/hostile/test_renegotiation.py does"),
    Attack("a flood of KeyUpdate", why_not="no server library at hand sends one; the deadline of the step bounds it"),
    Attack("handshakes that hold up the loop", why_not="measured in every scenario (tests/hostile/watching.py)"),
    Attack("verdicts that depend on the version of Python", why_not="ours: flags are named (scanner/assess/trust.py)"),
)
DNS = (
    played("thousands of MX records", "dns-2000-mx", "dns-25-mx"),
    played("a thousand addresses", "dns-1000-addresses"),
    played("hundreds of policy records", "sts-txt-500", "sts-txt-twice"),
    played("chains and loops of aliases", "dns-alias-chain", "dns-alias-circle", "dns-alias-loop"),
    played("labels of any bytes", "dns-hostile-label", "dns-dotted-label", "dns-leading-hyphen", "dns-underscore"),
    played("addresses for names", "dns-mx-is-address", "dns-mx-is-number", "dns-mx-localhost"),
    played("null MX", "dns-null-mx", "dns-null-mx-10", "dns-null-mx-and-others"),
    played("compression loops and nonsense", "dns-compression-loop", "dns-garbage"),
    played(
        "cut answers, and then TCP goes wrong", "dns-truncated", "dns-tcp-stall", "dns-tcp-closed", "dns-tcp-garbage"
    ),
    played("answers to other questions", "dns-wrong-id", "dns-wrong-id-flood"),
    played("no answer, or a refusal", "dns-silence", "dns-servfail", "dns-refused", "dns-notimp", "dns-formerr"),
    played("signatures that are wrong", "dns-bogus", "dane-lookup-bogus"),
    Attack("time-outs that adapt", why_not="ours: tests/unit/net/test_resolver.py"),
    Attack("a dead resolver", why_not="ours: tests/unit/net/test_breaker.py"),
    Attack("an answer that comes after the second question", why_not="ours: tests/unit/net/test_validating.py"),
    Attack("spoofing on the way to the resolver", why_not="AD counts over loopback only: test_validating.py"),
)
HTTPS = (
    played("compressed bombs", "sts-gzip", "sts-gzip-bomb", "sts-zstd-bomb", "sts-brotli"),
    played("endless bodies", "sts-endless", "sts-too-long", "sts-endless-chunks", "sts-endless-chunk-line"),
    played("dripped bodies and headers", "sts-drip", "sts-drip-body", "sts-silence"),
    played("endless interim answers", "sts-endless-hints"),
    played("endless and giant headers", "sts-endless-headers", "sts-giant-header"),
    played("redirects", "sts-redirect"),
    played("no HTTP, or none at all", "sts-not-http", "sts-closed", "sts-host-refused", "sts-host-nowhere"),
    played("certificates for others", "sts-host-wrong-name", "sts-host-expired", "sts-host-self-signed"),
    played("bodies that are no policy", "sts-binary", "sts-bom"),
)
SECTIONS = {"SMTP": SMTP, "TLS": TLS, "DNS": DNS, "HTTPS": HTTPS}


def hostile() -> tuple[Scenario, ...]:
    """Every scenario that plays an attack or stands in the catalogue, once, in the order of the lab.

    Those whose story is what differs between sources or visits need many sessions: tests/lab/test_scan.py has them.
    """
    named = {name for attacks in SECTIONS.values() for attack in attacks for name in attack.scenarios}
    listed = {scenario.name for scenario in SCENARIOS if set(scenario.catalogue) & set(CATALOGUE)}
    varied = {scenario.name for scenario in SCENARIOS for host in scenario.hosts if host.by_source or host.in_turn}
    return tuple(scenario for scenario in SCENARIOS if scenario.name in (named | listed) - varied)
