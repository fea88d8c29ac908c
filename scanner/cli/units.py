"""Values as people write them, units included: `30s`, `2/min`, `127.0.0.1:53`.

Each reader takes text and returns the value, or raises ValueError with one clear line.

Touches: nothing. Source: docs/record.md (options).
"""

import ipaddress
import re

from scanner.model.session import Source
from scanner.net.answers import server_address
from scanner.protocols.mx import is_host_name
from scanner.settings import Network

SECONDS = {"ms": 0.001, "s": 1.0, "min": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|min|h)")
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min|h)")
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)%")
_SHARD = re.compile(r"(\d+)/(\d+)")
_SOURCE = re.compile(r"([^=]+)(?:=([^@]+))?(?:@(.+))?")


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


def source(text: str) -> Source:
    """Read `ADDR`, `ADDR=NAME`, `ADDR@EHLO` or `ADDR=NAME@EHLO`."""
    found = _SOURCE.fullmatch(text)
    if found is None:
        raise ValueError(f"not a source such as 192.0.2.1=mail@mx.example.org: {text}")
    address, _, at = found[1].partition("@")
    try:
        canonical = str(ipaddress.ip_address(address))
    except ValueError:
        raise ValueError(f"not an address of ours: {address}") from None
    name = found[3] or at
    return Source(found[2] or canonical, canonical, ehlo_name(name) if name else "")
