"""RFC 6698, 7671 and 7672: which records apply, and what they match."""

import hashlib

import pytest

from scanner.model.certificate import Certificate
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.route import Answer, TlsaRecord, Validity
from scanner.protocols.tlsa import base_domains, matches, settles, strongest, usable

LEAF = Certificate("0" * 64, b"the whole certificate", spki=b"its key")
KEY_256 = hashlib.sha256(LEAF.spki).digest()
KEY_512 = hashlib.sha512(LEAF.spki).digest()
SECURE, INSECURE, UNKNOWN = Validity.SECURE, Validity.INSECURE, Validity.INDETERMINATE
NOTHING: Answer[str] = Answer("mx.test")


def found(validity: Validity, canonical: str = "mx.test") -> Answer[str]:
    """One address under a security status, perhaps behind a CNAME."""
    return Answer("mx.test", ("192.0.2.1",), canonical, validity=validity)


@pytest.mark.parametrize(
    ("ipv4", "alias", "bases"),
    [
        (found(SECURE), UNKNOWN, ("mx.test",)),
        (found(SECURE, "host.test"), UNKNOWN, ("host.test", "mx.test")),
        (found(INSECURE), UNKNOWN, ()),
        (found(INSECURE, "host.test"), SECURE, ("mx.test",)),
        (found(INSECURE, "host.test"), INSECURE, ()),
        (found(UNKNOWN), UNKNOWN, ("mx.test",)),
        (NOTHING, UNKNOWN, ()),
    ],
)
def test_rfc_7672_s2_2_2_the_expanded_name_comes_first_and_insecure_hosts_have_none(
    ipv4: Answer[str], alias: Validity, bases: tuple[str, ...]
) -> None:
    """Addresses are asked before TLSA, and decide which base domains are left."""
    assert base_domains("mx.test", ipv4, NOTHING, alias) == bases


@pytest.mark.parametrize(("kind", "ends"), [(Kind.NODATA, False), (Kind.NXDOMAIN, False), (Kind.SERVFAIL, True)])
def test_rfc_7672_s2_1_2_an_error_is_not_the_absence_of_records(kind: Kind, *, ends: bool) -> None:
    """NXDOMAIN is an answer; SERVFAIL makes the host unusable."""
    assert settles(Answer("_25._tcp.mx.test", fault=Fault(Stage.RESOLVE, kind))) is ends


@pytest.mark.parametrize(
    ("record", "is_usable", "is_match"),
    [
        (TlsaRecord(3, 1, 1, KEY_256), True, True),
        (TlsaRecord(3, 1, 2, KEY_512), True, True),
        (TlsaRecord(3, 0, 0, LEAF.der), True, True),
        (TlsaRecord(3, 0, 1, KEY_256), True, False),
        (TlsaRecord(3, 1, 1, KEY_256[:20]), False, False),
        (TlsaRecord(1, 1, 1, KEY_256), False, True),
        (TlsaRecord(3, 1, 9, KEY_256), False, False),
        (TlsaRecord(3, 2, 1, KEY_256), False, False),
        (TlsaRecord(3, 1, 0, b""), False, False),
    ],
)
def test_rfc_7672_s3_1_only_usages_2_and_3_with_whole_digests_are_usable(
    record: TlsaRecord, *, is_usable: bool, is_match: bool
) -> None:
    """An unusable record is not "no DANE": it makes TLS mandatory."""
    assert usable(record) is is_usable
    assert matches(record, LEAF) is is_match


def test_rfc_7671_s9_a_stale_stronger_digest_hides_a_good_weaker_one() -> None:
    """Per usage and selector only full data and the strongest digest count."""
    weak, strong, full = TlsaRecord(3, 1, 1, KEY_256), TlsaRecord(3, 1, 2, bytes(64)), TlsaRecord(3, 1, 0, b"key")
    other = TlsaRecord(2, 0, 1, bytes(32))
    assert strongest((weak, strong, full, other)) == (strong, full, other)
