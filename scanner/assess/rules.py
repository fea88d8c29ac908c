"""How a prediction is reached: every rule with its id and one sentence. docs/verdicts.md shows this table.

The behaviour is that of Postfix, run against real servers and read in its source. Letters count the rows of a table.

Touches: nothing. Source: RFC 5321 section 5.1, RFC 3207, RFC 7672, RFC 8461; Postfix smtp(8).
"""

RULES = {
    "2.2-nxdomain": "The domain does not exist, or has neither MX nor address: bounced.",
    "2.2-lookup": "The MX lookup failed: the message waits.",
    "2.2-null-mx": "A null MX, alone or beside others: bounced.",
    "2.2-no-address": "No MX host has an address: bounced; if a lookup failed, the message waits.",
    "2.2-malformed": "No MX host has a well-formed name: bounced; beside others such a host is passed over.",
    "2.2-loop": "The best MX host is the sender itself (a loopback address): bounced.",
    "2.2-special": "The address is not globally reachable: what happens depends on the sender's own network.",
    "2.2-connect": "No connection: the next host, else the message waits.",
    "2.3-absent": "STARTTLS is not offered: in clear where TLS is optional, else the next host or a wait.",
    "2.3-starttls-4xx": "STARTTLS is refused for the moment: in clear where TLS is optional, else the message waits.",
    "2.3-starttls-5xx": "STARTTLS is refused for good: in clear where TLS is optional, else bounced at once.",
    "2.3-starttls-421": "The server hangs up instead of starting TLS.",
    "2.3-handshake": "The handshake fails: the next host, else a wait; in clear later where TLS is optional.",
    "2.3-certificate": "TLS is established: good enough for levels that do not verify.",
    "2.3-verified": "The certificate verifies: authenticated.",
    "2.3-unverified": "The certificate does not verify: the next host, else the message waits.",
    "2.3-anonymous": "No certificate: encrypted where nothing is verified, else the handshake fails.",
    "2.3-old-tls": "Only TLS 1.0 or 1.1: encrypted where nothing is verified, else the handshake fails.",
    "2.3-late-refusal": "The server refuses after the handshake, for want of a client certificate: the message waits.",
    "2.3-ehlo-tls-421": "The server hangs up inside TLS: the next host, else the message waits.",
    "2.3-ehlo-tls-5xx": "EHLO is refused inside TLS: HELO, and the message is sent.",
    "2.3-greeting": "The greeting is a refusal, 4yz or 5yz: the next host, else the message waits.",
    "2.3-lost": "The connection is lost or stalls before STARTTLS: the next host, else the message waits.",
    "2.3-ehlo": "EHLO is refused but HELO is not, or the greeting is masked: no STARTTLS is seen.",
    "2.3-helo": "EHLO and HELO are refused: as the reply says.",
    "2.3-ehlo-421": "EHLO is answered with 421: the next host, else the message waits.",
    "2.4-none": "No TLSA records: `dane` does as `may`, `dane_only` waits.",
    "2.4-match": "A TLSA record matches: authenticated.",
    "2.4-mismatch": "No TLSA record matches: the next host, else the message waits.",
    "2.4-unusable": "All TLSA records are unusable: `dane` requires TLS without authentication, `dane_only` waits.",
    "2.4-lookup": "The TLSA lookup failed: the next host, else the message waits.",
    "2.4-insecure-mx": "The MX records are not signed: `dane` still enforces the match, `dane_only` waits.",
    "2.4-unknown": "No validating resolver was there to tell what a DANE sender sees.",
    "2.5-mx-mismatch": "The enforced policy does not cover the host: the next host, else the message waits.",
    "2.5-enforce": "The enforced policy is met: authenticated; if not, the next host, else the message waits.",
    "unseen": "The evidence does not show what happens here.",
}
