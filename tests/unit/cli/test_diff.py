"""What people see of two nights: what changed at the peers, and nothing that one of the nights could not tell."""

import gzip
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner import jsonl
from scanner.cli.diff.changes import Change, Counts, Difference, difference, gone
from scanner.cli.diff.command import ALARMS, run
from scanner.cli.diff.facts import EXPIRED, EXPIRES_SOON, KINDS, Facts, facts_of
from scanner.cli.diff.rows import read
from scanner.cli.exits import Exit, Refused
from scanner.model.assessment import Status
from scanner.model.certificate import Certificate
from scanner.model.fault import Kind, Stage
from scanner.model.policy import StsMode
from scanner.model.record import Evidence, Record
from scanner.model.route import Answer, TlsaRecord
from scanner.model.session import Handshake, Hello
from scanner.model.target import Target
from tests.unit.assess.evidence import (
    AT,
    DAY,
    DOMAIN,
    MX,
    NO_POLICY,
    SERVFAIL,
    authority,
    cut,
    encrypted,
    host,
    plain,
    policy,
    route,
    seen,
)
from tests.unit.records import records

TONIGHT = AT + DAY
GOOD, PLAIN = seen(encrypted()), seen(plain())
BUSY = seen(cut(Stage.GREETING, Kind.REPLY_421))


def row(evidence: Evidence, domain: str = DOMAIN, at: datetime = AT) -> Record:
    return Record("run", Target(1, domain, domain), at, evidence, authority().judge(evidence, at))


def facts(record: Record) -> Facts:
    return read(jsonl.encode(record))


def changes(was: Evidence, now: Evidence, at: datetime = TONIGHT) -> list[Change]:
    return list(difference(facts(row(was)), facts(row(now, at=at))).changes)


def told(was: Evidence, now: Evidence, *kinds: str) -> list[tuple[str | None, str | None]]:
    """What went and what came, of these kinds alone."""
    return [(each.was, each.now) for each in changes(was, now) if each.what in kinds and each.is_known]


def test_lost_starttls_is_told_with_what_follows_from_it() -> None:
    found = {each.what: (each.was, each.now) for each in changes(GOOD, PLAIN) if each.is_known}
    assert found["starttls"] == ("pass", "absent")
    assert found["delivery.may"] == ("encrypted", "clear")
    assert found["delivery.encrypt"] == ("encrypted", "defer")
    assert found["first_finding"][1] == "starttls-not-supported"
    assert not found.keys() & {"status", "mx", "address", "certificate"}


@pytest.mark.parametrize(("was", "now"), [(GOOD, BUSY), (BUSY, GOOD), (PLAIN, BUSY), (BUSY, PLAIN)])
def test_a_421_tonight_is_no_change(was: Evidence, now: Evidence) -> None:
    found = changes(was, now)
    assert found
    assert not any(each.is_known for each in found)


def test_a_time_out_beside_a_server_that_answers_is_no_change() -> None:
    way = route(host(), host("mx2.example.test", 20, ["192.0.2.2"]))
    both = seen(encrypted(), encrypted(mx="mx2.example.test", address="192.0.2.2"), way=way)
    one = seen(encrypted(), cut(Stage.CONNECT, Kind.TIMEOUT, mx="mx2.example.test", address="192.0.2.2"), way=way)
    assert row(one).assessment.status is Status.INCONCLUSIVE
    assert not any(each.is_known for each in changes(both, one))


def test_another_mx_host_is_told_as_a_replacement_and_more_of_them_one_by_one() -> None:
    def way(*names: str) -> Evidence:
        return seen(way=route(*(host(name) for name in names)))

    assert told(way("a.test"), way("b.test"), "mx") == [("10 a.test", "10 b.test")]
    assert told(way("a.test"), way("a.test", "b.test"), "mx") == [(None, "10 b.test")]
    assert told(way("a.test", "b.test"), way("c.test"), "mx") == [
        ("10 a.test", None),
        ("10 b.test", None),
        (None, "10 c.test"),
    ]


def test_addresses_and_tlsa_records_are_told_by_host() -> None:
    records = TlsaRecord(3, 1, 1, b"a" * 32), TlsaRecord(3, 1, 1, b"b" * 32)
    was, now = (seen(way=route(host(addresses=[f"192.0.2.{n}"], tlsa=[it]))) for n, it in enumerate(records, 1))
    found = [each for each in changes(was, now) if each.what in {"address", "tlsa"}]
    assert [(each.what, each.mx, each.was, each.now) for each in found] == [
        ("address", MX, "192.0.2.1", "192.0.2.2"),
        ("tlsa", MX, f"3 1 1 {(b'a' * 32).hex()}", f"3 1 1 {(b'b' * 32).hex()}"),
    ]


def test_what_dns_did_not_answer_has_not_changed() -> None:
    broken = replace(host(), ipv4=Answer(MX, fault=SERVFAIL), tlsa=Answer(MX, fault=SERVFAIL))
    lookup = seen(way=route(fault=SERVFAIL), mta_sts=replace(NO_POLICY, txt=Answer(MX, fault=SERVFAIL)))
    assert not told(GOOD, seen(way=route(broken)), "address", "tlsa", "mx")
    assert not told(seen(encrypted(), mta_sts=policy()), lookup, "mx", "mta_sts_id", "mta_sts_mode", "mta_sts_mx")


def test_a_policy_that_could_not_be_fetched_is_not_gone() -> None:
    whole = replace(policy(), txt=Answer(DOMAIN, (b"v=STSv1; id=1",)))
    kinds = "mta_sts_id", "mta_sts_mode", "mta_sts_mx"
    assert not told(seen(mta_sts=whole), seen(mta_sts=replace(whole, policy=None)), *kinds)
    assert told(seen(mta_sts=whole), seen(), *kinds) == [("1", None), ("enforce", None), (MX, None)]
    weaker = replace(whole, id="2", policy=policy(StsMode.TESTING).policy)
    assert told(seen(mta_sts=whole), seen(mta_sts=weaker), *kinds) == [("1", "2"), ("enforce", "testing")]


DATES: dict[str, tuple[datetime | None, datetime | None]] = {
    "old": (AT - 60 * DAY, AT + 30 * DAY),
    "twin": (AT - 60 * DAY, AT + 30 * DAY),
    "new": (AT + DAY / 2, AT + 90 * DAY),
    "dated back": (AT - DAY / 2, AT + 90 * DAY),
    "ready": (AT - 2 * DAY, AT + 90 * DAY),
    "ending": (AT - 80 * DAY, AT + 10 * DAY),
    "ended": (AT - 90 * DAY, AT + DAY / 2),
    "undated": (None, None),
}
"""Certificates, by when they begin and end: the nights are AT and a day later."""


def shown(*names: str) -> Evidence:
    """One host shows these certificates, each at an address of its own."""
    leaves = [Certificate(name.encode().hex(), b"", "", "", "", "", (), *DATES[name]) for name in names]
    tls = [Handshake("TLSv1.3", "TLS_AES_256_GCM_SHA384", None, MX, (leaf,), 1) for leaf in leaves]
    return seen(*(replace(encrypted(address=f"192.0.2.{n}"), handshake=it) for n, it in enumerate(tls, 1)))


def replaced(was: list[str], now: list[str]) -> list[tuple[str, str | None, str | None]]:
    found = [each for each in changes(shown(*was), shown(*now)) if each.what.endswith("certificate")]
    assert all(each.is_known and each.mx == MX for each in found)
    return [(each.what, name_of(each.was), name_of(each.now)) for each in found]


def name_of(words: str | None) -> str | None:
    """Undo what `shown` makes a digest."""
    return words and bytes.fromhex(words.split()[0]).decode()


@pytest.mark.parametrize(
    ("was", "now", "words"),
    [
        (["old"], ["new"], [("certificate", "old", "new")]),
        (["old"], ["dated back"], [("certificate", "old", "dated back")]),
        (["ending"], ["ready"], [("certificate", "ending", "ready")]),
        (["ended"], ["ready"], [("certificate", "ended", "ready")]),
        (["old"], ["ready"], [("other_certificate", "old", "ready")]),
        (["old"], ["twin"], [("other_certificate", "old", "twin")]),
        (["twin"], ["old"], [("other_certificate", "twin", "old")]),
        (["old"], ["undated"], [("other_certificate", "old", "undated")]),
        (["old"], ["old"], []),
        (["old"], ["old", "twin"], []),
        (["old", "twin"], ["twin"], []),
        (["old", "ready"], ["old", "twin"], []),
        (["old"], ["old", "new"], [("certificate", None, "new")]),
        (["old", "twin"], ["old", "new"], [("certificate", "twin", "new")]),
        (["old", "ending"], ["old", "ready"], [("certificate", "ending", "ready")]),
        (["old"], ["new", "twin"], [("certificate", "old", "new")]),
        (
            ["old", "twin"],
            ["new"],
            [("certificate", "old", None), ("certificate", "twin", None), ("certificate", None, "new")],
        ),
    ],
)
def test_a_certificate_was_replaced_where_that_is_sure_and_else_it_is_another_one(
    was: list[str], now: list[str], words: list[tuple[str, str | None, str | None]]
) -> None:
    assert replaced(was, now) == words


@pytest.mark.parametrize("at", [datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)])
def test_a_row_at_the_end_of_time_is_compared_like_any_other(at: datetime) -> None:
    then, tonight = row(shown("old")), row(shown("twin"))
    for was, now in ((then, replace(tonight, observed_at=at)), (replace(then, observed_at=at), tonight)):
        kinds = {each.what for each in difference(facts(was), facts(now)).changes}
        assert len(kinds & {"certificate", "other_certificate"}) == 1


def test_two_certificates_in_turn_never_raise_the_alarm_of_a_new_one(
    tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    paths = files(tmp_path, old=[row(shown("old"))], new=[row(shown("twin"), at=TONIGHT)])
    assert run([*paths, "--only", "certificate", "--fail-on", "certificate"], {}) is Exit.OK
    assert capsysbinary.readouterr().out == b""
    assert run([*paths, "--only", "other_certificate", "--fail-on", "other_certificate"], {}) is Exit.ALARM
    was, now = (f"{name.encode().hex()} until 2026-12-24" for name in ("old", "twin"))
    assert f"other_certificate [{MX}]: {was} -> {now}\n" in capsysbinary.readouterr().out.decode()


def test_certificates_that_only_a_deep_session_was_shown_do_not_count() -> None:
    deep = seen(encrypted(), encrypted("wildcard", hello=Hello.ONLY_TLS_1_2))
    assert told(GOOD, deep, "certificate") == []


@pytest.mark.parametrize(
    ("later", "words"),
    [
        (timedelta(days=1), []),
        (timedelta(days=85), []),
        (timedelta(days=87), [(None, EXPIRES_SOON)]),
        (timedelta(days=101), [(None, EXPIRED)]),
    ],
)
def test_a_certificate_that_comes_to_its_end_is_told_once(
    later: timedelta, words: list[tuple[str | None, str | None]]
) -> None:
    found = changes(GOOD, GOOD, AT + later)
    assert [(each.was, each.now) for each in found if each.what == "expiry"] == words
    after = difference(facts(row(GOOD, at=AT + later)), facts(row(GOOD, at=AT + later + timedelta(hours=1))))
    assert not after.changes


def test_of_a_row_that_was_cut_only_the_head_is_compared() -> None:
    cut_short = jsonl.encode(row(seen(way=route()))).replace(b'"truncated":false,"first', b'"truncated":true,"first')
    found = difference(facts(row(GOOD)), read(cut_short)).changes
    assert {each.what for each in found if each.is_known} <= {*KINDS} - {"mx", "address", "certificate"}


@given(records())
def test_a_row_beside_itself_has_not_changed(record: Record) -> None:
    line = jsonl.encode(replace(record, target=replace(record.target, domain="a.example")))
    assert difference(read(line), read(line)).changes == ()


@given(records(), records())
def test_backwards_what_came_went(one: Record, other: Record) -> None:
    here, there = (read(jsonl.encode(replace(it, target=Target(1, "a.example")))) for it in (one, other))
    forth, back = difference(here, there).changes, difference(there, here).changes
    turned = [replace(it, was=it.now, now=it.was) for it in back]
    kinds = set(KINDS) - {"certificate", "other_certificate"}  # which one came since is no question backwards
    assert {it for it in forth if it.what in kinds} == {it for it in turned if it.what in kinds}


@pytest.mark.parametrize(
    ("was", "now", "gain"),
    [
        ("pass", "absent", -2),
        ("pass", "partial", -1),
        ("fail", "absent", 0),
        ("absent", "pass", 2),
        ("pass", None, 0),
        ("not_applicable", "pass", 0),
        ("partial", "fail", -1),
    ],
)
def test_starttls_is_gained_and_lost_between_answers_alone(was: str, now: str | None, gain: int) -> None:
    assert Change("starttls", "", was, now).gain == gain
    assert Change("webpki", "", was, now).gain == 0


def test_losses_are_counted_by_provider_in_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.cli.diff.changes.PROVIDERS_KEPT", 2)
    counts = Counts()
    lost = (Change("starttls", "", "pass", "absent"),)
    for number, provider in enumerate(("a", "b", "c", "d", "a", "")):
        counts.add(Difference(f"d{number}.example", provider, AT, TONIGHT, lost))
    assert counts.lost == {"a": 2, "b": 1, "others": 3}
    assert (counts.changed, counts.of("lost"), counts.examples["lost"]) == (6, 6, "d0.example")


def test_every_kind_of_change_can_be_told() -> None:
    """Whatever a fact is called, it has its place in the order, and an alarm."""
    assert set(facts(row(seen(encrypted(), mta_sts=policy()))).known) <= {
        (kind, mx) for kind in KINDS for mx in ("", MX)
    }
    assert set(KINDS) < set(ALARMS)
    assert len(set(ALARMS)) == len(ALARMS)


def files(folder: Path, **rows: list[Record]) -> list[str]:
    for name, each in rows.items():
        (folder / f"{name}.jsonl").write_bytes(b"".join(map(jsonl.encode, each)))
    return [str(folder / f"{name}.jsonl") for name in rows]


@pytest.fixture
def nights(tmp_path: Path) -> list[str]:
    """Two files in another order, of which each has a domain that the other lacks."""
    names = ["kept.example", "lost.example", "busy.example", "gone.example", "won.example"]
    old = [row(it, name) for name, it in zip(names, [GOOD, GOOD, GOOD, GOOD, PLAIN], strict=True)]
    new = [row(GOOD, "won.example", TONIGHT), row(BUSY, "busy.example", TONIGHT), row(PLAIN, "new.example", TONIGHT)]
    new += [row(PLAIN, "lost.example", TONIGHT), row(GOOD, "kept.example", TONIGHT), row(PLAIN, "lost.example")]
    bad = Target(9, "", "192.0.2.1")
    refused = Record("run", bad, AT, None, replace(row(GOOD).assessment, status=Status.INPUT_ERROR))
    return files(tmp_path, old=[*old, refused], new=new)


def test_what_changed_is_a_line_each_and_the_rest_is_counted(
    nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run([*nights, "--only", "starttls,delivery"], {}) is Exit.OK
    out, err = (stream.decode() for stream in capsysbinary.readouterr())
    lines = [line.split(maxsplit=1) for line in out.splitlines()]
    assert {name for name, _ in lines} == {"lost.example", "won.example"}
    assert ["lost.example", "starttls: pass -> absent"] in lines
    assert ["won.example", "delivery.may: clear -> encrypted"] in lines
    assert "4 domains in both files: 2 changed, 1 alike, 1 where a row cannot tell" in err
    assert "1 new, first new.example" in err
    assert "1 gone, first gone.example" in err
    assert "starttls lost: 1 (example.test 1)" in err
    assert "starttls gained: 1 (example.test 1)" in err
    assert "old.jsonl: left out 1 without a domain" in err
    assert "new.jsonl: left out 1 repeated" in err


def test_domains_that_came_and_went_have_a_line(nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    run(nights, {})
    lines = capsysbinary.readouterr().out.decode().splitlines()
    assert [line.split(maxsplit=1) for line in lines if " row " in line] == [
        ["new.example", "no row before"],
        ["gone.example", "no row any more"],
    ]


def test_what_a_row_cannot_tell_is_shown_on_demand(
    nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run([*nights, "--all", "--only", "starttls"], {})
    assert "busy.example".ljust(40) + "  starttls: pass -> ?" in capsysbinary.readouterr().out.decode().splitlines()


def test_objects_say_the_same_and_the_last_one_is_the_summary(
    nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    run([*nights, "--json"], {})
    *changed, summary = map(orjson.loads, capsysbinary.readouterr().out.splitlines())
    found: dict[str, Any] = {it["domain"]: it for it in changed}
    assert {name: it["presence"] for name, it in found.items()} == {
        "won.example": "both",
        "new.example": "new",
        "lost.example": "both",
        "gone.example": "gone",
    }
    lost = {"what": "starttls", "mx": None, "was": "pass", "now": "absent", "is_known": True}
    assert lost in found["lost.example"]["changes"]
    assert (found["new.example"]["was_observed_at"], found["gone.example"]["observed_at"]) == (None, None)
    assert found["lost.example"]["observed_at"] == "2026-11-25T12:00:00.000Z"
    assert (summary["type"], summary["both"], summary["changed"], summary["not_known"]) == ("summary", 4, 2, 1)
    assert summary["starttls_lost_by_provider"] == summary["starttls_gained_by_provider"] == {"example.test": 1}
    assert summary["domains_by_change"]["starttls"] == 2


def test_a_packed_file_is_read_as_a_plain_one(nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    old, new = nights
    packed = Path(f"{new}.gz")
    packed.write_bytes(gzip.compress(Path(new).read_bytes()))
    run([old, new], {})
    plainly = capsysbinary.readouterr().out
    run([old, str(packed)], {})
    assert capsysbinary.readouterr().out == plainly != b""


@pytest.mark.parametrize("word", ["lost", "gained", "new", "gone", "starttls", "delivery.may"])
def test_an_alarm_ends_with_8_and_names_one(
    word: str, nights: list[str], capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run([*nights, "--fail-on", word], {}) is Exit.ALARM
    last = capsysbinary.readouterr().err.decode().splitlines()[-1]
    assert last.startswith(f"starttls: finished, and a --fail-on rule matched: {word}: ")
    assert run([nights[0], nights[0], "--fail-on", word], {}) is Exit.OK


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--fail-on", "everything"], "--fail-on: 'everything' is none of lost, gained"),
        (["--only", "starttls,dame"], "--only: 'dame' is none of status, starttls"),
    ],
)
def test_words_that_are_not_known_are_refused(words: list[str], why: str, nights: list[str]) -> None:
    with pytest.raises(Refused) as refused:
        run([*nights, *words], {})
    assert refused.value.code is Exit.USAGE
    assert str(refused.value).startswith(why)


@pytest.mark.parametrize(
    "line",
    [
        b'{"domain":"a.example","route":null,"truncated":false}\n',
        b'{"schema":"2.0","domain":"a.example","route":null,"truncated":false}\n',
        b'{"schema":"1.0","domain":"a.example","route":[],"truncated":false}\n',
        b'{"schema":"1.0","domain":"a.example","route":{},"truncated":false,"status":[]}\n',
        b"[]\n",
        b"\xff\n",
    ],
)
def test_what_is_no_row_is_refused_with_its_place(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad").write_bytes(line)
    with pytest.raises(Refused, match=r"bad, line 1: (not a row|schema)"):
        run([str(tmp_path / "bad"), str(tmp_path / "bad")], {})


def test_nothing_of_a_file_reaches_the_terminal_raw(tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    raw = jsonl.encode(row(GOOD, "h.example")).replace(b'"h.example"', rb'"\u001b[2J.example"')
    (tmp_path / "a").write_bytes(raw)
    (tmp_path / "b").write_bytes(raw.replace(b'"provider":"example.test"', rb'"provider":"\u001b[31m"'))
    for flags in ([], ["--json"]):
        run([str(tmp_path / "a"), str(tmp_path / "b"), *flags], {})
        out, err = (stream.decode() for stream in capsysbinary.readouterr())
        assert all(line.isprintable() for line in (*out.splitlines(), *err.splitlines()))
        assert "\\x1b[31m" in out.replace("\\\\", "\\")


@given(st.sampled_from([GOOD, PLAIN, BUSY, seen()]))
def test_a_domain_without_a_row_now_is_gone(evidence: Evidence) -> None:
    was = facts(row(evidence))
    assert (gone(was).presence, difference(None, was).presence) == ("gone", "new")
    assert gone(was).changes == difference(None, was).changes == ()


def test_a_row_without_evidence_is_known_by_its_status_alone() -> None:
    judged = replace(row(GOOD).assessment, status=Status.EXCLUDED)
    written = orjson.loads(jsonl.encode(Record("run", Target(1, DOMAIN), AT, None, judged)))
    assert not {what for what, _ in facts_of(written).known} & {"starttls", "mx"}
