"""Certificates that a cautious sender would not take. TLS itself works with all of them: STARTTLS passes.

Touches: nothing. Source: RFC 5280 section 6, RFC 8461 section 4.2, RFC 9325 section 4.5.
"""

from scanner.lab.scenario import Scenario, passes, smtp
from scanner.lab.script import Play, encrypted

FINDINGS = {
    "expired": ("certificate-expired",),
    "not-yet-valid": ("validation-failure",),
    "wrong-name": ("certificate-host-mismatch",),
    "self-signed": ("certificate-not-trusted",),
    "cn-only": ("certificate-host-mismatch",),
    "bare": ("certificate-not-trusted",),
    "rsa-1024": ("weak-key",),
}


def _certificate(name: str, story: str, clause: str, webpki: str | None, *catalogue: int) -> Scenario:
    """One identity of the pki, by its name."""
    play = Play(starttls=encrypted(name, "weak-keys"))
    expected = passes(webpki=webpki, findings=FINDINGS.get(name, ()))
    return smtp(f"certificate-{name}", story, clause, expected, catalogue=catalogue, play=play)


SCENARIOS = (
    _certificate("expired", "Expired in 2021.", "RFC 5280 6.1.3", "fail", 67),
    _certificate("not-yet-valid", "Valid from 2048 on.", "RFC 5280 6.1.3", "fail", 67),
    _certificate("wrong-name", "Names another host.", "RFC 8461 4.2", "fail", 67),
    _certificate("self-signed", "Signed by itself.", "RFC 5280 6.1", "fail", 67),
    _certificate("cn-only", "The host name is in the common name only.", "RFC 8461 4.2", "fail", 67),
    _certificate("bare", "The intermediate certificate is not sent.", "RFC 8446 4.4.2", "fail", 67),
    _certificate("rsa-1024", "An RSA key of 1024 bits.", "RFC 9325 4.5", None, 68),
    _certificate("rsa-2048", "An RSA key of 2048 bits.", "RFC 9325 4.5", "pass"),
    _certificate("ed25519", "An Ed25519 key.", "RFC 8410 3", None),
    _certificate("whole", "The root is sent too.", "RFC 8446 4.4.2", "pass"),
    _certificate("many-names", "Three thousand names.", "RFC 5280 4.2.1.6", "pass"),
    _certificate("long-chain", "Forty superfluous certificates.", "RFC 8446 4.4.2", "pass"),
    _certificate("hostile-names", "Control characters and quotes in the names.", "RFC 5280 4.2.1.6", None),
)
