"""The distillation law against the equation as printed, its limits, and its transition at any sharpness."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.laws.distillation import DISTILLATION, gap_inputs, log_gap
from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import SUPERVISED

RNG = np.random.default_rng(6)
POINTS = 1_000
PARAMETERS = {
    "E": RNG.uniform(0.8, 1.8, POINTS),
    "A": np.exp(RNG.uniform(5, 10, POINTS)),
    "B": np.exp(RNG.uniform(6, 11, POINTS)),
    "alpha": RNG.uniform(0.25, 0.5, POINTS),
    "beta": RNG.uniform(0.25, 0.5, POINTS),
    "gamma": RNG.uniform(0.3, 1, POINTS),
    "A_prime": np.exp(RNG.uniform(5, 10, POINTS)),
    "B_prime": np.exp(RNG.uniform(6, 15, POINTS)),
    "alpha_prime": RNG.uniform(0.2, 0.5, POINTS),
    "beta_prime": RNG.uniform(0.3, 0.7, POINTS),
    "gamma_prime": RNG.uniform(0.4, 1, POINTS),
    "c_0": RNG.uniform(-1, 4, POINTS),
    "c_1": np.exp(RNG.uniform(-1, 6.5, POINTS)),
    "d_1": RNG.uniform(0.7, 1.5, POINTS),
    "f_1": RNG.uniform(0.05, 0.5, POINTS),
}
INPUTS = {
    "N_S": 10 ** RNG.uniform(7, 11, POINTS),
    "D_S": 10 ** RNG.uniform(9, 13, POINTS),
    "L_T": PARAMETERS["E"] * np.exp(RNG.uniform(0, 1, POINTS)),
}
CORRECTED = published("busbridge_corrected").parameters
SMALL_STUDENT = {"N_S": 1.434e8, "D_S": 2.9e9}


def supervised(p, N, D):
    return p["E"] + (p["A"] / N ** p["alpha"] + p["B"] / D ** p["beta"]) ** p["gamma"]


def direct_gap(p, x):
    N, D, L_T = x["N_S"], x["D_S"], x["L_T"]
    ratio = L_T / (supervised(p, N, D) * p["d_1"])
    bracket = (1 + ratio ** (1 / p["f_1"])) ** (-p["c_1"] * p["f_1"])
    student = (p["A_prime"] / N ** p["alpha_prime"] + p["B_prime"] / D ** p["beta_prime"]) ** p["gamma_prime"]
    return L_T ** -p["c_0"] * bracket * student


def loss(parameters, inputs):
    with jax.enable_x64(True):
        return np.asarray(DISTILLATION.loss("distilled", parameters, inputs))


def test_it_is_equation_8():
    expected = INPUTS["L_T"] + direct_gap(PARAMETERS, INPUTS)
    assert np.abs(loss(PARAMETERS, INPUTS) / expected - 1).max() < 1e-12


def test_its_supervised_part_is_the_supervised_law():
    x = {"N": INPUTS["N_S"], "D": INPUTS["D_S"]}
    own = {name: PARAMETERS[name] for name in SUPERVISED.names}
    with jax.enable_x64(True):
        inside = np.asarray(DISTILLATION.loss("supervised", PARAMETERS, x))
        alone = np.asarray(SUPERVISED.loss("supervised", own, x))
    np.testing.assert_array_equal(inside, alone)


@pytest.mark.parametrize("name", sorted(set(DISTILLATION.names)))
def test_control_every_coefficient_matters(name):
    expected = INPUTS["L_T"] + direct_gap(PARAMETERS, INPUTS)
    shifted = PARAMETERS | {name: PARAMETERS[name] + 1e-6}
    assert np.abs(loss(shifted, INPUTS) / expected - 1).max() > 1e-12


def test_the_gap_keeps_the_digits_that_the_sum_loses():
    p = {name: values[:1] for name, values in PARAMETERS.items()}
    x = {"N_S": np.array([1e12]), "D_S": np.array([1e30]), "L_T": np.array([2.5])}
    sharp = p | {"c_1": np.array([40.0]), "f_1": np.array([0.1]), "d_1": np.array([0.9])}
    with jax.enable_x64(True):
        gap = np.exp(np.asarray(log_gap(sharp, gap_inputs(sharp, x))))
    assert 0 < gap[0] < 1e-10
    np.testing.assert_allclose(gap, direct_gap(sharp, x), rtol=1e-11)


def test_a_perfect_student_reaches_its_teacher():
    L_T = np.array([1.22, 1.6, 2.0, 2.6])
    gaps = [loss(CORRECTED, {"N_S": 10.0**k, "D_S": 20 * 10.0**k, "L_T": L_T}) - L_T for k in (8, 10, 12, 40)]
    assert (np.diff(gaps, axis=0) <= 0).all()
    assert gaps[0][0] > 0.5 and gaps[-1].max() < 1e-8


def test_a_random_teacher_makes_a_random_student():
    L_S = loss(CORRECTED, SMALL_STUDENT | {"L_T": np.array([2.0, 3.0, 4.0, 11.0])})
    gaps = L_S - np.array([2.0, 3.0, 4.0, 11.0])
    assert gaps[0] > 0.5 and (gaps[2:] < 1e-12).all()


def test_the_capacity_gap():
    """The loss of a small student first falls, then rises as its teacher gets stronger."""
    L_T = np.linspace(1.3, 3.2, 400)
    L_S = loss(CORRECTED, SMALL_STUDENT | {"L_T": L_T})
    best = L_S.argmin()
    assert 2.0 < L_T[best] < 2.4
    assert L_S[0] > L_S[best] + 0.1 and L_S[-1] > L_S[best] + 0.3
    assert (np.diff(L_S[:best]) < 0).all() and (np.diff(L_S[best:]) > 0).all()


def test_control_without_c_0_and_transition_there_is_no_capacity_gap():
    L_T = np.linspace(1.3, 3.2, 400)
    flat = CORRECTED | {"c_0": 0.0, "c_1": 1e-12}
    assert (np.diff(loss(flat, SMALL_STUDENT | {"L_T": L_T})) > 0).all()


def test_L_T_at_E_is_an_ordinary_point():
    around = CORRECTED["E"] * (1 + np.array([-1e-9, 0, 1e-9]))
    L_S = loss(CORRECTED, {"N_S": 1e9, "D_S": 2e10, "L_T": around})
    assert np.isfinite(L_S).all() and np.abs(np.diff(L_S)).max() < 1e-7


@pytest.mark.parametrize("eta", [1e-3, 1e-6, 1e-9])
def test_the_sharpest_transition_is_an_ordinary_point(eta):
    """eta = 1 / (c_1 f_1) to 0 at fixed r_0 = d_1 (c_1 f_1)^-f_1: the bracket becomes exp(-(r / r_0)^s)."""
    f_1, r_0 = 0.09, 0.93
    p = CORRECTED | {"f_1": f_1, "c_1": 1 / (eta * f_1), "d_1": r_0 * eta**-f_1}
    L_T = np.linspace(1.3, 3.0, 50)
    r = L_T / supervised(p, SMALL_STUDENT["N_S"], SMALL_STUDENT["D_S"])
    bracketless = direct_gap(p | {"c_1": 0.0}, SMALL_STUDENT | {"L_T": L_T})
    limit = L_T + bracketless * np.exp(-((r / r_0) ** (1 / f_1)))
    difference = np.abs(loss(p, SMALL_STUDENT | {"L_T": L_T}) / limit - 1).max()
    assert difference < max(2 * eta, 1e-11)


def test_second_derivatives_are_finite_at_the_edges():
    """A Newton start needs them: here along one direction, for every coefficient at once."""
    x = {
        "N_S": np.array([1e3, 1e13, 1e13, 1e8]),
        "D_S": np.array([1e18, 1e5, 1e18, 2e9]),
        "L_T": np.array([1.22, 11.0, 11.0, 2.6]),
    }
    gradient = jax.grad(lambda p: DISTILLATION.log_loss("distilled", p, x).sum())

    @jax.jit
    def curvature(p):
        ones = dict.fromkeys(p, np.float32(1.0))
        return jax.jvp(gradient, (p,), (ones,))[1]

    for c_1 in (522.6, 1e9):
        p = CORRECTED | {"c_1": c_1, "d_1": 0.93 * (c_1 * 0.09) ** 0.09}
        curved = curvature({name: np.float32(value) for name, value in p.items()})
        assert all(np.isfinite(value) for value in curved.values())


@settings(max_examples=60, deadline=None)
@given(
    N=st.floats(1e5, 1e12),
    D=st.floats(1e7, 1e16),
    L_T=st.floats(1.22, 11.0),
    factor=st.floats(1.01, 1e3),
    axis=st.sampled_from(["N_S", "D_S"]),
)
def test_more_of_either_never_hurts(N, D, L_T, factor, axis):
    x = {"N_S": N, "D_S": D, "L_T": L_T}
    less, more = loss(CORRECTED, x), loss(CORRECTED, x | {axis: x[axis] * factor})
    assert more <= less * (1 + 1e-15)
    assert more >= L_T * (1 - 1e-15)
