"""What Postfix would do: the decision tables, cell by cell."""

from dataclasses import replace

import pytest

from scanner.model.assessment import Outcome
from scanner.model.fault import Fault, Kind, Side, Stage
from scanner.model.policy import MtaSts, StsMode
from scanner.model.route import Answer, MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Oddity, Reply, Session
from tests.unit.assess.evidence import (
    DOMAIN,
    MX,
    NO_POLICY,
    NODATA,
    NXDOMAIN,
    SERVFAIL,
    cut,
    encrypted,
    host,
    judged,
    outcomes,
    plain,
    policy,
    predicted,
    reply,
    route,
    secured,
    tlsa_of,
    wide,
)

LETTERS = {
    "V": Outcome.ENCRYPTED_AUTHENTICATED,
    "E": Outcome.ENCRYPTED,
    "C": Outcome.CLEAR,
    "D": Outcome.DEFER,
    "B": Outcome.BOUNCE,
    "?": Outcome.UNKNOWN,
}
MODELS = ("may", "encrypt", "verify", "secure", "dane", "dane_only", "mta_sts")
WRONG = TlsaRecord(3, 1, 1, bytes(32))
PKIX = TlsaRecord(1, 1, 1, bytes(32))
SECURE, INSECURE = Validity.SECURE, Validity.INSECURE
HELO_ONLY = plain(ehlo=reply(502), helo=reply(250), starttls=None, oddities=(Oddity.HELO_ONLY,))
DENIED = plain(starttls=Reply(550, (b"550 5.7.1 Access denied",)))
FAR_OFFER = encrypted(ehlo=reply(250, "X" * 3000, "STARTTLS"))
BARE = encrypted(greeting=Reply(220, (b"220",)))


def row(letters: str) -> dict[str, Outcome]:
    """One row of a table, a letter for each model."""
    return dict(zip(MODELS, (LETTERS[letter] for letter in letters), strict=True))


@pytest.mark.parametrize(
    ("session", "letters"),
    [
        (encrypted(), "EEVVEDE"),
        (plain(), "CDDDCDC"),
        (DENIED, "?DDD?D?"),
        (HELO_ONLY, "CDDDCDC"),
        (BARE, "CDDDCDC"),
        (FAR_OFFER, "CDDDCDC"),
        (cut(Stage.STARTTLS, Kind.REPLY_4XX, code=454), "CDDDCDC"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX, code=502), "CBBBCDC"),
        (cut(Stage.STARTTLS, Kind.REPLY_421), "?DDD?D?"),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), "DDDDDDD"),
        (cut(Stage.HANDSHAKE, Kind.NOT_TLS), "DDDDDDD"),
        (cut(Stage.HANDSHAKE, Kind.TIMEOUT), "DDDDDDD"),
        (encrypted("self-signed"), "EEDDEDE"),
        (encrypted("expired"), "EEDDEDE"),
        (encrypted("wrong host"), "EEDDEDE"),
        (encrypted("other name below"), "EEDVEDE"),
        (encrypted("cn only"), "EEVVEDE"),
        (encrypted(""), "EEDDEDE"),
        (encrypted(version="TLSv1"), "EEDDEDE"),
        (cut(Stage.EHLO_TLS, Kind.TLS_ALERT, code=116), "DDDDDDD"),
        (cut(Stage.EHLO_TLS, Kind.REPLY_421), "DDDDDDD"),
        (cut(Stage.EHLO_TLS, Kind.REPLY_5XX), "EEVVEDE"),
        (cut(Stage.GREETING, Kind.REPLY_421), "DDDDDDD"),
        (cut(Stage.GREETING, Kind.REPLY_5XX), "DDDDDDD"),
        (cut(Stage.GREETING, Kind.CLOSED), "DDDDDDD"),
        (cut(Stage.EHLO, Kind.REPLY_421), "DDDDDDD"),
        (cut(Stage.EHLO, Kind.REPLY_4XX), "CDDDCDC"),
        (cut(Stage.CONNECT, Kind.REFUSED), "DDDDDDD"),
        (cut(Stage.CONNECT, Kind.TIMEOUT), "DDDDDDD"),
        (cut(Stage.GREETING, Kind.MALFORMED), "?????D?"),
        (cut(Stage.CONNECT, Kind.NO_FAMILY, Side.OURS), "?????D?"),
        (cut(Stage.CONNECT, Kind.PARKED), "?????D?"),
    ],
)
def test_the_connection_stage(session: Session, letters: str) -> None:
    made = outcomes(judged(session))
    assert {model: made[model] for model in MODELS} == row(letters)


@pytest.mark.parametrize(
    ("session", "model", "dsn", "words"),
    [
        (plain(), "encrypt", "4.7.4", "TLS is required, but was not offered by host mx.example.test[192.0.2.1]"),
        (encrypted("expired"), "verify", "4.7.5", "Server certificate not verified"),
        (encrypted(), "dane_only", "4.7.5", "no TLSA records found"),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), "encrypt", "4.7.5", "Cannot start TLS: handshake failure"),
        (
            cut(Stage.STARTTLS, Kind.REPLY_4XX, starttls=Reply(454, (b"454 4.7.0 TLS not available",))),
            "encrypt",
            "4.7.0",
            "TLS is required, but host mx.example.test[192.0.2.1] refused to start TLS: 454 4.7.0 TLS not available",
        ),
        (
            cut(Stage.GREETING, Kind.REPLY_5XX, greeting=Reply(554, (b"554 5.7.1 go away {where}",))),
            "may",
            "4.7.1",
            "host mx.example.test[192.0.2.1] refused to talk to me: 554 5.7.1 go away {where}",
        ),
        (
            cut(Stage.GREETING, Kind.CLOSED),
            "may",
            "4.4.2",
            "lost connection with mx.example.test[192.0.2.1] while receiving the initial server greeting",
        ),
        (
            cut(Stage.CONNECT, Kind.REFUSED),
            "may",
            "4.4.1",
            "connect to mx.example.test[192.0.2.1]:25: Connection refused",
        ),
    ],
)
def test_the_words_in_the_log(session: Session, model: str, dsn: str, words: str) -> None:
    made = predicted(judged(session), model)
    assert (made.dsn, made.words) == (dsn, words)


def lookup_failed(kind: Kind) -> Route:
    answer: Answer[TlsaRecord] = Answer(f"_25._tcp.{MX}", fault=Fault(Stage.RESOLVE, kind))
    return route(replace(host(status=SECURE), tlsa=answer), status=SECURE)


@pytest.mark.parametrize(
    ("session", "way", "dane", "dane_only"),
    [
        (encrypted(), secured(tlsa_of("good")), "V", "V"),
        (encrypted("expired"), secured(tlsa_of("expired")), "V", "V"),
        (encrypted(), secured(WRONG), "D", "D"),
        (encrypted("wrong host"), secured(tlsa_of("wrong host", 2, 0, 1, depth=1)), "D", "D"),
        (encrypted(), secured(PKIX), "E", "D"),
        (plain(), secured(PKIX), "D", "D"),
        (plain(), secured(tlsa_of("good")), "D", "D"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), secured(tlsa_of("good")), "B", "B"),
        (encrypted(), secured(tlsa_of("good"), TlsaRecord(3, 1, 2, bytes(64))), "D", "D"),
        (encrypted(), secured(PKIX, tlsa_of("good")), "V", "V"),
        (encrypted(), lookup_failed(Kind.SERVFAIL), "D", "D"),
        (encrypted(), lookup_failed(Kind.BOGUS), "D", "D"),
        (encrypted(), secured(tlsa_of("good"), mx_status=INSECURE), "E", "D"),
        (encrypted(), secured(WRONG, mx_status=INSECURE), "D", "D"),
        (encrypted(), route(host(tlsa=(WRONG,), status=INSECURE), status=SECURE), "E", "D"),
        (encrypted(), route(host(tlsa=(WRONG,))), "?", "?"),
        (encrypted(version="TLSv1"), secured(tlsa_of("good")), "D", "D"),
        (encrypted(version="TLSv1"), secured(PKIX), "E", "D"),
    ],
)
def test_dane(session: Session, way: Route, dane: str, dane_only: str) -> None:
    made = outcomes(judged(session, way=way))
    assert (made["dane"], made["dane_only"]) == (LETTERS[dane], LETTERS[dane_only])


@pytest.mark.parametrize(
    ("session", "published", "letter"),
    [
        (encrypted(), policy(), "V"),
        (encrypted("wildcard"), policy(StsMode.ENFORCE, "*.example.test"), "V"),
        (encrypted("expired"), policy(), "D"),
        (encrypted("cn only"), policy(), "D"),
        (plain(), policy(), "D"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX), policy(), "B"),
        (encrypted(), policy(StsMode.ENFORCE, "other.test"), "D"),
        (encrypted("expired"), policy(StsMode.TESTING), "E"),
        (plain(), policy(StsMode.TESTING), "C"),
        (plain(), policy(StsMode.NONE), "C"),
        (plain(), replace(NO_POLICY, defect="bad_id"), "C"),
    ],
)
def test_mta_sts(session: Session, published: MtaSts, letter: str) -> None:
    assert outcomes(judged(session, mta_sts=published))["mta_sts"] is LETTERS[letter]


def test_rfc_8461_s2_dane_wins_over_sts() -> None:
    failing = judged(encrypted(), way=secured(WRONG), mta_sts=policy())
    assert predicted(failing, "mta_sts").rule == "2.4-mismatch"
    assert outcomes(failing)["mta_sts"] is Outcome.DEFER
    saved = judged(encrypted("self-signed"), way=secured(tlsa_of("self-signed")), mta_sts=policy())
    assert outcomes(saved)["mta_sts"] is Outcome.ENCRYPTED_AUTHENTICATED


def test_a_tlsa_lookup_that_failed_names_the_host_and_no_address() -> None:
    made = predicted(judged(encrypted(), way=lookup_failed(Kind.BOGUS)), "dane")
    assert (made.dsn, made.words) == ("4.7.5", f"TLSA lookup error for {MX}:25")


@pytest.mark.parametrize("records", [(), (WRONG,)])
def test_dane_only_looks_at_the_mx_records_first(records: tuple[TlsaRecord, ...]) -> None:
    """Where they are not signed, no TLSA record is asked for."""
    made = predicted(judged(encrypted(), way=secured(*records, mx_status=INSECURE)), "dane_only")
    assert (made.rule, made.words) == ("2.4-insecure-mx", "non DNSSEC destination")
    implicit = judged(encrypted(), way=replace(secured(*records, mx_status=INSECURE), implicit=True))
    assert predicted(implicit, "dane_only").words != "non DNSSEC destination"


NOT_FOUND = "Host or domain name not found. Name service error for name={} type={}: {}"


@pytest.mark.parametrize(
    ("way", "words"),
    [
        (route(fault=NXDOMAIN, records=()), NOT_FOUND.format(DOMAIN, "AAAA", "Host not found")),
        (
            route(host(DOMAIN, 0, ()), records=(), fault=NODATA, implicit=True),
            NOT_FOUND.format(DOMAIN, "AAAA", "Host found but no data record of requested type"),
        ),
        (
            route(host(addresses=(), ipv6=Answer(MX, fault=NXDOMAIN))),
            NOT_FOUND.format(MX, "AAAA", "Host not found"),
        ),
        (
            route(host(addresses=(), ipv4=Answer(MX, fault=SERVFAIL), ipv6=Answer(MX, fault=SERVFAIL))),
            NOT_FOUND.format(MX, "AAAA", "Host not found, try again"),
        ),
        (
            route(host(addresses=(), ipv4=Answer(MX, fault=SERVFAIL))),
            NOT_FOUND.format(MX, "A", "Host not found, try again"),
        ),
        (route(fault=SERVFAIL, records=()), NOT_FOUND.format(DOMAIN, "MX", "Host not found, try again")),
        (
            route(host("-mx.example.test")),
            f"Name service error for name={DOMAIN} type=MX: Malformed or unexpected name server reply",
        ),
    ],
)
def test_what_dns_did_is_told_in_the_words_of_the_last_question(way: Route, words: str) -> None:
    for made in judged(way=way).predictions:
        assert made.model not in MODELS or made.words == words


def test_a_malformed_mx_host_is_passed_over_beside_others() -> None:
    way = route(host("-mx.example.test", 5), host())
    assert outcomes(judged(encrypted(mx="-mx.example.test"), plain(), way=way))["may"] is Outcome.CLEAR
    assert outcomes(judged(plain(), way=route(host("under_score.example.test"))))["may"] is not Outcome.BOUNCE


LOOPBACK = host("localhost", 10, ("127.0.0.1",))


@pytest.mark.parametrize(
    ("way", "letter", "dsn"),
    [
        (route(records=(MxRecord(0, ""),), null_mx=True), "B", "5.1.0"),
        (route(host(), records=(MxRecord(0, ""), MxRecord(10, MX))), "B", "5.1.0"),
        (route(fault=NXDOMAIN, records=()), "B", "5.4.4"),
        (route(host(DOMAIN, 0, ()), records=(), fault=NODATA, implicit=True), "B", "5.4.4"),
        (route(host(addresses=())), "B", "5.4.4"),
        (route(fault=SERVFAIL, records=()), "D", "4.4.3"),
        (route(fault=Fault(Stage.RESOLVE, Kind.BOGUS), records=()), "D", "4.4.3"),
        (route(fault=Fault(Stage.RESOLVE, Kind.NOTIMP), records=()), "?", ""),
        (route(fault=Fault(Stage.RESOLVE, Kind.RESOLVER_DOWN, Side.OURS), records=()), "?", ""),
        (route(LOOPBACK), "B", "5.4.6"),
        (route(LOOPBACK, host(preference=20)), "B", "5.4.6"),
        (route(host("192.0.2.1", addresses=())), "?", ""),
        (route(host()), "?", ""),
    ],
)
def test_the_dns_stage(way: Route, letter: str, dsn: str) -> None:
    for made in judged(way=way).predictions:
        assert made.model not in MODELS or (made.outcome, made.dsn) == (LETTERS[letter], dsn)


SECOND = {"mx": "mx2.example.test", "address": "192.0.2.2"}


def two(first: Session, second: Session, preference: int = 20) -> dict[str, Outcome]:
    """Two hosts, the first at preference 10."""
    way = route(host(), host("mx2.example.test", preference, ("192.0.2.2",)))
    return outcomes(judged(first, replace(second, endpoint=encrypted(**SECOND).endpoint), way=way))


def test_the_next_host_is_tried_where_the_first_cannot() -> None:
    assert two(cut(Stage.CONNECT, Kind.REFUSED), encrypted())["may"] is Outcome.ENCRYPTED
    assert two(cut(Stage.GREETING, Kind.REPLY_5XX), plain())["may"] is Outcome.CLEAR
    assert two(plain(), encrypted())["encrypt"] is Outcome.ENCRYPTED
    assert two(plain(), encrypted())["may"] is Outcome.CLEAR
    assert two(cut(Stage.HANDSHAKE, Kind.TLS_ALERT), encrypted())["may"] is Outcome.ENCRYPTED
    assert two(plain(), plain())["encrypt"] is Outcome.DEFER


def test_a_refusal_for_good_ends_it_although_the_next_host_is_fine() -> None:
    assert two(cut(Stage.STARTTLS, Kind.REPLY_5XX), encrypted())["encrypt"] is Outcome.BOUNCE


def test_the_worst_is_told_where_equal_preference_makes_the_order_random() -> None:
    way = route(host(), host("mx2.example.test", 10, ("192.0.2.2",)))
    assessment = judged(plain(), encrypted(**SECOND), way=way)
    made = predicted(assessment, "may")
    assert (made.outcome, made.certain) == (Outcome.CLEAR, False)
    assert "encrypted at best" in made.reason
    assert predicted(assessment, "encrypt").outcome is Outcome.ENCRYPTED


def test_a_loopback_host_hides_the_hosts_behind_it_and_not_those_before() -> None:
    way = route(host(preference=5), LOOPBACK)
    sessions = (encrypted(), cut(Stage.CONNECT, Kind.REFUSED_ADDRESS, mx="localhost", address="127.0.0.1"))
    assert outcomes(judged(*sessions, way=way))["may"] is Outcome.ENCRYPTED


def test_no_more_than_five_addresses_are_tried() -> None:
    addresses = [f"192.0.2.{last}" for last in range(1, 8)]
    way = route(host(addresses=addresses[:6]), host("mx2.example.test", 20, addresses[6:]))
    refused = [cut(Stage.CONNECT, Kind.REFUSED, address=address) for address in addresses[:6]]
    good = encrypted(mx="mx2.example.test", address=addresses[6])
    assert outcomes(judged(*refused, good, way=way))["may"] is Outcome.DEFER


def test_an_address_that_was_not_visited_makes_the_outcome_unknown() -> None:
    way = route(host(addresses=("192.0.2.1", "192.0.2.9")))
    assert outcomes(judged(encrypted(), way=way))["may"] is Outcome.UNKNOWN


def test_each_source_has_predictions_of_its_own() -> None:
    assessment = judged(plain(), encrypted(source="witness"))
    assert outcomes(assessment, "mail")["encrypt"] is Outcome.DEFER
    assert outcomes(assessment, "witness")["encrypt"] is Outcome.ENCRYPTED


def test_what_only_another_source_saw_is_used_and_not_called_certain() -> None:
    way = route(host(), host("mx2.example.test", 20, ("192.0.2.2",)))
    sessions = (cut(Stage.CONNECT, Kind.REFUSED), encrypted(source="witness", **SECOND))
    made = predicted(judged(*sessions, way=way), "may")
    assert (made.outcome, made.certain) == (Outcome.ENCRYPTED, False)


def test_in_clear_later_is_told_where_tls_is_optional() -> None:
    assessment = judged(cut(Stage.HANDSHAKE, Kind.TLS_ALERT))
    assert "300 s" in predicted(assessment, "may").reason
    assert predicted(assessment, "encrypt").certain


def test_a_wider_hello_that_worked_is_what_postfix_would_see() -> None:
    anonymous = judged(cut(Stage.HANDSHAKE, Kind.TLS_ALERT), wide(encrypted("")))
    assert outcomes(anonymous)["encrypt"] is Outcome.ENCRYPTED
    assert outcomes(anonymous)["verify"] is Outcome.DEFER
