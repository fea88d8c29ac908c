"""Certificates: what an independent verifier says of the same chains, and each fact by itself."""

import datetime
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scanner.assess.case import Servers
from scanner.assess.judgement import Judge
from scanner.assess.names import matches
from scanner.assess.trust import ChainFault, Verifier, inside, trust
from scanner.model.assessment import Verdict
from scanner.model.fault import Kind, Stage
from tests.unit.assess.evidence import AT, DAY, DOMAIN, MX, authority, cut, encrypted, judged, plain, seen, types, wide

CHAINS = (
    "good",
    "with root",
    "wildcard",
    "expired",
    "not yet valid",
    "wrong host",
    "cn only",
    "self-signed",
    "missing intermediate",
    "untrusted ca",
    "untrusted ca with root",
    "expired intermediate",
    "expired wrong host",
    "client only",
)
TRUSTED = frozenset(CHAINS) - {
    "self-signed",
    "missing intermediate",
    "untrusted ca",
    "untrusted ca with root",
    "expired intermediate",
}


def openssl_trusts(name: str, room: Path, moment: datetime.datetime) -> bool:
    """Ask the command line, at the same moment."""
    leaf, *others = authority().chains[name]
    (room / "root.pem").write_bytes(authority().root.pem)
    (room / "leaf.pem").write_bytes(leaf.pem)
    (room / "others.pem").write_bytes(b"".join(party.pem for party in others))
    untrusted = ["-untrusted", str(room / "others.pem")] if others else []
    at = str(int(moment.timestamp()))
    command = ["openssl", "verify", "-attime", at, "-no-CApath", "-no-CAstore", "-CAfile", str(room / "root.pem")]
    return (
        subprocess.run([*command, *untrusted, str(room / "leaf.pem")], capture_output=True, check=False).returncode == 0
    )


@pytest.mark.parametrize("name", CHAINS)
def test_openssl_verify_says_the_same_about_trust(name: str, tmp_path: Path) -> None:
    chain = authority().chain(name)
    ours = authority().judge.verifier.answer(chain, AT).fault is None
    assert ours is (name in TRUSTED)
    assert ours is openssl_trusts(name, tmp_path, inside(chain[0], AT))


@pytest.mark.parametrize(
    ("name", "verdict", "found"),
    [
        ("good", Verdict.PASS, []),
        ("with root", Verdict.PASS, []),
        ("wildcard", Verdict.PASS, []),
        ("expired", Verdict.FAIL, ["certificate-expired"]),
        ("not yet valid", Verdict.FAIL, ["validation-failure"]),
        ("wrong host", Verdict.FAIL, ["certificate-host-mismatch"]),
        ("cn only", Verdict.FAIL, ["certificate-host-mismatch"]),
        ("self-signed", Verdict.FAIL, ["certificate-not-trusted"]),
        ("missing intermediate", Verdict.FAIL, ["certificate-not-trusted"]),
        ("untrusted ca", Verdict.FAIL, ["certificate-not-trusted"]),
        ("expired intermediate", Verdict.FAIL, ["certificate-expired"]),
        ("expired wrong host", Verdict.FAIL, ["certificate-expired", "certificate-host-mismatch"]),
        ("client only", Verdict.FAIL, ["validation-failure"]),
        ("", Verdict.FAIL, ["anonymous-tls"]),
    ],
)
def test_every_fact_is_told_and_none_hides_another(name: str, verdict: Verdict, found: list[str]) -> None:
    assessment = judged(encrypted(name))
    assert assessment.webpki is verdict
    assert types(assessment) == found
    assert assessment.starttls is Verdict.PASS


def test_without_a_handshake_the_answer_is_that_of_starttls() -> None:
    assert judged(plain()).webpki is Verdict.ABSENT
    assert judged(cut(Stage.GREETING, Kind.TIMEOUT)).webpki is Verdict.UNKNOWN
    assert judged(cut(Stage.HANDSHAKE, Kind.TLS_ALERT)).webpki is Verdict.FAIL


def test_a_certificate_shown_for_another_name_proves_no_mismatch() -> None:
    assert judged(encrypted("wrong host", inherited=True)).webpki is Verdict.UNKNOWN
    assert judged(encrypted("wrong host", sni="other.test")).webpki is Verdict.UNKNOWN
    refused = cut(Stage.HANDSHAKE, Kind.TLS_ALERT)
    assert judged(refused, wide(encrypted("wrong host"))).webpki is Verdict.UNKNOWN
    assert judged(encrypted("self-signed", inherited=True)).webpki is Verdict.FAIL


@pytest.mark.parametrize(
    ("pattern", "host", "match"),
    [
        ("MX.Example.Test", "mx.example.test", True),
        ("*.example.test", "mx.example.test", True),
        ("*.example.test", "a.mx.example.test", False),
        ("*.example.test", "example.test", False),
        ("*.test", "example.test", False),
        ("mx*.example.test", "mx1.example.test", False),
        ("*", "example", False),
        ("mx.example.test.", "mx.example.test", False),
        ("m_x.example.test", "m_x.example.test", False),
        ("xn--bcher-kva.test", "xn--bcher-kva.test", True),
        ("b\u00fccher.test", "xn--bcher-kva.test", False),
        ("mx.example.test\0.evil.test", "mx.example.test", False),
        ("", "", False),
    ],
)
def test_rfc_9525_s6_3_a_wildcard_is_the_whole_left_most_label(pattern: str, host: str, match: bool) -> None:  # noqa: FBT001 - a column
    assert matches(pattern, host) is match


@pytest.mark.parametrize(
    ("facts", "verdict", "found"),
    [
        ({"signature_hash": "sha1"}, Verdict.FAIL, "validation-failure"),
        ({"unreadable": ("dns_names",), "dns_names": ()}, Verdict.UNKNOWN, "validation-failure"),
        ({"not_after_at": None}, Verdict.UNKNOWN, "validation-failure"),
        ({"sha256": "odd", "der": b"garbage"}, Verdict.FAIL, "validation-failure"),
    ],
)
def test_odd_certificates_are_judged_by_what_can_be_read(facts: dict[str, Any], verdict: Verdict, found: str) -> None:
    made = encrypted()
    assert made.handshake is not None
    odd = replace(made.handshake.chain[0], **facts)
    assessment = judged(replace(made, handshake=replace(made.handshake, chain=(odd, *made.handshake.chain[1:]))))
    assert assessment.webpki is verdict
    assert types(assessment) == [found]


def test_rfc_5280_s4_1_2_5_a_certificate_may_be_for_ever_or_of_old() -> None:
    assert judged(encrypted("for ever")).webpki is Verdict.PASS
    assert types(judged(encrypted("of old"))) == ["certificate-expired", "validation-failure"]  # older than its CA


@pytest.mark.parametrize("year", [datetime.MINYEAR, datetime.MAXYEAR])
def test_the_ends_of_the_calendar_are_no_trouble(year: int) -> None:
    end = datetime.datetime(year, 1 if year == 1 else 12, 1 if year == 1 else 31, tzinfo=datetime.UTC)
    leaf, *others = authority().chain("good")
    odd = (replace(leaf, not_before_at=end, not_after_at=end), *others)
    assert isinstance(authority().judge.verifier.answer(odd, AT).fault, ChainFault | None)


def test_a_chain_is_verified_once_however_many_domains_share_it() -> None:
    judge = Judge(trust("test", authority().root.pem))
    for _ in range(50):
        judge(seen(encrypted()), AT)
    assert judge.verifier.verifications == 1


def test_what_is_remembered_is_bounded() -> None:
    verifier = Verifier(trust("test", authority().root.pem), remembered=1)
    for name in ("good", "wildcard", "good"):
        verifier.answer(authority().chain(name), AT)
    assert verifier.verifications == 3


def test_what_is_remembered_never_outlives_a_certificate_above_the_leaf() -> None:
    verifier = Verifier(trust("test", authority().root.pem))
    chain = authority().chain("long leaf")
    assert verifier.answer(chain, AT).fault is None
    assert verifier.answer(chain, AT + DAY).fault is None
    later = verifier.answer(chain, AT + 150 * DAY).fault
    assert later is not None
    assert (later.code, later.depth) == (10, 1)
    assert verifier.answer(chain, AT).fault is None
    assert verifier.verifications == 3


@pytest.mark.parametrize("name", ["long leaf", "expired", "good", "expired intermediate"])
def test_a_store_of_another_moment_never_changes_an_answer(name: str) -> None:
    """Fresh ones say the same at every moment, in whatever order they come."""
    anchors = trust("test", authority().root.pem)
    chain, shared = authority().chain(name), Verifier(anchors, remembered=0)
    for days in (0, 1, 150, 0, -150, 5000, 0, -5000, 99, 100, 101):
        moment = AT + days * DAY
        assert shared.answer(chain, moment).fault == Verifier(anchors).answer(chain, moment).fault


@pytest.mark.parametrize("name", CHAINS)
def test_what_is_remembered_of_a_shared_server_never_changes_a_judgement(name: str) -> None:
    """Its certificate may end between two domains, and so may one above it."""
    anchors = trust("test", authority().root.pem)
    session = replace(encrypted(name), shared=True)
    judge = Judge(anchors, servers=Servers())
    for days in (0, 1, 150, 0, -150, 5000, 0, -5000, 99, 100, 101):
        moment = AT + days * DAY
        assert judge(seen(session), moment) == Judge(anchors)(seen(session), moment)


def test_rfc_7671_s5_2_a_chain_to_one_anchor_is_verified_once_while_nothing_turns() -> None:
    verifier = Verifier(trust("test", authority().root.pem))
    chain, anchor = authority().chain("long leaf"), authority().root.read
    assert [verifier.anchored(anchor, chain, AT) for _ in range(5)] == [None] * 5
    assert verifier.verifications == 1
    later = verifier.anchored(anchor, chain, AT + 150 * DAY)
    assert later is not None
    assert verifier.anchored(chain[0], chain, AT) is None
    assert verifier.verifications == 3


def test_a_bundle_without_a_certificate_is_refused() -> None:
    with pytest.raises(ValueError, match="PEM"):
        trust("empty", b"nothing here")


def test_a_bundle_is_named_by_its_digest() -> None:
    made = trust("test", authority().root.pem)
    assert (made.name, len(made.sha256), len(made.anchors)) == ("test", 64, 1)
    assert MX.endswith(DOMAIN)
