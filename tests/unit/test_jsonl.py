"""One row, written and read. To renew the golden rows after a change of the contract: write `encode` of each."""

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scanner import jsonl
from scanner.jsonl.judgement import write_delivery
from scanner.model.assessment import Outcome, Prediction, Verdict
from scanner.model.certificate import Certificate
from scanner.model.record import Evidence, Record
from scanner.model.session import Handshake
from scanner.protocols import certificate
from tests.unit import records
from tests.unit import stories as some

GOLDEN = Path(__file__).parent / "golden"
STORIES = {"typical": some.TYPICAL, "signed": some.SIGNED, "refused": some.REFUSED}


def parsed(record: Record) -> dict[str, Any]:
    row: dict[str, Any] = orjson.loads(jsonl.encode(record))
    return row


def evidence(record: Record) -> Evidence:
    assert record.evidence is not None
    return record.evidence


def strings(value: object) -> Iterator[str]:
    """Every key and every text in a parsed row."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
    elif isinstance(value, str):
        yield value


def depth(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


def without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


@pytest.mark.parametrize("name", STORIES)
def test_golden_rows_stay_as_they_are(name: str) -> None:
    assert jsonl.encode(STORIES[name]) == (GOLDEN / f"{name}.jsonl").read_bytes()


@pytest.mark.parametrize("name", STORIES)
def test_golden_rows_are_read_for_ever(name: str) -> None:
    assert jsonl.decode((GOLDEN / f"{name}.jsonl").read_bytes(), some.CERTIFICATES) == STORIES[name]


@given(records.records())
def test_what_was_written_comes_back_as_it_was(record: Record) -> None:
    line = jsonl.encode(record)
    assert orjson.loads(line)["truncated"] is False
    assert jsonl.decode(line, some.CERTIFICATES) == record


@given(records.records())
def test_p3_any_foreign_byte_gives_a_sound_line(record: Record) -> None:
    """docs/guarantees.md P3: one object a line, for every reader, with nothing in it that acts."""
    line = jsonl.encode(record)
    assert line.endswith(b"}\n")
    assert min(line[:-1]) >= 0x20
    row = json.loads(line, object_pairs_hook=without_duplicates)
    assert row == orjson.loads(line)
    assert depth(row) <= 6
    hidden = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert not [words for words in strings(row) if hidden & set(map(unicodedata.category, words))]


def test_the_head_says_what_a_warehouse_groups_by() -> None:
    head = parsed(some.SIGNED)
    assert (head["tls_version_min"], head["tls_version_max"]) == ("TLSv1.2", "TLSv1.2")
    assert (head["mx_count"], head["endpoint_count"], head["provider"]) == (1, 2, "signed.test")
    assert (head["first_finding"], head["differs_by_source"]) == ("starttls-not-supported", True)
    assert head["delivery"]["dane_only"] == "defer"
    assert parsed(some.REFUSED)["delivery"]["dane_only"] is None
    assert list(head)[:7] == ["schema", "run_id", "n", "domain", "input", "observed_at", "status"]


def test_versions_of_all_handshakes_are_compared() -> None:
    hands = [Handshake(version, "c", None, "") for version in ("TLSv1.2", "TLSv1", "TLSv1.3")]
    seen = replace(evidence(some.TYPICAL), sessions=tuple(some.session(handshake=hand) for hand in hands))
    head = parsed(replace(some.TYPICAL, evidence=seen))
    assert (head["tls_version_min"], head["tls_version_max"]) == ("TLSv1", "TLSv1.3")


def test_a_row_about_which_nothing_was_sent_has_no_evidence() -> None:
    row = parsed(some.REFUSED)
    assert (row["route"], row["policies"], row["sessions"]) == (None, None, [])
    assert (row["domain"], row["mx_count"], row["input"]["fault"]["kind"]) == (None, None, "ip_address")


def test_delivery_is_that_of_the_first_source_with_predictions() -> None:
    made = (
        Prediction("may", "second", Outcome.CLEAR, "r"),
        Prediction("may", "first", Outcome.ENCRYPTED, "r"),
        Prediction("mta_sts", "first", Outcome.BOUNCE, "r"),
    )
    delivery = write_delivery(made, ["witness", "first", "second"])
    assert (delivery["may"], delivery["mta_sts"], delivery["secure"]) == ("encrypted", "bounce", None)
    assert write_delivery(made, [])["may"] == "clear"


def test_a_certificate_that_is_missing_is_kept_by_its_digest() -> None:
    back = evidence(jsonl.decode(jsonl.encode(some.TYPICAL), {})).sessions[0].handshake
    there = evidence(some.TYPICAL).sessions[0].handshake
    assert back is not None
    assert there is not None
    assert back.chain == tuple(Certificate(each.sha256, b"") for each in there.chain)


def test_names_beyond_the_cap_are_counted() -> None:
    hand = Handshake("TLSv1.3", "c", None, "", (certificate.read(some.MANY_NAMES),), 1)
    seen = replace(evidence(some.TYPICAL), sessions=(some.session(handshake=hand),))
    row = parsed(replace(some.TYPICAL, evidence=seen))
    leaf = row["sessions"][0]["tls"]["leaf"]
    assert (len(leaf["names"]), leaf["names_count"], leaf["names_truncated"], row["truncated"]) == (32, 60, True, False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"schema":"2.0"}\n', "schema '2.0' is not 1.x"),
        (b'{"schema":1}\n', "schema 1 is not 1.x"),
        (b"[]\n", "schema None is not 1.x"),
        (b'{"schema":"1.0"}\n', "not a row of schema 1.0: KeyError"),
        (b'{"schema":"1.0","run_id":"x"', "unexpected end of data"),
    ],
)
def test_what_is_no_row_is_refused_in_one_line(line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words) as refused:
        jsonl.decode(line, {})
    assert "\n" not in str(refused.value)


@given(st.data(), st.sampled_from(list(STORIES.values())), st.sampled_from([None, 7, "7", [], [7], {}, "\n"]))
def test_a_damaged_row_raises_nothing_but_value_error(data: st.DataObject, record: Record, damage: Any) -> None:
    row = place = parsed(record)
    key: Any = data.draw(st.sampled_from(sorted(place)))
    while isinstance(place[key], dict | list) and place[key] and data.draw(st.booleans()):
        place = place[key]
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
    place[key] = damage
    words = ""
    try:
        jsonl.decode(orjson.dumps(row), some.CERTIFICATES)
    except ValueError as refused:
        words = str(refused)
    assert "\n" not in words


def test_keys_that_somebody_added_are_passed_over() -> None:
    row = {**parsed(some.TYPICAL), "news": [1]}
    row["sessions"][0]["news"] = True
    assert jsonl.decode(orjson.dumps(row), some.CERTIFICATES) == some.TYPICAL


@pytest.mark.parametrize("news", [{}, {"news": [1]}, {"starttls": "mostly"}, {"sessions": None}, {"n": 0}])
def test_a_row_of_a_newer_minor_version_is_refused_before_anything_else(news: dict[str, Any]) -> None:
    """Nobody here can know what is passed over, or what a word means that is not known."""
    line = orjson.dumps({**parsed(some.TYPICAL), "schema": "1.7", **news})
    with pytest.raises(ValueError, match=r"\Aschema 1\.7 was written by a newer starttls-scanner: .* up to 1\.0\Z"):
        jsonl.decode(line, some.CERTIFICATES)


@pytest.mark.parametrize("version", ["1", "1.", "1.x", "1.0.0", "1.-1", "1.\u0660", "1.0\n", "11.0"])
def test_what_is_no_version_is_refused(version: str) -> None:
    with pytest.raises(ValueError, match=r"\Aschema '.*' is not 1\.x\Z"):
        jsonl.decode(orjson.dumps({**parsed(some.TYPICAL), "schema": version}), some.CERTIFICATES)


@given(records.records(), records.assessments)
@settings(max_examples=50)
def test_another_judgement_changes_nothing_else(record: Record, assessment: Any) -> None:
    again = jsonl.replace_assessment(jsonl.encode(record), assessment)
    assert again == jsonl.encode(replace(record, assessment=assessment))


def test_another_judgement_leaves_a_row_what_somebody_added() -> None:
    row = {**parsed(some.TYPICAL), "news": [1], "truncated": True}
    judged = replace(some.TYPICAL.assessment, starttls=Verdict.FAIL)
    again = orjson.loads(jsonl.replace_assessment(orjson.dumps(row), judged))
    assert (again["news"], again["truncated"], again["starttls"]) == ([1], True, "fail")


@pytest.mark.parametrize("der", some.DERS)
def test_a_certificate_comes_back_as_it_was(der: bytes) -> None:
    there = certificate.read(der)
    line = jsonl.encode_certificate(there)
    assert jsonl.decode_certificate(line) == there
    assert orjson.loads(line)["sha256"] == there.sha256


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"schema":"1.0"}', r"not a certificate of schema 1\.0: KeyError: 'der'"),
        (b'{"schema":"1.0","der":1}', r"not a certificate of schema 1\.0: TypeError"),
        (b'{"schema":"1.0","der":"*"}', "base64"),
        (b'{"schema":"0.9"}', r"schema '0\.9' is not 1\.x"),
    ],
)
def test_what_is_no_certificate_is_refused(line: bytes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        jsonl.decode_certificate(line)


def test_another_judgement_of_what_is_no_row_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not a row of schema 1\.0: KeyError: 'sessions'"):
        jsonl.replace_assessment(b'{"schema":"1.0"}', some.TYPICAL.assessment)
