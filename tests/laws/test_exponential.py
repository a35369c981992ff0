"""The exponential limit of the capacity gap: its equation, how it follows from the distillation law, and its depths."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.laws.distillation import DISTILLATION
from bayes_dsl.laws.exponential import EXPONENTIAL, limit_of
from bayes_dsl.laws.published import published

CORRECTED = published("busbridge_corrected").parameters
LIMIT = limit_of(CORRECTED)


def by_hand(p, N, D, L_T):
    """L_T + L_T^-c_0 exp(-(L_T / (L~ r_0))^s) (A'/N^alpha' + B'/D^beta')^gamma'."""
    alone = p["E"] + (p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]) ** p["gamma"]
    terms = p["A_prime"] / N ** p["alpha_prime"] + p["B_prime"] / D ** p["beta_prime"]
    lost = np.exp(-((L_T / (alone * p["r_0"])) ** p["s"]))
    return L_T + L_T ** -p["c_0"] * lost * terms ** p["gamma_prime"]


@pytest.mark.parametrize("changed", [{}, {"s": 4.0}, {"r_0": 1.1}, {"c_0": 0.0}])
def test_the_loss_is_the_equation(changed: dict[str, float]) -> None:
    p = {**{name: LIMIT[name] for name in EXPONENTIAL.names}, **changed}
    N, D = np.geomspace(1e8, 1e10, 5)[:, None, None], np.geomspace(2e9, 2e11, 4)[:, None]
    L_T = np.linspace(1.85, 2.8, 6)
    with jax.enable_x64(True):
        inputs = {"N_S": N, "D_S": D, "L_T": L_T}
        found = np.asarray(EXPONENTIAL.loss("distilled", p, inputs))
    np.testing.assert_allclose(found, by_hand(p, N, D, L_T), rtol=1e-12)


def test_published_coefficients_are_next_to_the_limit() -> None:
    inputs = {"N_S": np.geomspace(1e8, 1e10, 9)[:, None], "D_S": 2e10, "L_T": np.linspace(1.85, 2.6, 9)}
    with jax.enable_x64(True):
        law = np.asarray(DISTILLATION.loss("distilled", CORRECTED, inputs))
        limit = np.asarray(EXPONENTIAL.loss("distilled", {n: LIMIT[n] for n in EXPONENTIAL.names}, inputs))
    assert np.abs(law - limit).max() < 0.01 < np.ptp(law)
    assert LIMIT["s"] == pytest.approx(1 / CORRECTED["f_1"]) and 0.8 < LIMIT["r_0"] < 1.2


def test_runs_without_a_teacher_follow_the_supervised_law() -> None:
    x = {"N": np.geomspace(1e8, 1e10, 5), "D": 2e10}
    p = {n: LIMIT[n] for n in EXPONENTIAL.names}
    np.testing.assert_array_equal(
        EXPONENTIAL.loss("supervised", p, x), DISTILLATION.loss("supervised", CORRECTED, x)
    )


def test_a_teacher_beyond_every_transition_leaves_finite_slopes() -> None:
    p = {n: jnp.float32(LIMIT[n]) for n in EXPONENTIAL.names} | {"s": jnp.float32(200.0)}
    x = {"N_S": jnp.float32(1e12), "D_S": jnp.float32(1e15), "L_T": jnp.float32(10.0)}
    value, slopes = jax.value_and_grad(lambda p: EXPONENTIAL.log_loss("distilled", p, x))(p)
    assert value == pytest.approx(np.log(10.0), abs=1e-6)
    assert all(np.isfinite(slope) for slope in slopes.values())
