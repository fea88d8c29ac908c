"""From what people write in a list to the name that DNS is asked for.

A name may come as a URL, as an e-mail address, with port, quotes, final dot or capitals, or in its own script.
Labels outside ASCII become A-labels by UTS 46. ASCII labels are judged by length and alphabet alone, because names
that IDNA refuses (`_`, a leading hyphen) do resolve and do have mail.

Touches: nothing. Source: RFC 1035 section 2.3.4 (lengths), RFC 5321 section 2.3.5, RFC 5891 section 5, UTS 46.
"""

import ipaddress
import re
import string

import idna

from scanner.model.fault import Fault, Kind, Side, Stage

NAME_MOST = 253
"""Characters of a name without its final dot (RFC 1035 section 2.3.4: 255 octets on the wire)."""
EDGES = string.whitespace + "\u00a0\u200b\ufeff\"'`<>\u2018\u2019\u201c\u201d\u00ab\u00bb"
"""Blanks and quotes of several scripts, which stay behind around a name."""
SCHEME = re.compile(r"(?:[a-z][a-z0-9+.-]*:)?//", re.IGNORECASE)
AFTER_HOST = re.compile(r"[/?#\\]")
WITH_PORT = re.compile(r"([^:]*|\[.*\]):[0-9]{0,5}")
LABEL = re.compile(r"[a-z0-9_-]*")


def read(text: str) -> str | Fault:
    """The A-label form, lower case, without final dot; or a fault, NOT_A_HOST_NAME or IP_ADDRESS."""
    host = host_part(text)
    if host is None:
        return unfit("more than one name could be meant")
    if len(host) > NAME_MOST + 1:  # before any IDNA: its cost grows with the length
        return unfit(f"longer than {NAME_MOST} characters")
    try:
        name = a_labels(host).lower().removesuffix(".")
    except UnicodeError as error:  # idna's own errors are kinds of it
        return unfit(f"no international name: {error}")
    if is_address(name):
        return Fault(Stage.INPUT, Kind.IP_ADDRESS, Side.INPUT, "mail goes to domains, not to addresses")
    why = objection(name)
    return unfit(why) if why else name


def unfit(why: str) -> Fault:
    """The fault of a text that is no host name."""
    return Fault(Stage.INPUT, Kind.NOT_A_HOST_NAME, Side.INPUT, why[:200])


def host_part(text: str) -> str | None:
    """What stands where a host stands in a URL or an e-mail address; None where two places would do.

    `site.example/@user.name` and `o/u=x@site.example` look alike: to guess would be to scan somebody else.
    """
    text = text.strip(EDGES)
    scheme = SCHEME.match(text)
    head, *path = AFTER_HOST.split(text[scheme.end() :] if scheme else text, maxsplit=1)
    at_signs = head.count("@")
    if at_signs > 1 or (not scheme and not at_signs and "@" in "".join(path)):
        return None
    host = head.rpartition("@")[2].strip(EDGES)
    port = WITH_PORT.fullmatch(host)
    return port[1].strip(EDGES) if port else host


def a_labels(host: str) -> str:
    """RFC 5891 section 5.3 and 5.4, label by label, so that `_` beside an international label survives."""
    if host.isascii():
        return host
    mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
    return ".".join(label if label.isascii() else idna.alabel(label).decode("ascii") for label in mapped.split("."))


def is_address(name: str) -> bool:
    """Tell an IP address, bare or as an address literal (RFC 5321 section 4.1.3)."""
    bare = name.removeprefix("[").removesuffix("]").removeprefix("ipv6:")
    try:
        ipaddress.ip_address(bare)
    except ValueError:
        return False
    return True


def objection(name: str) -> str:
    """Why a lower-case name cannot be a mail domain; empty where it can."""
    labels = name.split(".")
    reasons = (
        (not name, "no name in it"),
        (len(name) > NAME_MOST, f"longer than {NAME_MOST} characters"),
        (not all(map(LABEL.fullmatch, labels)), "characters other than letters, digits, hyphen, underscore and dot"),
        ("" in labels, "an empty label"),
        (max(map(len, labels)) > 63, "a label longer than 63 characters"),  # RFC 1035 s2.3.4
        (len(labels) == 1, "a single label: no mail domain, complete it"),  # RFC 5321 s2.3.5: fully qualified
        (labels[-1].isdigit(), "the last label is a number"),  # RFC 3696 s2: no such top-level domain
    )
    return next((why for wrong, why in reasons if wrong), "")
