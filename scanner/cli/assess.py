"""`starttls assess`: judge stored rows again, by today's rules, without a connection.

Evidence stays as it is, to the byte; only what was concluded from it is replaced. The moment of judgement is that of
the row. Rows without evidence (a bad row of the list, an excluded domain) pass through.

Touches: files (rows, certificates, trust anchors), stdout. Source: docs/record.md (commands), docs/adr/0001.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import certifi
import orjson

from scanner import jsonl
from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.assess.senders.delivery import ALL_MODELS
from scanner.cli.arguments import parsed
from scanner.cli.exits import Exit, Refused
from scanner.cli.job import read_bytes, trusted
from scanner.cli.packed import beside, lines, opened
from scanner.cli.streams import show_line
from scanner.cli.units import models


@dataclass(frozen=True, slots=True)
class CertificateFile(Mapping[str, bytes]):
    """DER by SHA-256, read when asked for; only where each line begins is kept in memory."""

    stream: BinaryIO
    offsets: dict[str, int] = field(default_factory=dict)

    def __getitem__(self, sha256: str) -> bytes:
        self.stream.seek(self.offsets[sha256])
        return jsonl.decode_certificate(self.stream.readline()).der

    def __iter__(self) -> Iterator[str]:
        return iter(self.offsets)

    def __len__(self) -> int:
        return len(self.offsets)


def run(words: Sequence[str], _environment: Mapping[str, str]) -> Exit:
    """Judge one file of rows."""
    parser = argparse.ArgumentParser("starttls assess", exit_on_error=False, allow_abbrev=False)
    parser.add_argument("file", nargs="?", metavar="FILE", help="rows of a scan")
    parser.add_argument("--certificates", metavar="FILE", help="certificates, FILE.certificates.jsonl otherwise")
    parser.add_argument("--ca-file", metavar="PEM", help="trust anchors, instead of the Mozilla list of certifi")
    parser.add_argument("--models", metavar="NAMES", help="sender models, separated by commas; all otherwise")
    asked = parsed(parser, words)
    if asked["file"] is None:
        raise Refused(Exit.USAGE, "which file? starttls assess FILE")
    anchors = trusted("--ca-file", read_bytes(asked["ca_file"] or certifi.where(), "--ca-file"))
    judge = Judge(anchors, chosen_models(asked["models"]), Servers())
    place = asked["certificates"] or beside(asked["file"])
    with opened(place) as stream:
        certificates = jsonl.Certificates(CertificateFile(stream, indexed(stream, place)))
        for number, line in enumerate(lines(asked["file"]), 1):
            show_line(judged_again(line + b"\n", certificates, judge, f"{asked['file']}, line {number}"))
    return Exit.OK


def chosen_models(text: str | None) -> tuple[str, ...]:
    """Read the names of sender models. Raises Refused."""
    try:
        return ALL_MODELS if text is None else models(text)
    except ValueError as error:
        raise Refused(Exit.USAGE, f"--models: {error}") from None


def indexed(stream: BinaryIO, path: str) -> dict[str, int]:
    """Find where the line of each certificate begins. Raises Refused."""
    offsets: dict[str, int] = {}
    at = 0
    for line in stream:
        try:
            offsets.setdefault(orjson.loads(line)["sha256"], at)
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(Exit.USAGE, f"{path}: byte {at}: no certificate: {error}") from None
        at += len(line)
    return offsets


def judged_again(line: bytes, certificates: jsonl.Certificates, judge: Judge, place: str) -> bytes:
    """Replace the judgement of one row. Raises Refused for what is no row."""
    try:
        record = jsonl.decode(line, certificates)
        if record.evidence is None:
            return line
        return jsonl.replace_assessment(line, judge(record.evidence, record.observed_at, record.target.policy))
    except ValueError as error:
        raise Refused(Exit.USAGE, f"{place}: {error}") from None
