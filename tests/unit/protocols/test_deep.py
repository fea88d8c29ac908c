"""Which questions are asked of servers of every kind, one session each, and when they end."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import combinations
from typing import TypeVar

import pytest

from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.route import Endpoint
from scanner.model.session import Handshake, Hello, Reply, Session
from scanner.protocols.deep import SESSIONS_MOST, SUITES, VERSIONS, is_answered, next_hello
from scanner.protocols.suites import Weakness, weaknesses

T = TypeVar("T")
ALERT = Fault(Stage.HANDSHAKE, Kind.TLS_ALERT, code=40)
GOOD, CBC = "ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-SHA"
SUITE_OF = {
    Hello.ONLY_STATIC_RSA: "AES128-GCM-SHA256",
    Hello.ONLY_FINITE_FIELD: "DHE-RSA-AES128-GCM-SHA256",
    Hello.ONLY_CBC: CBC,
    Hello.ONLY_ANONYMOUS: "ADH-AES128-GCM-SHA256",
    Hello.ONLY_NULL: "ECDHE-RSA-NULL-SHA",
}


def session(hello: Hello, version: str = "", cipher: str = GOOD, fault: Fault | None = None) -> Session:
    """One session; without a version the ClientHello was refused."""
    return Session(
        endpoint=Endpoint("mx.test", "192.0.2.1", 25, "mx.test"),
        source="mail",
        source_address="198.51.100.10",
        ehlo_name="c.test",
        observed_at=datetime(2026, 11, 24, tzinfo=UTC),
        hello=hello,
        starttls=Reply(220, (b"220 go",)),
        handshake=Handshake(version, cipher, None, "mx.test") if version else None,
        fault=fault or (None if version else ALERT),
    )


def suite(version: str) -> str:
    """What a good server prefers."""
    return "TLS_AES_128_GCM_SHA256" if version == "TLSv1.3" else GOOD if version == "TLSv1.2" else CBC


def answer(hello: Hello, versions: tuple[str, ...], weak: tuple[Hello, ...]) -> Session:
    """A server that takes these versions and, below TLS 1.3, these kinds of suites beside good ones."""
    best = max(versions)
    if hello is Hello.USUAL:
        return session(hello, best, suite(best))
    if hello in VERSIONS:
        version = VERSIONS[hello]
        return session(hello, version if version in versions else "", suite(version))
    below = [version for version in versions if version != "TLSv1.3"]
    return session(hello, max(below) if below and hello in weak else "", SUITE_OF[hello])


def asked(versions: tuple[str, ...], weak: tuple[Hello, ...]) -> list[Session]:
    """Every session with such a server."""
    seen = [answer(Hello.USUAL, versions, weak)]
    while (hello := next_hello(seen)) is not None:
        seen.append(answer(hello, versions, weak))
    return seen


def every(words: Iterable[T]) -> list[tuple[T, ...]]:
    """Every choice among them, none included."""
    each = list(words)
    return [chosen for size in range(len(each) + 1) for chosen in combinations(each, size)]


@pytest.mark.parametrize("versions", every(VERSIONS.values())[1:])
def test_no_server_is_asked_more_often_than_promised_nor_twice_the_same(versions: tuple[str, ...]) -> None:
    for weak in every(SUITES):
        seen = asked(versions, weak)
        hellos = [each.hello for each in seen]
        assert len(hellos) - 1 <= SESSIONS_MOST
        assert len(set(hellos)) == len(hellos)


@pytest.mark.parametrize("versions", every(VERSIONS.values())[1:])
def test_every_version_and_weakness_of_a_server_is_found(versions: tuple[str, ...]) -> None:
    for weak in every(SUITES):
        taken = [each.handshake for each in asked(versions, weak) if each.handshake]
        assert {each.version for each in taken} == set(versions)
        if set(versions) != {"TLSv1.3"}:
            found = set[Weakness]().union(*(weaknesses(each.cipher) for each in taken))
            assert {SUITES[hello] for hello in weak} <= found


def test_a_modern_server_is_asked_the_most() -> None:
    assert [each.hello for each in asked(("TLSv1.2", "TLSv1.3"), ())] == [
        Hello.USUAL,
        Hello.ONLY_TLS_1_2,
        Hello.ONLY_TLS_1_1,
        Hello.ONLY_TLS_1_0,
        *SUITES,
    ]


def test_a_server_with_nothing_below_tls_1_3_is_asked_for_versions_only() -> None:
    assert [each.hello for each in asked(("TLSv1.3",), ())][1:] == list(VERSIONS)[1:]


def test_what_a_handshake_told_by_the_way_is_not_asked() -> None:
    """TLS 1.0 has nothing but CBC."""
    assert Hello.ONLY_CBC not in {each.hello for each in asked(("TLSv1", "TLSv1.2"), ())}


ENDS = [
    Fault(Stage.CONNECT, Kind.TIMEOUT),
    Fault(Stage.CONNECT, Kind.REFUSED),
    Fault(Stage.CONNECT, Kind.PARKED),
    Fault(Stage.CONNECT, Kind.NO_DESCRIPTORS, Side.OURS),
    Fault(Stage.GREETING, Kind.REPLY_421, code=421),
    Fault(Stage.EHLO, Kind.REPLY_4XX, code=450),
    Fault(Stage.EHLO, Kind.REPLY_5XX, code=550),
    Fault(Stage.STARTTLS, Kind.REPLY_4XX, code=454),
    Fault(Stage.HANDSHAKE, Kind.TIMEOUT),
    Fault(Stage.HANDSHAKE, Kind.NOT_TLS),
    Fault(Stage.EHLO_TLS, Kind.REPLY_421, code=421),
]


@pytest.mark.parametrize("fault", ENDS, ids=lambda fault: f"{fault.stage.word}-{fault.kind.value}")
def test_whoever_does_not_answer_the_question_is_not_asked_again(fault: Fault) -> None:
    version = "TLSv1.2" if fault.stage is Stage.EHLO_TLS else ""
    odd = session(Hello.ONLY_TLS_1_2, version, fault=fault)
    assert not is_answered(odd)
    assert next_hello([session(Hello.USUAL, "TLSv1.3"), odd]) is None
    assert next_hello([session(Hello.USUAL, version, fault=fault)]) is None


def test_only_a_server_that_took_the_usual_hello_is_asked() -> None:
    refused = session(Hello.USUAL)
    assert next_hello([refused]) is None
    assert next_hello([]) is None
    assert next_hello([refused, session(Hello.WIDE, "TLSv1.2", "AECDH-AES256-SHA")]) is None


def test_a_server_that_hides_starttls_meanwhile_is_not_asked_again() -> None:
    hidden = replace(session(Hello.ONLY_TLS_1_2, "TLSv1.2"), handshake=None)
    assert next_hello([session(Hello.USUAL, "TLSv1.3"), hidden]) is None
