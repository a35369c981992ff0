"""The supervised laws against the equation as printed, written out in NumPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import CHINCHILLA, SUPERVISED

RNG = np.random.default_rng(5)
POINTS = 1_000
PARAMETERS = {
    "E": RNG.uniform(0.5, 2.5, POINTS),
    "A": np.exp(RNG.uniform(2, 12, POINTS)),
    "B": np.exp(RNG.uniform(2, 14, POINTS)),
    "alpha": RNG.uniform(0.1, 0.7, POINTS),
    "beta": RNG.uniform(0.1, 0.7, POINTS),
    "gamma": RNG.uniform(0.1, 1.5, POINTS),
}
INPUTS = {"N": 10 ** RNG.uniform(6, 12, POINTS), "D": 10 ** RNG.uniform(8, 14, POINTS)}


def direct(p, x, gamma):
    return p["E"] + (p["A"] / x["N"] ** p["alpha"] + p["B"] / x["D"] ** p["beta"]) ** gamma


def relative_error(law, parameters, expected):
    with jax.enable_x64(True):
        return np.abs(np.asarray(law.loss("supervised", parameters, INPUTS)) / expected - 1).max()


def test_supervised_is_equation_1():
    assert relative_error(SUPERVISED, PARAMETERS, direct(PARAMETERS, INPUTS, PARAMETERS["gamma"])) < 1e-12


def test_chinchilla_is_gamma_one():
    assert relative_error(CHINCHILLA, PARAMETERS, direct(PARAMETERS, INPUTS, 1.0)) < 1e-12


def test_control_a_shifted_coefficient_is_seen():
    shifted = PARAMETERS | {"gamma": PARAMETERS["gamma"] + 1e-10}
    assert relative_error(SUPERVISED, shifted, direct(PARAMETERS, INPUTS, PARAMETERS["gamma"])) > 1e-12


def test_control_the_printed_equation_44_is_another_law():
    """It has alpha N where alpha log N belongs: no loss at all comes of it."""
    p = published("busbridge_table6").parameters
    with np.errstate(over="raise"):
        misprinted = np.exp(np.log(p["A"]) - p["alpha"] * 1e9) + np.exp(np.log(p["B"]) - p["beta"] * 2e10)
    assert misprinted == 0.0
    assert SUPERVISED.loss("supervised", p, {"N": 1e9, "D": 2e10}) - p["E"] > 0.5


@settings(max_examples=60, deadline=None)
@given(
    N=st.floats(1e3, 1e13),
    D=st.floats(1e5, 1e18),
    factor=st.floats(1.01, 1e3),
    gamma=st.floats(0.05, 3),
    axis=st.sampled_from(["N", "D"]),
)
def test_more_of_either_never_hurts(N, D, factor, gamma, axis):
    p = published("busbridge_table6").parameters | {"gamma": gamma}
    x = {"N": N, "D": D}
    more = x | {axis: x[axis] * factor}
    with jax.enable_x64(True):
        assert SUPERVISED.loss("supervised", p, more) <= SUPERVISED.loss("supervised", p, x)
        assert SUPERVISED.loss("supervised", p, x) > p["E"]


def test_second_derivatives_are_finite_at_the_edges():
    """A Newton start needs them."""
    p = {name: float(value) for name, value in published("besiroglu").parameters.items()}
    for N, D in ((1e3, 1e18), (1e13, 1e5), (1e13, 1e18)):
        hessian = jax.hessian(CHINCHILLA.role("supervised").log_loss)(p, {"N": N, "D": D})
        assert all(np.isfinite(value) for row in hessian.values() for value in row.values())


@pytest.mark.parametrize(
    ("flops", "params", "loss"),
    [(3e19, 0.50e9, 2.572), (1e20, 0.93e9, 2.419), (3e20, 1.6e9, 2.296), (1e21, 3.0e9, 2.177)],
)
def test_isoflop_optima_of_the_printed_coefficients(flops, params, loss):
    N = np.geomspace(1e8, 2e10, 4_000)
    flops_per_token = 6 * N * (1 + 155.06 * N ** (-1 / 3) + 72_132 * N ** (-2 / 3))
    p = published("busbridge_table6").parameters
    with jax.enable_x64(True):
        losses = np.asarray(SUPERVISED.loss("supervised", p, {"N": N, "D": flops / flops_per_token}))
    assert losses.min() == pytest.approx(loss, abs=1e-3)
    assert N[losses.argmin()] == pytest.approx(params, rel=0.05)
