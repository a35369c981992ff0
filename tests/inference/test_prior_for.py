"""A prior is refused where it does not say what is sampled, in a sentence and before sampling."""

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.misfit import Misfit, with_misfit
from bayes_dsl.inference.observations import observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.prior_for import prior_for, prior_told, refuse_mismatch
from bayes_dsl.inference.priors import Density, Prior, default_prior, prior_of_your_own
from bayes_dsl.laws.registry import registered
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED
from bayes_dsl.runs.table import RunTable
from tests.inference.point_fits import POWER
from tests.repeated import repeated_table
from tests.validation.compared import MINE, MY_PRIOR


def density(name: str) -> Density:
    return Density(name=name, loc=0.0, scale=1.0, reason="of this test")


def refused(table: RunTable, law, prior: Prior) -> list[str]:
    """The sentences with which `fit` refuses a prior."""
    with pytest.raises(InputError) as caught:
        fit(table, law=law, prior=prior)
    return str(caught.value).splitlines()


def test_what_a_law_takes_is_the_prior_itself_its_default_or_what_is_carried(
    small_table: RunTable, small_posterior: Posterior
) -> None:
    assert prior_for(small_table, MINE, MY_PRIOR) is MY_PRIOR
    middle = float(np.median(small_table.values("loss")))
    assert prior_for(small_table, CHINCHILLA, None) == default_prior(CHINCHILLA, typical_loss=middle)
    carried = small_posterior.as_prior()
    fresh = small_table.to_pandas().assign(loss=lambda rows: rows["loss"] * 1.001)
    table = RunTable.from_pandas(fresh, counting=small_table.counting)
    assert prior_for(table, CHINCHILLA, carried).joint == carried.joint
    with pytest.raises(InputError, match="law mine: prior = none given"):
        prior_for(small_table, MINE, None)


def test_control_every_law_s_own_prior_passes() -> None:
    table = repeated_table()
    for law in registered():
        prior = default_prior(law, typical_loss=2.5)
        refuse_mismatch(observe(table, law=law, prior=prior).structure)
        if not law.takes("U"):
            drifting = with_misfit(prior, Misfit(), gap=True)
            refuse_mismatch(observe(table, law=law, prior=drifting, misfit=Misfit()).structure)
    refuse_mismatch(observe(table, law=MINE, prior=MY_PRIOR).structure)


def test_a_coefficient_without_a_density_is_named(small_table: RunTable) -> None:
    (said,) = refused(small_table, MINE, prior_of_your_own(density("log_K")))
    assert said.startswith("law mine: prior = log_K, log_sigma")
    assert "it has no density for log_floor, log_k. The law's own are log_floor, log_K, log_k" in said


def test_noise_without_a_density_is_named(small_table: RunTable) -> None:
    few = Prior(densities=tuple(d for d in MY_PRIOR.densities if d.name != "log_nu_minus_1"))
    (said,) = refused(small_table, MINE, few)
    assert "it has no density for log_nu_minus_1" in said


def test_a_density_of_nothing_is_named(small_table: RunTable) -> None:
    (said,) = refused(small_table, MINE, prior_of_your_own(*MY_PRIOR.densities, density("log_sigm")))
    assert said.startswith("law mine: prior = log_sigm; nothing that is sampled has this name")
    wrong = refused(small_table, CHINCHILLA, default_prior(SUPERVISED, typical_loss=2.5))
    assert [one.split(";")[0] for one in wrong] == ["law chinchilla: prior = log_gamma"]


def test_another_law_s_prior_is_refused_in_full(small_table: RunTable) -> None:
    lacks, strange = refused(small_table, CHINCHILLA, MY_PRIOR)
    assert "no density for log_L_center, log_m_over_E, logit_w, log_slope_N, log_slope_D." in lacks
    assert strange.startswith("law chinchilla: prior = log_floor, log_K, log_k; nothing that is sampled")


def test_a_coefficient_that_may_be_negative_is_refused(small_table: RunTable) -> None:
    prior = prior_of_your_own(*(density(name) for name in ("log_K", "k", "m")))
    for said, name in zip(refused(small_table, POWER, prior), ("k", "m"), strict=True):
        assert said.startswith(f"law power: parameter = {name}; a law of your own is sampled in logarithms")


def test_priors_are_told_apart_by_what_they_say_of_the_coefficients(
    small_table: RunTable, small_posterior: Posterior
) -> None:
    own = prior_for(small_table, SUPERVISED, None)
    assert prior_told(own, SUPERVISED, small_table) is None
    assert prior_told(with_misfit(own, Misfit()), SUPERVISED, small_table) is None
    assert prior_told(small_posterior.prior, small_posterior.law, small_posterior.table) is None
    elsewhere = default_prior(SUPERVISED, typical_loss=9.0)
    told = prior_told(elsewhere, SUPERVISED, small_table)
    assert told is not None and told.startswith("densities of your own, sha256 ")
    wider = own.with_scales(2.0)
    assert (
        len({told, prior_told(wider, SUPERVISED, small_table), prior_told(MY_PRIOR, MINE, small_table)}) == 3
    )
    worded = replace(
        elsewhere, densities=tuple(replace(one, reason="in other words") for one in elsewhere.densities)
    )
    assert prior_told(worded, SUPERVISED, small_table) == told
    joint = small_posterior.as_prior().joint
    assert prior_told(replace(own, joint=joint), SUPERVISED, small_table) == joint.origin
