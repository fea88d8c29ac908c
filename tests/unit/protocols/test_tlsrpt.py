"""RFC 8460 section 3, variant by variant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.route import Answer
from scanner.protocols.tlsrpt import read


@pytest.mark.parametrize(
    ("records", "rua", "defect"),
    [
        ((b"v=TLSRPTv1; rua=mailto:tls@example.org",), ("mailto:tls@example.org",), ""),
        (
            (b"v=TLSRPTv1;rua=mailto:a@example.org,https://example.org/r",),
            ("mailto:a@example.org", "https://example.org/r"),
            "",
        ),
        ((b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:a@example.org"), ("mailto:a@example.org",), ""),
        ((b"v=TLSRPTv1; rua=mailto:a@b.c", b"v=TLSRPTv1; rua=mailto:a@b.c"), (), "several_records"),
        ((b"v=TLSRPTv1; rua=ftp://example.org",), (), "bad_rua"),
        ((b"v=TLSRPTv1;",), (), "bad_rua"),
        ((b"v=TLSRPTv2; rua=mailto:a@b.c",), (), ""),
        ((), (), ""),
    ],
)
def test_rfc_8460_s3_exactly_one_record_names_who_wants_reports(
    records: tuple[bytes, ...], rua: tuple[str, ...], defect: str
) -> None:
    """Records of other versions are discarded."""
    found = read(Answer("_smtp._tls.example.org", records))
    assert (found.rua, found.defect) == (rua, defect)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_raise(data: bytes) -> None:
    """All of it is the peer's to write."""
    read(Answer("x", (b"v=TLSRPTv1;" + data,)))
