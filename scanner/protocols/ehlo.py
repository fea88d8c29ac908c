"""What a server offers in its EHLO reply, and how a middlebox or a careless server garbles the offer.

Touches: nothing. Source: RFC 5321 section 4.1.1.1 (EHLO reply), RFC 3207 section 4; masked banners and keywords as
middleboxes write them.
"""

import ipaddress
import re
from functools import lru_cache

from scanner.model.session import Oddity, Reply, Session
from scanner.protocols.replies import LINE_BYTES, code_of, coded_lines, text_of

KEYWORDS_MOST = 64
KEYWORD_BYTES = 64
FIRST_LINE_BYTES = 1024

_STARTTLS = b"STARTTLS"
_SEPARATOR = re.compile(rb"[ \t=]")
_MANGLED = re.compile(rb"X{7,}[A-Z]?|\*+")  # the keyword overwritten in place, as fixup proxies do
_MASKED_BANNER = re.compile(rb"[20 *\t]+")  # with a star in it; a pattern that asks for one takes long on 8 KiB
_IN_BRACKETS = re.compile(rb"\[(?:IPv6:)?([0-9A-Fa-f:.]{2,45})\]", re.IGNORECASE)
_BARE = re.compile(rb"(?<![0-9A-Za-z:.-])[0-9A-Fa-f:.]{2,45}(?![0-9A-Za-z:-])")


def keywords(reply: Reply) -> tuple[str, ...]:
    """Upper-cased keywords, in order, capped. The first line is a greeting and offers nothing (RFC 5321 s4.1.1.1)."""
    found = [keyword for keyword, _ in _offers(reply)[:KEYWORDS_MOST]]
    return tuple(keyword[:KEYWORD_BYTES].upper().decode("ascii", "backslashreplace") for keyword in found)


@lru_cache(64)  # asked a dozen times in a row about each reply
def offers_starttls(reply: Reply) -> bool:
    """Whether any keyword line says STARTTLS, in any case, with whatever behind it."""
    return any(keyword.upper() == _STARTTLS for keyword, _ in _offers(reply))


def oddities(greeting: Reply, ehlo: Reply) -> tuple[Oddity, ...]:
    """How the banner and the offer differ from what RFC 3207 foresees."""
    offers = _offers(ehlo)
    ours = [(keyword, rest) for keyword, rest in offers if keyword.upper() == _STARTTLS]
    is_clean = (_STARTTLS, b"") in ours  # one plain offer is enough for everybody
    found = (
        (Oddity.BANNER_MASKED, any(map(_is_masked, coded_lines(greeting)))),
        (Oddity.STARTTLS_MISPLACED, not ours and _is_misplaced(ehlo)),
        (Oddity.STARTTLS_MANGLED, any(_MANGLED.fullmatch(keyword) for keyword, _ in offers)),
        (Oddity.STARTTLS_LOWER_CASE, not is_clean and any(keyword != _STARTTLS for keyword, _ in ours)),
        (Oddity.STARTTLS_PARAMETER, not is_clean and any(rest for _, rest in ours)),
    )
    return tuple(oddity for oddity, there in found if there)


def egress(session: Session) -> str:
    """Our address as the server told it: in its answer to EHLO or HELO, else in a refusal. Never the server's own."""
    endpoint, replies = session.endpoint, (session.ehlo, session.helo, session.greeting, session.starttls)
    known = [reply for reply in replies if reply is not None]
    hellos = [reply for reply in (session.ehlo, session.helo) if reply is not None and reply.is_positive]
    told = [*map(echoed_address, hellos), *(each for reply in known for each in accused_addresses(reply))]
    its_own = {""} if endpoint.address == session.source_address else {"", endpoint.address}
    return next((address for address in told if address not in its_own), "")


def echoed_address(reply: Reply) -> str:
    """Find the client address that the first EHLO line repeats, bracketed or bare; empty where there is none."""
    lines = coded_lines(reply)
    if not lines:
        return ""
    text = text_of(lines[0])[:FIRST_LINE_BYTES]
    candidates = [*_IN_BRACKETS.findall(text), *_BARE.findall(text)]
    return next((address for address in map(_address, candidates) if address), "")


def accused_addresses(reply: Reply) -> list[str]:
    """List addresses that a refusal names, bracketed: what is bare there may be a version number."""
    texts = [text_of(line)[:FIRST_LINE_BYTES] for line in coded_lines(reply)] if reply.code >= 400 else []
    return [_address(found) for text in texts for found in _IN_BRACKETS.findall(text)]


def _offers(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    """(keyword, parameters) of every coded line after the first. A million servers have a few hundred lists."""
    first = next((place for place, line in enumerate(reply.lines) if code_of(line) is not None), len(reply.lines))
    rest = reply.lines[first + 1 :]
    return _usual_offers(rest) if sum(map(len, rest)) <= LINE_BYTES else _usual_offers.__wrapped__(rest)


@lru_cache(512)
def _usual_offers(lines: tuple[bytes, ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple([offer for line in lines if code_of(line) is not None and any(offer := _split(text_of(line)))])


def _is_masked(line: bytes) -> bool:
    return b"*" in line and _MASKED_BANNER.fullmatch(line) is not None


def _split(text: bytes) -> tuple[bytes, bytes]:
    """Keyword as sent, and what follows its blank or `=`, which is kept: `STARTTLS=` is not plain."""
    text = text.strip()
    separator = _SEPARATOR.search(text)
    if separator is None:
        return text, b""
    return text[: separator.start()], text[separator.start() :].strip()


def _is_misplaced(reply: Reply) -> bool:
    """Find the word where no keyword belongs: in the greeting line, or on a line without a code."""
    coded = coded_lines(reply)
    first = [text_of(coded[0])] if coded else []
    junk = [line for line in reply.lines if line not in coded]
    return any(line.strip().upper() == _STARTTLS for line in first + junk)


def _address(text: bytes) -> str:
    """Write it canonically, and an IPv4-mapped one as what it maps; empty where it is no address."""
    try:
        address = ipaddress.ip_address(text.decode("ascii").rstrip("."))
    except ValueError:
        return ""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
