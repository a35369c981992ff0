"""Intervals hold the probability that they say, in the kind that they say."""

from __future__ import annotations

import arviz
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.inference.intervals import KINDS, interval

DRAWS = np.random.default_rng(5).gamma(2.0, size=(4000, 3)) * np.array([1.0, 10.0, 0.1])


@settings(deadline=None)
@given(prob=st.floats(0.01, 0.99))
def test_equal_tails_leave_as_much_on_each_side(prob: float) -> None:
    lower, upper = interval(DRAWS, prob=prob, kind="eti")
    assert lower.shape == upper.shape == (3,)
    np.testing.assert_allclose((lower > DRAWS).mean(axis=0), (1 - prob) / 2, atol=1e-3)
    np.testing.assert_allclose((upper < DRAWS).mean(axis=0), (1 - prob) / 2, atol=1e-3)


@settings(deadline=None)
@given(prob=st.floats(0.1, 0.98))
def test_the_densest_interval_is_the_shortest_that_holds_as_much(prob: float) -> None:
    lower, upper = interval(DRAWS, prob=prob, kind="hdi")
    inside = ((lower <= DRAWS) & (upper >= DRAWS)).mean(axis=0)
    np.testing.assert_allclose(inside, prob, atol=2e-3)
    tails = interval(DRAWS, prob=prob, kind="eti")
    assert np.all(upper - lower <= tails[1] - tails[0] + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("prob", [0.5, 0.9, 0.95])
def test_both_kinds_are_arviz_s(kind: str, prob: float) -> None:
    lower, upper = interval(DRAWS, prob=prob, kind=kind)
    for column in range(3):
        ends = getattr(arviz, kind)(DRAWS[:, column], prob=prob)
        np.testing.assert_allclose([lower[column], upper[column]], np.asarray(ends), rtol=1e-3)


def test_on_a_skewed_density_the_kinds_differ() -> None:
    """A control: had one kind been returned for both, the tests above on symmetric draws would pass."""
    eti, hdi = (interval(DRAWS[:, 0], prob=0.9, kind=kind) for kind in KINDS)
    assert hdi[0] < 0.5 * eti[0] and hdi[1] < 0.95 * eti[1]
    np.testing.assert_allclose(eti, stats.gamma.ppf([0.05, 0.95], 2.0), rtol=0.1)


def test_further_axes_are_kept() -> None:
    draws = np.random.default_rng(0).standard_normal((500, 2, 3))
    for kind in KINDS:
        lower, upper = interval(draws, prob=0.8, kind=kind)
        assert lower.shape == upper.shape == (2, 3)
        alone = interval(draws[:, 1, 2], prob=0.8, kind=kind)
        assert (lower[1, 2], upper[1, 2]) == pytest.approx(tuple(float(end) for end in alone))


@pytest.mark.parametrize("prob", [0.0, 1.0, -0.1, 90.0, float("nan")])
def test_what_is_no_probability_is_refused(prob: float) -> None:
    with pytest.raises(InputError, match=r"interval: prob = .*; must be a probability between 0 and 1\. "):
        interval(DRAWS, prob=prob, kind="eti")


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match=r"interval: kind = ci; must be eti .* or hdi"):
        interval(DRAWS, prob=0.9, kind="ci")
