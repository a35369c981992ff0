"""The model of residuals close to a fit is their Taylor series, and its packed matrices are matrices."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.inference.taylor import (
    diagonal,
    matrix,
    model_fits,
    monomials,
    newton_step,
    outer,
    taylor_at,
    times,
)
from tests.inference.test_least_squares import ROWS, X, Y, decay

CENTER = np.array([0.5, 0.1])
STEP = np.array([2e-2, -1e-2])


def test_the_model_is_the_law_to_third_order() -> None:
    data = {"x": X, "y": Y}
    model = taylor_at(decay, CENTER, data)
    with jax.enable_x64(True):
        assert model.residual == pytest.approx(np.asarray(decay(CENTER, data)), abs=1e-15)
        errors = []
        for scale in (1.0, 2.0):
            powers = np.asarray(monomials(jnp.asarray(scale * STEP)[:, None]))[:, 0]
            moved = model.residual + model.powers.astype(np.float64) @ powers
            errors.append(np.max(np.abs(moved - np.asarray(decay(CENTER + scale * STEP, data)))))
    assert errors[0] < 1e-6
    assert 10 < errors[1] / errors[0] < 25  # the fourth power of two


def test_the_curvature_of_the_model_is_the_laws() -> None:
    data, p = {"x": X, "y": Y}, 2
    model = taylor_at(decay, CENTER, data)
    small = 0.1 * STEP
    with jax.enable_x64(True):
        slopes = np.asarray(jax.jacfwd(decay)(CENTER + small, data))
        bends = np.asarray(jax.jacfwd(jax.jacfwd(decay))(CENTER + small, data))
    for of_model, truth in (
        (model.square, slopes[:, :, None] * slopes[:, None, :]),
        (model.bend, bends),
    ):
        parts = of_model.reshape(1 + p, 3, ROWS)
        near = parts[0] + np.einsum("akn,a->kn", parts[1:], small)
        assert near == pytest.approx(truth[:, [0, 0, 1], [0, 1, 1]].T, abs=1e-4)
        assert np.max(np.abs(parts[0] - truth[:, [0, 0, 1], [0, 1, 1]].T)) > 1e-3


def test_packed_matrices_are_matrices() -> None:
    rng = np.random.default_rng(0)
    packed, vector = rng.normal(size=(10, 3)), rng.normal(size=(4, 3))
    full = np.array(matrix(packed, 4))
    assert np.array_equal(full, full.transpose(1, 0, 2))
    assert np.asarray(times(packed, vector)) == pytest.approx(np.einsum("abf,bf->af", full, vector), rel=1e-5)
    assert np.array_equal(diagonal(packed, 4), full[range(4), range(4)].astype(np.float32))
    square = np.array(matrix(outer(vector), 4))
    assert square == pytest.approx(vector[:, None] * vector[None], rel=1e-5)


def test_a_newton_step_is_that_of_linear_algebra() -> None:
    rng = np.random.default_rng(1)
    roots, gradient = rng.normal(size=(3, 4, 4)), rng.normal(size=(4, 3))
    full = roots @ roots.transpose(0, 2, 1)
    first, second = np.triu_indices(4)
    damping = np.full((4, 3), 0.5)
    with jax.enable_x64(True):
        step, gain = newton_step(jnp.asarray(full[:, first, second].T), jnp.asarray(damping), gradient)
        bad, _ = newton_step(-jnp.asarray(full[:, first, second].T), jnp.asarray(damping), gradient)
        held, _ = newton_step(-jnp.asarray(full[:, first, second].T), damping, gradient, least=damping)
    for i in range(3):
        known = np.linalg.solve(full[i] + 0.5 * np.eye(4), gradient[:, i])
        assert np.asarray(step)[:, i] == pytest.approx(known, rel=1e-9)
        assert gain[i] == pytest.approx(0.5 * known @ gradient[:, i], rel=1e-9)
    assert np.all(np.isnan(bad)) and np.all(np.isfinite(held))


def test_the_model_is_kept_where_it_is_small() -> None:
    assert model_fits(240, 15) and model_fits(20_000, 10)
    assert not model_fits(20_001, 10)
