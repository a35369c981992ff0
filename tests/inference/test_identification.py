"""A coefficient that kept its prior is named, and one that the data told is not."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.identification import MOST_OF_PRIOR, prior_draws, unidentified
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.priors import default_prior
from bayes_dsl.laws.registry import law

DISTILLED = law("distillation")
PRIOR = default_prior(DISTILLED, typical_loss=2.5)
CENTER = {"log_N": 20.5, "log_D": 24.0, "log_N_S": 20.2, "log_D_S": 24.5, "log_L_T": 0.8}
DERIVED = "c_1 and d_1 are only derived: the data tell r_0, s and an upper bound of eta = 1 / (c_1 f_1)"
JUDGED = ("E", "A", "alpha", "gamma", "B_prime", "gamma_prime", "c_0", "f_1", "r_0", "eta")


@cache
def prior_group() -> dict[str, np.ndarray]:
    return prior_draws(DISTILLED, PRIOR, CENTER, draws=20_000, seed=3)


def narrowed(share: float, *kept: str, middle: float = 0.5) -> dict[str, np.ndarray]:
    """The prior's draws, each quantity but those `kept` shrunk towards its `middle` quantile by `share`."""
    found = {}
    for name, draws in prior_group().items():
        if name in kept:
            found[name] = draws
        elif name == "c_0":
            found[name] = np.quantile(draws, middle) + share * (draws - np.quantile(draws, middle))
        else:
            log = np.log(draws[np.isfinite(draws) & (draws > 0)])
            found[name] = np.exp(np.quantile(log, middle) + share * (log - np.quantile(log, middle)))
    return found


def named(posterior: dict[str, np.ndarray]) -> set[str]:
    return {text.split()[0] for text in unidentified(DISTILLED, posterior, prior_group()) if text != DERIVED}


@pytest.mark.parametrize("coefficient", JUDGED)
def test_a_coefficient_that_kept_its_prior_is_named_and_no_other(coefficient: str) -> None:
    # Weights of two or three hundred decades must shrink a lot before they are numbers to quote.
    assert named(narrowed(1e-3, coefficient)) == {coefficient}


def test_all_that_kept_their_prior_are_named() -> None:
    kept = {parameter.name for parameter in DISTILLED.parameters} - {"c_1", "d_1"} | {"r_0", "eta"}
    assert named(prior_group()) == kept
    assert named(narrowed(1e-3)) == set()


@pytest.mark.parametrize("coefficient", ["c_0", "alpha", "gamma_prime"])
def test_the_share_of_the_prior_decides(coefficient: str) -> None:
    assert coefficient not in named(narrowed(0.95 * MOST_OF_PRIOR))
    assert coefficient in named(narrowed(1.05 * MOST_OF_PRIOR))


def test_the_sentence_says_how_much_of_the_prior_is_left() -> None:
    sentences = unidentified(DISTILLED, narrowed(0.5), prior_group())
    assert "c_0 is not identified: its 90 % interval is 50% as wide as its prior's" in sentences
    assert (
        "alpha is not identified: its 90 % interval is 50% as wide as its prior's (in logarithms)"
    ) in sentences


def test_a_weight_that_spans_decades_is_no_number_to_quote() -> None:
    sentences = unidentified(DISTILLED, narrowed(0.1), prior_group())
    (said,) = [text for text in sentences if text.startswith("A_prime")]
    assert "is not identified as a number: its 90 % interval spans a factor of" in said
    assert "traded off against its exponent" in said


def test_c_1_and_d_1_are_called_derived_for_the_law_that_has_them() -> None:
    assert unidentified(DISTILLED, narrowed(1e-3), prior_group()) == (DERIVED,)
    supervised = {n: prior_group()[n] for n in law("supervised").names}
    told = {n: narrowed(1e-3)[n] for n in supervised}
    assert unidentified(law("supervised"), told, supervised) == ()


def test_the_prior_of_c_0_is_the_stated_one() -> None:
    draws, stated = prior_group()["c_0"], PRIOR["c_0"]
    error = stated.scale / np.sqrt(len(draws))
    assert abs(draws.mean() - stated.loc) < 4 * error
    assert abs(draws.std() - stated.scale) < 4 * error / np.sqrt(2)


def test_the_other_coordinates_have_the_stated_priors_and_the_slope_does_not() -> None:
    with jax.enable_x64(True):
        p = {n: jnp.asarray(v) for n, v in prior_group().items()}
        center = {n: jnp.full(20_000, v) for n, v in CENTER.items()}
        z = {n: np.asarray(v) for n, v in coordinates_of(DISTILLED).from_parameters(p, center).items()}
    for name in coordinates_of(DISTILLED).names:
        draws = z[name][np.isfinite(z[name])]
        assert len(draws) > 19_000
        stated = PRIOR["c_0" if name == "slope_L_T" else name]
        # Where A or B is no float the coordinates are lost, the widest shares first.
        close = abs(np.median(draws) - stated.loc) < 0.05 * stated.scale
        close &= (
            abs(np.subtract(*np.quantile(draws, [0.75, 0.25])) / 1.349 - stated.scale) < 0.05 * stated.scale
        )
        # Negative control: the slope is c_0 and the transition's share, so it must stand above.
        assert close == (name != "slope_L_T"), name


def test_prior_draws_follow_their_seed() -> None:
    first, again = (prior_draws(DISTILLED, PRIOR, CENTER, draws=100, seed=3) for _ in range(2))
    for name, draws in first.items():
        np.testing.assert_array_equal(draws, again[name])
    assert not np.array_equal(prior_draws(DISTILLED, PRIOR, CENTER, draws=100, seed=4)["E"], again["E"])


def test_prior_draws_have_the_tails_of_their_family() -> None:
    tailed = PRIOR.replace(replace(PRIOR["c_0"], family="student_t", df=2.0))
    draws = prior_draws(DISTILLED, tailed, CENTER, draws=20_000, seed=3)["c_0"]
    beyond = np.mean(np.abs(draws - PRIOR["c_0"].loc) > 4 * PRIOR["c_0"].scale)
    assert beyond == pytest.approx(2 * stats.t.sf(4, 2.0), rel=0.2)
    normal = np.mean(np.abs(prior_group()["c_0"] - PRIOR["c_0"].loc) > 4 * PRIOR["c_0"].scale)
    assert normal < 1e-3


def test_a_posterior_that_tells_them_apart_names_the_weights_only(small_posterior: Posterior) -> None:
    names = {text.split()[0] for text in small_posterior.unidentified()}
    assert names <= {"A", "B"}


def test_a_small_study_does_not_identify_the_transitions_shape(small_distilled: Posterior) -> None:
    sentences = small_distilled.unidentified()
    assert {"eta", "A_prime", "B_prime"} <= {text.split()[0] for text in sentences}
    assert not {"E", "alpha", "r_0", "c_0"} & {text.split()[0] for text in sentences}
    assert sentences[-1] == DERIVED
