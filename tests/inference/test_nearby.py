"""Fits close to a known one end where each would alone, by its own law, and say so."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.nearby import FITS_A_BLOCK, MOST_EVALUATIONS, minimise_nearby
from bayes_dsl.inference.taylor import differentiate, differentiate_at_center, taylor_at
from tests.inference.test_least_squares import ROWS, X, Y, decay, draws, ended, objective

DATA, DELTA = {"x": X, "y": Y}, 0.05


def center() -> np.ndarray:
    return np.asarray(ended(np.array([[0.5, 0.0]]), np.ones((1, ROWS))).position[0])


def test_fits_end_where_the_law_does_and_not_the_model() -> None:
    near = minimise_nearby(decay, DATA, center=center(), weights=draws(), delta=DELTA)
    alone = ended(np.tile(center(), (len(draws()), 1)), draws(), cold=False)
    assert np.mean(near.converged) >= 0.8 and np.all(near.iterations <= MOST_EVALUATIONS)
    moved = np.max(np.abs(alone.position - center()))
    assert moved > 0.03
    sure = near.converged
    assert near.objective[sure] == pytest.approx(alone.objective[sure], rel=1e-9)
    assert near.position[sure] == pytest.approx(alone.position[sure], abs=1e-5 * moved)


def test_a_fit_is_never_left_worse_than_it_was() -> None:
    far = center() + np.array([0.5, -0.5])
    near = minimise_nearby(decay, DATA, center=far, weights=draws(), delta=DELTA)
    for position, value, weights in zip(near.position, near.objective, draws(), strict=True):
        assert value == pytest.approx(objective(position, weights, DELTA), rel=1e-12)
        assert value <= objective(far, weights, DELTA) * (1 + 1e-5)


def test_a_fit_is_the_same_in_any_company() -> None:
    weights = np.tile(draws(), (2 * FITS_A_BLOCK // len(draws()) + 1, 1))
    many = minimise_nearby(decay, DATA, center=center(), weights=weights, delta=DELTA)
    few = minimise_nearby(decay, DATA, center=center(), weights=draws(), delta=DELTA)
    assert np.array_equal(many.position[: len(draws())], few.position)
    assert np.array_equal(many.converged[: len(draws())], few.converged)


@pytest.mark.parametrize("delta", [0.01, 1.0])
def test_the_model_at_the_centre_is_the_laws_derivatives(delta: float) -> None:
    at, weight = np.array([0.5, 0.1]), draws()[:3].T.astype(np.float32)
    with jax.enable_x64(True):
        model = jax.tree.map(jnp.asarray, taylor_at(decay, at, DATA))
        residual = jnp.tile(model.residual[:, None].astype(jnp.float32), 3)
        step = jnp.zeros((2, 3))
        for found in (
            differentiate_at_center(model, weight, delta),
            differentiate(model, residual, step, weight, delta),
        ):
            for i in range(3):

                def value(position: jax.Array, i: int = i) -> jax.Array:
                    size = jnp.abs(decay(position, DATA))
                    return jnp.dot(
                        weight[:, i], jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2))
                    )

                assert found[0][i] == pytest.approx(float(value(jnp.asarray(at))), rel=1e-5)
                assert found[1][:, i] == pytest.approx(np.asarray(jax.grad(value)(at)), rel=1e-4, abs=1e-6)
                hessian = np.asarray(jax.hessian(value)(at))[[0, 0, 1], [0, 1, 1]]
                assert found[3][:, i] == pytest.approx(hessian, rel=1e-4, abs=1e-5)
