from dataclasses import replace

from scanner.assess.case import Case, Servers, View, once, views
from scanner.model.session import Hello
from tests.unit.assess.evidence import AT, DAY, MX, authority, encrypted, plain, seen, wide


def case() -> Case:
    """One domain with one view."""
    evidence = seen(plain())
    return Case(evidence, views(evidence.sessions), authority().judge.verifier, AT)


def test_a_question_is_answered_once_for_each_thing_it_is_about() -> None:
    asked: list[object] = []

    @once
    def ask(_case: Case, thing: object) -> int:
        asked.append(thing)
        return len(asked)

    one, domain = [0], case()
    assert [ask(domain, one), ask(domain, one), ask(domain, [0]), ask(domain, [0])] == [1, 1, 2, 3]
    assert asked == [one, [0], [0]]


def test_no_answer_is_an_answer() -> None:
    asked: list[View] = []

    @once
    def ask(view: View) -> None:
        asked.append(view)

    view = case().views[0]
    assert ask(view) is None
    assert ask(view) is None
    assert len(asked) == 1


def test_another_moment_is_another_case() -> None:
    ask = once(lambda it: it.at)
    domain = case()
    assert ask(domain) == AT
    assert ask(replace(domain, at=AT + DAY)) == AT + DAY
    assert domain == replace(domain)


def test_repetitions_count_once_and_the_usual_hello_comes_first() -> None:
    late = replace(plain(), observed_at=AT + DAY)
    (view,) = views((wide(plain()), late, plain(), plain(), late))
    assert [(it.hello, it.observed_at) for it in view.sessions] == [
        (Hello.USUAL, plain().observed_at),
        (Hello.USUAL, late.observed_at),
        (Hello.WIDE, plain().observed_at),
    ]


def test_what_was_shown_to_our_own_name_counts_before_what_another_name_was_shown_earlier() -> None:
    """A repetition may have been held for another domain, before this one was visited at all."""
    own, borrowed = encrypted(), replace(encrypted(), observed_at=AT - DAY, follow_up=1, inherited=True)
    (view,) = views((own, borrowed))
    assert view.encrypted == own
    assert view.asked_for(MX)


def test_a_server_that_domains_share_is_looked_at_once_and_any_other_afresh() -> None:
    asked: list[View] = []

    @once
    def ask(view: View) -> int:
        asked.append(view)
        return len(asked)

    servers, own = Servers(), encrypted()
    shared = replace(own, shared=True)
    assert [ask(views((shared,), frozenset(), servers)[0]) for _ in range(3)] == [1, 1, 1]
    assert [ask(views((own,), frozenset(), servers)[0]) for _ in range(2)] == [2, 3]


def test_a_shared_server_behind_our_own_broken_egress_is_another_view() -> None:
    servers, shared = Servers(), replace(encrypted(), shared=True)
    (clear,) = views((shared,), frozenset(), servers)
    (distorted,) = views((shared,), frozenset({shared.source}), servers)
    assert (clear.is_distorted, distorted.is_distorted) == (False, True)


def test_sessions_that_only_look_the_same_have_no_view_in_common() -> None:
    """What is remembered is told by identity: an equal session may be of another run."""
    servers, shared = Servers(), replace(encrypted(), shared=True)
    (one,), (other,) = (views((replace(shared),), frozenset(), servers) for _ in range(2))
    assert one == other
    assert one is not other
