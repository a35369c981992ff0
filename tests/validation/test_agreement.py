"""Laws that fit equally well are held against each other at the target, and only those."""

import numpy as np
import pytest

from bayes_dsl.validation.agreement import (
    Expected,
    difference,
    disagree,
    equally_well,
    sentences,
    target_in_words,
)

ROWS = np.random.default_rng(0).normal(size=200)
CLOSE = {"a": ROWS, "b": ROWS + np.random.default_rng(1).normal(0.01, 0.2, 200)}


def at(law: str, median: float, half: float = 0.01, target: str = "there") -> Expected:
    return Expected(law=law, target=target, median=median, lower=median - half, upper=median + half)


def test_the_difference_is_that_of_paired_entries() -> None:
    gap, error = difference(CLOSE["b"], CLOSE["a"])
    each = CLOSE["b"] - CLOSE["a"]
    assert gap == pytest.approx(each.sum()) and error == pytest.approx(np.sqrt(200) * each.std())


@pytest.mark.parametrize(
    ("gap", "error", "equal"),
    [(9.9, 5.0, True), (-10.1, 5.0, False), (1.3, 0.1, True), (-3.9, 0.1, True), (4.1, 0.1, False)],
)
def test_a_small_difference_tells_nothing_however_small_its_error(
    gap: float, error: float, equal: bool
) -> None:
    assert equally_well(gap, error) == equal


@pytest.mark.parametrize(
    ("one", "other", "said"),
    [
        (at("a", 2.0), at("b", 2.005), ""),
        (at("a", 2.0), at("b", 2.015), "medians differ by more than half"),
        (at("a", 2.0), at("b", 2.03), "do not overlap"),
        # Half the narrower interval counts: the wide one alone would hide it.
        (at("a", 2.0, half=0.1), at("b", 2.02, half=0.01), "medians differ by more than half"),
        (at("a", 2.0, half=0.1), at("b", 2.005, half=0.01), ""),
    ],
)
def test_laws_disagree_where_one_alone_would_have_been_too_sure(
    one: Expected, other: Expected, said: str
) -> None:
    for found in (disagree(one, other), disagree(other, one)):
        assert said in found if said else found == ""


def test_a_disagreement_is_one_sentence_with_both_intervals() -> None:
    (said,) = sentences(CLOSE, [at("a", 2.0), at("b", 2.1)], prob=0.8)
    assert said.startswith("a and b fit the table equally well (elpd ")
    assert (
        "DISAGREE at there: a expects 2.0000 (1.9900 to 2.0100), b expects 2.1000 (2.0900 to 2.1100)" in said
    )
    assert "80 % intervals" in said and "their intervals do not overlap" in said


def test_agreement_names_the_targets() -> None:
    expected = [
        one for place in ("here", "there") for one in (at("a", 2.0, target=place), at("b", 2.0, target=place))
    ]
    (said,) = sentences(CLOSE, expected, prob=0.9)
    assert said.endswith("and agree at here and there.")
    (said,) = sentences(CLOSE, [], prob=0.9)
    assert said.endswith(").")


def test_control_laws_that_fit_differently_are_not_compared() -> None:
    worse = {"a": ROWS, "b": ROWS - 0.3 + np.random.default_rng(2).normal(0, 0.2, 200)}
    assert sentences(worse, [at("a", 2.0), at("b", 3.0)], prob=0.9) == ()


def test_a_target_is_told_with_its_teacher() -> None:
    plain = {"student_params": 7e10, "student_tokens": 1.4e12}
    assert target_in_words(plain) == "70B params x 1.4T tokens"
    assert target_in_words({**plain, "teacher_loss": 1.9}).endswith("tokens of a teacher at 1.9")
    by_size = {**plain, "teacher_params": 1e11, "teacher_tokens": 2e12}
    assert target_in_words(by_size).endswith("of a teacher of 100B params x 2T tokens")
