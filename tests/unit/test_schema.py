"""The description of a row, held against rows and against docs/record.md."""

from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import given, settings

from scanner import jsonl, schema
from scanner.model.record import Record
from scanner.protocols import certificate
from tests.unit import records
from tests.unit import stories as some

DOCUMENT = Path(__file__).parents[2] / "docs" / "record.md"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"
ROW = jsonschema_rs.Draft202012Validator(schema.row())
CERTIFICATE = jsonschema_rs.Draft202012Validator(schema.certificate())
CODES = {"text", "word", "hex", "time", "int", "flag"}


def unlike(value: Any, part: str) -> list[str]:
    """Keys of a written part that are not exactly those described, in order, at any depth."""
    keys = [key for key, _, _ in schema.PARTS[part]]
    found = [] if list(value) == keys else [f"{part}: {sorted(set(value) ^ set(keys))}"]
    for key, type_, _ in schema.PARTS[part]:
        inner = type_.strip("[]?")
        if inner in schema.PARTS:
            each = value[key] if isinstance(value[key], list) else [value[key]]
            found += [line for one in each if one is not None for line in unlike(one, inner)]
    return found


def tables() -> str:
    """Write what docs/record.md says of every key: print this between the two marks after a change."""
    written = []
    for part, keys in schema.PARTS.items():
        rows = [f"| `{key}` | {linked(type_)} | {meaning} |" for key, type_, meaning in keys]
        written += [f"### {part}\n", "| key | type | meaning |", "|---|---|---|", *rows, ""]
    words = [f"- {name}: " + ", ".join(f"`{word}`" for word in known) for name, known in schema.WORDS.items()]
    return "\n".join([*written, "### words\n", *words, ""])


def linked(type_: str) -> str:
    """A type, with a link where it is a part or a set of words."""
    name, _, words = type_.strip("[]").partition(":")
    inner = name.removesuffix("?")
    shown = f"[{inner}](#{inner})" if inner in schema.PARTS else f"[{words}](#words)" if words else inner
    shown += " or null" if name.endswith("?") else ""
    return f"list of {shown}" if type_.startswith("[") else shown


@pytest.mark.parametrize("made", [schema.row(), schema.certificate()])
def test_the_schema_is_one(made: dict[str, Any]) -> None:
    assert jsonschema_rs.meta.is_valid(made)
    orjson.dumps(made)


@given(records.records())
@settings(max_examples=50)
def test_every_row_fits_its_schema_and_has_no_key_beside_it(record: Record) -> None:
    row = orjson.loads(jsonl.encode(record))
    assert [str(error) for error in ROW.iter_errors(row)] == []
    assert unlike(row, "row") == []


@pytest.mark.parametrize("der", some.DERS)
def test_every_certificate_fits_its_schema_and_has_no_key_beside_it(der: bytes) -> None:
    line = orjson.loads(jsonl.encode_certificate(certificate.read(der)))
    assert [str(error) for error in CERTIFICATE.iter_errors(line)] == []
    assert unlike(line, "certificate") == []


def test_a_missing_key_is_noticed_and_a_new_one_is_welcome() -> None:
    row = orjson.loads(jsonl.encode(some.TYPICAL))
    assert ROW.is_valid({**row, "news": 1, "starttls": "a_new_word"})
    for key in row:
        assert not ROW.is_valid({other: value for other, value in row.items() if other != key})


@pytest.mark.parametrize("part", schema.PARTS)
def test_beside_every_list_stands_how_many_there_are(part: str) -> None:
    keys = {key: type_ for key, type_, _ in schema.PARTS[part]}
    for key in [key for key, type_ in keys.items() if type_.startswith("[")]:
        assert (keys[f"{key}_count"], keys[f"{key}_truncated"]) == ("int", "flag")
        assert "?" not in keys[key]


@pytest.mark.parametrize("part", schema.PARTS)
def test_every_key_is_told_once_with_a_known_type(part: str) -> None:
    keys = [key for key, _, _ in schema.PARTS[part]]
    assert len(keys) == len(set(keys))
    for _, type_, meaning in schema.PARTS[part]:
        name, _, words = type_.strip("[]").partition(":")
        assert name.removesuffix("?") in CODES | schema.PARTS.keys()
        assert not words or words in schema.WORDS
        assert meaning


def test_the_document_tells_every_key_and_no_other() -> None:
    told = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    assert told == tables()
