"""What a sender can run into, and how the mail servers of this world say it.

One table for both directions: what a pasted phrase means (`phrases`), and what his own queue will show to who asks
(`queue`). Words are those of the programs; `{host}` stands for the server as Postfix writes it, name[address].

Touches: nothing. Source: Postfix smtp_proto.c and smtp_trouble.c; Exim transports/smtp.c; Microsoft KB 329061; RFC 8460
section 4.3.
"""

from dataclasses import dataclass
from enum import StrEnum


class Situation(StrEnum):
    """What happened to the sender; the value is what that means, for people."""

    NOT_OFFERED = (
        "Your server was told to use TLS to this partner, and the server that it reached showed no STARTTLS in its "
        "answer to EHLO. That is not yet proof that the partner has no TLS: some servers and middleboxes hide "
        "STARTTLS from one client address and show it to all others."
    )
    START_REFUSED = (
        "The partner's server offered STARTTLS, and refused when your server asked for it: TLS is out of order there, "
        "or your address may not use it."
    )
    HANDSHAKE = (
        "STARTTLS was offered and accepted, and then the two servers found no TLS in common: versions, ciphers, a "
        "client certificate that is demanded, or a device between them that breaks TLS."
    )
    NOT_VERIFIED = (
        "TLS was there, and the certificate did not pass the check that your server was told to make: it is expired, "
        "for another name, or not signed by an authority that your server trusts."
    )
    TLSA = (
        "The partner promises TLS by DANE (TLSA records in DNS), and what its server presents does not match the "
        "promise, or the records could not be used."
    )
    DNSSEC = (
        "A DNS answer about the partner failed DNSSEC validation or could not be had, so that DANE cannot be kept; "
        "your server must not send."
    )
    POLICY = (
        "The partner announces an MTA-STS policy that could not be fetched or read, or that its own servers do not "
        "meet."
    )
    TLS_DEMANDED = (
        "The partner's server takes no mail without TLS, and your server went on without it: because TLS is off at "
        "your side, or because STARTTLS was not shown to your address."
    )
    OURS = "Your own server could not do TLS at all: the fault is on your side, and the partner was not even asked."
    TURNED_AWAY = (
        "The partner's server turned your server away before anything was offered. That says nothing about TLS; it "
        "says something about what they think of your address, or how busy they are."
    )
    LOST = "The conversation broke off before it came to TLS: nothing can be said about it."
    UNREACHABLE = "Your server could not connect to the partner's server: nothing can be said about TLS."
    NO_MAIL = "The domain says of itself that it receives no mail, or there is no such domain."
    GAVE_UP = (
        "The message was in the queue until your server gave up. This is only the end of the story: the reason stands "
        "in the lines before, or in the queue of the message."
    )

    @property
    def meaning(self) -> str:
        """For people."""
        return self.value


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words of one mailer. `needle` (lower case) is what tells them apart; `policy` is what the sender must have been
    told about TLS to say so, as for `--policy`; `is_shown`: also told to those who ask what their queue will show.
    """

    situation: Situation
    mailer: str
    words: str
    needle: str
    policy: str = "encrypt"
    is_shown: bool = True


POSTFIX, EXIM, ONLINE, GMAIL = "Postfix", "Exim", "Exchange Online", "Gmail"
OLD_EXCHANGE, ON_PREMISES = "Exchange 2000, 2003", "Exchange on-premises"
SENDMAIL, SYMANTEC, SENDGRID, REPORT = "Sendmail", "Symantec", "SendGrid", "a TLS report (RFC 8460)"
CANNOT_CONNECT = "450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is required to send mail]"
RESPONDED = '451 4.4.0 Primary target IP address responded with: "451 5.7.3 STARTTLS is required to send mail."'
_S = Situation

PHRASES: tuple[Phrase, ...] = (
    Phrase(
        _S.NOT_OFFERED,
        POSTFIX,
        "TLS is required, but was not offered by host {host}",
        "tls is required, but was not offered by host",
    ),
    Phrase(
        _S.NOT_OFFERED,
        EXIM,
        "a TLS session is required, but the server did not offer TLS support",
        "a tls session is required, but the server did not offer tls support",
    ),
    Phrase(
        _S.NOT_OFFERED,
        OLD_EXCHANGE,
        "The remote SMTP service does not support TLS.",
        "the remote smtp service does not support tls",
    ),
    Phrase(_S.NOT_OFFERED, ONLINE, CANNOT_CONNECT, "message=451 5.7.3 starttls is required to send mail"),
    Phrase(_S.NOT_OFFERED, ON_PREMISES, RESPONDED, "starttls is required to send mail"),
    Phrase(
        _S.NOT_OFFERED,
        SYMANTEC,
        "451 4.7.6 [internal] STARTTLS required but not advertised",
        "starttls required but not advertised",
        is_shown=False,
    ),
    Phrase(
        _S.NOT_OFFERED,
        SENDGRID,
        "TLS required but not supported",
        "tls required but not supported",
        is_shown=False,
    ),
    Phrase(
        _S.START_REFUSED,
        POSTFIX,
        "TLS is required, but host {host} refused to start TLS: ...",
        "refused to start tls",
    ),
    Phrase(
        _S.HANDSHAKE,
        EXIM,
        "a TLS session is required, but an attempt to start TLS failed",
        "a tls session is required, but an attempt to start tls failed",
    ),
    Phrase(_S.HANDSHAKE, POSTFIX, "Cannot start TLS: handshake failure", "cannot start tls"),
    Phrase(_S.HANDSHAKE, SENDMAIL, "403 4.7.0 TLS handshake failed.", "tls handshake failed", "may", is_shown=False),
    Phrase(
        _S.NOT_VERIFIED,
        POSTFIX,
        "Server certificate not verified",
        "server certificate not verified",
        "verify",
    ),
    Phrase(
        _S.NOT_VERIFIED,
        POSTFIX,
        "Server certificate not trusted",
        "server certificate not trusted",
        "verify",
        is_shown=False,
    ),
    Phrase(_S.TLSA, POSTFIX, "no TLSA records found", "no tlsa records found", "dane_only", is_shown=False),
    Phrase(_S.DNSSEC, POSTFIX, "non DNSSEC destination", "non dnssec destination", "dane_only", is_shown=False),
    Phrase(_S.DNSSEC, POSTFIX, "TLSA lookup error for {host}", "tlsa lookup error", "dane"),
    Phrase(
        _S.OURS,
        POSTFIX,
        "TLS is required, but our TLS engine is unavailable",
        "tls is required, but our tls engine is unavailable",
        is_shown=False,
    ),
    # RFC 8460 section 4.3: the words of reports, which Exchange Online also puts into its bounces
    Phrase(_S.NOT_OFFERED, REPORT, "starttls-not-supported", "starttls-not-supported", "mta_sts", is_shown=False),
    Phrase(
        _S.NOT_VERIFIED, REPORT, "certificate-host-mismatch", "certificate-host-mismatch", "mta_sts", is_shown=False
    ),
    Phrase(_S.NOT_VERIFIED, REPORT, "certificate-expired", "certificate-expired", "mta_sts", is_shown=False),
    Phrase(_S.NOT_VERIFIED, REPORT, "certificate-not-trusted", "certificate-not-trusted", "mta_sts", is_shown=False),
    Phrase(_S.NOT_VERIFIED, REPORT, "validation-failure", "validation-failure", "mta_sts", is_shown=False),
    Phrase(_S.TLSA, REPORT, "tlsa-invalid", "tlsa-invalid", "dane", is_shown=False),
    Phrase(_S.DNSSEC, REPORT, "dnssec-invalid", "dnssec-invalid", "dane", is_shown=False),
    Phrase(_S.TLSA, REPORT, "dane-required", "dane-required", "dane_only", is_shown=False),
    Phrase(_S.POLICY, REPORT, "sts-policy-fetch-error", "sts-policy-fetch-error", "mta_sts", is_shown=False),
    Phrase(_S.POLICY, REPORT, "sts-policy-invalid", "sts-policy-invalid", "mta_sts", is_shown=False),
    Phrase(_S.POLICY, REPORT, "sts-webpki-invalid", "sts-webpki-invalid", "mta_sts", is_shown=False),
    # what the server says to a client without TLS
    Phrase(
        _S.TLS_DEMANDED,
        "the partner's server",
        "530 5.7.0 Must issue a STARTTLS command first",
        "must issue a starttls command first",
    ),
    Phrase(
        _S.TLS_DEMANDED,
        OLD_EXCHANGE,
        "530 5.7.0 Must issue a start TLS command first.",
        "must issue a start tls command first",
        is_shown=False,
    ),
    # nothing about TLS
    Phrase(_S.TURNED_AWAY, POSTFIX, "host {host} refused to talk to me: ...", "refused to talk to me", "may"),
    Phrase(_S.NO_MAIL, POSTFIX, "Domain ... does not accept mail (nullMX)", "does not accept mail (nullmx)", "may"),
    Phrase(_S.NO_MAIL, POSTFIX, "Host or domain name not found", "host or domain name not found", "may"),
    Phrase(_S.LOST, POSTFIX, "lost connection with {host} while ...", "lost connection with", "may"),
    Phrase(_S.LOST, POSTFIX, "conversation with {host} timed out while ...", "timed out while", "may", is_shown=False),
    Phrase(_S.UNREACHABLE, "many mailers", "Connection timed out", "connection timed out", "may", is_shown=False),
    Phrase(_S.UNREACHABLE, "many mailers", "Connection refused", "connection refused", "may", is_shown=False),
    Phrase(_S.UNREACHABLE, "many mailers", "No route to host", "no route to host", "may", is_shown=False),
    Phrase(_S.UNREACHABLE, ONLINE, "450 4.4.317 Cannot connect to remote server", "4.4.317", "may", is_shown=False),
    Phrase(_S.GAVE_UP, ON_PREMISES, "550 4.4.7 QUEUE.Expired; message expired", "queue.expired", is_shown=False),
)
"""In the order of trying: of two phrases in one text the more telling comes first."""

OF_RULE = {
    "2.3-absent": _S.NOT_OFFERED,
    "2.3-ehlo": _S.NOT_OFFERED,
    "2.3-starttls-4xx": _S.START_REFUSED,
    "2.3-starttls-5xx": _S.START_REFUSED,
    "2.3-starttls-421": _S.START_REFUSED,
    "2.3-handshake": _S.HANDSHAKE,
    "2.3-old-tls": _S.HANDSHAKE,
    "2.3-anonymous": _S.HANDSHAKE,
    "2.3-late-refusal": _S.HANDSHAKE,
    "2.3-unverified": _S.NOT_VERIFIED,
    "2.5-enforce": _S.NOT_VERIFIED,
    "2.5-mx-mismatch": _S.POLICY,
    "2.4-mismatch": _S.TLSA,
    "2.4-none": _S.TLSA,
    "2.4-unusable": _S.TLSA,
    "2.4-lookup": _S.DNSSEC,
    "2.4-insecure-mx": _S.DNSSEC,
    "2.2-connect": _S.UNREACHABLE,
    "2.3-greeting": _S.TURNED_AWAY,
    "2.3-helo": _S.TURNED_AWAY,
    "2.3-ehlo-421": _S.TURNED_AWAY,
    "2.3-lost": _S.LOST,
    "2.2-null-mx": _S.NO_MAIL,
    "2.2-nxdomain": _S.NO_MAIL,
}
"""Where a rule of the prediction (docs/verdicts.md) leaves a message."""


def said(situation: Situation) -> tuple[Phrase, ...]:
    """How the mailers that people run say it."""
    return tuple(phrase for phrase in PHRASES if phrase.situation is situation and phrase.is_shown)
