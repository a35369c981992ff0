"""The prior's density at the draws is what SciPy says, of all that was sampled and of nothing else."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.validation.log_prior import CARRIED, can_be_reweighed, log_prior
from tests.forecast.made import drifting, made
from tests.validation.sampled import with_coordinates


def test_it_is_scipy_s_density_of_each_coordinate(small_posterior: Posterior) -> None:
    found = log_prior(small_posterior)
    assert set(found) == {
        "log_L_center",
        "log_m_over_E",
        "logit_w",
        "log_slope_N",
        "log_slope_D",
        "log_sigma",
        "log_nu_minus_1",
    }
    density = small_posterior.prior["logit_w"]
    draws = np.ravel(small_posterior.tree["unconstrained_posterior"]["logit_w"])
    assert np.allclose(found["logit_w"], stats.norm.logpdf(draws, density.loc, density.scale))
    wide = log_prior(small_posterior, small_posterior.prior.with_scales(2.0))
    assert np.allclose(wide["logit_w"], stats.norm.logpdf(draws, density.loc, 2 * density.scale))


def test_a_heavy_tailed_density_is_so_here_too(small_posterior: Posterior) -> None:
    density = replace(small_posterior.prior["log_sigma"], family="student_t", df=3.0)
    found = log_prior(small_posterior, small_posterior.prior.replace(density))["log_sigma"]
    draws = np.ravel(small_posterior.tree["unconstrained_posterior"]["log_sigma"])
    assert np.allclose(found, stats.t.logpdf(draws, 3.0, density.loc, density.scale))


def test_a_prior_on_a_parameter_stands_on_the_parameter(small_distilled: Posterior) -> None:
    found = log_prior(small_distilled)
    density = small_distilled.prior["c_0"]
    assert "slope_L_T" not in found and "log_sigma_distilled" in found and "log_sd_teacher" in found
    assert "log_sd_group" not in found
    assert np.allclose(
        found["c_0"], stats.norm.logpdf(small_distilled.draws("c_0"), density.loc, density.scale)
    )


def test_a_misfit_s_scales_are_priors_and_its_steps_are_not() -> None:
    found = log_prior(with_coordinates(drifting(made("supervised"))))
    assert {name for name in found if "drift" in name} == {
        "log_drift_N",
        "log_drift_D",
        "log_drift_L",
        "log_drift_edge",
    }
    assert not any(name.startswith("steps") for name in found)


def test_a_carried_prior_is_one_density(small_posterior: Posterior) -> None:
    joint = small_posterior.as_prior().joint
    tree = small_posterior.tree.copy()
    tree.attrs["prior_joint"] = json.dumps(joint.to_record())
    constant = tree["constant_data"].to_dataset()
    constant["prior_seen"] = ("seen", np.array(joint.seen, np.int64))
    tree["constant_data"] = xr.DataTree(constant)
    found = log_prior(Posterior(law=small_posterior.law, tree=tree))
    assert set(found) == {CARRIED, "log_sigma", "log_nu_minus_1"}
    group = small_posterior.tree["unconstrained_posterior"]
    z = np.stack([np.ravel(group[name]) for name in joint.names], axis=-1)
    theirs = stats.multivariate_normal.logpdf(z, joint.mean, joint.covariance)
    assert np.allclose(found[CARRIED], theirs, atol=1e-4)


def test_a_posterior_without_its_coordinates_says_so() -> None:
    assert not can_be_reweighed(made("supervised"))
    with pytest.raises(InputError, match=r"does not hold\. Fit again"):
        log_prior(made("supervised"))
