"""The last row of one domain in a file of rows, plain or packed, and the certificates that it names.

The file is read once from front to back, in pieces; a row that an interrupted run cut off is passed over.

Touches: files. Source: docs/record.md.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

from scanner import jsonl, targets, text
from scanner.cli.assess import beside
from scanner.cli.exits import Exit, Refused
from scanner.model.record import Record
from scanner.parts import LINE_BYTES

CHUNK_BYTES = 64 * 1024
PACKINGS = ("", ".gz", ".zst")


def stored(path: str, domain: str, certificates: str | None) -> Record:
    """Read the record. Raises Refused where there is no row of the domain, or no file."""
    found = b""
    for line in lines_of(path, "--from"):
        if domain.encode() in line and domain_of(line) == domain:
            found = line
    if not found:
        raise Refused(Exit.USAGE, f"--from {path}: no row of {domain}")
    place = certificates or beside_any(path)
    try:
        return jsonl.decode(found, named_in(found, place) if place else {})
    except ValueError as error:
        raise Refused(Exit.USAGE, f"--from {path}: the row of {domain}: {error}") from None


def domain_of(line: bytes) -> str | None:
    """Read the domain of a row; None where it is no row."""
    try:
        domain = orjson.loads(line)["domain"]
    except (ValueError, KeyError, TypeError):
        return None
    return text.to_str(domain) if isinstance(domain, str) else None


def named_in(row: bytes, path: str) -> dict[str, bytes]:
    """Read the certificates that a row names, as far as the file has them. Raises Refused."""
    sessions = orjson.loads(row).get("sessions") or ()
    wanted = {sha256.encode() for each in sessions if each["tls"] for sha256 in each["tls"]["chain"]}
    found: dict[str, bytes] = {}
    for line in lines_of(path, "--certificates") if wanted else ():
        if any(sha256 in line for sha256 in wanted):
            read = jsonl.decode_certificate(line)
            found[read.sha256] = read.der
    return found


def beside_any(path: str) -> str:
    """Find the file of certificates beside a file of rows; empty where there is none."""
    stem = path.removesuffix(".gz").removesuffix(".zst")
    candidates = [beside(path), *(f"{beside(stem)}{packing}" for packing in PACKINGS)]
    return next((each for each in candidates if Path(each).exists()), "")


def lines_of(path: str, option: str) -> Iterator[bytes]:
    """Read a file line by line, unpacked. Raises Refused."""
    try:
        with targets.opened(path, sys.stdin.buffer) as stream:
            yield from split(stream)
    except targets.ListRefused as refused:
        raise Refused(Exit.USAGE, f"{option}: {refused}") from None


def split(stream: targets.ByteStream) -> Iterator[bytes]:
    """Split into lines. What is longer than any row is no row, and dropped."""
    rest = b""
    while chunk := stream.read(CHUNK_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        rest = rest if len(rest) <= LINE_BYTES else b""
    yield from (rest,) if rest else ()
