"""What is told of a run when it is over."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.checkpoint import Interruption
from scanner.manifest import ClockStep, Manifest, ResolverUsed, SourceUsed, State, Versions, digest, encode, run_id
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.session import Role
from scanner.tally import Tally
from tests.unit.journals import AT, LIST

LATER = AT + timedelta(seconds=61, milliseconds=5)


def tally() -> Tally:
    counted = Tally()
    counted.add_row({"n": 1, "status": "ok", "starttls": "pass"})
    counted.add_undone(Fault(Stage.INPUT, Kind.BUG, Side.OURS))
    return counted


MANIFEST = Manifest(
    run_id="run-1",
    state=State.COMPLETE,
    exit_code=0,
    started_at=AT,
    finished_at=LATER,
    interruptions=(Interruption(AT, LATER),),
    versions=Versions("0.1.0", "1.0", "3.11.7", "OpenSSL 3.0"),
    settings={"rate": 50.0, "source": ("192.0.2.1",)},
    settings_sha256="00",
    input=LIST,
    seed=7,
    sources=(SourceUsed("mail", "192.0.2.1", Role.MAIL, "c.test"),),
    resolvers=(ResolverUsed("127.0.0.1:53", validates=True),),
    tally=tally(),
)
KEYS = [
    *("schema", "run_id", "state", "exit_code", "started_at", "finished_at"),
    *("interruptions", "clock_steps", "versions", "settings", "settings_sha256", "input", "seed"),
    *("sources", "canaries", "resolvers", "trust_store", "exclusions", "exclusions_versions", "special_addresses_date"),
    *("pace", "latency_ms", "families", "parked", "counts", "alarms"),
]


def test_every_key_is_there_and_what_is_not_known_is_null() -> None:
    document = orjson.loads(encode(MANIFEST))
    assert list(document) == KEYS
    assert [key for key, value in document.items() if value is None] == [
        *("trust_store", "exclusions", "special_addresses_date"),
        *("pace", "latency_ms", "families", "parked"),
    ]


def test_times_are_utc_with_milliseconds() -> None:
    """RFC 3339 section 5.6, wherever the caller's clock stands."""
    moved = replace(MANIFEST, finished_at=LATER.astimezone(timezone(timedelta(hours=5))))
    document = orjson.loads(encode(moved))
    assert document["finished_at"] == "2026-11-24T00:01:01.005Z"
    assert document["interruptions"] == [
        {"stopped_at": "2026-11-24T00:00:00.000Z", "resumed_at": "2026-11-24T00:01:01.005Z"}
    ]


def test_a_step_of_the_clock_is_its_moment_and_its_size() -> None:
    document = orjson.loads(encode(replace(MANIFEST, clock_steps=(ClockStep(AT, -3600.0),))))
    assert document["clock_steps"] == [{"at": "2026-11-24T00:00:00.000Z", "by_s": -3600.0}]


def test_counts_are_those_of_the_tally() -> None:
    counts = orjson.loads(encode(MANIFEST))["counts"]
    assert (counts["rows"], counts["undone"], counts["undone_faults"]) == (1, 1, {"bug": 1})
    assert counts["words"]["starttls"] == {"pass": 1}


@pytest.mark.parametrize("hostile", ["\x1b[31m", "\udcff", "a\u202eb", "\0"])
def test_text_of_others_is_shown_and_does_nothing(hostile: str) -> None:
    """A reverse name, a provider and a file name come from outside."""
    source = replace(MANIFEST.sources[0], ptr=hostile)
    named = replace(MANIFEST, input=replace(LIST, name=hostile), sources=(source,), parked=(hostile,))
    encoded = encode(replace(named, settings={hostile: hostile})).decode()
    assert hostile not in encoded
    assert orjson.loads(encoded)["parked"][0].isprintable()


def test_settings_have_one_digest_in_any_order() -> None:
    assert digest({"a": 1, "b": {"c": AT, "d": 2}}) == digest({"b": {"d": 2, "c": AT}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


@given(
    at=st.datetimes(datetime(1970, 1, 1), datetime(5000, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - bounds
    chance=st.binary(min_size=10, max_size=10),
)
def test_rfc_9562_section_5_7_a_run_id_is_a_uuid_of_version_7(at: datetime, chance: bytes) -> None:
    made = uuid.UUID(run_id(at, chance))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def test_run_ids_sort_by_time() -> None:
    assert run_id(AT, b"\xff" * 10) < run_id(AT + timedelta(milliseconds=1), bytes(10))
