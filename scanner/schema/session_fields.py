"""Every key of a session, as `fields` describes the rest.

Touches: nothing. Source: docs/record.md is made of this.
"""

from scanner.schema.fields import Field, counted, replied

SESSION: tuple[Field, ...] = (
    ("mx", "text", "the MX host"),
    ("address", "text", "its address"),
    ("port", "int", "its port"),
    ("server_name", "text?", "the name it was to be asked for: the TLSA base domain under DANE, else the MX host"),
    ("source", "text", "name of our source, as in findings and predictions"),
    ("source_address", "text?", "address of our source; null where the kernel chose"),
    ("role", "word:role", "whether mail is sent from this source, or it only witnesses"),
    ("egress", "text?", "our address as the server saw it, where it told"),
    ("ehlo_name", "text?", "the name we gave"),
    ("hello", "word:hello", "what our ClientHello offered; `only_...` with `--deep`, and no verdict rests on it"),
    ("follow_up", "int", "0, or the how manieth repetition, asked for where our sources disagreed"),
    ("stage", "word:stage", "last stage completed"),
    ("fault", "fault?", "what stopped it there, if anything did"),
    ("observed_at", "time", "when it was held"),
    ("shared", "flag", "observed for another domain of this run"),
    ("inherited", "flag", "observed under another server name"),
    *replied("greeting", "lines as on the wire, codes included"),
    *replied("ehlo", "lines of the reply to EHLO in clear"),
    *replied("helo", "lines of the reply to HELO, sent only where EHLO was refused"),
    *counted("keywords", "text", "what the EHLO reply in clear offers, upper case, at most 64"),
    *replied("starttls_reply", "lines of the reply to STARTTLS"),
    ("tls", "tls?", "the handshake; null where none was completed"),
    *replied("ehlo_tls", "lines of the reply to EHLO inside TLS"),
    *counted("oddities", "word:oddity", "things that the standards do not foresee"),
    ("unsolicited", "text?", "bytes that nobody had asked for, at most 1,024"),
    ("times_ms", "times", "milliseconds that each stage took"),
)

TLS: tuple[Field, ...] = (
    ("version", "text", "as `TLSv1.3`"),
    ("cipher", "text", "cipher suite, as OpenSSL names it"),
    ("group", "text?", "key exchange group, as OpenSSL names it; null where there was none"),
    ("sni", "text?", "server name that we sent; null where none"),
    *counted("chain", "hex", "SHA-256 of the certificates as presented, leaf first, at most 8"),
    ("leaf", "leaf?", "the first certificate; null for anonymous suites"),
)

TIMES: tuple[Field, ...] = (
    ("connect", "int?", "TCP; null where not entered, here and below"),
    ("greeting", "int?", "until the greeting"),
    ("ehlo", "int?", "EHLO, and HELO where sent"),
    ("starttls", "int?", "STARTTLS"),
    ("handshake", "int?", "TLS"),
    ("ehlo_tls", "int?", "EHLO inside TLS"),
    ("done", "int?", "QUIT"),
)

CANARY: tuple[Field, ...] = (
    ("source", "text", "name of our source"),
    ("offered", "int", "canaries that offered it STARTTLS"),
    ("missing", "int", "canaries that answered EHLO cleanly and did not"),
    ("mangled", "int", "canaries whose keyword was overwritten"),
    ("unseen", "int", "canaries that gave it no clean answer"),
)
