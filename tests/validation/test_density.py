"""The log score of a held-out run is the program's own density, with nothing known of what it would share."""

import numpy as np
import pytest
import xarray as xr
from scipy.special import logsumexp

from bayes_dsl.errors import NotIdentified
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.validation.density import log_densities, log_predictive
from tests.posteriors import posterior_around


def test_rows_without_shared_effects_have_the_density_of_the_program(small_posterior: Posterior) -> None:
    stored = small_posterior.tree["log_likelihood"]["log_loss"].values.reshape(-1, 60)
    order = small_posterior.tree["constant_data"]["row"].values
    found = log_densities(small_posterior, small_posterior.table.used)
    assert found[:, order] == pytest.approx(stored, abs=1e-8)
    score = log_predictive(small_posterior, small_posterior.table.used)
    assert score == pytest.approx(logsumexp(found, axis=0) - np.log(len(found)))


def test_distilled_rows_are_scored_at_their_teachers_losses(small_distilled: Posterior) -> None:
    score = log_predictive(small_distilled, small_distilled.table.used)
    # Noise of .3 to .4 %: a density of about 1 / (.004 sqrt(2 pi)) where the law holds.
    assert score.shape == (70,) and np.median(score) == pytest.approx(np.log(100), abs=0.7)


def test_effects_and_standard_errors_widen_the_scale(small_table) -> None:
    truth = published("besiroglu")
    posterior = posterior_around(truth.law, truth.parameters, small_table, spread=1e-9)
    sharp = np.exp(log_densities(posterior, small_table)).max()
    frame = small_table.to_pandas()
    unsure = type(small_table).from_pandas(frame.assign(loss_se=0.02 * frame["loss"]))
    assert np.exp(log_densities(posterior, unsure)).max() < sharp / 3
    posterior.tree["posterior"]["sd_group"] = xr.DataArray(np.full((2, 150), 0.02), dims=("chain", "draw"))
    assert np.exp(log_densities(posterior, small_table)).max() < sharp / 3


def test_a_role_that_the_law_does_not_explain_is_refused(
    small_posterior: Posterior, small_distilled: Posterior
) -> None:
    with pytest.raises(NotIdentified):
        log_predictive(small_posterior, small_distilled.table.used)
