"""Leave-one-out is ArviZ's, survives coefficients that overflow, and shows which row is leaned on."""

from __future__ import annotations

import warnings

import arviz
import numpy as np
import pytest
from scipy import special

from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.validation.loo import LARGEST_PARETO_K, leave_one_out
from tests.posteriors import posterior_around

TRUTH = published("besiroglu")


def test_it_agrees_with_arviz(small_posterior: Posterior) -> None:
    ours = leave_one_out(small_posterior)
    theirs = arviz.loo(small_posterior.tree, pointwise=True, var_name="log_loss")
    assert ours.elpd == pytest.approx(theirs.elpd, abs=0.1)
    assert ours.se == pytest.approx(theirs.se, rel=0.05)
    # The tail that k is read from differs a little, by the efficiency that each assumes.
    assert np.max(np.abs(ours.pareto_k - theirs.pareto_k.values)) < 0.3


def test_a_posterior_of_few_parameters_spends_few_and_leaves_out_little(small_posterior: Posterior) -> None:
    loo = leave_one_out(small_posterior)
    pointwise = special.logsumexp(
        small_posterior.tree["log_likelihood"]["log_loss"].values, axis=(0, 1)
    ) - np.log(small_posterior.draws("E").size)
    assert 4.0 < loo.effective_parameters < 10.0  # five coefficients and the noise
    assert loo.elpd == pytest.approx(pointwise.sum() - loo.effective_parameters, abs=1e-6)
    assert loo.pareto_k.shape == (60,) and np.all(loo.pareto_k < LARGEST_PARETO_K)
    assert loo.line().startswith(f"LOO elpd {loo.elpd:.1f} (standard error ")
    assert loo.line().endswith("Pareto k above 0.7 in 0 of 60 rows")


def test_a_row_that_the_draws_turn_on_has_a_large_k(small_table) -> None:
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, small_table)
    likelihood = posterior.tree["log_likelihood"]["log_loss"]
    assert np.all(leave_one_out(posterior).pareto_k <= LARGEST_PARETO_K)
    likelihood.values[:, :, 7] = -20 * np.random.default_rng(0).exponential(size=likelihood.shape[:2])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loo = leave_one_out(posterior)
    assert np.flatnonzero(~(loo.pareto_k <= LARGEST_PARETO_K)).tolist() == [7]
    assert loo.line().endswith("in 1 of 60 rows")


def test_a_coefficient_that_overflows_does_no_harm(small_table) -> None:
    posterior = posterior_around(TRUTH.law, TRUTH.parameters, small_table)
    before = leave_one_out(posterior)
    posterior.tree["posterior"]["A"].values[0, 0] = np.inf
    assert leave_one_out(posterior).elpd == before.elpd
