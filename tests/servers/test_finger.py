"""A second opinion, by a program that is not ours: Postfix's `posttls-finger` on the same domains.

It resolves, connects and verifies by itself, from an address that no server has anything against, and it says in one
word what a certificate is worth: Verified (by the rule of the level), Trusted (the chain alone), Untrusted, Anonymous.
"""

import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest

from scanner.model.assessment import Assessment, Outcome, Verdict
from tests.servers.lab import SEEN_FROM
from tests.servers.scanning import Scanned
from tests.servers.sender import Sender
from tests.servers.world import EHLO_NAME, MailWorld

AT_ONCE = 4
LONGEST_S = 60
NAMED = ("-o", f"myhostname={EHLO_NAME}")
WORD = re.compile(r"(\w+) TLS connection established to ")
NONE = ""
WEBPKI = {Verdict.PASS: "Verified", Verdict.FAIL: "Untrusted", Verdict.ABSENT: NONE}
"""Level `verify`: trust, dates, and the name of the MX host."""
DANE = {Verdict.PASS: "Verified", Verdict.PARTIAL: "Trusted", Verdict.FAIL: "Untrusted"}
UNTRUSTED = {"certificate-not-trusted", "certificate-expired", "validation-failure"}
OLD = "it authenticates nobody by TLS 1.0: OpenSSL's security level; the certificate itself is fine"
ANONYMOUS = "no certificate: it offers anonymous suites only where nobody is authenticated, so the handshake fails"
ANONYMOUS_FIRST = "it prefers anonymous suites where nobody is authenticated, so it sees no certificate"
MISNAMED = "it passes over an MX record whose name begins with a hyphen; the server behind it is as we say"
OTHERWISE = {
    **dict.fromkeys(((level, "dash") for level in ("may", "verify", "dane")), (NONE, MISNAMED)),
    ("verify", "tls10"): (NONE, OLD),
    ("verify", "tlsa-old"): (NONE, OLD),
    ("verify", "anonymous"): (NONE, ANONYMOUS),
    ("verify", "tlsa-nameless"): (NONE, ANONYMOUS),
    ("may", "tls10"): ("Anonymous", ANONYMOUS_FIRST),
    ("may", "tlsa-old"): ("Anonymous", ANONYMOUS_FIRST),
    ("dane", "tlsa-old"): (NONE, OLD),
    ("dane", "tlsa-nameless"): (NONE, ANONYMOUS),
    ("dane", "tlsa-unusable"): ("Trusted", "nobody is authenticated, and the chain happens to be trusted"),
}
"""Where its word is not the one of the axis: what it says instead, and why both are right."""


@dataclass(frozen=True, slots=True)
class Opinion:
    """What it said: one word, and all of it."""

    word: str
    said: str


@pytest.fixture(scope="module")
def opinions(mail_world: MailWorld, scanned: Scanned, postfix_sender: Sender) -> dict[tuple[str, str], Opinion]:
    """Its opinion of every domain with one server that was reached, on three levels."""
    asked = [(level, domain) for level in ("may", "verify", "dane") for domain in alone(mail_world, scanned)]
    environment = {**os.environ, "MAIL_CONFIG": str(postfix_sender.configuration)}

    def ask(question: tuple[str, str]) -> Opinion:
        level, domain = question
        words = ["posttls-finger", "-c", "-l", level, "-F", str(mail_world.anchor), *NAMED, domain]
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=LONGEST_S, env=environment)
        said = done.stdout + done.stderr
        found = WORD.search(said)
        return Opinion(found[1] if found else NONE, said)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return dict(zip(asked, pool.map(ask, asked), strict=True))


def alone(world: MailWorld, scanned: Scanned) -> list[str]:
    """Domains with one MX host and one address, seen to the end by us: no order of hosts, and no trouble, decides."""
    return [
        domain
        for domain in world.domains
        if (scanned.rows[domain]["mx_count"] or 0) <= 1
        and scanned.rows[domain]["endpoint_count"] == 1
        and scanned.from_source(domain, SEEN_FROM).starttls in {Verdict.PASS, Verdict.ABSENT}
    ]


def test_certificates_are_worth_to_us_what_they_are_worth_to_postfix(
    scanned: Scanned, opinions: dict[tuple[str, str], Opinion]
) -> None:
    """Axis `webpki` against level `verify`."""
    compare("verify", opinions, {domain: WEBPKI[seen.webpki] for domain, seen in judged(scanned, opinions).items()})


def test_chains_are_trusted_by_both_or_by_none(scanned: Scanned, opinions: dict[tuple[str, str], Opinion]) -> None:
    """Findings about trust and dates against level `may`, which looks at no name."""
    compare("may", opinions, {domain: chain_word(seen) for domain, seen in judged(scanned, opinions).items()})


def test_dane_is_worth_to_us_what_it_is_worth_to_postfix(
    scanned: Scanned, opinions: dict[tuple[str, str], Opinion]
) -> None:
    """Axis `dane` against level `dane`. Where there is no DANE, the program falls back to `secure`."""
    compare("dane", opinions, {domain: dane_word(seen) for domain, seen in judged(scanned, opinions).items()})
    for name, matched in (("tlsa-anchor", "DANE TA"), ("chained", "DANE EE"), ("alias-outside", "DANE EE")):
        assert f"Matched {matched} certificate" in opinions["dane", f"{name}.lab.test"].said
    assert "MX RRset insecure" in opinions["dane", "half.insecure.test"].said
    assert "no matching DANE TLSA records" in opinions["dane", "tlsa-wrong.lab.test"].said
    assert "all TLSA records unusable" in opinions["dane", "tlsa-unusable.lab.test"].said


def judged(scanned: Scanned, opinions: dict[tuple[str, str], Opinion]) -> dict[str, Assessment]:
    """Our own judgement of the same domains, from the source to which every server shows what it has."""
    return {domain: scanned.from_source(domain, SEEN_FROM) for _, domain in opinions}


def compare(level: str, opinions: dict[tuple[str, str], Opinion], words: dict[str, str]) -> None:
    """Every domain, word by word."""
    expected = {
        domain: OTHERWISE.get((level, domain.removesuffix(".lab.test")), (word, ""))[0]
        for domain, word in words.items()
    }
    wrong = {
        domain: opinions[level, domain] for domain, word in expected.items() if opinions[level, domain].word != word
    }
    print(f"posttls-finger, {level}: agreed {len(expected) - len(wrong)} of {len(expected)}")  # noqa: T201
    assert not wrong, "\n".join(f"{domain}: {expected[domain]!r}, not {said}" for domain, said in wrong.items())


def chain_word(seen: Assessment) -> str:
    """What level `may` makes of it."""
    types = {finding.type for finding in seen.findings}
    if seen.starttls is Verdict.ABSENT:
        return NONE
    if "anonymous-tls" in types:
        return "Anonymous"
    return "Untrusted" if types & UNTRUSTED else "Trusted"


def dane_word(seen: Assessment) -> str:
    """What level `dane` makes of it."""
    if seen.starttls is Verdict.ABSENT or seen.dane is Verdict.UNKNOWN:
        return NONE
    if seen.dane in DANE:
        return DANE[seen.dane]
    secure = next(it for it in seen.predictions if (it.model, it.source) == ("secure", SEEN_FROM))
    if secure.rule in {"2.3-anonymous", "2.3-old-tls"}:
        return NONE
    return "Verified" if secure.outcome is Outcome.ENCRYPTED_AUTHENTICATED else "Untrusted"
