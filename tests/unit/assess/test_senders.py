"""Senders beside Postfix: the tables that were run or are documented, cell by cell, and the laws of the one fold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess.judgement import Judge
from scanner.assess.senders import delivery
from scanner.assess.senders.delivery import ALL_MODELS, SENDERS, WORST_FIRST, candidates, one_of
from scanner.assess.senders.exim import EXIM
from scanner.assess.senders.postfix import POSTFIX
from scanner.assess.senders.rules import RULES
from scanner.assess.senders.wire import ESTABLISHED, Step
from scanner.assess.trust import trust
from scanner.jsonl.judgement import DELIVERY, write_delivery
from scanner.model.assessment import Outcome
from scanner.model.fault import Fault, Kind, Stage
from scanner.model.policy import MtaSts, PolicyFetch, StsMode
from scanner.model.route import MxRecord, Route, TlsaRecord, Validity
from scanner.model.session import Oddity, Reply, Session
from scanner.model.target import TlsPolicy
from tests.unit.assess.evidence import (
    AT,
    DOMAIN,
    NO_POLICY,
    NODATA,
    NXDOMAIN,
    SERVFAIL,
    authority,
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
    seen,
    tlsa_of,
)

LETTERS = {
    "V": Outcome.ENCRYPTED_AUTHENTICATED,
    "E": Outcome.ENCRYPTED,
    "C": Outcome.CLEAR,
    "D": Outcome.DEFER,
    "B": Outcome.BOUNCE,
    "?": Outcome.UNKNOWN,
}
OTHERS = (
    *("none", "exim", "exim_require", "exchange_onprem", "exchange_onprem_require"),
    *("exchange_online", "exchange_online_require", "gmail", "gmail_require", "strict_rfc"),
)
DOCUMENTED = tuple(name for name in ALL_MODELS if name.startswith(("exchange", "gmail")))
WRONG = TlsaRecord(3, 1, 1, bytes(32))
PKIX = TlsaRecord(1, 1, 1, bytes(32))
SECURE, INSECURE = Validity.SECURE, Validity.INSECURE
HELO_ONLY = plain(ehlo=reply(502), helo=reply(250), starttls=None, oddities=(Oddity.HELO_ONLY,))
MASKED = encrypted(greeting=Reply(220, (b"220 ****",)))
LOWER_CASE = encrypted(ehlo=reply(250, "starttls"), oddities=(Oddity.STARTTLS_LOWER_CASE,))
WITH_BLANK = encrypted(ehlo=reply(250, "STARTTLS foo"), oddities=(Oddity.STARTTLS_PARAMETER,))
WITH_SIGN = encrypted(ehlo=reply(250, "STARTTLS=1"), oddities=(Oddity.STARTTLS_PARAMETER,))
JUNK = encrypted(oddities=(Oddity.JUNK_LINE,))
INJECTED = encrypted(oddities=(Oddity.PLAINTEXT_AFTER_STARTTLS,))
FAR_OFFER = encrypted(ehlo=reply(250, "X" * 3000, "STARTTLS"))
TOO_FAR = encrypted(ehlo=reply(250, *("X" * 1000,) * 9, "STARTTLS"))


@pytest.mark.parametrize(
    ("session", "letters"),
    [
        (encrypted(), "CEEEEEEEEE"),
        (encrypted("expired"), "CEEEEEEEEE"),
        (plain(), "CCDCDCDCBC"),
        (HELO_ONLY, "CCDCDCDCBC"),
        (cut(Stage.STARTTLS, Kind.REPLY_4XX, code=454), "CCDCDCDCBC"),
        (cut(Stage.STARTTLS, Kind.REPLY_5XX, code=502), "CCDCDCDCBC"),
        (cut(Stage.STARTTLS, Kind.REPLY_421), "CDDCDCDCBC"),
        (cut(Stage.HANDSHAKE, Kind.TLS_ALERT), "CCDCDCDCBC"),
        (cut(Stage.HANDSHAKE, Kind.TIMEOUT), "CCDCDCDCBC"),
        (encrypted(""), "CCDCDCDCBE"),
        (encrypted(version="TLSv1"), "CEEEEEEEEE"),
        (cut(Stage.EHLO_TLS, Kind.TLS_ALERT, code=116), "CCDCDCDCBC"),
        (cut(Stage.EHLO_TLS, Kind.REPLY_421), "CDDCDCDCBC"),
        (cut(Stage.EHLO_TLS, Kind.REPLY_5XX), "CEEEEEEEEE"),
        (cut(Stage.GREETING, Kind.REPLY_421), "DDDDDDDDDD"),
        (cut(Stage.GREETING, Kind.REPLY_5XX), "DBB??????B"),
        (cut(Stage.GREETING, Kind.CLOSED), "DDDDDDDDDD"),
        (cut(Stage.EHLO, Kind.REPLY_421), "DDDDDDDDDD"),
        (cut(Stage.EHLO, Kind.REPLY_4XX), "CCDCDCDCBC"),
        (cut(Stage.CONNECT, Kind.REFUSED), "DDDDDDDDDD"),
        (cut(Stage.CONNECT, Kind.TIMEOUT), "DDDDDDDDDD"),
        (cut(Stage.CONNECT, Kind.PARKED), "??????????"),
        (MASKED, "CEEEEEEEEE"),
        (LOWER_CASE, "CCDEEEEEEE"),
        (WITH_BLANK, "CEEEEEEEEE"),
        (WITH_SIGN, "CCDEEEEEEE"),
        (FAR_OFFER, "CEEEEEEEEE"),
        (TOO_FAR, "CDDEEEEEEE"),
        (JUNK, "CDDEEEEEEE"),
        (INJECTED, "CCDEEEEEEE"),
    ],
)
def test_the_connection_stage(session: Session, letters: str) -> None:
    made = outcomes(judged(session))
    assert "".join(letter for model in OTHERS for letter, it in LETTERS.items() if it is made[model]) == letters


@pytest.mark.parametrize(
    ("session", "model", "dsn", "words"),
    [
        (plain(), "exim_require", "4.0.0", "a TLS session is required, but the server did not offer TLS support"),
        (
            cut(Stage.STARTTLS, Kind.REPLY_5XX),
            "exim_require",
            "4.0.0",
            "a TLS session is required, but an attempt to start TLS failed",
        ),
        (encrypted(), "exim_dane", "5.0.0", "DANE error: "),
        (
            cut(Stage.GREETING, Kind.REPLY_5XX, greeting=Reply(554, (b"554 5.7.1 go away",))),
            "exim",
            "5.0.0",
            "SMTP error from remote mail server after initial connection: 554 5.7.1 go away",
        ),
        (cut(Stage.CONNECT, Kind.REFUSED), "exim", "4.0.0", "Connection refused"),
        (
            plain(),
            "exchange_online_require",
            "4.4.317",
            "450 4.4.317 Cannot connect to remote server [Message=451 5.7.3 STARTTLS is required to send mail]",
        ),
        (
            plain(),
            "exchange_onprem_require",
            "4.4.0",
            '451 4.4.0 Primary target IP address responded with: "451 5.7.3 STARTTLS is required to send mail"',
        ),
        (
            cut(Stage.STARTTLS, Kind.REPLY_5XX),
            "exchange_onprem_require",
            "4.4.0",
            "The remote SMTP service does not support TLS.",
        ),
    ],
)
def test_the_words_in_the_log(session: Session, model: str, dsn: str, words: str) -> None:
    made = predicted(judged(session), model)
    assert (made.dsn, made.words) == (dsn, words)


@pytest.mark.parametrize(
    ("way", "exim", "strict"),
    [
        (route(records=(MxRecord(0, ""),), null_mx=True), "B", "B"),
        (route(records=(MxRecord(10, ""),)), "B", "?"),
        (route(host(), records=(MxRecord(0, ""), MxRecord(10, host().name))), "E", "?"),
        (route(fault=NXDOMAIN, records=()), "B", "B"),
        (route(host(DOMAIN, 0, ()), records=(), fault=NODATA, implicit=True), "B", "B"),
        (route(host(addresses=())), "B", "B"),
        (route(fault=SERVFAIL, records=()), "D", "D"),
        (route(fault=Fault(Stage.RESOLVE, Kind.BOGUS), records=()), "D", "D"),
        (route(host("192.0.2.1", addresses=("192.0.2.1",))), "B", "B"),
        (route(host("-mx.example.test")), "B", "B"),
        (route(host("localhost", 10, ("127.0.0.1",))), "B", "?"),
        (route(host("localhost", 10, ("0.0.0.0",))), "B", "?"),
        (route(host("localhost", 5, ("127.0.0.1",)), host()), "E", "?"),
    ],
)
def test_the_dns_stage(way: Route, exim: str, strict: str) -> None:
    made = outcomes(judged(encrypted(), way=way))
    assert (made["exim"], made["strict_rfc"]) == (LETTERS[exim], LETTERS[strict])


@pytest.mark.parametrize(
    ("session", "way", "letters"),
    [
        (encrypted(), secured(tlsa_of("good")), "VVVVV"),
        (encrypted("expired"), secured(tlsa_of("expired")), "VVV?V"),
        (encrypted(version="TLSv1"), secured(tlsa_of("good")), "VVVVD"),
        (encrypted(""), secured(tlsa_of("good")), "DDDDD"),
        (encrypted(), secured(), "EEBEE"),
        (encrypted(), secured(WRONG), "DDDDD"),
        (plain(), secured(tlsa_of("good")), "DDDDD"),
        (plain(), secured(PKIX), "DDDDD"),
        (encrypted(), secured(PKIX), "EEEEE"),
        (encrypted(), secured(PKIX, tlsa_of("good")), "VVVVV"),
        (encrypted(), secured(tlsa_of("good"), TlsaRecord(3, 1, 2, bytes(64))), "VVVDD"),
        (encrypted("wrong host"), secured(tlsa_of("wrong host", 2, 0, 1, depth=1)), "EEEDD"),
        (encrypted("expired"), secured(tlsa_of("expired", 2, 0, 1, depth=1)), "DDDDD"),
        (encrypted(), secured(tlsa_of("good"), mx_status=INSECURE), "EEBEE"),
        (encrypted(), secured(WRONG, mx_status=INSECURE), "EEBEE"),
        (encrypted(), route(host(tlsa=(WRONG,), status=INSECURE), status=SECURE), "EEBEE"),
        (encrypted(), route(host(tlsa=(WRONG,))), "?????"),
        (cut(Stage.CONNECT, Kind.REFUSED), secured(), "DDBDD"),
    ],
)
def test_dane(session: Session, way: Route, letters: str) -> None:
    made = outcomes(judged(session, way=way))
    models = ("exim", "exim_require", "exim_dane", "exchange_online", "strict_rfc")
    assert "".join(letter for model in models for letter, it in LETTERS.items() if it is made[model]) == letters


def test_exim_asks_for_tlsa_records_at_the_end_of_the_alias_only() -> None:
    """RFC 7672 section 2.2.2 falls back to the name itself."""
    aliased = host(tlsa=(tlsa_of("good"),), status=SECURE)
    aliased = replace(aliased, ipv4=replace(aliased.ipv4, canonical_name="real.example.test"))
    made = outcomes(judged(encrypted(), way=route(aliased, status=SECURE)))
    assert (made["dane"], made["exim"], made["exim_dane"]) == (LETTERS["V"], LETTERS["E"], LETTERS["B"])


@pytest.mark.parametrize(
    ("way", "session", "dsn"),
    [
        (secured(tlsa_of("good")), plain(), "4.7.321"),
        (secured(WRONG), encrypted(), "4.7.323"),
        (secured(tlsa_of("expired", 2, 0, 1, depth=1)), encrypted("expired"), "4.7.322"),
        (secured(tlsa_of("wrong host", 2, 0, 1, depth=1)), encrypted("wrong host"), "4.7.325"),
    ],
)
def test_exchange_online_names_what_failed(way: Route, session: Session, dsn: str) -> None:
    assert predicted(judged(session, way=way), "exchange_online").dsn == dsn


@pytest.mark.parametrize(
    ("session", "published", "letters"),
    [
        (encrypted(), policy(), "VVVEC"),
        (encrypted("expired"), policy(), "DDDEC"),
        (plain(), policy(), "DDDCC"),
        (encrypted(), policy(StsMode.ENFORCE, "other.test"), "DDDEC"),
        (encrypted("expired"), policy(StsMode.TESTING), "EEEEC"),
        (plain(), replace(NO_POLICY, defect="bad_id"), "CCCCC"),
    ],
)
def test_mta_sts(session: Session, published: MtaSts, letters: str) -> None:
    """Exim and Exchange on one's own machines have none."""
    made = outcomes(judged(session, mta_sts=published))
    models = ("gmail", "exchange_online", "strict_rfc", "exim", "none")
    assert "".join(letter for model in models for letter, it in LETTERS.items() if it is made[model]) == letters


def test_gmail_does_no_dane_on_the_way_out() -> None:
    assert outcomes(judged(encrypted(), way=secured(WRONG)))["gmail"] is Outcome.ENCRYPTED


def test_a_policy_that_could_not_be_fetched_makes_it_uncertain() -> None:
    fetch = PolicyFetch("192.0.2.80", None, fault=Fault(Stage.POLICY, Kind.TIMEOUT))
    made = judged(encrypted(), mta_sts=replace(NO_POLICY, id="1", fetch=fetch))
    assert "could not be fetched" in predicted(made, "gmail").reason
    assert not predicted(made, "strict_rfc").certain


def test_what_is_known_from_documents_is_never_certain_and_says_so() -> None:
    for session in (encrypted(), plain(), cut(Stage.CONNECT, Kind.REFUSED)):
        made = judged(session)
        for model in DOCUMENTED:
            assert not predicted(made, model).certain
            assert "documents" in predicted(made, model).reason
        assert predicted(made, "exim").certain
        assert predicted(made, "strict_rfc").certain


def crowd(count: int, session: Session, preference: int = 20) -> dict[str, Outcome]:
    """So many hosts that refuse, and one behind them."""
    refusing = [host(f"mx{at}.example.test", 10, (f"192.0.2.{at + 100}",)) for at in range(count)]
    behind = host("behind.example.test", preference, ("192.0.2.99",))
    refusals = [cut(Stage.CONNECT, Kind.REFUSED, mx=it.name, address=it.addresses[0]) for it in refusing]
    last = replace(session, endpoint=encrypted(mx=behind.name, address="192.0.2.99").endpoint)
    return outcomes(judged(*refusals, last, way=route(*refusing, behind)))


def test_exim_reaches_the_next_preference_where_postfix_gives_up() -> None:
    made = crowd(6, encrypted())
    assert (made["may"], made["exim"], made["strict_rfc"]) == (Outcome.DEFER, Outcome.ENCRYPTED, Outcome.ENCRYPTED)


def test_exim_tries_an_address_for_its_best_host_only() -> None:
    """Run: with a second name for the same address DANE of the first name decides."""
    first = host("mx1.example.test", 10, tlsa=(WRONG,), status=SECURE)
    second = host("mx2.example.test", 20, tlsa=(tlsa_of("good"),), status=SECURE)
    sessions = [encrypted(mx=it.name) for it in (first, second)]
    unnamed = [replace(it, handshake=replace(it.handshake, server_name="")) for it in sessions if it.handshake]
    made = outcomes(judged(*unnamed, way=route(first, second, status=SECURE)))
    assert made["exim"] is Outcome.DEFER
    assert made["dane"] is not Outcome.DEFER


def test_exim_goes_on_after_a_refusal_for_good_and_the_last_host_tells() -> None:
    names = ("mx1.example.test", "mx2.example.test")
    way = route(*(host(name, at * 10, (f"192.0.2.{at}",)) for at, name in enumerate(names, 1)))

    def made(*sessions: Session) -> Outcome:
        placed = [
            replace(each, endpoint=encrypted(mx=names[at], address=f"192.0.2.{at + 1}").endpoint)
            for at, each in enumerate(sessions)
        ]
        return outcomes(judged(*placed, way=way))["exim"]

    blocked, refused = cut(Stage.GREETING, Kind.REPLY_5XX), cut(Stage.CONNECT, Kind.REFUSED)
    assert made(blocked, encrypted()) is Outcome.ENCRYPTED
    assert made(refused, blocked) is Outcome.BOUNCE
    assert made(blocked, refused) is Outcome.DEFER


STEPS = st.builds(Step, st.sampled_from(Outcome), st.just("unseen"), ends=st.booleans())
PREFERENCES = st.lists(st.lists(STEPS, min_size=1, max_size=7), max_size=4)


@given(PREFERENCES, st.sampled_from([POSTFIX, EXIM]), st.randoms(use_true_random=False))
def test_the_order_of_equals_never_matters(preferences: list[list[Step]], mailer: object, random: object) -> None:
    shuffled = [list(steps) for steps in preferences]
    for steps in shuffled:
        random.shuffle(steps)  # type: ignore[attr-defined] # a random.Random
    first, second = (one_of(candidates(it, mailer, 5)) for it in (preferences, shuffled))  # type: ignore[arg-type]
    assert first == second


@given(PREFERENCES)
def test_without_a_limit_nothing_behind_what_ends_it_counts(preferences: list[list[Step]]) -> None:
    ends = next((at for at, steps in enumerate(preferences) if all(step.ends for step in steps)), len(preferences))
    assert candidates(preferences, EXIM, 1000) == candidates(preferences[: ends + 1], EXIM, 1000)


@given(PREFERENCES)
def test_a_host_that_passes_in_front_never_makes_it_better_within_the_limit(preferences: list[list[Step]]) -> None:
    """What waits, waits only where nothing behind it ends."""
    waiting = [Step(Outcome.DEFER, "unseen", ends=False)]
    before, after = (one_of(candidates(it, EXIM, 1000)) for it in (preferences, [waiting, *preferences]))
    assert WORST_FIRST.index(after.outcome) <= max(WORST_FIRST.index(before.outcome), 2)


def test_every_event_has_a_step_in_every_table() -> None:
    """A table that lacks an event would be found out by a server only."""
    made = [judged(encrypted(flawed), way=way) for flawed in ("good", "") for way in (route(host()), secured(WRONG))]
    assert all(len(each.predictions) == len(ALL_MODELS) for each in made)
    for stage in (it for it in Stage if it >= Stage.CONNECT):
        for kind in Kind:
            for way in (route(host()), secured(PKIX), secured(tlsa_of("good"))):
                told = judged(cut(stage, kind), way=way).predictions
                assert {each.rule for each in told} <= set(RULES)
    assert "tls" in ESTABLISHED


def test_only_the_models_that_are_asked_for_are_predicted_in_the_order_of_all() -> None:
    judge = Judge(trust("test", authority().root.pem), ("strict_rfc", "may"))
    made = judge(seen(encrypted()), AT)
    assert [each.model for each in made.predictions] == ["may", "strict_rfc"]
    head = write_delivery(made.predictions, ["mail"])
    assert tuple(head) == DELIVERY
    assert (head["may"], head["encrypt"]) == (Outcome.ENCRYPTED, None)


def test_a_policy_is_answered_though_its_model_was_not_asked_for() -> None:
    judge = Judge(trust("test", authority().root.pem), ("exim",))
    made = judge(seen(plain()), AT, TlsPolicy.MUST_TLS)
    assert [each.model for each in made.predictions] == ["exim"]
    assert made.would_wait is True


def test_what_is_remembered_changes_nothing() -> None:
    """The same facts twice, and then those of another host: words name the host that was seen."""
    judge = Judge(trust("test", authority().root.pem))
    other = replace(plain(), endpoint=encrypted(mx="other.example.test").endpoint)
    stories = [seen(plain()), seen(encrypted()), seen(other, way=route(host("other.example.test"))), seen(encrypted())]
    fresh = [Judge(trust("test", authority().root.pem))(each, AT) for each in stories]
    assert [judge(each, AT) for each in stories] == fresh
    assert "other.example.test" in predicted(fresh[2], "encrypt").words


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "REMEMBERED", 1)
    judge = Judge(trust("test", authority().root.pem))
    assert [judge(seen(each), AT) for each in (encrypted(), plain())] == [judged(encrypted()), judged(plain())]


def test_all_models_are_named_once_and_start_with_those_of_postfix() -> None:
    assert ALL_MODELS[1:8] == DELIVERY
    assert len(ALL_MODELS) == 18
    assert list(SENDERS) == list(ALL_MODELS)
