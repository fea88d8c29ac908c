import pytest

from scanner.protocols.suites import Weakness, weaknesses

B, N, A, R, D, M = (
    Weakness.BROKEN,
    Weakness.NULL,
    Weakness.ANONYMOUS,
    Weakness.STATIC_RSA,
    Weakness.FINITE_FIELD,
    Weakness.NO_AEAD,
)


@pytest.mark.parametrize(
    ("cipher", "weak"),
    [
        ("TLS_AES_256_GCM_SHA384", set()),
        ("TLS_AES_128_CCM_SHA256", set()),
        ("ECDHE-RSA-AES128-GCM-SHA256", set()),
        ("ECDHE-ECDSA-CHACHA20-POLY1305", set()),
        ("ECDHE-RSA-AES256-SHA384", {M}),
        ("ECDHE-RSA-CAMELLIA256-SHA384", {M}),
        ("AES128-GCM-SHA256", {R}),
        ("AES256-CCM8", {R}),
        ("CAMELLIA256-SHA", {R, M}),
        ("ECDH-RSA-AES128-SHA", {R, M}),
        ("DHE-RSA-AES256-GCM-SHA384", {D}),
        ("EDH-RSA-DES-CBC3-SHA", {B, D, M}),
        ("ECDHE-RSA-DES-CBC3-SHA", {B, M}),
        ("RC4-MD5", {B, R, M}),
        ("EXP-EDH-RSA-DES-CBC-SHA", {B, D, M}),
        ("AECDH-AES256-SHA", {A, M}),
        ("ADH-AES256-GCM-SHA384", {A, D}),
        ("ECDHE-RSA-NULL-SHA", {N}),
        ("NULL-MD5", {B, N, R}),
        ("SEED-SHA", {B, R, M}),
        ("", set()),
    ],
)
def test_rfc_9325_s4_1_a_suite_shows_its_weaknesses_by_its_name(cipher: str, weak: set[Weakness]) -> None:
    assert weaknesses(cipher) == weak
