"""Every type of finding, the heaviest first, with its rule and one sentence; docs/verdicts.md shows this table.

RFC 8460 section 4.3 names are used where one fits; the others are ours, in the same style.

Touches: nothing. Source: RFC 8460 section 4.3 and the clause beside each type.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from scanner.model.assessment import Finding


@dataclass(frozen=True, slots=True)
class FindingType:
    """The clause that is touched, and what it means in one sentence."""

    rule: str
    sentence: str


FINDING_TYPES = {
    # mail is stuck now
    "dane-required": FindingType(
        "RFC 7672 2.2", "TLSA records promise TLS but STARTTLS is not to be had: every honest sender's mail is stuck."
    ),
    "sts-required": FindingType(
        "RFC 8461 5",
        "The MTA-STS policy is enforced but STARTTLS is not to be had: every honest sender's mail is stuck.",
    ),
    "dnssec-invalid": FindingType(
        "RFC 7672 2.1.2", "A DNS answer fails DNSSEC validation: validating senders treat the host as unreachable."
    ),
    "tlsa-invalid": FindingType(
        "RFC 7672 2.2", "No TLSA record is usable, or none matches what the server presents: DANE senders wait."
    ),
    "sts-mx-mismatch": FindingType(
        "RFC 8461 4.1", "The enforced MTA-STS policy does not cover this MX host: honest senders skip it."
    ),
    # mail goes nowhere
    "null-mx-not-alone": FindingType(
        "RFC 7505 3", "A null MX stands beside other MX records: some senders bounce, some deliver."
    ),
    "null-mx-malformed": FindingType("RFC 7505 3", "A null MX must be a single record with preference 0."),
    "mx-without-address": FindingType("RFC 5321 5.1", "The MX host has no address record: it cannot be delivered to."),
    "mx-is-address": FindingType("RFC 5321 5.1", "The MX record holds an IP address where a host name belongs."),
    "mx-address-special": FindingType(
        "RFC 6890 2.2", "The MX host's address is not globally reachable unicast: it was not contacted."
    ),
    # TLS is missing, or depends on who asks
    "own-egress": FindingType(
        "docs/guarantees.md", "Our own way out loses STARTTLS at every server: what this source misses proves nothing."
    ),
    "same-egress": FindingType(
        "docs/guarantees.md", "Two of our sources reach the server from one address: to compare them says nothing."
    ),
    "selective-starttls-under-dane": FindingType(
        "RFC 7672 9.2",
        "STARTTLS is hidden from one of our addresses beside TLSA records that demand it: its mail waits.",
    ),
    "source-dependent": FindingType(
        "RFC 7672 9.2", "STARTTLS is there for one of our addresses and not for another, at the same server."
    ),
    "flapping": FindingType(
        "RFC 3207 4", "The same server gave one of our addresses different answers about STARTTLS."
    ),
    "blocked-for-source": FindingType(
        "RFC 5321 3.1", "The server turns away one of our addresses and talks to another: a block, not missing TLS."
    ),
    "starttls-mangled": FindingType(
        "RFC 3207 6", "The keyword is overwritten in the EHLO reply, as middleboxes do: senders see no STARTTLS."
    ),
    "starttls-stripped": FindingType(
        "RFC 3207 6", "STARTTLS is not advertised and still accepted: it is hidden, or stripped on the way."
    ),
    "starttls-misplaced": FindingType(
        "RFC 5321 4.1.1.1", "The keyword stands where none belongs: senders see no STARTTLS."
    ),
    "helo-only": FindingType("RFC 5321 3.2", "EHLO is refused and HELO accepted: no extensions, so no STARTTLS."),
    "banner-masked": FindingType(
        "RFC 5321 3.1", "The greeting is masked: Postfix takes it for an old firewall, sends HELO and sees no STARTTLS."
    ),
    "starttls-lower-case": FindingType("RFC 5321 4.1.1.1", "The keyword is not upper case: Exim does not see it."),
    "starttls-not-supported": FindingType("RFC 8460 4.3.1", "The server answers cleanly and offers no STARTTLS."),
    "starttls-refused": FindingType("RFC 3207 4", "STARTTLS is offered and refused for good when asked for."),
    "starttls-unavailable": FindingType("RFC 3207 4", "STARTTLS is offered and refused for the moment when asked for."),
    "tls-handshake-failed": FindingType("RFC 8446 6", "STARTTLS is offered and accepted, and the handshake fails."),
    "client-certificate-demanded": FindingType(
        "RFC 8446 4.3.2", "The server wants a certificate from the sender, which senders do not have."
    ),
    "anonymous-tls": FindingType("RFC 7672 2.2", "The server presents no certificate: nobody can authenticate it."),
    "plaintext-after-starttls": FindingType(
        "RFC 3207 4.2", "Bytes in plain followed the answer to STARTTLS: an injection, or a careless server."
    ),
    "usual-hello-refused": FindingType(
        "RFC 7672 8.1", "Only a second, wider ClientHello without server name got through (old suites, or SNI refused)."
    ),
    # we could not see
    "domain-not-found": FindingType("RFC 8020 2", "The domain does not exist."),
    "smtp-session-rejected": FindingType(
        "RFC 5321 3.1", "The server turned this session away before any offer: nothing can be said about STARTTLS."
    ),
    "mx-unreachable": FindingType("RFC 5321 5.1", "No SMTP greeting could be had from this address."),
    "session-unclear": FindingType("RFC 5321 4.2", "The dialogue broke off or made no sense before it was conclusive."),
    "dns-lookup-failed": FindingType("RFC 7672 2.1.2", "A DNS lookup failed: the answer is not known."),
    "not-looked-at": FindingType("docs/guarantees.md", "This address was not visited, for a reason on our side."),
    # published policies
    "sts-webpki-invalid": FindingType("RFC 8461 3.3", "The policy host's certificate does not verify: no policy."),
    "sts-policy-fetch-error": FindingType("RFC 8461 3.3", "The MTA-STS policy is announced and cannot be fetched."),
    "sts-policy-invalid": FindingType("RFC 8461 3.1", "The MTA-STS record or policy file is malformed: no policy."),
    "sts-testing": FindingType("RFC 8461 5", "The MTA-STS policy is in testing mode: failures are reported only."),
    "tlsrpt-invalid": FindingType("RFC 8460 3", "The TLS-RPT record is malformed: no reports are sent."),
    "tlsa-insecure": FindingType("RFC 7672 2.2", "TLSA records stand in a zone without DNSSEC: senders ignore them."),
    "mx-insecure": FindingType(
        "RFC 7672 2.2.1", "The host has DANE but the domain's own MX records are not signed: no secure delivery to it."
    ),
    "dnssec-unknown": FindingType(
        "RFC 4035 4.3", "TLSA records exist, but no validating resolver could tell whether they are secure."
    ),
    # the certificate
    "certificate-not-trusted": FindingType("RFC 8460 4.3.1", "The chain does not lead to a trust anchor."),
    "certificate-expired": FindingType("RFC 8460 4.3.1", "The certificate, or one above it, has expired."),
    "certificate-host-mismatch": FindingType("RFC 8461 4.2", "No DNS name in the certificate is the MX host's name."),
    "validation-failure": FindingType(
        "RFC 8460 4.3.1", "The certificate fails for another reason: dates, purpose, signature, or unreadable."
    ),
    "dane-ee-expired": FindingType(
        "RFC 7672 3.1.1", "The certificate is expired and DANE-EE rightly ignores it; Exchange Online may not."
    ),
    # hygiene; never changes delivery
    "only-old-tls": FindingType("RFC 8996 4", "The best protocol version is below TLS 1.2."),
    "weak-cipher": FindingType("RFC 9325 4.1", "The cipher suite in use is one that should not be negotiated."),
    "weak-key": FindingType("RFC 9325 4.5", "A key in the certificate chain is too short."),
    "weak-signature": FindingType("RFC 9325 4.5", "A certificate is signed over a hash that is too short or broken."),
    "weak-group": FindingType("RFC 9325 4.5", "The key exchange group is too short."),
    "no-forward-secrecy": FindingType(
        "RFC 9325 4.1", "The suite in use has no forward secrecy: who gets the key later reads the mail of today."
    ),
    "finite-field-dh": FindingType("RFC 9325 4.1", "The suite in use rests on Diffie-Hellman over a finite field."),
    "no-aead": FindingType("RFC 9325 4.2", "The suite in use encrypts in CBC mode, with a separate MAC."),
    "certificate-ends-soon": FindingType(
        "RFC 5280 4.1.2.5", "The certificate ends within 14 days, or a quarter of its life if that is less."
    ),
    "self-signed": FindingType("RFC 7672 3.1.1", "The certificate is signed by itself: only DANE can vouch for it."),
    "no-intermediate": FindingType(
        "RFC 8446 4.4.2", "The certificate is sent alone: who does not happen to know its issuer cannot verify it."
    ),
    "chain-disordered": FindingType(
        "RFC 8446 4.4.2", "A certificate that is sent does not certify the one before it: out of order, or superfluous."
    ),
    "root-sent": FindingType("RFC 8446 4.4.2", "The root is sent, which whoever trusts it has already."),
    "tlsa-pkix": FindingType("RFC 7672 3.1.3", "A TLSA record of usage 0 or 1 is there, which mail senders ignore."),
    "dane-no-rollover": FindingType(
        "RFC 7671 8.1", "There is no second TLSA record, for the next key or the issuer: a change of keys breaks DANE."
    ),
    "tlsrpt-missing": FindingType("RFC 8460 3", "TLS is promised by DANE or MTA-STS, and nobody asks for reports."),
    "mx-duplicate": FindingType("RFC 5321 5.1", "An MX host is there with more than one preference."),
    "starttls-parameter": FindingType("RFC 3207 4", "The keyword carries a parameter, which it does not have."),
    "starttls-again": FindingType("RFC 3207 4.2", "STARTTLS is offered again inside TLS."),
    "sts-short-age": FindingType("RFC 8461 3.2", "The MTA-STS policy is cached for less than a day."),
    # hygiene that only `--deep` sees
    "old-tls-accepted": FindingType("RFC 8996 4", "TLS 1.0 or 1.1 is taken from a client that offers nothing better."),
    "weak-suite-accepted": FindingType(
        "RFC 9325 4.1", "A suite that should not be negotiated is taken from a client that offers nothing better."
    ),
    "no-tls-1-3": FindingType("RFC 9325 3.1.1", "TLS 1.3 is refused."),
}
"""In the order of weight: of two findings the one further up is the one to act on."""

_WEIGHT = {name: place for place, name in enumerate(FINDING_TYPES)}


def found(name: str, mx: str = "", address: str = "", source: str = "", detail: str = "") -> Finding:
    """One finding with the rule of its type."""
    return Finding(name, FINDING_TYPES[name].rule, mx, address, source, detail)


def weighed(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each once, the one to act on first; the order they were found in never matters."""
    return tuple(
        sorted(set(findings), key=lambda it: (_WEIGHT[it.type], it.mx, it.address, it.source, it.rule, it.detail))
    )
