"""Derivatives that many fits share are those of the law, and lead close to where the law would."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.borrowed import curvature_fits, curvatures, parabola, shared_at
from bayes_dsl.inference.least_squares import minimise
from tests.inference.test_least_squares import ROWS, X, Y, decay, draws, ended


def test_what_is_shared_is_the_law_to_second_order() -> None:
    center, data = np.array([0.5, 0.1]), {"x": X, "y": Y}
    with jax.enable_x64(True):
        nearby = shared_at(decay, center, data)
        for step in (np.zeros(2), np.array([2e-3, -1e-3])):
            at = jnp.asarray(center + step)
            slopes = np.asarray(jax.jacfwd(decay)(at, data))
            error = np.asarray(parabola(at, nearby) - decay(at, data))
            assert np.max(np.abs(error)) <= (1e-8 if step.any() else 1e-15)
            squares = slopes[:, :, None] * slopes[:, None, :]
            turned = nearby.outer + np.einsum(
                "ncab,c->nab", nearby.turn.reshape(ROWS, 2, 2, 2), step
            ).reshape(ROWS, 4)
            assert turned == pytest.approx(squares.reshape(ROWS, 4), abs=1e-4)
            assert np.max(np.abs(nearby.outer - squares.reshape(ROWS, 4))) > (1e-3 if step.any() else -1)


def test_parabolas_end_close_to_the_law() -> None:
    center = ended(np.array([[0.5, 0.0]]), np.ones((1, ROWS))).position[0]
    with jax.enable_x64(True):
        nearby = shared_at(decay, center, {"x": X, "y": Y})
    starts = np.tile(center, (20, 1))
    options: dict[str, Any] = {"weights": draws(), "delta": 0.05, "max_iterations": 20, "cold": False}
    near = minimise(parabola, nearby, starts=starts, curvature_at=center, **options).position
    truth = ended(starts, draws(), cold=False).position
    assert np.median(np.abs(near - truth)) < 0.1 * np.median(np.abs(truth - center))


@pytest.mark.parametrize("delta", [0.01, 1.0])
def test_curvature_at_its_own_position_is_the_hessian(delta: float) -> None:
    center, data, weight = np.array([0.5, 0.1]), {"x": X, "y": Y}, draws()[0]
    with jax.enable_x64(True):
        nearby = shared_at(decay, center, data)
        _, secant, newton = curvatures(nearby.residual, jnp.asarray(weight), center, nearby, delta)

        def objective(at: jax.Array) -> jax.Array:
            size = jnp.abs(decay(at, data))
            return jnp.dot(weight, jnp.where(size <= delta, size**2 / 2, delta * (size - delta / 2)))

        hessian = np.asarray(jax.hessian(objective)(jnp.asarray(center)))
        slopes, size = np.asarray(nearby.slopes), np.abs(np.asarray(nearby.residual))
    assert np.asarray(newton) == pytest.approx(hessian, rel=1e-5, abs=1e-6)
    expected = (slopes.T * (weight * np.minimum(1.0, delta / size))) @ slopes
    assert np.asarray(secant) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_curvature_is_kept_where_it_is_small() -> None:
    assert curvature_fits(240, 15) and curvature_fits(20_000, 10)
    assert not curvature_fits(20_001, 10)
