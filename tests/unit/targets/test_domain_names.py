"""What people write becomes the name that DNS is asked for, or a fault that says why not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.targets.domain_names import LABEL, read

LONG_LABEL = "a" * 63
LONGEST = ".".join([LONG_LABEL] * 3 + ["a" * 61])


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("example.org", "example.org"),
        ("Example.ORG", "example.org"),
        ("example.org.", "example.org"),
        ("  example.org\t", "example.org"),
        ("\u00a0example.org\ufeff", "example.org"),
        ('"example.org"', "example.org"),
        ("'example.org'", "example.org"),
        ("\u201cexample.org\u201d", "example.org"),
        ("<example.org>", "example.org"),
        ("example.org:25", "example.org"),
        ("example.org.:25", "example.org"),
        ("http://example.org:/", "example.org"),
        ("https://www.example.org/a/b?c=http://other.example/#d", "www.example.org"),
        ("HTTPS://user:secret@example.org:8443/", "example.org"),
        ("//example.org/path", "example.org"),
        ("example.org/path", "example.org"),
        ("https://example.org\\@other.example", "example.org"),
        ("https://example.org/@user", "example.org"),
        ("postmaster@example.org", "example.org"),
        ("mailto:postmaster@example.org?cc=other@other.example", "example.org"),
        ("Post Master <postmaster@example.org>", "example.org"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.EXAMPLE.", "xn--bcher-kva.example"),
        ("straße.example", "xn--strae-oqa.example"),
        ("\uff45xample\u3002org", "example.org"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("XN--bcher-KVA.example", "xn--bcher-kva.example"),
        ("postmaster@bücher.example:25", "xn--bcher-kva.example"),
        ("_mail.example.org", "_mail.example.org"),
        ("_mail.bücher.example", "_mail.xn--bcher-kva.example"),
        ("-a-.example.org", "-a-.example.org"),
        ("ab--cd.example.org", "ab--cd.example.org"),
        ("1.example", "1.example"),
        (f"{LONG_LABEL}.example", f"{LONG_LABEL}.example"),
        (LONGEST, LONGEST),
        (f"{LONGEST}.", LONGEST),
    ],
)
def test_a_name_is_found_in_what_people_write(text: str, name: str) -> None:
    """Whatever stands around it."""
    assert read(text) == name


@pytest.mark.parametrize(
    ("text", "kind", "why"),
    [
        ("", Kind.NOT_A_HOST_NAME, "no name"),
        (" \t ", Kind.NOT_A_HOST_NAME, "no name"),
        (".", Kind.NOT_A_HOST_NAME, "no name"),
        ("https://", Kind.NOT_A_HOST_NAME, "no name"),
        ("localhost", Kind.NOT_A_HOST_NAME, "single label"),
        ("org.", Kind.NOT_A_HOST_NAME, "single label"),
        ("a..example", Kind.NOT_A_HOST_NAME, "empty label"),
        (".example.org", Kind.NOT_A_HOST_NAME, "empty label"),
        ("example.org..", Kind.NOT_A_HOST_NAME, "empty label"),
        (f"{LONG_LABEL}a.example", Kind.NOT_A_HOST_NAME, "63"),
        (f"{LONGEST}a", Kind.NOT_A_HOST_NAME, "253"),
        ("ü" * 1_000_000, Kind.NOT_A_HOST_NAME, "253"),
        ("ü" * 80 + ".example", Kind.NOT_A_HOST_NAME, "international"),
        ("\u2603\u0301\u200d.example", Kind.NOT_A_HOST_NAME, "international"),
        ("caf\udce9.example", Kind.NOT_A_HOST_NAME, "international"),
        ("exa mple.org", Kind.NOT_A_HOST_NAME, "characters"),
        ("*.example.org", Kind.NOT_A_HOST_NAME, "characters"),
        ("exa\0mple.org", Kind.NOT_A_HOST_NAME, "characters"),
        ("example.org,example.net", Kind.NOT_A_HOST_NAME, "characters"),
        ("example.org\r\nRSET", Kind.NOT_A_HOST_NAME, "characters"),
        ("example.org:port", Kind.NOT_A_HOST_NAME, "characters"),
        ("example.123", Kind.NOT_A_HOST_NAME, "number"),
        ("256.1.1.1", Kind.NOT_A_HOST_NAME, "number"),
        ("a@example.org, b@example.net", Kind.NOT_A_HOST_NAME, "more than one"),
        ("site.example/@user.name", Kind.NOT_A_HOST_NAME, "more than one"),
        ("192.0.2.1", Kind.IP_ADDRESS, "domains"),
        ("192.0.2.1:25", Kind.IP_ADDRESS, "domains"),
        ("192.0.2.0/24", Kind.IP_ADDRESS, "domains"),
        ("\uff11\uff192.0.2.1", Kind.IP_ADDRESS, "domains"),
        ("2001:db8::1", Kind.IP_ADDRESS, "domains"),
        ("[2001:db8::1]:25", Kind.IP_ADDRESS, "domains"),
        ("http://[2001:db8::1]/", Kind.IP_ADDRESS, "domains"),
        ("postmaster@[IPv6:2001:db8::1]", Kind.IP_ADDRESS, "domains"),
        ("postmaster@[192.0.2.1]", Kind.IP_ADDRESS, "domains"),
    ],
)
def test_what_is_no_mail_domain_is_refused_with_its_reason(text: str, kind: Kind, why: str) -> None:
    """Never guessed at, never mended."""
    fault = read(text)
    assert isinstance(fault, Fault)
    assert (fault.stage, fault.kind, fault.side) == (Stage.INPUT, kind, Side.INPUT)
    assert why in fault.detail
    assert len(fault.detail) <= 200


NEAR_NAMES = st.text(alphabet=st.sampled_from("aZ0-_.:@/\\?#[]<>\"' ,üßİ\u3002\u200d\u0301xn"), max_size=30)


@given(st.text(max_size=300) | NEAR_NAMES)
def test_reading_a_name_twice_changes_nothing(text: str) -> None:
    """One law: a name that came out goes in again as it is; and it is a name."""
    name = read(text)
    if isinstance(name, str):
        assert read(name) == name
        assert len(name) <= 253
        assert all(0 < len(label) <= 63 and LABEL.fullmatch(label) for label in name.split("."))
