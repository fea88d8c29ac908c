"""RFC 8461, variant by variant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode, StsPolicy
from scanner.model.route import Answer
from scanner.protocols.mta_sts import covers, read_policy, read_record

GOOD = b"version: STSv1\r\nmode: enforce\r\nmx: mx.example.org\r\nmx: *.example.net\r\nmax_age: 604800\r\n"


@pytest.mark.parametrize(
    ("records", "policy_id", "defect"),
    [
        ((b"v=STSv1; id=20260101T1",), "20260101T1", ""),
        ((b"v=STSv1;id=1;",), "1", ""),
        ((b"v=STSv1; id=1; x=y",), "1", ""),
        ((b"v=STSv1; id=1; id=2",), "1", ""),
        ((b"v=spf1 -all", b"v=STSv1; id=1"), "1", ""),
        ((b"v=STSv1; id=1", b"v=STSv1; id=2"), "", "several_records"),
        ((b"v=STSv1; id=",), "", "bad_id"),
        ((b"v=STSv1; id=a-b",), "", "bad_id"),
        ((b"v=STSv1; id=" + b"a" * 33,), "", "bad_id"),
        ((b"v=STSv1",), "", "bad_id"),
        ((b"V=STSv1; id=1",), "", ""),
        ((b"v=STSv10; id=1",), "", ""),
        ((), "", ""),
    ],
)
def test_rfc_8461_s3_1_exactly_one_valid_record_announces_a_policy(
    records: tuple[bytes, ...], policy_id: str, defect: str
) -> None:
    """Records that do not start with the version are discarded, not counted."""
    found = read_record(Answer("_mta-sts.example.org", records))
    assert (found.id, found.defect) == (policy_id, defect)


def test_rfc_8461_s3_1_a_bare_version_beside_a_good_record_is_discarded() -> None:
    """It does not begin with `v=STSv1;`, so it does not count."""
    found = read_record(Answer("_mta-sts.example.org", (b"v=STSv1", b"v=STSv1; id=1;")))
    assert (found.id, found.defect) == ("1", "")


@pytest.mark.parametrize(
    "record",
    [
        b"v=STSv1; id=1;;",
        b"v=STSv1; id=1; x;",
        b"v=STSv1; id=1; x=;",
        b"v=STSv1; id=1; x=y=z;",
        b"v=STSv1; id=1; x=y z;",
        b"v=STSv1; id=1; -x=y;",
        b"v=STSv1; id=1; " + b"x" * 33 + b"=y;",
        b"v=STSv1; id=1;\n",
        "v=STSv1; id=1; x=ä;".encode(),
    ],
)
def test_rfc_8461_s3_1_a_record_with_a_field_that_is_no_pair_announces_nothing(record: bytes) -> None:
    """Syntactically invalid: no policy is available."""
    found = read_record(Answer("_mta-sts.example.org", (record,)))
    assert (found.id, found.defect) == ("", "bad_field")


@pytest.mark.parametrize(
    "record", [b"v=STSv1; id=1; x=y;", b"v=STSv1; x.y-z_1=/a:b; id=1", b"v=STSv1 ;\tid=1 ; ", b"v=STSv1; id=1; id=2;"]
)
def test_rfc_8461_s3_1_other_fields_are_ignored(record: bytes) -> None:
    """They may come in any place behind the version."""
    found = read_record(Answer("_mta-sts.example.org", (record,)))
    assert (found.id, found.defect) == ("1", "")


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        (GOOD.replace(b"version:", b"version :"), "version"),
        (GOOD.replace(b"mode:", b" mode:"), "mode"),
        (GOOD.replace(b"max_age:", b"max_age\t:"), "max_age"),
        (GOOD.replace(b"mx:", b"mx :"), "mx"),
        (GOOD.replace(b": ", b":\t  "), ""),
        (GOOD.replace(b"\r\n", b" \t\r\n"), ""),
    ],
)
def test_rfc_8461_s3_2_blanks_may_follow_the_colon_and_the_value_only(body: bytes, defect: str) -> None:
    """`sts-policy-field-delim` is the colon and what follows it."""
    assert read_policy(MtaSts(Answer("x"), id="1"), PolicyFetch(status=200, body=body)).defect == defect


@pytest.mark.parametrize(
    ("body", "defect"),
    [
        (GOOD, ""),
        (GOOD.replace(b"\r\n", b"\n"), ""),
        (GOOD.removesuffix(b"\r\n"), ""),
        (GOOD.replace(b": ", b":"), ""),
        (GOOD + b"mode: none\r\n", ""),
        (GOOD + b"unknown: value\r\n", ""),
        (GOOD.replace(b"STSv1", b"STSv2"), "version"),
        (GOOD.replace(b"enforce", b"Enforce"), "mode"),
        (GOOD.replace(b"mode", b"Mode"), "mode"),
        (GOOD.replace(b"604800", b"31557601"), "max_age"),
        (GOOD.replace(b"604800", b"-1"), "max_age"),
        (GOOD.replace(b"604800", b"a week"), "max_age"),
        (b"version: STSv1\nmode: enforce\nmax_age: 1\n", "mx"),
        (b"version: STSv1\nmode: none\nmax_age: 1\n", ""),
        (GOOD.replace(b"mx.example.org", b"mx.*.org"), "mx"),
        (b"<html>", "line"),
        (b"\xff\xfe", "encoding"),
        (b"\xef\xbb\xbf" + GOOD, "version"),
        (b"", "version"),
    ],
)
def test_rfc_8461_s3_2_a_policy_file_is_read_to_the_letter(body: bytes, defect: str) -> None:
    """Keys and modes are case-sensitive; of duplicates the first counts."""
    found = read_policy(MtaSts(Answer("x"), id="1"), PolicyFetch(status=200, body=body))
    assert found.defect == defect
    assert (found.policy is None) == bool(defect)


def test_a_failed_fetch_keeps_its_fault_and_leaves_no_policy() -> None:
    """RFC 8461 section 3.3: then mail goes as if there were no MTA-STS."""
    fetch = PolicyFetch(fault=Fault(Stage.POLICY, Kind.TIMEOUT))
    found = read_policy(MtaSts(Answer("x"), id="1"), fetch)
    assert found.policy is None
    assert found.fetch == fetch


@pytest.mark.parametrize(
    ("mx", "covered"),
    [
        ("mx.example.org", True),
        ("MX.Example.Org.", True),
        ("a.example.net", True),
        ("a.b.example.net", False),
        ("example.net", False),
        ("mx.example.com", False),
        ("", False),
    ],
)
def test_rfc_8461_s4_1_a_wildcard_stands_for_one_label(mx: str, *, covered: bool) -> None:
    """The match is on the MX name as in DNS."""
    assert covers(StsPolicy(StsMode.ENFORCE, 1, ("mx.example.org", "*.example.net")), mx) is covered


@given(st.binary(max_size=400), st.lists(st.binary(max_size=80), max_size=4))
def test_no_bytes_make_the_readers_raise(body: bytes, records: list[bytes]) -> None:
    """All of it is the peer's to write."""
    read_record(Answer("x", (*records, b"v=STSv1;" + body)))
    read_policy(MtaSts(Answer("x"), id="1"), PolicyFetch(status=200, body=body))
    read_policy(MtaSts(Answer("x"), id="1"), PolicyFetch(status=200, body=GOOD + body))
