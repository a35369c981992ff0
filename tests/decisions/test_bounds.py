"""Search bounds: what is refused, what a cap cuts, and how they follow the scale of the data."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds, bounds_of
from bayes_dsl.errors import InputError
from tests.forecast.made import made


def test_the_papers_bounds_are_a_million_to_a_hundred_quadrillion():
    assert PAPER_BOUNDS.params == PAPER_BOUNDS.tokens == (1e6, 1e17)
    assert (
        PAPER_BOUNDS.student_params
        == PAPER_BOUNDS.student_tokens
        == PAPER_BOUNDS.teacher_tokens
        == (1e6, 1e17)
    )


@given(st.floats(1e7, 1e16), st.floats(1e7, 1e16), st.floats(1e7, 1e16))
def test_a_cap_cuts_its_own_range_alone(size, tokens, teacher):
    bounds = Bounds(
        params=(1e6, 1e15),
        tokens=(1e6, 1e15),
        student_params_cap=size,
        student_tokens_cap=tokens,
        teacher_tokens_cap=teacher,
    )
    assert bounds.student_params == (1e6, min(size, 1e15))
    assert bounds.student_tokens == (1e6, min(tokens, 1e15))
    assert bounds.teacher_tokens == (1e6, min(teacher, 1e15))
    assert bounds.params == bounds.tokens == (1e6, 1e15)


@pytest.mark.parametrize(
    "pair", [(0.0, 1.0), (-1.0, 1.0), (2.0, 1.0), (1.0, 1.0), (1.0, math.inf), (math.nan, 1.0)]
)
@pytest.mark.parametrize("name", ["params", "tokens"])
def test_bounds_that_hold_nothing_are_refused(name, pair):
    with pytest.raises(InputError, match=name):
        Bounds(**{"params": (1e6, 1e12), "tokens": (1e6, 1e12), name: pair})


@pytest.mark.parametrize("cap", [0.0, 1e6, -5.0, math.nan, math.inf])
@pytest.mark.parametrize("name", ["student_params_cap", "student_tokens_cap", "teacher_tokens_cap"])
def test_a_cap_below_the_search_is_refused(name, cap):
    with pytest.raises(InputError, match=name):
        Bounds(params=(1e6, 1e12), tokens=(1e6, 1e12), **{name: cap})


def test_every_fault_is_told_at_once():
    with pytest.raises(InputError) as refused:
        Bounds(params=(2.0, 1.0), tokens=(1e6, 1e12), student_tokens_cap=1.0, teacher_tokens_cap=1.0)
    assert len(refused.value.faults) == 3


def test_bounds_follow_the_scale_of_the_runs():
    """The table's runs have 1e8 to 4e9 parameters and 2e9 to 2e11 tokens."""
    bounds = bounds_of(made(), student_tokens_cap=1e12)
    assert bounds.params == pytest.approx((1e6, 4e13))
    assert bounds.tokens == pytest.approx((2e6, 2e16))
    assert bounds.student_tokens == pytest.approx((2e6, 1e12))
    assert bounds.teacher_tokens == bounds.tokens


def test_a_cap_below_the_scale_of_the_runs_is_refused():
    with pytest.raises(InputError, match="student_params_cap"):
        bounds_of(made(), student_params_cap=10.0)
