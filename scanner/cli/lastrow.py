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
        record = jsonl.decode(found, {})
        wanted = named_in(record) if certificates or Path(place).exists() else frozenset[bytes]()
        return jsonl.decode(found, read(place, wanted)) if wanted else record
    except ValueError as error:
        raise Refused(Exit.USAGE, f"--from {path}: the row of {domain}: {error}") from None


def domain_of(line: bytes) -> str | None:
    """Read the domain of a row; None where it is no row."""
    try:
        domain = orjson.loads(line)["domain"]
    except (ValueError, KeyError, TypeError):
        return None
    return text.to_str(domain) if isinstance(domain, str) else None


def named_in(record: Record) -> frozenset[bytes]:
    """Name the certificates of a row, as they are written."""
    sessions = () if record.evidence is None else record.evidence.sessions
    chains = (session.handshake.chain for session in sessions if session.handshake is not None)
    return frozenset(certificate.sha256.encode() for chain in chains for certificate in chain)


def read(path: str, wanted: frozenset[bytes]) -> dict[str, bytes]:
    """Read these certificates, as far as the file has them. Raises Refused, and ValueError for what is none."""
    found: dict[str, bytes] = {}
    for line in lines(path):
        if any(sha256 in line for sha256 in wanted):
            certificate = jsonl.decode_certificate(line)
            found[certificate.sha256] = certificate.der
    return found
