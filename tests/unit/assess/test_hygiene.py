"""What is poor and works: each type by a table, and the law that none of them changes anything else."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess import hygiene as rules
from scanner.assess.chains import last_days
from scanner.assess.hygiene import can_roll_over, is_short
from scanner.model.assessment import Assessment
from scanner.model.fault import Kind, Stage
from scanner.model.policy import MtaSts, StsMode
from scanner.model.route import MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Hello, Oddity, Session
from tests.unit.assess.evidence import (
    AT,
    DAY,
    HYGIENE,
    MX,
    NO_POLICY,
    NO_REPORTS,
    authority,
    cut,
    encrypted,
    host,
    hygiene,
    judged,
    plain,
    policy,
    route,
    secured,
    tlsa_of,
    wide,
)

GOOD_12, CBC = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"
REPORTS = replace(NO_REPORTS, rua=("mailto:tls@example.test",))


def agreed(made: Session | None = None, **facts: Any) -> Session:
    """A session whose handshake came out like this."""
    whole = made or encrypted()
    assert whole.handshake is not None
    return replace(whole, handshake=replace(whole.handshake, **facts))


def presented(at: int = 0, **facts: Any) -> Session:
    """A session in which one certificate of the chain is like this."""
    chain = list(authority().chain("good"))
    chain[at] = replace(chain[at], **facts)
    return agreed(chain=tuple(chain))


def rest(assessment: Assessment) -> Assessment:
    """Everything but hygiene."""
    return replace(assessment, findings=tuple(it for it in assessment.findings if it.type not in HYGIENE))


@pytest.mark.parametrize(
    ("version", "cipher", "found"),
    [
        ("TLSv1.3", "TLS_AES_128_GCM_SHA256", []),
        ("TLSv1.2", GOOD_12, []),
        ("TLSv1.1", GOOD_12, ["only-old-tls"]),
        ("TLSv1", CBC, ["only-old-tls", "no-aead"]),
        ("TLSv1.2", CBC, ["no-aead"]),
        ("TLSv1.2", "AES256-GCM-SHA384", ["no-forward-secrecy"]),
        ("TLSv1.2", "AES256-SHA", ["no-forward-secrecy", "no-aead"]),
        ("TLSv1.2", "DHE-RSA-AES256-GCM-SHA384", ["finite-field-dh"]),
        ("TLSv1.2", "ECDHE-RSA-NULL-SHA", ["weak-cipher"]),
        ("TLSv1.2", "EDH-RSA-DES-CBC3-SHA", ["weak-cipher", "finite-field-dh", "no-aead"]),
        ("TLSv1.2", "RC4-SHA", ["weak-cipher", "no-forward-secrecy", "no-aead"]),
    ],
)
def test_rfc_8996_and_rfc_9325_s4_1_what_was_agreed(version: str, cipher: str, found: list[str]) -> None:
    assessment = judged(agreed(version=version, cipher=cipher))
    assert hygiene(assessment) == found
    if found:
        assert cipher in {finding.detail for finding in assessment.findings} or found == ["only-old-tls"]


@pytest.mark.parametrize(
    ("group", "short"),
    [
        (None, False),
        ("X25519", False),
        ("x448", False),
        ("secp256r1", False),
        ("prime256v1", False),
        ("X25519MLKEM768", False),
        ("ffdhe2048", False),
        ("secp224r1", False),
        ("prime192v1", True),
        ("sect163k1", True),
        ("brainpoolP160r1", True),
        ("unnamed", False),
    ],
)
def test_rfc_9325_s4_5_a_group_below_224_bits_is_told(group: str | None, short: bool) -> None:  # noqa: FBT001 - a column
    assert is_short(group) is short
    assert hygiene(judged(agreed(group=group))) == ["weak-group"] * short


@pytest.mark.parametrize(
    ("at", "facts", "found"),
    [
        (0, {"key_type": "rsa", "key_bits": 1024}, ["weak-key"]),
        (1, {"key_type": "rsa", "key_bits": 1024}, ["weak-key"]),
        (0, {"key_type": "rsa", "key_bits": 2048}, []),
        (0, {"key_type": "ec", "key_bits": 192}, ["weak-key"]),
        (0, {"key_type": "ed25519", "key_bits": 256}, []),
        (0, {"key_type": "", "key_bits": None}, []),
        (0, {"signature_hash": "sha1"}, ["weak-signature"]),
        (1, {"signature_hash": "md5"}, ["weak-signature"]),
        (0, {"signature_hash": "sha224"}, ["weak-signature"]),
        (0, {"signature_hash": "sha384"}, []),
        (0, {"signature_hash": ""}, []),
    ],
)
def test_rfc_9325_s4_5_keys_and_signatures_of_the_whole_chain(at: int, facts: dict[str, Any], found: list[str]) -> None:
    assert hygiene(judged(presented(at, **facts))) == found


def test_the_signature_that_a_certificate_gave_itself_is_nobodys_business() -> None:
    chain = [replace(it, signature_hash="sha1") if it.self_issued else it for it in authority().chain("with root")]
    assert hygiene(judged(agreed(chain=tuple(chain)))) == ["root-sent"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("good", []),
        ("wildcard", []),
        ("expired", []),
        ("not yet valid", []),
        ("with root", ["root-sent"]),
        ("untrusted ca with root", ["root-sent"]),
        ("untrusted ca", []),
        ("self-signed", ["self-signed"]),
        ("missing intermediate", ["no-intermediate"]),
        ("", []),
    ],
)
def test_rfc_8446_s4_4_2_how_a_chain_is_made(name: str, found: list[str]) -> None:
    assert hygiene(judged(encrypted(name))) == found


def test_rfc_8446_s4_4_2_the_order_of_a_chain() -> None:
    leaf, middle, root = authority().chain("with root")
    assert hygiene(judged(agreed(chain=(leaf, root, middle)))) == ["chain-disordered", "root-sent"]
    assert hygiene(judged(agreed(chain=(leaf, middle, middle)))) == ["chain-disordered"]


def test_a_lone_certificate_of_a_known_root_lacks_nothing() -> None:
    [leaf] = authority().chain("missing intermediate")
    known = replace(leaf, der=authority().chain("good")[1].der, sha256="issued by the root itself")
    assert "no-intermediate" not in hygiene(judged(agreed(chain=(known,))))


def test_rfc_7672_s3_1_2_the_anchor_of_dane_ta_has_to_be_sent() -> None:
    anchor = tlsa_of("with root", usage=2, depth=2)
    way = secured(tlsa_of("with root"), anchor)
    assert hygiene(judged(encrypted("with root"), way=way, tls_rpt=REPORTS)) == []


@pytest.mark.parametrize(
    ("lived", "left", "soon"),
    [
        (76, 14, False),
        (77, 13, True),
        (90, 0, True),
        (90, -1, False),
        (-1, 90, False),
        (3, 3, False),
        (4, 2, False),
        (5, 1, True),
        (4000, 13, True),
    ],
)
def test_rfc_5280_s4_1_2_5_a_certificate_that_ends_soon(lived: int, left: int, soon: bool) -> None:  # noqa: FBT001 - a column
    dates: dict[str, Any] = {"not_before_at": AT - lived * DAY, "not_after_at": AT + left * DAY}
    after, until = last_days(replace(authority().chain("good")[0], **dates))
    assert (after < AT <= until) is soon
    assert ("certificate-ends-soon" in hygiene(judged(presented(**dates)))) is soon


def test_dates_that_cannot_be_read_end_never() -> None:
    after, until = last_days(replace(authority().chain("good")[0], not_after_at=None))
    assert not after < AT <= until


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ((MX,), []),
        ((MX, MX.upper() + "."), ["mx-duplicate"]),
        ((MX, "mx2.example.test"), []),
    ],
)
def test_rfc_5321_s5_1_a_host_with_two_preferences(names: tuple[str, ...], found: list[str]) -> None:
    records = tuple(MxRecord(10 * at, name) for at, name in enumerate(names, 1))
    assert hygiene(judged(encrypted(), way=route(host(), records=records))) == found


EE, NEXT, TA = tlsa_of("good"), TlsaRecord(3, 1, 1, bytes(32)), tlsa_of("good", usage=2, depth=1)
PKIX = TlsaRecord(1, 1, 1, bytes(32))


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ((EE,), ["dane-no-rollover"]),
        ((TA,), ["dane-no-rollover"]),
        ((EE, NEXT), []),
        ((EE, TA), []),
        ((EE, PKIX), ["tlsa-pkix", "dane-no-rollover"]),
        ((PKIX,), ["tlsa-pkix"]),
        ((EE, TlsaRecord(3, 1, 1, b"short")), ["dane-no-rollover"]),
        ((), []),
    ],
)
def test_rfc_7671_s8_1_and_rfc_7672_s3_1_3_tlsa_records(records: tuple[TlsaRecord, ...], found: list[str]) -> None:
    assert hygiene(judged(encrypted(), way=secured(*records), tls_rpt=REPORTS)) == found
    if "tlsa-pkix" not in found:
        assert can_roll_over(records) is (bool(records) and not found)


def test_records_that_no_sender_believes_need_no_second_key() -> None:
    way = route(host(tlsa=(EE,), status=Validity.INSECURE))
    assert hygiene(judged(encrypted(), way=way)) == []


@pytest.mark.parametrize(
    ("published", "way", "found"),
    [
        (NO_POLICY, None, []),
        (policy(), None, ["tlsrpt-missing"]),
        (policy(StsMode.TESTING), None, ["tlsrpt-missing"]),
        (policy(StsMode.NONE), None, []),
        (NO_POLICY, secured(EE, NEXT), ["tlsrpt-missing"]),
        (policy(max_age_s=60), None, ["tlsrpt-missing", "sts-short-age"]),
    ],
)
def test_rfc_8460_s3_who_promises_tls_asks_for_reports(published: MtaSts, way: Route | None, found: list[str]) -> None:
    assert hygiene(judged(encrypted(), way=way, mta_sts=published)) == found
    asked = judged(encrypted(), way=way, mta_sts=published, tls_rpt=REPORTS)
    assert hygiene(asked) == [name for name in found if name != "tlsrpt-missing"]


def deep(hello: Hello, version: str = "", cipher: str = GOOD_12, **facts: Any) -> Session:
    """What one question of `--deep` came to; without a version it was refused."""
    made = agreed(version=version, cipher=cipher) if version else cut(Stage.HANDSHAKE, Kind.TLS_ALERT)
    return replace(made, hello=hello, **facts)


@pytest.mark.parametrize(
    ("sessions", "found"),
    [
        ([deep(Hello.ONLY_TLS_1_2, "TLSv1.2"), deep(Hello.ONLY_TLS_1_1), deep(Hello.ONLY_TLS_1_0)], []),
        ([deep(Hello.ONLY_TLS_1_3)], ["no-tls-1-3"]),
        ([deep(Hello.ONLY_TLS_1_2)], []),
        ([deep(Hello.ONLY_TLS_1_1, "TLSv1.1", "")], ["old-tls-accepted"]),
        ([deep(Hello.ONLY_TLS_1_0, "TLSv1", CBC)], ["old-tls-accepted", "weak-suite-accepted"]),
        ([deep(Hello.ONLY_STATIC_RSA, "TLSv1.2", "AES256-GCM-SHA384")], ["weak-suite-accepted"]),
        ([deep(Hello.ONLY_ANONYMOUS, "TLSv1.2", "AECDH-AES256-SHA")], ["weak-suite-accepted"] * 2),
        ([deep(Hello.ONLY_NULL, "TLSv1.2", "ECDHE-RSA-NULL-SHA")], ["weak-suite-accepted"]),
        ([replace(cut(Stage.HANDSHAKE, Kind.TIMEOUT), hello=Hello.ONLY_TLS_1_3)], []),
        ([replace(cut(Stage.GREETING, Kind.REPLY_421), hello=Hello.ONLY_TLS_1_3)], []),
        ([replace(cut(Stage.EHLO_TLS, Kind.REPLY_421), hello=Hello.ONLY_TLS_1_3)], []),
    ],
)
def test_rfc_9325_s3_1_1_and_s4_1_what_else_a_server_takes(sessions: list[Session], found: list[str]) -> None:
    assessment = judged(encrypted(), *sessions)
    assert hygiene(assessment) == found
    assert rest(assessment) == rest(judged(encrypted()))


def test_a_finding_of_deep_names_what_was_taken_where() -> None:
    old = [deep(Hello.ONLY_TLS_1_1, "TLSv1.1", CBC), deep(Hello.ONLY_TLS_1_0, "TLSv1", CBC)]
    rsa = deep(Hello.ONLY_STATIC_RSA, "TLSv1.2", "AES128-SHA")
    told = {(it.type, it.detail, it.mx, it.source) for it in judged(encrypted(), *old, rsa).findings}
    assert told == {
        ("old-tls-accepted", "TLSv1, TLSv1.1", MX, "mail"),
        ("weak-suite-accepted", "no forward secrecy: AES128-SHA", MX, "mail"),
        ("weak-suite-accepted", f"no AEAD: AES128-SHA, {CBC}", MX, "mail"),
    }


def test_what_a_sender_gets_is_told_once() -> None:
    old = agreed(version="TLSv1", cipher="AES128-SHA")
    assert hygiene(judged(old)) == ["only-old-tls", "no-forward-secrecy", "no-aead"]
    asked = deep(Hello.ONLY_ANONYMOUS, "TLSv1", "AECDH-AES256-SHA")
    more = judged(old, asked).findings[len(judged(old).findings) :]
    assert [(it.type, it.detail) for it in more] == [("weak-suite-accepted", "no certificate: AECDH-AES256-SHA")]


BASES = [
    encrypted(),
    encrypted("self-signed"),
    encrypted("expired"),
    encrypted(""),
    plain(),
    wide(encrypted()),
    cut(Stage.STARTTLS, Kind.REPLY_5XX),
    cut(Stage.STARTTLS, Kind.REPLY_4XX),
    cut(Stage.HANDSHAKE, Kind.TLS_ALERT),
    cut(Stage.HANDSHAKE, Kind.CLOSED),
    cut(Stage.GREETING, Kind.REPLY_421),
    cut(Stage.CONNECT, Kind.REFUSED),
    cut(Stage.EHLO_TLS, Kind.REPLY_421),
]
SECOND = AT + timedelta(minutes=1)
DEEP = st.builds(
    lambda base, hello: replace(base, hello=hello, observed_at=SECOND),
    st.sampled_from(BASES),
    st.sampled_from([hello for hello in Hello if hello.is_deep]),
)
WAYS = st.sampled_from([None, secured(EE), secured(TA)])


@given(st.lists(st.sampled_from(BASES), min_size=1, max_size=3), st.lists(DEEP, max_size=4), WAYS)
def test_no_verdict_and_no_prediction_rests_on_what_no_sender_sends(
    seen: list[Session], asked: list[Session], way: Route | None
) -> None:
    judgement = judged(*seen, *asked, way=way, mta_sts=policy())
    assert rest(judgement) == rest(judged(*seen, way=way, mta_sts=policy()))


@given(
    cipher=st.sampled_from(["TLS_AES_128_GCM_SHA256", CBC, "RC4-MD5", "ECDHE-RSA-NULL-SHA", "ADH-AES256-GCM-SHA384"]),
    group=st.sampled_from([None, "X25519", "secp160r1"]),
    key=st.sampled_from([("rsa", 512), ("ec", 160), ("ed25519", 256)]),
    times=st.integers(1, 2),
    way=WAYS,
)
def test_poor_things_that_work_change_no_verdict_and_no_prediction(
    cipher: str, group: str | None, key: tuple[str, int], times: int, way: Route | None
) -> None:
    poor = agreed(presented(key_type=key[0], key_bits=key[1]), cipher=cipher, group=group)
    way = way or route(host())
    doubled = replace(way, mx=replace(way.mx, records=way.mx.records * times))
    assert rest(judged(poor, way=doubled)) == rest(judged(encrypted(), way=way))


def test_hygiene_is_told_and_heard_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its rules everything else stays as it is."""
    poor = agreed(encrypted("with root", oddities=(Oddity.STARTTLS_AGAIN,)), version="TLSv1", cipher="RC4-MD5")
    whole = judged(poor, deep(Hello.ONLY_TLS_1_0, "TLSv1", CBC), way=secured(EE, PKIX), mta_sts=policy(max_age_s=1))
    monkeypatch.setattr(rules, "findings", lambda _case: ())
    without = judged(poor, deep(Hello.ONLY_TLS_1_0, "TLSv1", CBC), way=secured(EE, PKIX), mta_sts=policy(max_age_s=1))
    assert len(hygiene(whole)) > len(hygiene(without))
    assert rest(without) == rest(whole)
