"""A Record as one JSON line, and back; a Certificate likewise.

What is written is what docs/record.md says: every key always there, in a fixed order, at most 256 KiB, and nothing in
it that a terminal, a database or a reader would take for anything but text. What is read back can be judged again.

Touches: nothing. Source: docs/record.md; RFC 8259 (JSON), RFC 3339 (time), RFC 4648 section 4 (base64).
"""

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import orjson

from scanner import schema
from scanner.jsonl import judgement
from scanner.jsonl.caps import FULL, ROW_BYTES, SPARE_BYTES, Pen, ladder
from scanner.jsonl.certificates import Certificates
from scanner.jsonl.row import least_bytes, read_record, write_record
from scanner.jsonl.sessions import write_certificate
from scanner.jsonl.values import read_flag, read_text
from scanner.model.assessment import Assessment
from scanner.model.certificate import Certificate
from scanner.model.record import Record
from scanner.model.session import Role
from scanner.protocols import certificate as x509

__all__ = [
    "ROW_BYTES",
    "Certificates",
    "decode",
    "decode_certificate",
    "encode",
    "encode_certificate",
    "parsed",
    "replace_assessment",
]

_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_STRICT_INTEGER


def encode(record: Record) -> bytes:
    """Write one row with its final newline, at most `ROW_BYTES`. What does not fit is left out in the order of
    `caps.ladder`, and the row says `truncated`.
    """
    most = ROW_BYTES - SPARE_BYTES
    for caps in ladder():
        if least_bytes(record, caps) <= most:
            line = orjson.dumps(write_record(record, Pen(caps)), option=_OPTIONS)
            if len(line) <= most:
                break
    return line


def decode(line: bytes, certificates: Mapping[str, bytes] | Certificates) -> Record:
    """Read one row. `certificates` are DER by SHA-256; one that is missing is kept by its digest, without DER. Whoever
    reads many rows makes one `Certificates` of them, and none is read twice.

    A row that is not `truncated` comes back as it was, instants to the millisecond. Keys that are not known are passed
    over. Raises ValueError, in one line, for what is not a row of this major version.
    """
    row = parsed(line)
    with _refusing_what_is_no("row"):
        return read_record(row, certificates if isinstance(certificates, Certificates) else Certificates(certificates))


def replace_assessment(line: bytes, assessment: Assessment) -> bytes:
    """Put another judgement into a stored row and leave all else as it is, truncated or not, known or not.

    Raises ValueError as `decode` does.
    """
    row = parsed(line)
    with _refusing_what_is_no("row"):
        sources = [read_text(it["source"]) for it in row["sessions"] if it["role"] == Role.MAIL]
        was_cut = read_flag(row["truncated"])
    for caps in ladder():
        pen = Pen(caps)
        judged = judgement.write_verdicts(assessment) | judgement.write_conclusions(assessment, sources, pen)
        again = {**row, **judged, "truncated": was_cut or pen.cut}
        with _refusing_what_is_no("row"):  # a key that is not known may hold what no row may
            line = orjson.dumps(again, option=_OPTIONS)
        if len(line) <= ROW_BYTES:
            break
    return line


def encode_certificate(certificate: Certificate) -> bytes:
    """Write one line of the certificate file, with its final newline: the facts as in a row, and the DER."""
    facts = write_certificate(certificate, Pen(FULL))
    der = base64.b64encode(certificate.der).decode("ascii")
    return orjson.dumps({"schema": schema.VERSION, **facts, "der": der}, option=_OPTIONS)


def decode_certificate(line: bytes) -> Certificate:
    """Read the certificate again from its DER. Raises ValueError for what is not a line of this major version."""
    row = parsed(line)
    with _refusing_what_is_no("certificate"):
        return x509.read(base64.b64decode(row["der"], validate=True))


@contextmanager
def _refusing_what_is_no(what: str) -> Iterator[None]:
    """Say in one line what is wrong with a line that has the right version and the wrong shape."""
    try:
        yield
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a {what} of schema {schema.VERSION}: {type(error).__name__}: {error}") from error


@lru_cache(1)
def parsed(line: bytes) -> Mapping[str, Any]:
    """Parse one line and look at its version. Raises ValueError.

    Parsing is half of reading, and a row that was read is often the next to be given another judgement.
    """
    row = orjson.loads(line)
    version = row.get("schema") if isinstance(row, dict) else None
    if not isinstance(version, str) or version.partition(".")[0] != schema.MAJOR:
        raise ValueError(f"schema {repr(version)[:80]} is not {schema.MAJOR}.x")
    return MappingProxyType(row)
