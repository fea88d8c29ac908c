"""Every key of the record, its type and its meaning, in the order in which it is written.

A type is `text`, `word` (of an open set), `hex`, `time`, `int` or `flag`; the name of another part; a list in
brackets. A final `?` says that null may stand there. After a colon: the set whose words are known today.

Touches: nothing. Source: docs/record.md is made of this.
"""

Field = tuple[str, str, str]
"""Key, type, meaning."""


def counted(key: str, type_: str, meaning: str) -> tuple[Field, Field, Field]:
    """Describe a list with the two keys that stand beside every list."""
    return (
        (key, f"[{type_}]", meaning),
        (f"{key}_count", "int", f"how many `{key}` there are, listed or not"),
        (f"{key}_truncated", "flag", f"fewer `{key}` are listed than there are"),
    )


def replied(key: str, meaning: str) -> tuple[Field, ...]:
    """Describe an SMTP reply."""
    code = (f"{key}_code", "int?", f"reply code of `{key}`; null where nothing came, 0 where the reply was cut short")
    return (code, *counted(key, "text", meaning))


LOOKUP: tuple[Field, ...] = (
    ("name", "text", "the name that was asked for"),
    ("canonical_name", "text?", "where CNAME records led, the name itself where there was none"),
    ("ttl_s", "int?", "seconds the answer may be kept"),
    ("validity", "word:validity", "security status of the RRset (RFC 4035 section 4.3)"),
    ("fault", "fault?", "why there is no answer; NXDOMAIN and NODATA are answers and stand here too"),
)

LEAF: tuple[Field, ...] = (
    ("sha256", "hex", "digest of the DER; the key in the certificate file"),
    ("subject", "text?", "RFC 4514"),
    ("issuer", "text?", "RFC 4514"),
    ("common_name", "text?", "the last common name of the subject"),
    ("serial", "hex?", "serial number"),
    *counted("names", "text", "DNS names of the subject alternative name, at most 32"),
    ("not_before", "time?", "start of validity"),
    ("not_after", "time?", "end of validity"),
    ("key_type", "word?:key_type", "algorithm of the public key"),
    ("key_bits", "int?", "size of the public key"),
    ("signature_hash", "text?", "hash of the signature; null where it has none of its own"),
    ("self_issued", "flag", "subject and issuer are equal"),
    ("server_auth", "flag", "may be used by a TLS server (RFC 5280 section 4.2.1.12)"),
)

CERTIFICATE: tuple[Field, ...] = (
    ("schema", "text", "version of this description, as in a row"),
    *LEAF,
    *counted("unreadable", "text", "fields that could not be read from the DER"),
    ("der", "text", "the certificate itself, base64"),
)

ROW: tuple[Field, ...] = (
    ("schema", "text", "version of this description: a new minor adds keys or words, a new major changes some"),
    ("run_id", "text", "the run that wrote the row"),
    ("n", "int", "row of the list, from 1; with `run_id` it names the row"),
    ("domain", "text?", "A-label form, lower case, without final dot; null where the list gave none"),
    ("input", "input", "what the list said"),
    ("observed_at", "time", "when the domain was begun"),
    ("status", "word:status", "whether the row could be concluded, and if not, on whose side the reason lies"),
    ("starttls", "word:verdict", "STARTTLS over all MX hosts, addresses and sources"),
    ("webpki", "word:verdict", "certificates against public authorities and the MX name"),
    ("dane", "word:verdict", "DANE for SMTP (RFC 7672)"),
    ("mta_sts", "word:verdict", "MTA-STS (RFC 8461)"),
    ("tls_rpt", "word:verdict", "TLS reporting (RFC 8460)"),
    (
        "differs_by_source",
        "flag?",
        "our sources saw different things; null with fewer than two, or where not comparable",
    ),
    (
        "would_wait",
        "flag?",
        "mail under the list's TLS policy would wait or bounce; null where nobody asks or can tell",
    ),
    ("tls_version_min", "text?", "lowest version agreed in any handshake of the row, as `TLSv1.2`; of `--deep` too"),
    ("tls_version_max", "text?", "highest version agreed in any handshake of the row"),
    ("mx_count", "int?", "MX records published; null where nothing was asked"),
    ("endpoint_count", "int?", "pairs of MX host and address visited; null where nothing was asked"),
    ("provider", "text?", "registered domain of the first MX host"),
    ("truncated", "flag", "something was left out that cannot be restored; such a row must not be judged again"),
    ("first_finding", "text?", "type of the first finding"),
    ("delivery", "delivery", "what happens to a message from the first of our mail sources, by sender model"),
    *counted("findings", "finding", "named facts, most important first"),
    *counted("causes", "cause", "why STARTTLS is missing or differs by source, most likely first"),
    *counted("predictions", "prediction", "what every sender model would do, from every source"),
    *counted("waits", "wait", "what the list's TLS policy makes of mail, from every source"),
    ("route", "route?", "where mail goes by DNS; null where nothing was asked"),
    ("policies", "policies?", "what is published beside the MX; null where nothing was asked"),
    *counted("canaries", "canary", "what each source saw of servers known to offer STARTTLS, where some were named"),
    *counted("sessions", "session", "connections, in the order in which they were held"),
)

INPUT: tuple[Field, ...] = (
    ("raw", "text", "the cell as read"),
    *counted("columns", "column", "the other cells of the row"),
    ("tls_policy", "word?:tls_policy", "what the list demands of mail to this partner; null where it does not say"),
    ("fault", "fault?", "why the cell is no domain"),
)

COLUMN: tuple[Field, ...] = (
    ("name", "text", "heading of the column"),
    ("value", "text", "the cell"),
)

FAULT: tuple[Field, ...] = (
    ("stage", "word:stage", "where it happened"),
    ("kind", "word:kind", "what happened"),
    ("side", "word:side", "whose fault it is"),
    ("detail", "text?", "a few words, from us or from the peer"),
    ("code", "int?", "SMTP reply code, TLS alert, HTTP status or errno, as the kind says"),
)

FINDING: tuple[Field, ...] = (
    ("type", "text", "its name; of RFC 8460 section 4.3 where one fits"),
    ("mx", "text?", "the MX host concerned"),
    ("address", "text?", "the address concerned"),
    ("source", "text?", "name of the source that saw it"),
    ("detail", "text?", "what was seen"),
    ("rule", "text", "the clause that makes it worth telling"),
)

CAUSE: tuple[Field, ...] = (
    ("cause", "text", "its name"),
    ("confidence", "int", "0 to 100"),
    *counted("evidence", "text", "what speaks for it"),
)

PREDICTION: tuple[Field, ...] = (
    ("model", "text", "the sender model"),
    ("source", "text?", "name of the source it sends from; null where DNS decided and nobody was asked"),
    ("outcome", "word:outcome", "what happens to the message"),
    ("rule", "text", "the rule that decides"),
    ("dsn", "text?", "enhanced status code (RFC 3463)"),
    ("words", "text?", "what its administrator reads in the log"),
    ("certain", "flag", "false where `reason` decides"),
    ("reason", "text?", "what it depends on"),
)

WAIT: tuple[Field, ...] = (
    ("source", "text?", "name of the source; null where DNS decided and nobody was asked"),
    ("role", "word:role", "whether mail is sent from it"),
    ("would_wait", "flag?", "the message waits or bounces; null where that cannot be told"),
    ("outcome", "word:outcome", "what happens to the message"),
    ("words", "text?", "what the administrator reads in the log"),
)

DELIVERY: tuple[Field, ...] = (
    ("may", "word?:outcome", "Postfix `smtp_tls_security_level = may`; null where not predicted, here and below"),
    ("encrypt", "word?:outcome", "Postfix `encrypt`"),
    ("verify", "word?:outcome", "Postfix `verify`"),
    ("secure", "word?:outcome", "Postfix `secure`"),
    ("dane", "word?:outcome", "Postfix `dane`"),
    ("dane_only", "word?:outcome", "Postfix `dane-only`"),
    ("mta_sts", "word?:outcome", "a sender that honours MTA-STS"),
)

ROUTE: tuple[Field, ...] = (
    ("resolver", "text", "who answered"),
    ("implicit", "flag", "no MX: the domain itself is the host (RFC 5321 section 5.1)"),
    ("null_mx", "flag", "the domain takes no mail (RFC 7505)"),
    *LOOKUP,
    *counted("published", "mx_record", "MX records as they came"),
    ("mx", "[host]", "hosts in order of delivery"),
    ("mx_count", "int", "MX records published, as in the head"),
    ("mx_truncated", "flag", "fewer `mx` are listed than there are"),
)

MX_RECORD: tuple[Field, ...] = (
    ("preference", "int", "lower is tried first"),
    ("exchange", "text", "without final dot; empty for the root (RFC 7505)"),
)

HOST: tuple[Field, ...] = (
    ("host", "text", "name of the MX host"),
    ("preference", "int", "lower is tried first"),
    *counted("addresses", "text", "IPv4 first, in resolver order"),
    ("validity", "word:validity", "the weaker security status of the address RRsets that exist"),
    ("fault", "fault?", "why the host has no address; null where it has one"),
    ("ipv4", "lookup", "the answer for A"),
    ("ipv6", "lookup", "the answer for AAAA"),
    *counted("tlsa", "tlsa_record", "TLSA records (RFC 6698)"),
    ("tlsa_base", "text", "TLSA base domain (RFC 7672 section 2.2)"),
    ("tlsa_lookup", "lookup", "the answer for TLSA at `_25._tcp.` of the base domain"),
    ("alias_validity", "word:validity", "security status of the host's own CNAME"),
)

TLSA_RECORD: tuple[Field, ...] = (
    ("usage", "int", "certificate usage"),
    ("selector", "int", "selector"),
    ("matching_type", "int", "matching type"),
    ("association", "hex", "certificate association data"),
)

POLICIES: tuple[Field, ...] = (
    ("mta_sts", "mta_sts", "RFC 8461"),
    ("tls_rpt", "tls_rpt", "RFC 8460"),
)

MTA_STS: tuple[Field, ...] = (
    *LOOKUP,
    *counted("txt", "text", "TXT records at `_mta-sts.` of the domain"),
    ("id", "text?", "id of the one valid record"),
    ("defect", "text?", "why a record or policy that is there does not count"),
    ("fetch", "fetch?", "the request for the policy file; null where there was no reason for one"),
    ("policy", "policy?", "the policy; null unless all is valid"),
)

FETCH: tuple[Field, ...] = (
    ("address", "text?", "the address that was asked"),
    ("http_status", "int?", "HTTP status"),
    ("media_type", "text?", "media type of the answer"),
    ("body", "text", "first 1,024 bytes of the policy file"),
    ("body_bytes", "int", "its length"),
    ("body_truncated", "flag", "it is longer than what is kept"),
    ("body_sha256", "hex?", "digest of all of it; null where it is empty"),
    ("fault", "fault?", "why there is none"),
)

POLICY: tuple[Field, ...] = (
    ("mode", "word:mode", "RFC 8461 section 5"),
    ("max_age_s", "int", "seconds it may be kept"),
    *counted("mx", "text", "patterns of the MX hosts it covers"),
)

TLS_RPT: tuple[Field, ...] = (
    *LOOKUP,
    *counted("txt", "text", "TXT records at `_smtp._tls.` of the domain"),
    *counted("rua", "text", "where reports are wanted"),
    ("defect", "text?", "why a record that is there does not count"),
)
