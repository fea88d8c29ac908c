"""Peers that mean harm: floods, drips, stalls, and replies that a careless parser believes.

Touches: nothing. Source: RFC 5321 sections 4.2 and 4.5.3 (limits), RFC 3207 section 4.2, RFC 8446 section 6.
"""

from scanner.lab.scenario import Expected, fails, inconclusive, passes, remote_fault, smtp
from scanner.lab.script import (
    GREETING,
    READY,
    WITH,
    Close,
    Drip,
    Encrypt,
    Flood,
    Hear,
    Hold,
    Pause,
    Play,
    Reset,
    Say,
    encrypted,
    line,
)

FLOOD = Flood(b"x" * 65_536)
CONTINUED = Flood(b"250-AGAIN\r\n" * 4096)

SCENARIOS = (
    smtp(
        "hostile-endless-greeting",
        "A greeting without end or line end.",
        "RFC 5321 4.5.3.1.5",
        remote_fault("greeting", "too_long"),
        play=Play(opening=(Say(b"220 "), FLOOD)),
    ),
    smtp(
        "hostile-endless-ehlo",
        "Continuation lines without end.",
        "RFC 5321 4.5.3.1.5",
        remote_fault("ehlo", "too_long", delivery_may=None),
        play=Play(ehlo=(CONTINUED,)),
    ),
    smtp(
        "hostile-five-megabytes",
        "A line of five megabytes in the answer to EHLO.",
        "RFC 5321 4.5.3.1.5",
        remote_fault("ehlo", "too_long", delivery_may=None),
        play=Play(ehlo=(Say(b"250-{host}\r\n250-"), Flood(b"A" * 65_536, 5 * 1024 * 1024), *line(""), *WITH)),
    ),
    smtp(
        "hostile-tiny-lines",
        "Many short lines, each in a packet of its own.",
        "RFC 5321 4.5.3.1.5",
        Expected(status=None, starttls="unknown"),
        play=Play(ehlo=(Drip(b"250-a\r\n", 0.0, endless=True),)),
    ),
    smtp(
        "hostile-dripped-greeting",
        "A byte every 50 ms, for ever.",
        "RFC 5321 4.5.3.2.1",
        inconclusive("greeting", "timeout"),
        play=Play(opening=(Drip(b"220-wait ", 0.05, endless=True),)),
    ),
    smtp(
        "hostile-dripped-ehlo",
        "The answer to EHLO comes a byte every 50 ms, for ever.",
        "RFC 5321 4.5.3.2",
        inconclusive("ehlo", "timeout"),
        play=Play(ehlo=(Drip(b"250-wait ", 0.05, endless=True),)),
    ),
    smtp(
        "hostile-flood-after-ehlo",
        "What nobody asked for follows the answer to EHLO, without end.",
        "RFC 5321 4.2",
        Expected(status="remote_fault", starttls="unknown", oddities=("unsolicited",)),
        play=Play(ehlo=(*WITH, Pause(0.2), FLOOD)),
    ),
    smtp(
        "hostile-flood-after-220",
        "A flood in plain instead of a handshake.",
        "RFC 3207 4",
        fails("handshake", "not_tls"),
        play=Play(starttls=(*READY, Pause(0.1), FLOOD)),
    ),
    smtp(
        "hostile-flood-in-tls",
        "Continuation lines without end inside TLS.",
        "RFC 5321 4.5.3.1.5",
        remote_fault("ehlo_tls", "too_long", delivery_may=None),
        play=Play(secure_ehlo=(CONTINUED,)),
    ),
    smtp(
        "hostile-handshake-garbage",
        "A handshake record full of nonsense.",
        "RFC 8446 6",
        Expected(status="ok", starttls="fail", delivery_may="defer"),
        play=Play(starttls=(*READY, Hear(), Say(b"\x16\x03\x03\x00\x20" + b"\xff" * 32), Close())),
    ),
    smtp(
        "hostile-handshake-half",
        "The handshake stops in the middle of a record.",
        "RFC 8446 4",
        inconclusive("handshake", "timeout"),
        play=Play(starttls=(*READY, Hear(), Say(b"\x16\x03\x03\x40\x00" + bytes(100)), Hold())),
    ),
    smtp(
        "hostile-handshake-reset",
        "The connection is reset in the middle of the handshake.",
        "RFC 793 3.4",
        fails("handshake", "reset"),
        play=Play(starttls=(*READY, Hear(), Say(b"\x16\x03\x03\x40\x00" + bytes(100)), Pause(0.2), Reset())),
    ),
    smtp(
        "hostile-code-underscore",
        "A reply code that only a careless number parser takes.",
        "RFC 5321 4.2",
        remote_fault("greeting", "malformed"),
        play=Play(opening=(*line("2_0 hello"), Close())),
    ),
    smtp(
        "hostile-code-sign",
        "A reply code with a sign.",
        "RFC 5321 4.2",
        remote_fault("greeting", "malformed"),
        play=Play(opening=(*line("+22 hello"), Close())),
    ),
    smtp(
        "hostile-code-glued",
        "Text that sticks to the code.",
        "RFC 5321 4.2",
        remote_fault("greeting", "malformed"),
        play=Play(opening=(*line("220hello"), Close())),
    ),
    smtp(
        "hostile-code-out-of-range",
        "A first digit that no reply has.",
        "RFC 5321 4.2.1",
        remote_fault("greeting", "malformed"),
        play=Play(opening=(*line("620 hello"), Close())),
    ),
    smtp(
        "hostile-escapes",
        "Terminal escapes, NUL and bidirectional marks in greeting and keywords.",
        "RFC 5321 4.2",
        passes(oddities=("eight_bit",)),
        play=Play(
            opening=(Say(b"220 {host} \x1b[31m\x07\x00\x9b\xe2\x80\xae ESMTP\r\n"),),
            ehlo=(Say(b"250-{host} \x1b]0;gone\x07\r\n250-\xe2\x80\xa8X\r\n250 STARTTLS\r\n"),),
        ),
    ),
    smtp(
        "hostile-2500-keywords",
        "Two and a half thousand keywords.",
        "RFC 5321 4.5.3.1.5",
        remote_fault("ehlo", "too_long", delivery_may=None),
        play=Play(ehlo=(Say(b"250-{host}\r\n" + b"250-K\r\n" * 2500 + b"250 STARTTLS\r\n"),)),
    ),
    smtp(
        "hostile-no-farewell",
        "QUIT is never answered and the connection never closed.",
        "RFC 5321 4.1.1.10",
        passes(),
        play=Play(quit=(Hold(),)),
    ),
    smtp(
        "hostile-late-greeting",
        "A second greeting instead of an answer to EHLO.",
        "RFC 5321 4.2",
        Expected(status="remote_fault", starttls="unknown", fault=("ehlo", "desync")),
        play=Play(opening=(*GREETING,), ehlo=(*line("220 {host} ESMTP again"), Close())),
    ),
    smtp(
        "hostile-certificate-list",
        "A certificate of more than 100 KB.",
        "RFC 8446 4.4.2",
        Expected(status="ok", starttls="fail", fault=("handshake", "tls_failed")),
        play=Play(starttls=encrypted("too-many-names")),
    ),
    smtp(
        "hostile-injection-flood",
        "Kilobytes in plain between the 220 and the handshake.",
        "RFC 3207 4.2",
        passes(oddities=("plaintext_after_starttls",)),
        play=Play(starttls=(Say(b"220 ready\r\n" + b"250-injected\r\n" * 200), Encrypt())),
    ),
)
