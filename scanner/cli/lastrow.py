"""The last row of one domain in a file of rows, plain or packed, and the certificates that it names.

The file is read once from front to back, in pieces; a row that an interrupted run cut off is passed over.

Touches: files. Source: docs/record.md.
"""

from pathlib import Path

import orjson

from scanner import jsonl, text
from scanner.cli.exits import Exit, Refused
from scanner.cli.packed import beside, lines
from scanner.model.record import Record


def stored(path: str, domain: str, certificates: str | None) -> Record:
    """Read the record. Raises Refused where there is no row of the domain, or no file."""
    found = b""
    for line in lines(path):
        if domain.encode() in line and domain_of(line) == domain:
            found = line
    if not found:
        raise Refused(Exit.USAGE, f"--from {path}: no row of {domain}")
    place = certificates or beside(path)
    try:
        return jsonl.decode(found, named_in(found, place) if certificates or Path(place).exists() else {})
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
    for line in lines(path) if wanted else ():
        if any(sha256 in line for sha256 in wanted):
            read = jsonl.decode_certificate(line)
            found[read.sha256] = read.der
    return found
