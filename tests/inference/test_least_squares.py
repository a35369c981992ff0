"""The minimiser ends at minima that other means find, many fits at once, and each says whether it did."""

from __future__ import annotations

from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
import scipy.special

from bayes_dsl.inference.least_squares import (
    FEW_FITS,
    MOST_FITS_A_BLOCK,
    TOLERANCE,
    Minima,
    _fits_a_block,
    huber,
    minimise,
)
from bayes_dsl.inference.padding import padded_weights
from bayes_dsl.inference.point_fit import problem
from tests.inference.point_fits import synthetic_fit

ROWS = 12
X = np.linspace(0.0, 3.0, ROWS)
Y = np.exp(0.7 - 0.9 * X) + 0.02 * np.sin(7 * X)
Y[3] += 0.5


def decay(position: jax.Array, data: Any) -> jax.Array:
    return jnp.exp(position[0] - jnp.exp(position[1]) * data["x"]) - data["y"]


def ended(starts: np.ndarray, weights: np.ndarray, *, delta: float = 0.05, **options: Any) -> Minima:
    data = {"x": X, "y": Y}
    return minimise(
        decay, data, starts=starts, weights=weights, delta=delta, **{"max_iterations": 200, **options}
    )


def objective(position: np.ndarray, weights: np.ndarray, delta: float) -> float:
    """Written again with NumPy alone."""
    size = np.abs(np.exp(position[0] - np.exp(position[1]) * X) - Y)
    return float(weights @ np.where(size <= delta, size**2 / 2, delta * (size - delta / 2)))


@cache
def draws() -> np.ndarray:
    return np.random.default_rng(0).multinomial(ROWS, np.full(ROWS, 1 / ROWS), size=20).astype(float)


def test_hubers_function_is_scipys() -> None:
    residuals = np.concatenate([-np.geomspace(1e-6, 10, 30), [0.0], np.geomspace(1e-6, 10, 30)])
    for delta in (1e-3, 0.5, 20.0):
        with jax.enable_x64(True):
            values = np.asarray(huber(jnp.asarray(residuals), delta))
        assert values == pytest.approx(scipy.special.huber(delta, residuals), rel=1e-12, abs=0)


@pytest.mark.parametrize("delta", [0.01, 0.05, 1.0])
def test_every_fit_ends_where_scipy_ends_for_its_own_weights(delta: float) -> None:
    """The largest delta is weighted least squares, the smallest leaves rows far beyond it."""
    found = ended(np.tile([0.5, 0.0], (20, 1)), draws(), delta=delta)
    assert found.converged.all()
    for i, weights in enumerate(draws()):
        theirs = scipy.optimize.minimize(
            objective, found.position[i], (weights, delta), "Nelder-Mead", options={"xatol": 1e-9, "fatol": 0}
        )
        assert found.objective[i] == pytest.approx(objective(found.position[i], weights, delta), rel=1e-12)
        promised = TOLERANCE * (found.objective[i] + weights.sum() * delta**2)
        assert found.objective[i] - theirs.fun <= 2 * promised


def test_a_fit_that_runs_out_of_iterations_says_so() -> None:
    starts, weights = np.tile([3.0, 2.0], (4, 1)), np.ones((4, ROWS))
    early, late = ended(starts, weights, max_iterations=3), ended(starts, weights)
    assert not early.converged.any() and late.converged.all()
    assert np.all(early.iterations == 4)  # rounded up to whole rounds
    assert np.all(early.objective > late.objective)


def test_a_fit_that_starts_at_its_minimum_stays_and_stops() -> None:
    weights = np.ones((1, ROWS))
    first = ended(np.array([[0.5, 0.0]]), weights)
    again = ended(first.position, weights, cold=False)
    assert again.converged.all() and again.iterations[0] < first.iterations[0]
    assert again.position == pytest.approx(first.position, rel=1e-6)


def test_a_hopeless_start_is_not_converged_and_does_not_disturb_the_others() -> None:
    alone = ended(np.array([[0.5, 0.0]]), np.ones((1, ROWS)))
    starts = np.array([[0.5, 0.0], [np.nan, 0.0], [1e6, 0.0]])
    found = ended(starts, np.ones((3, ROWS)))
    assert found.converged.tolist() == [True, False, False]
    assert found.objective[0] == alone.objective[0] and np.all(np.isinf(found.objective[1:]))


def test_degenerate_weights_do_not_break_the_rest() -> None:
    """Five coefficients: half of the fits have fewer distinct rows than that, the others all rows."""
    fit = synthetic_fit()
    residuals, data = problem(fit.law, fit.rows)
    rng = np.random.default_rng(0)
    starts = rng.normal(0.0, 0.3, (32, 5)) + np.array([np.log(2.5), -1.0, 0.0, -2.0, -2.0])
    weights = np.ones((32, fit.n_rows))
    for row in range(0, 32, 2):
        weights[row] = 0.0
        weights[row, rng.choice(fit.n_rows, 3, replace=False)] = fit.n_rows / 3
    weights = padded_weights(weights, fit.rows.lengths)
    found = minimise(residuals, data, starts=starts, weights=weights, delta=fit.delta, max_iterations=200)
    assert np.all(np.isfinite(found.objective)) and np.all(found.objective >= 0)
    assert found.converged[1::2].all()
    assert found.objective[1::2] == pytest.approx(fit.objective, rel=1e-9)


def test_blocks_have_one_of_few_sizes() -> None:
    assert {_fits_a_block(fits, 240) for fits in (1, 32, 128)} == {FEW_FITS}
    assert {_fits_a_block(fits, 240) for fits in (129, 4096)} == {MOST_FITS_A_BLOCK}
    assert _fits_a_block(4096, 2**14) == 4 and _fits_a_block(1, 2**20) == 1
