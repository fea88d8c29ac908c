"""A session that many rows share is written once, and every row says what it would have said alone."""

from dataclasses import replace

import orjson
import pytest

from scanner import jsonl
from scanner.jsonl.caps import FULL, Pen
from scanner.jsonl.sessions import write_session
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Session
from tests.unit.stories import TYPICAL, session

SHARED = session(shared=True)
OTHERS = {
    "another domain": replace(SHARED, endpoint=Endpoint("mx2.example.test", "192.0.2.9", 26, "")),
    "inherited": replace(SHARED, inherited=True),
    "our fault": replace(SHARED, fault=Fault(Stage.EHLO, Kind.STALLED, Side.OURS)),
    "another source": replace(SHARED, source="witness"),
    "seen elsewhere": replace(SHARED, egress="203.0.113.77"),
    "no handshake": replace(SHARED, handshake=None),
    "asked again": replace(SHARED, follow_up=1),
}


def written(each: Session) -> bytes:
    """One session as it stands in a row."""
    return orjson.dumps(write_session(each, Pen(FULL)))


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_shared_session_is_written_as_it_would_be_alone(other: Session) -> None:
    written(SHARED)
    alone = written(replace(other, shared=False))
    assert written(other) == written(other) == alone.replace(b'"shared":false', b'"shared":true')


def test_what_is_cut_in_a_shared_session_is_cut_in_every_row() -> None:
    huge = replace(SHARED, source="x" * (FULL.letters + 1))
    for _ in range(2):
        pen = Pen(FULL)
        write_session(huge, pen)
        assert pen.cut


def test_a_row_of_shared_sessions_reads_the_same_twice() -> None:
    assert TYPICAL.evidence is not None
    record = replace(TYPICAL, evidence=replace(TYPICAL.evidence, sessions=(SHARED, SHARED)))
    assert jsonl.encode(record) == jsonl.encode(record)
