"""Rows made anew are the program's: at the draws, with shared effects and misfit, and from the prior."""

from __future__ import annotations

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats

from bayes_dsl.errors import InputError
from bayes_dsl.inference.identification import prior_draws
from bayes_dsl.inference.misfit import DRIFT, Misfit, with_misfit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.laws.published import published
from bayes_dsl.validation.replicates import (
    BATCH,
    Rows,
    observations_of,
    posterior_sites,
    prior_sites,
    role_rows,
    rows_of,
)
from bayes_dsl.validation.worlds import study_of
from tests.posteriors import posterior_around


@pytest.mark.parametrize("fixture", ["small_posterior", "small_distilled"])
def test_at_the_draws_rows_are_those_that_were_sampled(fixture: str, request: pytest.FixtureRequest) -> None:
    posterior: Posterior = request.getfixturevalue(fixture)
    observations = observations_of(posterior)
    sites = posterior_sites(posterior, observations)
    rows = rows_of(observations, sites)
    found = stats.t.logpdf(observations.data["log_loss"], rows.nu[:, None], rows.mean, rows.scale)
    stored = posterior.tree["log_likelihood"]["log_loss"].values.reshape(found.shape)
    assert np.allclose(found, stored, atol=1e-8)
    # Control: without the effects that rows share they would be others.
    if fixture == "small_distilled":
        assert dict(observations.structure.effects) == {"teacher": 4, "student": 10}
        alone = {**sites, "z_teacher": np.zeros_like(sites["z_teacher"])}
        assert np.max(np.abs(rows_of(observations, alone).mean - rows.mean)) > 1e-3


def test_a_number_of_draws_that_fills_no_batch_changes_none(small_posterior: Posterior) -> None:
    observations = observations_of(small_posterior)
    sites = posterior_sites(small_posterior, observations)
    whole = rows_of(observations, {name: values[: BATCH + 3] for name, values in sites.items()})
    part = rows_of(observations, {name: values[BATCH : BATCH + 3] for name, values in sites.items()})
    assert whole.mean.shape == (BATCH + 3, 60) and part.mean.shape == (3, 60)
    assert np.array_equal(whole.mean[BATCH:], part.mean) and np.array_equal(whole.nu[BATCH:], part.nu)


def test_the_misfit_s_paths_are_those_of_the_fit(small_distilled: Posterior) -> None:
    table, law = small_distilled.table, small_distilled.law
    prior = with_misfit(small_distilled.prior, Misfit(), gap=True)
    fitted = observe(table, law=law, prior=prior, misfit=Misfit())
    tree = small_distilled.tree.copy()
    records = {axis: grid.to_record() for axis, grid in fitted.grids.items()}
    tree.attrs.update(misfit=DRIFT, misfit_grids=json.dumps(records), prior=json.dumps(prior.to_records()))
    again = observations_of(replace(small_distilled, tree=tree))
    assert again.structure == fitted.structure and len(again.structure.drifts) == 7
    leaves, shape = jax.tree.flatten(fitted.data)
    others, other_shape = jax.tree.flatten(again.data)
    assert shape == other_shape
    assert all(np.allclose(one, other, rtol=1e-12) for one, other in zip(leaves, others, strict=True))
    # Control: the bare law has none of it.
    assert "drift" not in observations_of(small_distilled).data


def test_losses_scatter_as_the_noise_says() -> None:
    mean, scale = np.full((4000, 2), 1.0), np.full((4000, 2), 0.1)
    rows = Rows(mean=mean, scale=scale, nu=np.full(4000, 3.0), parameters={})
    z = (rows.replicated(np.random.default_rng(0)) - 1.0) / 0.1
    assert stats.kstest(z.ravel(), stats.t(3).cdf).pvalue > 1e-3
    assert stats.kstest(z.ravel(), "norm").pvalue < 1e-10
    half = rows.chosen(np.arange(4000) % 2 == 0)
    assert half.mean.shape == (2000, 2) and half.nu.shape == (2000,)


def test_sites_from_the_prior_follow_it() -> None:
    study = study_of("distillation", misfit=Misfit())
    observations = study.observations
    sites = prior_sites(observations, study.prior, draws=4000, seed=1)
    assert set(sites) == {name for name, _ in observations.structure.sites}
    for name, shape in observations.structure.sites:
        assert sites[name].shape == (4000, *shape)
        if shape:
            assert stats.kstest(sites[name].ravel(), "norm").pvalue > 1e-4
        elif name in study.prior.names:
            density = study.prior[name]
            assert stats.kstest((sites[name] - density.loc) / density.scale, "norm").pvalue > 1e-4
    # The prior of c_0 stands in for its coordinate.
    few = {name: values[:500] for name, values in sites.items()}
    rows = rows_of(observations, few)
    assert stats.kstest((rows.parameters["c_0"] - 2.0) / 1.5, "norm").pvalue > 1e-4
    assert np.array_equal(
        sites["log_gamma"], prior_sites(observations, study.prior, draws=4000, seed=1)["log_gamma"]
    )
    assert not np.array_equal(
        sites["log_gamma"], prior_sites(observations, study.prior, draws=4000, seed=2)["log_gamma"]
    )


def test_a_carried_prior_is_drawn_as_one(small_posterior: Posterior) -> None:
    law = small_posterior.law
    joint = small_posterior.as_prior()
    table = small_posterior.table.select(np.arange(60) < 30)
    prior = replace(small_posterior.prior, joint=joint.joint)
    observations = observe(table, law=law, prior=prior)
    rows = rows_of(observations, prior_sites(observations, prior, draws=2000, seed=3))
    expected = prior_draws(law, prior, observations.data["center"], draws=2000, seed=3)
    for name in law.names:
        assert stats.ks_2samp(rows.parameters[name], expected[name]).pvalue > 1e-4
    # What the study knew, whatever the other table's centre.
    assert np.median(rows.parameters["E"]) == pytest.approx(np.median(small_posterior.draws("E")), rel=0.02)


def test_a_posterior_without_its_coordinates_is_refused(small_table) -> None:
    truth = published("besiroglu")
    posterior = posterior_around(truth.law, truth.parameters, small_table)
    with pytest.raises(InputError, match="log_L_center"):
        posterior_sites(posterior, observations_of(posterior))


def test_each_role_has_its_rows_and_none_is_left(small_distilled: Posterior) -> None:
    assert role_rows(observations_of(small_distilled).structure) == {
        "supervised": slice(0, 30),
        "distilled": slice(30, 70),
    }
