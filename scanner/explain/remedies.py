"""What to do, and on whose side: by cause, and by type of finding where no cause is known.

Touches: nothing. Source: docs/verdicts.md; the manuals of the servers named.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remedy:
    """`ours` is for the reader, `theirs` what to ask of the partner. Either may be empty."""

    ours: str = ""
    theirs: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """A cause in one sentence, what to do about it, and the one question for the partner's postmaster. `{source}` and
    `{host}` are filled in.
    """

    sentence: str
    remedy: Remedy
    question: str


LEAVE_TLS_REQUIRED = (
    "Keep TLS required: the message waits, and nothing leaves in clear. Until they answer, send urgent mail through an "
    "address that is shown STARTTLS, if you have one."
)

CAUSES = {
    "client-policy": Explained(
        "The partner's server, or a gateway before it, hides STARTTLS from this client address.",
        Remedy(
            LEAVE_TLS_REQUIRED,
            "Which sender group, host list or access map does {source} fall into, and does its mail-flow policy allow "
            "TLS? (Cisco ESA: HAT sender group and Mail Flow Policy; Postfix: smtpd_discard_ehlo_keyword_address_maps; "
            "Exim: tls_advertise_hosts; Sendmail: Srv_Features; MDaemon: STARTTLS list.)",
        ),
        "Which sender group does {source} fall into at {host}, and does its mail-flow policy allow TLS?",
    ),
    "reputation-block": Explained(
        "The server turns this address away: it is on a list, or has a bad reputation there.",
        Remedy(
            "Look {source} up on the list that the server names, remove the reason, ask to be taken off. Check forward "
            "and reverse DNS of the address, and its EHLO name.",
            "On which list is {source}, and can you make an exception for it?",
        ),
        "On which list is {source}, and why does {host} turn it away?",
    ),
    "rate-limit": Explained(
        "The server limits how often this address may connect.",
        Remedy(
            "Send more slowly: fewer connections at a time, more messages per connection. Look again later.",
            "How many connections from {source} do you allow, and may that be more?",
        ),
        "How many connections does {host} allow from {source}, and over what time?",
    ),
    "greylist-tarpit": Explained(
        "A tarpit or greylisting device answers this address instead of the mail server.",
        Remedy(
            "Let the message be tried again: greylisting lets it through after some minutes, and TLS follows then.",
            "Is {source} held by a greylisting device (spamd)? Please put it on its list of known senders.",
        ),
        "Is {source} answered by a greylisting device at {host}, and can it be put on its list of known senders?",
    ),
    "postscreen": Explained(
        "A gatekeeper (Postfix postscreen) answers this address first, without STARTTLS.",
        Remedy(
            "Let the message be tried again: who passes the tests of postscreen is let through to the server itself.",
            "Does postscreen offer TLS to {source} (tlsproxy)? Please put it into postscreen_access_list.",
        ),
        "Does postscreen at {host} hold {source}, and does it offer STARTTLS to it?",
    ),
    "middlebox": Explained(
        "A device on the way rewrites the dialogue of this address: the keyword is overwritten.",
        Remedy(
            "See whether the device is yours: look at several partners from the same address. On a Cisco ASA or PIX it "
            "is `inspect esmtp` (fixup protocol smtp); let it allow TLS, or switch it off.",
            "Does a firewall before {host} inspect SMTP (Cisco ASA: `inspect esmtp`)? It overwrites STARTTLS.",
        ),
        "Does a firewall before {host} inspect SMTP from {source}? The word STARTTLS arrives overwritten.",
    ),
    "middlebox-strip": Explained(
        "Something takes the keyword away on the way: STARTTLS works although it is not advertised.",
        Remedy(
            "Treat it as tampering until it is explained. See whether a device or a provider on your side does it: "
            "look at several partners from the same address.",
            "Do you hide STARTTLS from {source} on purpose? It works when it is asked for.",
        ),
        "Does {host} hide STARTTLS from {source} on purpose, or is it removed on the way? It works when asked for.",
    ),
    "unequal-backends": Explained(
        "Several servers answer at one address, and not all of them offer STARTTLS.",
        Remedy(
            "Let the message be tried again: it meets another server then.",
            "One of the servers behind {host} lacks STARTTLS: which of them are configured differently?",
        ),
        "Which of the servers behind {host} do not offer STARTTLS?",
    ),
    "address-family": Explained(
        "The server behaves differently over IPv4 and over IPv6.",
        Remedy(
            "Until it is mended, prefer the family that works (Postfix: smtp_address_preference, or a transport).",
            "Please compare the configuration of {host} over IPv4 and over IPv6: they differ in STARTTLS.",
        ),
        "Why does {host} behave differently over IPv4 and over IPv6?",
    ),
    "route": Explained(
        "The way from this network to the server is disturbed; the server itself says nothing different.",
        Remedy(
            "Trace the route from {source} (tcptraceroute to port 25) and ask your provider.",
            "Do you or your provider filter port 25 from the network of {source}?",
        ),
        "Is anything filtered between {source} and port 25 of {host}?",
    ),
    "own-egress": Explained(
        "The fault is at your own way out: every partner seems to lack STARTTLS from this address.",
        Remedy(
            "Look at your own firewall: on a Cisco ASA or PIX `inspect esmtp`, elsewhere an SMTP proxy or virus "
            "filter. Do not write to any partner before.",
        ),
        "",
    ),
    "same-egress": Explained(
        "Two of your addresses leave by one: to compare them says nothing.",
        Remedy(
            "Give each source an address of its own on the way out (source NAT), and look again.",
        ),
        "",
    ),
    "server-without-tls": Explained(
        "The server offers STARTTLS to nobody that was asked.",
        Remedy(
            "Decide for this partner: wait until they offer TLS, agree on another way, or allow mail in clear.",
            "Please switch on STARTTLS at {host}.",
        ),
        "Does {host} offer STARTTLS to anybody, and when will it?",
    ),
}
"""By the name of the cause, in `causes[].cause` of a row."""

FINDINGS = {
    "dane-required": Remedy(
        "Wait: DANE forbids to send without TLS, and that is meant to be so.",
        "Your TLSA records promise TLS, and STARTTLS is not to be had at {host}: mail of every DANE sender is stuck.",
    ),
    "sts-required": Remedy(
        "Wait: the policy forbids to send without TLS, and that is meant to be so.",
        "Your MTA-STS policy says `enforce`, and STARTTLS is not to be had at {host}: mail of every honest sender is "
        "stuck. Mend the server, or set the policy to `testing`.",
    ),
    "dnssec-invalid": Remedy(
        "See whether your own resolver is right: `delv` or `dig +cd` show the difference.",
        "Your zone fails DNSSEC validation: please check signatures and DS records.",
    ),
    "tlsa-invalid": Remedy(
        "", "What {host} presents does not match its TLSA records: publish the digest of the key that is in use."
    ),
    "sts-mx-mismatch": Remedy("", "Your MTA-STS policy does not name {host}: add it, and change the policy id."),
    "null-mx-not-alone": Remedy("", "A null MX must stand alone (RFC 7505): remove it, or all others."),
    "null-mx-malformed": Remedy("", "The null MX must be `0 .` (RFC 7505)."),
    "mx-without-address": Remedy("", "The MX host {host} has no address: correct the MX record."),
    "mx-is-address": Remedy("", "An MX record must hold a host name, not an IP address."),
    "mx-address-special": Remedy("", "{host} has an address that nobody outside can reach: correct it."),
    "own-egress": CAUSES["own-egress"].remedy,
    "same-egress": CAUSES["same-egress"].remedy,
    "selective-starttls-under-dane": Remedy(
        LEAVE_TLS_REQUIRED,
        "STARTTLS is hidden from {source} while your TLSA records demand it: its mail cannot be delivered.",
    ),
    "blocked-for-source": CAUSES["reputation-block"].remedy,
    "source-dependent": CAUSES["client-policy"].remedy,
    "flapping": CAUSES["unequal-backends"].remedy,
    "starttls-mangled": CAUSES["middlebox"].remedy,
    "starttls-stripped": CAUSES["middlebox-strip"].remedy,
    "starttls-misplaced": Remedy(
        "", "{host} writes STARTTLS where no sender looks for it: it must be a line of its own."
    ),
    "helo-only": Remedy("", "{host} refuses EHLO, so that no extension can be offered: please allow it."),
    "banner-masked": Remedy(
        "Postfix: `smtp_pix_workarounds =` sends EHLO all the same.",
        "A firewall masks the greeting of {host}: switch off its SMTP inspection.",
    ),
    "starttls-lower-case": Remedy("", "{host} writes the keyword in lower case, which some senders do not see."),
    "starttls-not-supported": CAUSES["server-without-tls"].remedy,
    "starttls-refused": Remedy("", "{host} offers STARTTLS and refuses it: is its certificate or key missing?"),
    "starttls-unavailable": Remedy("Try again later.", "{host} offers STARTTLS and says that TLS is out of order."),
    "tls-handshake-failed": Remedy(
        "Make sure that your server offers TLS 1.2 or better and the usual suites.",
        "The TLS handshake with {host} fails: please check versions, ciphers and the certificate's key.",
    ),
    "client-certificate-demanded": Remedy("", "{host} demands a certificate of the sender; make that optional."),
    "anonymous-tls": Remedy("", "{host} shows no certificate, so that nobody can verify it."),
    "plaintext-after-starttls": Remedy("", "{host} sends text in plain after its answer to STARTTLS: update it."),
    "usual-hello-refused": Remedy("", "{host} refuses an ordinary ClientHello: it needs newer versions and suites."),
    "domain-not-found": Remedy("Check the spelling of the domain."),
    "smtp-session-rejected": Remedy(
        "Read the answer of the server below. Look your address up on the usual lists, and check its reverse name.",
        "Why does {host} turn {source} away?",
    ),
    "mx-unreachable": Remedy(
        "See whether port 25 is open outwards here: `starttls doctor`.", "Is {host} up, and reachable on port 25?"
    ),
    "session-unclear": Remedy("Look again later; if it stays, read the dialogue below.", ""),
    "dns-lookup-failed": Remedy("Look again later, with another resolver: `--resolver`.", "Please check your DNS."),
    "not-looked-at": Remedy("The reason is on our side, and stands in the dialogue below.", ""),
    "sts-webpki-invalid": Remedy("", "The certificate of your MTA-STS policy host does not verify."),
    "sts-policy-fetch-error": Remedy("", "Your MTA-STS policy is announced and cannot be fetched."),
    "sts-policy-invalid": Remedy("", "Your MTA-STS record or policy is malformed."),
    "tlsrpt-invalid": Remedy("", "Your TLS-RPT record is malformed."),
    "tlsa-insecure": Remedy("", "Your TLSA records stand in a zone that is not signed: senders ignore them."),
    "mx-insecure": Remedy("", "Your domain is not signed, so that DANE of {host} protects nobody fully."),
    "dnssec-unknown": Remedy("Run a validating resolver on this machine, and look again."),
    "certificate-not-trusted": Remedy(
        "If you verify certificates of this partner, pin its key or its CA by agreement.",
        "The certificate of {host} is not signed by an authority that others trust: is an intermediate missing?",
    ),
    "certificate-expired": Remedy("", "The certificate of {host} has expired: please renew it."),
    "certificate-host-mismatch": Remedy("", "The certificate of {host} is for other names."),
    "validation-failure": Remedy("", "The certificate of {host} cannot be verified: dates, purpose, or form."),
    "dane-ee-expired": Remedy("", "The certificate of {host} has expired; some DANE senders stumble over that."),
}
"""By the type of the finding. Hygiene has none: it changes nothing for mail of today."""
