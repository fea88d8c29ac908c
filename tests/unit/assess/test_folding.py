"""Many verdicts into one."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanner.assess.folding import better, fold
from scanner.model.assessment import Verdict

VERDICTS = st.lists(st.sampled_from(Verdict), max_size=6)
P, F, A, U, H, N = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.ABSENT,
    Verdict.UNKNOWN,
    Verdict.PARTIAL,
    Verdict.NOT_APPLICABLE,
)


@pytest.mark.parametrize(
    ("verdicts", "whole"),
    [
        ([], N),
        ([N, N], N),
        ([P, N], P),
        ([P, P], P),
        ([A, A], A),
        ([P, A], H),
        ([P, H], H),
        ([H, A], H),
        ([P, U], U),
        ([A, U], U),
        ([H, U], U),
        ([U, F], F),
        ([P, F], F),
    ],
)
def test_the_fold_table(verdicts: list[Verdict], whole: Verdict) -> None:
    assert fold(verdicts) is whole


@given(VERDICTS, st.randoms())
def test_order_never_matters(verdicts: list[Verdict], random: Random) -> None:
    shuffled = list(verdicts)
    random.shuffle(shuffled)
    assert fold(shuffled) is fold(verdicts)


@given(VERDICTS)
def test_repetition_never_matters(verdicts: list[Verdict]) -> None:
    assert fold(verdicts * 2) is fold(verdicts)


@given(VERDICTS, st.sampled_from([F, U]))
def test_one_more_host_that_fails_or_cannot_be_seen_never_improves(verdicts: list[Verdict], more: Verdict) -> None:
    assert not better(fold([*verdicts, more]), fold(verdicts))
