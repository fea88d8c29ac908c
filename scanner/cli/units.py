"""Values as people write them, units included: `30s`, `2/min`, `127.0.0.1:53`.

Each reader takes text and returns the value, or raises ValueError with one clear line.

Touches: nothing; the number of processors is asked for. Source: docs/record.md (options).
"""

import ipaddress
import os
import re
from collections import Counter
from collections.abc import Mapping

from scanner.assess.senders.delivery import ALL_MODELS
from scanner.model.fault import Fault
from scanner.model.session import Role, Source
from scanner.net.answers import server_address
from scanner.protocols.mx import is_host_name
from scanner.settings import Network
from scanner.targets import domain_names

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min|h)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_SHARD = re.compile(r"(\d+)/(\d+)")
_SOURCE = re.compile(r"([^=@]+)(?:=([^@]+))?(?:@(.+))?")
SOURCE_EXAMPLE = "192.0.2.1=mail@mx.example.org,role=mail,rate=5/s,open=50"


def duration_s(text: str) -> float:
    """Read seconds from `30s`, `500ms`, `2min`, `1h`."""
    found = _DURATION.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise ValueError(f"not a duration such as 30s, 500ms or 2min: {text}")
    return float(found[1]) * SECONDS[found[2]]


def rate_per_s(text: str) -> float:
    """Read a rate per second from `50/s`, `2/min`, `100/h`."""
    found = _RATE.fullmatch(text)
    if found is None or float(found[1]) == 0:
        raise ValueError(f"not a rate such as 50/s or 2/min: {text}")
    return float(found[1]) / SECONDS[found[2]]


def count(text: str) -> int:
    """Read a number from 1."""
    if not text.isdecimal() or not 1 <= int(text) < 2**31:
        raise ValueError(f"not a number from 1: {text}")
    return int(text)


def processes(text: str) -> int:
    """Read a number from 1, or `auto`: as many as there are processors for us."""
    most = 256
    number = len(os.sched_getaffinity(0)) if text == "auto" else count(text)
    if number > most:
        raise ValueError(f"more than {most}: {text}")
    return number


def seed(text: str) -> int:
    """Read a number from 0."""
    if not text.isdecimal() or int(text) >= 2**53:
        raise ValueError(f"not a number from 0: {text}")
    return int(text)


def port(text: str) -> int:
    """Read a TCP port."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise ValueError(f"not a port: {text}")
    return int(text)


def share(text: str) -> float:
    """Read a share of one from `50%`."""
    found = _PERCENT.fullmatch(text)
    if found is None or float(found[1]) > 100:
        raise ValueError(f"not a share such as 50%: {text}")
    return float(found[1]) / 100


def shard(text: str) -> tuple[int, int]:
    """Read K of N from `1/8`."""
    found = _SHARD.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(f"not a shard such as 1/8: {text}")
    return int(found[1]), int(found[2])


def network(text: str) -> Network:
    """Read a CIDR block."""
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"not a network: {error}") from None


def resolver(text: str) -> str:
    """Read `address`, `address:port`, `[address]` or `[address]:port`."""
    try:
        server_address(text)
    except ValueError:
        raise ValueError(f"not the address of a resolver: {text}") from None
    return text


def ehlo_name(text: str) -> str:
    """Read a fully qualified host name."""
    if "." not in text or not text.isascii() or not is_host_name(text):
        raise ValueError(f"not a fully qualified host name: {text}")
    return text


def domain(text: str) -> str:
    """Read a domain or a host name, in its own script or not."""
    name = domain_names.read(text)
    if isinstance(name, Fault):
        raise ValueError(f"not a domain: {text} ({name.detail})")  # noqa: TRY004 - the text is wrong, not its type
    return name


def role(text: str) -> Role:
    """Read what a source is for."""
    if text not in set(Role):
        raise ValueError(f"not one of {', '.join(Role)}: {text}")
    return Role(text)


def models(text: str) -> tuple[str, ...]:
    """Read sender models from `may,exim,gmail`, in their own order."""
    asked = set(text.split(","))
    strange = sorted(asked - set(ALL_MODELS))
    if strange:
        raise ValueError(f"no sender model: {', '.join(strange)}; there are {', '.join(ALL_MODELS)}")
    return tuple(name for name in ALL_MODELS if name in asked)


def source(text: str) -> Source:
    """Read `ADDR`, `ADDR=NAME`, `ADDR@EHLO` or `ADDR=NAME@EHLO`, with `,role=`, `,rate=` or `,open=` behind it."""
    head, *rest = text.split(",")
    found = _SOURCE.fullmatch(head)
    if found is None:
        raise ValueError(f"not a source such as {SOURCE_EXAMPLE}: {text}")
    said = [("address", found[1]), ("name", found[2]), ("ehlo_name", found[3])]
    said += [(key, value) for key, _, value in (word.partition("=") for word in rest)]
    twice = [key for key, times in Counter(key for key, _ in said).items() if times > 1]
    if twice:
        raise ValueError(f"not a source: {twice[0]} is there twice: {text}")
    return source_table({key: value for key, value in said if value is not None})


def source_table(words: Mapping[str, str]) -> Source:
    """Read a source of which every part is named: `address`, `name`, `ehlo_name`, `role`, `rate` and `open`."""
    if strange := sorted(words.keys() - {"address", "name", "ehlo_name", "role", "rate", "open"}):
        raise ValueError(f"not a part of a source: {', '.join(strange)}")
    try:
        address = str(ipaddress.ip_address(words.get("address", "")))
    except ValueError:
        raise ValueError(f"not an address of ours: {words.get('address', 'it is missing')}") from None
    name = words.get("name", address)
    if not name.isprintable() or not name.strip():
        raise ValueError(f"not a name: {name!a}")
    return Source(
        name=name,
        address=address,
        ehlo_name=ehlo_name(words["ehlo_name"]) if "ehlo_name" in words else "",
        role=role(words.get("role", Role.MAIL)),
        rate_per_s=rate_per_s(words["rate"]) if "rate" in words else None,
        open_most=count(words["open"]) if "open" in words else None,
    )
