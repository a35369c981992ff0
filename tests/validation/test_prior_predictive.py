"""A prior that expected other losses is told so; one that made the table is not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.errors import InputError
from bayes_dsl.inference.observations import Observations, observe
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import Prior
from bayes_dsl.validation.prior_predictive import LEVEL, PRIOR_TABLES, PriorCheck, prior_check
from bayes_dsl.validation.worlds import Study, draw_world, study_of


@pytest.fixture(scope="module")
def study() -> Study:
    return study_of("supervised")


def changed(prior: Prior, name: str, **numbers: float) -> Prior:
    return prior.replace(replace(prior[name], **numbers))


def checked(posterior: Posterior, prior: Prior) -> PriorCheck:
    (found,) = prior_check(with_prior(posterior, prior), prior)
    return found


def with_prior(posterior: Posterior, prior: Prior) -> Observations:
    return observe(posterior.table, law=posterior.law, prior=prior)


def test_tables_from_the_prior_are_no_surprise_to_it(study: Study) -> None:
    worlds = [draw_world(study, np.random.default_rng((7, number))) for number in range(40)]
    found = [prior_check(study.observed(world.log_loss), study.prior)[0] for world in worlds]
    # At 5 % an honest check calls on 2 of 40; 7 or more have a probability below .01.
    assert sum(bool(one.conflicts) for one in found) < 7
    assert 0.75 < np.mean([one.inside for one in found]) < 0.98
    places = np.array([one.median_place for one in found])
    assert 0.3 < np.mean(places) < 0.7 and np.ptp(places) > 0.7


def test_a_sensible_prior_is_told_in_numbers(small_posterior: Posterior) -> None:
    found = checked(small_posterior, small_posterior.prior)
    assert found.conflicts == () and found.inside > 0.9 and 2.0 < found.width < 5.0
    assert found.tables + found.refused == PRIOR_TABLES
    assert found.sentence().startswith(
        f"The prior expected such losses of supervised rows: {100 * found.inside:.0f} % lie"
    )


def test_a_prior_centred_far_off_is_in_conflict(small_posterior: Posterior) -> None:
    prior = changed(small_posterior.prior, "log_L_center", loc=np.log(8.0), scale=0.05)
    found = checked(small_posterior, prior)
    assert found.inside == 0.0 and found.median_place == 0.0
    assert max(found.p_median, found.p_inside) <= LEVEL
    assert "their median loss is lower than in 100.0 % of the prior's tables" in found.sentence()
    assert "The supervised rows are a surprise to the prior" in found.sentence()
    prior = changed(small_posterior.prior, "log_L_center", loc=np.log(1.0), scale=0.05)
    assert "higher than in" in checked(small_posterior, prior).sentence()


def test_a_prior_of_flat_laws_is_surprised_by_how_far_losses_range(small_posterior: Posterior) -> None:
    prior = small_posterior.prior
    for name in ("log_slope_N", "log_slope_D"):
        prior = changed(prior, name, loc=np.log(0.001), scale=0.2)
    prior = changed(prior, "log_sigma", loc=np.log(0.001), scale=0.1)
    found = checked(small_posterior, prior)
    assert found.p_range <= LEVEL and found.p_median > LEVEL
    assert any(one.startswith("their losses span more than in") for one in found.conflicts)


def test_the_same_seed_gives_the_same_numbers(study: Study) -> None:
    first, again = (prior_check(study.observations, study.prior, seed=3) for _ in range(2))
    assert first == again != prior_check(study.observations, study.prior, seed=4)


def test_a_prior_that_makes_no_laws_is_refused(small_posterior: Posterior) -> None:
    prior = changed(small_posterior.prior, "log_slope_N", loc=6.0, scale=0.1)
    with pytest.raises(InputError, match="draws that are laws = 0 of 2000"):
        prior_check(with_prior(small_posterior, prior), prior)


def test_roles_are_judged_apart(small_distilled: Posterior) -> None:
    prior = small_distilled.prior
    own = prior_check(with_prior(small_distilled, prior), prior)
    assert [one.role for one in own] == ["supervised", "distilled"]
    assert all(one.conflicts == () and one.inside > 0.9 for one in own)
    # Students four nats above their teachers, whatever their size and teacher, as no student of this table is.
    gap = changed(prior, "log_gap_center", loc=np.log(4.0), scale=0.05)
    for name in ("c_0", "log_slope_N_S", "log_slope_D_S", "log_r_1", "logit_w_prime", "log_gamma_prime"):
        gap = changed(gap, name, scale=0.05)
    supervised, distilled = prior_check(with_prior(small_distilled, gap), gap)
    assert supervised.conflicts == () and distilled.conflicts
    assert distilled.p_range < 0.02 and distilled.median_place < 0.01


def test_a_single_row_has_no_range(small_posterior: Posterior) -> None:
    table = small_posterior.table.select(np.arange(60) == 30)
    (found,) = prior_check(
        observe(table, law=small_posterior.law, prior=small_posterior.prior), small_posterior.prior
    )
    assert found.p_range == 1.0 and found.conflicts == ()
