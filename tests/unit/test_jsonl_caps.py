"""What becomes of rows that are too large."""

from dataclasses import astuple, replace
from itertools import pairwise
from typing import Any

import orjson
import pytest

from scanner import jsonl
from scanner.jsonl.caps import FULL, ROW_BYTES, Pen, ladder
from scanner.jsonl.row import least_bytes, write_record
from scanner.model.assessment import Cause, Finding, Outcome
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy, TlsRpt
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, Endpoint, MxRecord, Route, TlsaRecord
from scanner.model.session import Handshake, Oddity, Reply
from scanner.model.target import Target
from scanner.protocols import certificate
from tests.unit import stories as some

LETTER = "\U000e0041"  # four bytes on the wire, ten in a row
NAME = LETTER * 255
FAULT = Fault(Stage.EHLO, Kind.MALFORMED, Side.REMOTE, LETTER * 500, 500)


def chatty(lines: int, length: int) -> Reply:
    return Reply(250, (b"250-" + b"\x1b" * length,) * lines)


def crowd(sessions: int, reply: Reply) -> Record:
    """A typical record with more to say."""
    there = some.TYPICAL.evidence
    assert there is not None
    talk = some.session(greeting=reply, ehlo=reply, ehlo_tls=reply)
    return replace(some.TYPICAL, evidence=replace(there, sessions=(talk,) * sessions))


def worst() -> Record:
    """Every cap of reading reached at once, with the letters that take most room."""
    txt: Answer[bytes] = Answer(NAME, (b"\xff" * 65_000,) * 64, NAME, 1, fault=FAULT)
    addresses = tuple(f"192.0.2.{number}" for number in range(256))
    tlsa = Answer(NAME, (TlsaRecord(3, 0, 0, bytes(2000)),) * 32, NAME, 1, fault=FAULT)
    host = some.host(NAME, ipv4=Answer(NAME, addresses, NAME, 1), ipv6=Answer(NAME, fault=FAULT), tlsa=tlsa)
    leaf = replace(certificate.read(some.MANY_NAMES), subject=NAME * 4, issuer=NAME * 4, dns_names=(NAME,) * 4096)
    session = some.session(
        endpoint=Endpoint(NAME, "192.0.2.1", 25, NAME),
        greeting=chatty(256, 32),
        ehlo=chatty(256, 60),
        helo=chatty(256, 60),
        starttls=chatty(256, 60),
        ehlo_tls=chatty(256, 60),
        handshake=Handshake("TLSv1.3", NAME, NAME, NAME, (leaf,) * 8, 9),
        fault=FAULT,
        oddities=tuple(Oddity),
        unsolicited=b"\xff" * 1024,
    )
    fetch = PolicyFetch("192.0.2.1", 200, NAME, b"\xff" * 65_536, FAULT)
    prediction = some.predicted(Outcome.DEFER)[0]
    return Record(
        "run",
        Target(1, "example.test", LETTER * 1024, ((NAME, NAME),) * 2048, FAULT),
        some.AT,
        Evidence(
            Route("example.test", Answer(NAME, (MxRecord(1, NAME),) * 3000), (host,) * 20, 3000, resolver=NAME),
            MtaSts(txt, "id", fetch, StsPolicy(StsMode.ENFORCE, 1, (NAME,) * 4000)),
            TlsRpt(txt, (NAME,) * 1000),
            (session,) * 320,
        ),
        replace(
            some.TYPICAL.assessment,
            findings=(Finding(NAME, NAME, NAME, NAME, NAME, LETTER * 500),) * 2000,
            causes=(Cause(NAME, 100, (NAME,) * 100),) * 20,
            predictions=(replace(prediction, words=NAME * 4, reason=NAME),) * 500,
        ),
    )


def parsed(line: bytes) -> dict[str, Any]:
    row: dict[str, Any] = orjson.loads(line)
    return row


def test_a_row_never_outgrows_its_limit() -> None:
    line = jsonl.encode(worst())
    row = parsed(line)
    assert len(line) <= ROW_BYTES
    assert row["truncated"] is True
    assert row["domain"] == "example.test"
    assert (row["sessions_count"], row["sessions_truncated"], row["mx_count"]) == (320, True, 3000)
    assert jsonl.decode(line, some.CERTIFICATES).assessment.status == "ok"


def test_the_bottom_of_the_ladder_is_a_row_of_fixed_size() -> None:
    last = list(ladder())[-1]
    assert set(astuple(last)) == {0}
    assert len(orjson.dumps(write_record(worst(), Pen(last)))) < 10_000


def test_every_step_of_the_ladder_goes_down() -> None:
    steps = [astuple(caps) for caps in ladder()]
    for one, other in pairwise(steps):
        assert all(after <= before for before, after in zip(one, other, strict=True))
    assert len(set(steps)) == len(steps)


def test_reply_lines_go_first() -> None:
    row = parsed(jsonl.encode(crowd(8, chatty(200, 60))))
    session = row["sessions"][0]
    assert row["truncated"] is True
    assert (len(row["sessions"]), len(session["ehlo"]), session["ehlo_count"]) == (8, 8, 200)
    assert session["ehlo_truncated"] is True
    assert session["tls"]["leaf"]["names"] == ["mx.test", "mail.test"]
    assert len(session["tls"]["chain"]) == 2


def test_many_ordinary_sessions_keep_their_facts_and_lose_their_lines() -> None:
    row = parsed(jsonl.encode(crowd(80, some.reply(b"250-mx.test", *[b"250-KEYWORD" * 8] * 20, b"250 DSN"))))
    assert len(row["sessions"]) == 80
    assert (row["truncated"], row["sessions_truncated"]) == (True, False)
    assert row["sessions"][79]["keywords"][-1] == "DSN"


def test_a_row_within_the_limit_is_whole() -> None:
    row = parsed(jsonl.encode(crowd(40, some.reply(b"250-mx.test", b"250 DSN"))))
    assert row["truncated"] is False
    assert row["sessions"][39]["ehlo"] == ["250-mx.test", "250 DSN"]


def test_as_many_predictions_as_a_scan_may_make_fit() -> None:
    [first, *_] = some.predicted(Outcome.DEFER)
    made = tuple(replace(first, source=f"source-{number}") for number in range(FULL.predictions))
    whole = replace(some.TYPICAL, assessment=replace(some.TYPICAL.assessment, predictions=made))
    row = parsed(jsonl.encode(whole))
    assert (row["truncated"], len(row["predictions"])) == (False, FULL.predictions)
    more = replace(whole, assessment=replace(whole.assessment, predictions=(*made, first)))
    cut = parsed(jsonl.encode(more))
    assert (cut["truncated"], cut["predictions_truncated"]) == (True, True)
    assert cut["predictions_count"] == FULL.predictions + 1


@pytest.mark.parametrize("record", [some.TYPICAL, some.SIGNED, some.REFUSED, crowd(40, chatty(9, 9))])
def test_the_cheap_look_never_promises_too_much(record: Record) -> None:
    for caps in ladder():
        assert least_bytes(record, caps) <= len(orjson.dumps(write_record(record, Pen(caps))))


def test_a_policy_file_is_kept_by_its_beginning_and_its_digest() -> None:
    there = some.TYPICAL.evidence
    assert there is not None
    body = b"version: STSv1\r\n" * 100
    long = replace(there, mta_sts=MtaSts(there.mta_sts.txt, fetch=PolicyFetch(status=200, body=body)))
    row = parsed(jsonl.encode(replace(some.TYPICAL, evidence=long)))
    fetch = row["policies"]["mta_sts"]["fetch"]
    assert (len(fetch["body"]), fetch["body_bytes"], fetch["body_truncated"]) == (1024 + 64 * 6, 1600, True)
    assert row["truncated"] is True


def test_another_judgement_of_a_full_row_still_fits() -> None:
    line = jsonl.encode(worst())
    again = jsonl.replace_assessment(line, replace(some.TYPICAL.assessment, findings=(Finding("f", "r"),) * 9000))
    assert len(again) <= ROW_BYTES
    row = parsed(again)
    assert (row["sessions_count"], row["findings_count"], row["findings_truncated"]) == (320, 9000, True)


def test_data_of_dns_records_is_capped_too() -> None:
    pen = Pen(FULL)
    assert len(pen.hex(bytes(65_000))) == 2 * FULL.record_bytes
    assert pen.cut
