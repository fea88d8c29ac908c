"""What a mail server wrote into its queue, its log or a bounce, read back: who was meant, and what had happened.

The text is a stranger's: it is cut at 64 KiB, nothing is raised, and every pattern reads it once.

Touches: nothing. Source: the table of `situations`; RFC 3463 (enhanced status codes), RFC 3464 section 2.3 (bounces),
RFC 8460 section 4 (reports).
"""

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass

from scanner.explain.shown import paragraph, shown, title
from scanner.explain.situations import PHRASES, Phrase, said
from scanner.explain.styles import Line, Style

PASTED_BYTES = 64 * 1024
ECHO_LETTERS = 600
_NAME = r"((?:[A-Za-z0-9_-]{1,63}\.){1,12}[A-Za-z][A-Za-z0-9-]{1,62})"
_IP = r"\[?(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]?"
_LOCAL = r"[^\s<>@\"]{1,128}@"
DOMAINS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bto=<{_LOCAL}{_NAME}>",  # Postfix, Exim bounces, many logs
        rf"\b(?:final|original)-recipient:[^;\n]{{0,40}};[ \t]{{0,8}}<?{_LOCAL}{_NAME}",
        rf"\"policy-domain\"[ \t]{{0,8}}:[ \t]{{0,8}}\"{_NAME}\"",
        rf"(?:==|\*\*|=>|->) {_LOCAL}{_NAME}",  # the main log of Exim
        rf"\b(?:domain|NextHopDomain|nexthop)[ \t]{{0,24}}[:=]?[ \t]{{0,8}}[\"'<]?{_NAME}",
        rf"\bto(?: the)?(?: recipient| address)?:? <?{_LOCAL}{_NAME}",
        rf"(?<!from=)<{_LOCAL}{_NAME}>",
    )
)
"""Where the domain of the recipient stands, the surest place first."""
HOSTS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"\bhost {_NAME} ?{_IP}",
        rf"\brelay={_NAME}{_IP}",
        rf"\bH={_NAME} {_IP}",  # Exim
        rf"\b(?:with|to) {_NAME}{_IP}",  # lost connection with, connect to
        rf"\"receiving-mx-hostname\"[ \t]{{0,8}}:[ \t]{{0,8}}\"{_NAME}\"",
        rf"\bLastAttemptedServerName={_NAME}",
        rf"\bRemote-MTA:[^;\n]{{0,40}};[ \t]{{0,8}}{_NAME}",
        rf"\b(?:for )?host:? {_NAME}",
    )
)
ATTEMPTED_IP = re.compile(rf"\bLastAttemptedIP={_IP}", re.IGNORECASE)
OURS = re.compile(rf"\b(?:from=<{_LOCAL}|Reporting-MTA:[^;\n]{{0,40}};[ \t]{{0,8}}|ehlo |helo ){_NAME}", re.IGNORECASE)
ANY_NAME = re.compile(rf"(?<![A-Za-z0-9@._-]){_NAME}(?![A-Za-z0-9_-])")
CODE = re.compile(r"\b([245]\.\d{1,3}\.\d{1,3})\b")
BLANKS = re.compile(r"\s+")
NEEDLES = tuple((phrase, re.compile(rf"(?<![\w.@-]){re.escape(phrase.needle)}(?![\w-]|\.\w)")) for phrase in PHRASES)
"""Words of a phrase are no part of a name: there are domains called `certificate-expired`."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What could be read. `phrase` is None where none is known; the others are empty where they are not told.

    `domain` is the recipient's, `mx` and `address` the server that was asked, `code` the enhanced status code.
    """

    phrase: Phrase | None = None
    domain: str = ""
    mx: str = ""
    address: str = ""
    code: str = ""

    @property
    def name(self) -> str:
        """What to look at: the domain, else the server as if it were one (RFC 5321 section 5.1, implicit MX)."""
        return self.domain or self.mx

    @property
    def policy(self) -> str | None:
        """What the sender must have been told about TLS to say so; None where that is not known."""
        return None if self.phrase is None else self.phrase.policy


def understood(pasted: str) -> Understood:
    """Read a queue line, a log line, a bounce, or some words of one."""
    text = pasted[:PASTED_BYTES]
    mx, address = _host(text)
    code = CODE.search(text)
    return Understood(
        phrase=_phrase(text),
        domain=_first(DOMAINS, text) or ("" if mx else _any_name(text)),
        mx=mx,
        address=address,
        code=code[1] if code else "",
    )


def _phrase(text: str) -> Phrase | None:
    flat = BLANKS.sub(" ", text).lower()
    return next((phrase for phrase, needle in NEEDLES if needle.search(flat)), None)


def _first(patterns: tuple[re.Pattern[str], ...], text: str) -> str:
    found = next((match for match in (pattern.search(text) for pattern in patterns) if match), None)
    return found[1].lower() if found else ""


def _host(text: str) -> tuple[str, str]:
    """The server, and its address where it is told."""
    for pattern in HOSTS:
        found = pattern.search(text)
        if found:
            address = _address(found[2]) if pattern.groups > 1 else ""
            return found[1].lower(), address or _attempted(text)
    return "", _attempted(text)


def _attempted(text: str) -> str:
    found = ATTEMPTED_IP.search(text)
    return _address(found[1]) if found else ""


def _address(text: str) -> str:
    """An IP address, with or without a port behind it; empty where it is none."""
    for candidate in (text, text.rpartition(":")[0]):
        try:
            return str(ipaddress.ip_address(candidate.rstrip(".")))
        except ValueError:
            continue
    return ""


def _any_name(text: str) -> str:
    """The first name that is not our own."""
    ours = {match[1].lower() for match in OURS.finditer(text)}
    names = (match[1].lower() for match in ANY_NAME.finditer(text))
    return next((name for name in names if name not in ours), "")


def page(pasted: str, told: Understood) -> Iterator[Line]:
    """What the phrase means, and, where nothing can be looked at, what to run next."""
    yield Line("What you pasted:", Style.FAINT)
    yield from paragraph(shown(BLANKS.sub(" ", pasted[:PASTED_BYTES]).strip(), ECHO_LETTERS), "  ")
    if told.phrase is None:
        yield from paragraph("No phrase in it is known; the domain in it is looked at.", style=Style.DOUBT)
        return
    yield from paragraph(f"This is how {told.phrase.mailer} says it. {told.phrase.situation.meaning}")
    others = [each for each in said(told.phrase.situation) if each.mailer != told.phrase.mailer]
    if others:
        yield from title("Others say")
        for each in others:
            yield from paragraph(
                each.words.replace("{host}", "mx.partner.example[192.0.2.1]"), f"  {each.mailer:<21} ", " " * 24
            )


def next_steps(told: Understood) -> Iterator[Line]:
    """What to run, where the text names nobody."""
    yield from title("What to run next")
    yield Line(f"  starttls explain partner.example --policy {told.policy or 'encrypt'}")
    yield from paragraph(
        "with the domain of the recipient in place of partner.example. To see whether STARTTLS is hidden from your "
        "address only, name two of your addresses: --source ADDR=mail@EHLO --source "
        "ADDR=witness@EHLO,role=witness.",
        "  ",
    )
