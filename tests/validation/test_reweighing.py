"""Reweighed draws say what draws of the other density would, and know when they cannot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_dsl.validation.reweighing import levelled, reweighed, weighted_quantiles

PROBS = (0.05, 0.5, 0.95)
DRAWS = np.random.default_rng(3).standard_normal(4000)


def ratio(mean: float, sd: float) -> np.ndarray:
    return stats.norm.logpdf(DRAWS, mean, sd) - stats.norm.logpdf(DRAWS)


@pytest.mark.statistical
def test_they_say_what_the_other_density_says() -> None:
    found = reweighed(ratio(0.5, 0.8), chains=4)
    assert found.reliable and found.pareto_k < 0.5 and found.weights.sum() == pytest.approx(1.0)
    truth = stats.norm.ppf(PROBS, 0.5, 0.8)
    assert np.max(np.abs(weighted_quantiles(DRAWS, found.weights, PROBS) - truth)) < 0.08
    # The control: with the ratio the wrong way round they do not.
    wrong = reweighed(-ratio(0.5, 0.8), chains=4)
    assert np.max(np.abs(weighted_quantiles(DRAWS, wrong.weights, PROBS) - truth)) > 0.5


def test_a_density_that_the_draws_do_not_reach_is_not_relied_on() -> None:
    for mean, sd in ((6.0, 1.0), (0.0, 3.0), (0.0, 0.001)):
        found = reweighed(ratio(mean, sd), chains=4)
        assert not found.reliable and found.reason().startswith("Pareto k ")


def test_draws_that_weigh_alike_are_numpy_s() -> None:
    found = reweighed(np.zeros(4000), chains=4)
    assert found.reliable and found.pareto_k == -np.inf
    assert np.allclose(weighted_quantiles(DRAWS, found.weights, PROBS), np.quantile(DRAWS, PROBS))


def test_correlated_draws_are_worth_fewer() -> None:
    slow = np.repeat(DRAWS[:400], 10)
    few = reweighed(0.5 * slow, chains=4).effective_draws
    assert few < 0.4 * reweighed(0.5 * DRAWS, chains=4).effective_draws


@pytest.mark.statistical
def test_a_condition_is_met_exactly_where_the_dependence_is_a_line() -> None:
    other = 2.0 * DRAWS + 0.3 * np.random.default_rng(4).standard_normal(4000)
    off = DRAWS - 1.5
    found = reweighed(-0.5 * (off / 0.2) ** 2, chains=4)
    assert found.reliable
    truth = stats.norm.ppf(PROBS, 3.0, 0.3)
    near = weighted_quantiles(levelled(other, found.weights, off), found.weights, PROBS)
    assert np.max(np.abs(near - truth)) < 0.1
    # Without it, the draws that stand in are too wide apart, and pulled to where most are.
    assert np.max(np.abs(weighted_quantiles(other, found.weights, PROBS) - truth)) > 0.15
