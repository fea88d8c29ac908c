"""TLSA records: matching, stale, unusable, out of reach, and next to a server without TLS.

Touches: nothing. Source: RFC 6698 section 2.1, RFC 7671 sections 5 and 9, RFC 7672 sections 2.1, 2.2, 3.1, 9.2.
"""

from scanner.lab.scenario import Dns, Expected, Record, Scenario, dns, mx, passes, usual_mx
from scanner.lab.scenarios.sources import HIDDEN, MAIL
from scanner.lab.script import Host, Play, encrypted

ZEROS = "0" * 64


def _tlsa(name: str, *texts: str) -> tuple[Record, ...]:
    return tuple((f"_25._tcp.{mx(name)}", "TLSA", text) for text in texts)


def _dane(name: str, story: str, clause: str, dane: str, *tlsa: str, identity: str = "good") -> Scenario:
    """A secure zone, one MX host that shows `identity`, and these TLSA records."""
    label = f"dane-{name}"
    host = Host(f"{mx(label)}.lab.test", Play(starttls=encrypted(identity)))
    return dns(
        label,
        story,
        clause,
        passes(dane=dane, findings=("tlsa-invalid",) if tlsa and dane == "fail" and identity == "good" else ()),
        hosts=(host,),
        records=(usual_mx(label), *_tlsa(label, *tlsa)),
        dns=Dns(secure=(label, mx(label))),
    )


def _trouble(name: str, word: str, *catalogue: int) -> Scenario:
    """TLSA cannot be looked up, so the host must not be used (RFC 7672 s2.1.2)."""
    label = f"dane-lookup-{name}"
    special = Dns(secure=(label, mx(label)), faults=((f"_25._tcp.{mx(label)}", "TLSA", word),))
    expected = passes(dane="unknown")
    story = f"The TLSA lookup ends in {word}."
    return dns(label, story, "RFC 7672 2.1.2", expected, catalogue=catalogue, dns=special)


def _alias(name: str, story: str, dane: str, owner: str, *, target_is_secure: bool = True) -> Scenario:
    """The MX host is a secure alias; the TLSA record is at its own name or at that of the target."""
    label = f"dane-alias-{name}"
    alias, target = f"alias-{label}", mx(label)
    base = {"alias": alias, "target": target}[owner]
    return dns(
        label,
        story,
        "RFC 7672 2.2.2",
        passes(dane=dane),
        records=(
            (label, "MX", f"10 {alias}"),
            (alias, "CNAME", target),
            (f"_25._tcp.{base}", "TLSA", "3 1 1 good"),
        ),
        dns=Dns(secure=(label, alias, *((target,) if target_is_secure else ()))),
    )


def _stuck(name: str, story: str, host: Host, expected: Expected) -> Scenario:
    """TLSA says TLS must be there (RFC 7672 s2.2)."""
    label = f"dane-{name}"
    records = (usual_mx(label), *_tlsa(label, "3 1 1 good"))
    secure = Dns(secure=(label, mx(label)))
    return dns(label, story, "RFC 7672 9.2", expected, hosts=(host,), records=records, dns=secure)


SCENARIOS = (
    _dane("good", "3 1 1 matches the leaf.", "RFC 7672 3.1.1", "pass", "3 1 1 good"),
    _dane("full", "3 1 0, the whole key.", "RFC 6698 2.1.3", "pass", "3 1 0 good"),
    _dane("sha-512", "3 0 2 matches the leaf.", "RFC 6698 2.1.3", "pass", "3 0 2 good"),
    _dane("mismatch", "3 1 1 of another key.", "RFC 7672 2.2", "fail", "3 1 1 other"),
    _dane(
        "rollover",
        "One record for the old key, one for the new.",
        "RFC 7671 8.1",
        "pass",
        "3 1 1 other",
        "3 1 1 good",
    ),
    _dane(
        "expired",
        "3 1 1 matches, and the certificate has expired, which must be ignored.",
        "RFC 7672 3.1.1",
        "pass",
        "3 1 1 expired",
        identity="expired",
    ),
    _dane(
        "wrong-name",
        "3 1 1 matches, and the certificate names another host, which must be ignored.",
        "RFC 7672 3.1.1",
        "pass",
        "3 1 1 wrong-name",
        identity="wrong-name",
    ),
    _dane(
        "self-signed",
        "3 1 1 matches a self-signed certificate.",
        "RFC 7672 3.1.1",
        "pass",
        "3 1 1 self-signed",
        identity="self-signed",
    ),
    _dane("root", "2 0 1 of the root, which is sent.", "RFC 7672 3.1.2", "pass", "2 0 1 root", identity="whole"),
    _dane("intermediate", "2 1 1 of the intermediate.", "RFC 7672 3.1.2", "pass", "2 1 1 intermediate"),
    _dane("root-not-sent", "2 0 1 of the root, which is not sent.", "RFC 7672 3.1.2", "fail", "2 0 1 root"),
    _dane(
        "root-wrong-name",
        "2 0 1 matches, and the name does not.",
        "RFC 7672 3.2.3",
        "fail",
        "2 0 1 root",
        identity="wrong-name-whole",
    ),
    _dane(
        "root-expired",
        "2 0 1 matches, and the leaf has expired.",
        "RFC 7671 5.2",
        "fail",
        "2 0 1 root",
        identity="expired-whole",
    ),
    _dane(
        "unusable",
        "Usages for the Web, and an unknown matching type.",
        "RFC 7672 3.1.3",
        "fail",
        "1 1 1 good",
        f"3 1 9 {ZEROS}",
    ),
    _dane("short-digest", "A digest of the wrong length.", "RFC 7672 2.2", "fail", "3 1 1 abcdef"),
    _dane("pkix-beside", "A wrong 1 1 1 beside a good 3 1 1.", "RFC 7672 3.1.3", "pass", "1 1 1 other", "3 1 1 good"),
    _dane(
        "agility",
        "A good 3 1 1 beside a stale 3 1 2, which is the stronger digest.",
        "RFC 7671 9",
        "fail",
        "3 1 1 good",
        "3 1 2 other",
    ),
    _dane("none", "A secure zone without TLSA.", "RFC 7672 2.2", "absent"),
    dns(
        "dane-insecure",
        "A matching TLSA record in a zone without signatures says nothing.",
        "RFC 7672 2.2",
        passes(dane="absent"),
        catalogue=(94,),
        records=(usual_mx("dane-insecure"), *_tlsa("dane-insecure", "3 1 1 good")),
    ),
    dns(
        "dane-insecure-mx",
        "The MX record is insecure, the host's TLSA record is secure and matches.",
        "RFC 7672 2.2.1",
        passes(dane="partial", findings=("mx-insecure",)),
        records=(usual_mx("dane-insecure-mx"), *_tlsa("dane-insecure-mx", "3 1 1 good")),
        dns=Dns(secure=(mx("dane-insecure-mx"),)),
    ),
    _trouble("servfail", "servfail", 93, 95),
    _trouble("notimp", "notimp", 93),
    _trouble("silence", "silence"),
    dns(
        "dane-lookup-bogus",
        "The TLSA records are signed wrongly.",
        "RFC 7672 2.1.2",
        passes(dane="fail", findings=("dnssec-invalid",)),
        records=(usual_mx("dane-lookup-bogus"), *_tlsa("dane-lookup-bogus", "3 1 1 good")),
        dns=Dns(secure=("dane-lookup-bogus", mx("dane-lookup-bogus")), bogus=(f"_25._tcp.{mx('dane-lookup-bogus')}",)),
    ),
    _alias("target", "The MX host is a secure alias, TLSA is at the target.", "pass", "target"),
    _alias("own", "The MX host is a secure alias, TLSA is at the alias.", "pass", "alias"),
    _alias(
        "insecure-target",
        "A secure alias of an insecure host, TLSA is at the alias.",
        "pass",
        "alias",
        target_is_secure=False,
    ),
    dns(
        "dane-no-mx",
        "No MX; the domain has a secure address and a TLSA record.",
        "RFC 7672 2.2.1",
        passes(dane="pass"),
        hosts=(Host("dane-no-mx.lab.test"),),
        records=(("_25._tcp.dane-no-mx", "TLSA", "3 1 1 good"),),
        dns=Dns(secure=("dane-no-mx",)),
    ),
    _stuck(
        "without-starttls",
        "A matching TLSA record, and no STARTTLS: mail is stuck.",
        Host("mx-dane-without-starttls.lab.test", HIDDEN),
        Expected(status="ok", starttls="absent", dane="fail", findings=("dane-required",), delivery_may="clear"),
    ),
    _stuck(
        "hidden-from-mail",
        "A matching TLSA record, and STARTTLS hidden from the mail source.",
        Host("mx-dane-hidden-from-mail.lab.test", by_source=((MAIL, HIDDEN),)),
        Expected(
            status="ok",
            starttls="partial",
            dane="fail",
            differs_by_source=True,
            findings=("dane-required", "source-dependent"),
            delivery_may="clear",
        ),
    ),
)
