"""Stacking finds the mixture that it says it finds."""

import numpy as np
import pytest
from scipy.stats import norm

from bayes_dsl.errors import InputError
from bayes_dsl.validation.stacking import stacking_weights

RNG = np.random.default_rng(3)


def scores(actual: np.ndarray, *centres: float) -> np.ndarray:
    return np.stack([norm.logpdf(actual, centre, 1.0) for centre in centres], axis=1)


def test_a_mixture_that_made_the_runs_is_found_again() -> None:
    actual = np.where(RNG.uniform(size=20_000) < 0.3, -3.0, 3.0) + RNG.standard_normal(20_000)
    weights = stacking_weights(scores(actual, -3.0, 3.0, 40.0), np.ones(len(actual)))
    assert weights == pytest.approx([0.3, 0.7, 0.0], abs=0.01)
    assert weights.sum() == pytest.approx(1.0) and (weights >= 0).all()


def test_no_other_weights_do_better() -> None:
    found = scores(RNG.standard_normal(30), -0.5, 0.3, 1.0)
    shares = RNG.uniform(0.1, 1.0, 30)
    weights = stacking_weights(found, shares)

    def score(w: np.ndarray) -> float:
        return float(shares @ np.log(np.exp(found) @ w))

    assert all(score(w) <= score(weights) + 1e-7 for w in RNG.dirichlet(np.ones(3), 2000))


def test_what_a_run_counts_for_counts() -> None:
    found = np.log(np.array([[0.9, 0.1], [0.1, 0.9]]))
    assert stacking_weights(found, np.array([1.0, 1.0])) == pytest.approx([0.5, 0.5], abs=1e-6)
    assert stacking_weights(found, np.array([1.0, 0.0])) == pytest.approx([1.0, 0.0], abs=1e-6)


def test_densities_of_any_size_are_weighed() -> None:
    found = np.log(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]))
    moved = found + np.array([[2000.0], [-3000.0], [0.0]])
    plain = stacking_weights(found, np.ones(3))
    assert stacking_weights(moved, np.ones(3)) == pytest.approx(plain, abs=1e-9)


@pytest.mark.parametrize("scores_of", [np.empty((0, 2)), np.full((1, 2), -np.inf)])
def test_nothing_to_weigh_by_is_refused(scores_of: np.ndarray) -> None:
    with pytest.raises(InputError, match="stacking: held-out runs"):
        stacking_weights(scores_of, np.ones(len(scores_of)))
