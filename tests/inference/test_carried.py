"""What a study leaves to the next: onto which laws and tables it goes, and that two halves make the whole."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from bayes_dsl.errors import (
    CountingMismatch,
    FileRefused,
    InputError,
    NotConverged,
    TableError,
    UnhealthyPosterior,
)
from bayes_dsl.inference.carried import CarriedPrior, carried_posterior
from bayes_dsl.inference.coordinates import DISTILLED_NAMES, SUPERVISED_NAMES, coordinates_of
from bayes_dsl.inference.diagnostics import Diagnostics
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.misfit import Misfit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import NOISE_DENSITIES
from bayes_dsl.inference.settings import Settings
from bayes_dsl.laws.base import Law, Parameter, Role
from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.laws.variants import INTERACTION, TIED
from bayes_dsl.runs.table import RunTable

SETTINGS = Settings(chains=4, warmup=500, draws=1000)
NOISE = {density.name for density in NOISE_DENSITIES}
DISTILLED_DENSITIES = {"c_0" if name == "slope_L_T" else name for name in DISTILLED_NAMES}


@pytest.fixture(scope="module")
def halves(small_table: RunTable) -> tuple[RunTable, RunTable]:
    first = np.random.default_rng(0).permutation(len(small_table)) < len(small_table) // 2
    return small_table.select(first), small_table.select(~first)


@pytest.fixture(scope="module")
def first(halves: tuple[RunTable, RunTable]) -> Posterior:
    return fit(halves[0], law=CHINCHILLA, seed=1, settings=SETTINGS, misfit=None)


@pytest.fixture(scope="module")
def chained(halves: tuple[RunTable, RunTable], first: Posterior) -> Posterior:
    """The second half on the posterior of the first; its law is the prior's, which nobody names."""
    return fit(halves[1], prior=first.as_prior(), seed=1, settings=SETTINGS, misfit=None)


def carried(law: Law, **changes: object) -> CarriedPrior:
    """A carried prior of some law: made draws about a centre of its own."""
    names = coordinates_of(law).names
    z = np.random.default_rng(3).standard_normal((len(names), 100))
    center = {"log_N": 20.0, "log_D": 23.0, "log_N_S": 20.0, "log_D_S": 23.0, "log_L_T": 0.8}
    row = RunTable.from_csv_text("run_id,role,params,tokens,loss\na,supervised,1e8,2e9,3.5\n")
    draws = dict(zip(names, z, strict=True))
    return replace(carried_posterior(law, draws, center=center, table=row, former=None), **changes)


def test_half_a_table_on_the_posterior_of_the_other_half_is_the_whole_table(
    small_posterior: Posterior, halves: tuple[RunTable, RunTable], chained: Posterior
) -> None:
    alone = fit(halves[1], law=CHINCHILLA, seed=1, settings=SETTINGS, misfit=None)
    assert chained.law is CHINCHILLA and chained.healthy
    off = []
    for name in ("E", "alpha", "beta"):
        whole, both, half = (p.draws(name) for p in (small_posterior, chained, alone))
        assert abs(both.mean() - whole.mean()) < 0.35 * whole.std(), name
        assert 0.8 < both.std() / whole.std() < 1.25, name
        off.append(half.std() / whole.std())
    assert max(off) > 1.25, "the control: without that prior the half knows less"


def test_the_file_names_the_prior_and_what_it_has_seen(
    first: Posterior, chained: Posterior, halves: tuple[RunTable, RunTable], tmp_path
) -> None:
    chained.save(tmp_path / "chained.nc")
    back = Posterior.load(tmp_path / "chained.nc")
    assert back.prior == chained.prior and back.prior.joint is not None
    assert back.prior_origin == f"posterior of {halves[0].source}, 30 runs, sha256 {first.table_sha256}"
    assert first.prior_origin is None and first.prior.joint is None
    for table in halves:
        with pytest.raises(TableError, match="would count them twice"):
            fit(table, prior=back.as_prior(), settings=SETTINGS, misfit=None)
    onward = back.as_prior()
    assert len(onward.joint.seen) == 60 and "itself on the prior (posterior of" in onward.joint.origin


@pytest.mark.parametrize("damage", ["record", "seen"])
def test_a_file_whose_prior_is_incomplete_is_refused(chained: Posterior, tmp_path, damage: str) -> None:
    tree = chained.tree.copy()
    if damage == "record":
        tree.attrs["prior_joint"] = json.dumps({"names": ["log_L_center"]})
    else:
        tree["constant_data"] = xr.DataTree(tree["constant_data"].to_dataset().drop_vars("prior_seen"))
    replace(chained, tree=tree).save(tmp_path / "damaged.nc")
    with pytest.raises(FileRefused, match=r"damaged\.nc.*a posterior that was sampled and saved holds this"):
        Posterior.load(tmp_path / "damaged.nc")


def test_noise_is_not_carried(first: Posterior, chained: Posterior) -> None:
    assert set(chained.prior.names) == NOISE
    assert chained.prior.densities == NOISE_DENSITIES
    assert first.as_prior().joint.names == coordinates_of(CHINCHILLA).names


def test_the_density_is_the_draws_mean_and_covariance(first: Posterior) -> None:
    joint, tree = first.as_prior().joint, first.tree["unconstrained_posterior"]
    z = np.stack([np.asarray(tree[name]).ravel() for name in joint.names])
    np.testing.assert_allclose(joint.mean, z.mean(axis=1))
    np.testing.assert_allclose(joint.covariance, np.cov(z))
    assert dict(joint.center) == first.center
    wide = first.as_prior(inflate=2.0).joint
    np.testing.assert_allclose(wide.covariance, 4 * np.array(joint.covariance))
    assert wide.origin == f"{joint.origin}, inflate 2"


def test_a_misfit_of_the_new_study_stands_beside_what_is_carried(
    halves: tuple[RunTable, RunTable], first: Posterior
) -> None:
    short = Settings(chains=2, warmup=500, draws=250, most_draws=250, retry=False)
    try:
        posterior = fit(halves[1], prior=first.as_prior(), misfit=Misfit(), settings=short)
    except NotConverged as failure:
        posterior = failure.posterior
    assert posterior.prior.joint == first.as_prior().joint and posterior.misfit == "drift"
    assert set(posterior.prior.names) == NOISE | {density.name for density in Misfit().densities()}
    # What is carried from it are its coefficients alone.
    assert posterior.as_prior(accept_unhealthy=True).joint.names == coordinates_of(CHINCHILLA).names


def test_an_unhealthy_posterior_is_carried_only_where_that_is_accepted(first: Posterior) -> None:
    tree = first.tree.copy()
    sick = Diagnostics(**{**first.diagnostics.to_record(), "divergences": 7})
    tree.attrs["diagnostics"] = json.dumps(sick.to_record())
    posterior = replace(first, tree=tree)
    with pytest.raises(UnhealthyPosterior, match="accept_unhealthy"):
        posterior.as_prior()
    assert posterior.as_prior(accept_unhealthy=True).joint == first.as_prior().joint


def test_on_supervised_runs_a_distillation_prior_leaves_its_supervised_part(small_table: RunTable) -> None:
    whole = carried(DISTILLATION)
    prior = whole.onto(small_table, SUPERVISED)
    assert prior.joint == whole.joint.marginal(SUPERVISED_NAMES) and set(prior.names) == NOISE
    assert whole.law_for(small_table) is SUPERVISED


def test_on_distilled_runs_a_supervised_prior_leaves_the_rest_at_its_default(
    small_distilled: Posterior,
) -> None:
    table, part = small_distilled.table, carried(SUPERVISED)
    prior = part.onto(table, DISTILLATION)
    assert prior.joint == part.joint and set(prior.names) == NOISE | DISTILLED_DENSITIES
    assert part.law_for(table) is DISTILLATION
    assert set(carried(DISTILLATION).onto(table, DISTILLATION).names) == NOISE


@pytest.mark.parametrize("law", [SUPERVISED, CHINCHILLA, TIED, INTERACTION])
def test_a_law_takes_the_prior_of_its_own_kind(law: Law, small_table: RunTable) -> None:
    assert carried(law).law_for(small_table) is law
    assert carried(law).onto(small_table, law).joint == carried(law).joint


def test_a_law_of_your_own_needs_no_default_prior_where_all_of_it_is_carried(small_table: RunTable) -> None:
    k = Parameter(name="k", symbol="k", support="positive", unit="1", meaning="a level")
    role = Role(name="supervised", inputs=("N", "D"), log_loss=lambda p, x: p["k"] + 0.0 * x["N"])
    mine = Law(name="mine", parameters=(k,), roles=(role,), source="this test")
    prior = carried(mine).onto(small_table, mine)
    assert prior.joint is not None and prior.joint.names == ("log_k",) and set(prior.names) == NOISE
    seen = observe(small_table, law=mine, prior=prior)
    assert seen.data["carried"]["start"]["log_k"] == pytest.approx(prior.joint.mean[0])


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (CHINCHILLA, SUPERVISED, "gamma fixed at 1 and gamma free are two laws"),
        (SUPERVISED, CHINCHILLA, "gamma fixed at 1 and gamma free are two laws"),
        (CHINCHILLA, DISTILLATION, "gamma fixed at 1 and gamma free are two laws"),
        (DISTILLATION, CHINCHILLA, "gamma fixed at 1 and gamma free are two laws"),
        (TIED, SUPERVISED, "tied law, whose coefficients are others"),
        (INTERACTION, CHINCHILLA, "interaction law, whose coefficients are others"),
    ],
)
def test_another_law_is_refused(before: Law, after: Law, said: str, small_table: RunTable) -> None:
    with pytest.raises(InputError, match=f"law = {after.name}.*{said}.*--law {before.name}"):
        carried(before).onto(small_table, after)


def test_another_counting_is_refused(small_table: RunTable) -> None:
    stated = carried(CHINCHILLA, counting="total")
    assert small_table.counting == "non_embedding"
    with pytest.raises(CountingMismatch, match=r"counting = non_embedding.*params counted as total"):
        stated.onto(small_table, CHINCHILLA)
    stated.onto(replace(small_table, counting=None), CHINCHILLA)
    carried(CHINCHILLA, counting=None).onto(small_table, CHINCHILLA)


def test_draws_that_do_not_spread_make_no_prior(small_table: RunTable) -> None:
    draws = {name: np.zeros(50) for name in coordinates_of(CHINCHILLA).names}
    with pytest.raises(InputError, match="positive definite"):
        carried_posterior(CHINCHILLA, draws, center={}, table=small_table, former=None)
