"""The laws beside the usual two against their equations, written out in NumPy."""

from __future__ import annotations

import jax
import numpy as np
import pytest

from bayes_dsl.laws.published import published
from bayes_dsl.laws.supervised import SUPERVISED
from bayes_dsl.laws.variants import INTERACTION, TIED

RNG = np.random.default_rng(6)
POINTS = 1_000
PARAMETERS = {
    "E": RNG.uniform(0.5, 2.5, POINTS),
    "A": np.exp(RNG.uniform(2, 12, POINTS)),
    "B": np.exp(RNG.uniform(2, 14, POINTS)),
    "alpha": RNG.uniform(0.1, 0.7, POINTS),
    "beta": RNG.uniform(0.1, 0.7, POINTS),
    "gamma": RNG.uniform(0.1, 1.5, POINTS),
    "delta": np.exp(RNG.uniform(-3, 3, POINTS)),
}
INPUTS = {"N": 10 ** RNG.uniform(6, 12, POINTS), "D": 10 ** RNG.uniform(8, 14, POINTS)}


def loss(law, parameters, inputs=INPUTS):
    with jax.enable_x64(True):
        return np.asarray(law.loss("supervised", parameters, inputs))


def test_tied_is_the_supervised_law_of_one_exponent():
    both = PARAMETERS | {"beta": PARAMETERS["alpha"]}
    np.testing.assert_allclose(loss(TIED, PARAMETERS), loss(SUPERVISED, both), rtol=1e-13)


def test_control_with_two_exponents_it_is_another_law():
    assert np.abs(loss(TIED, PARAMETERS) / loss(SUPERVISED, PARAMETERS) - 1).max() > 0.1


def test_size_and_tokens_of_a_tied_law_grow_in_proportion():
    p = published("busbridge_corrected").parameters
    ratios = []
    for compute in (1e20, 1e22, 1e24):
        N = np.geomspace(1e7, 1e13, 40_001)
        D = compute / (6 * N)
        best = loss(TIED, {name: p[name] for name in TIED.names}, {"N": N, "D": D}).argmin()
        ratios.append(D[best] / N[best])
    assert ratios == pytest.approx([ratios[0]] * 3, rel=2e-3)


def test_interaction_is_its_equation():
    p = PARAMETERS
    size, tokens = p["A"] / INPUTS["N"] ** p["alpha"], p["B"] / INPUTS["D"] ** p["beta"]
    direct = p["E"] + size + tokens + (p["delta"] - 1) * size * tokens / (size + tokens)
    np.testing.assert_allclose(loss(INTERACTION, p), direct, rtol=1e-12)
    shifted = loss(INTERACTION, p | {"delta": p["delta"] * (1 + 1e-9)})
    assert np.abs(shifted / direct - 1).max() > 1e-12


@pytest.mark.parametrize("delta", [1e-6, 0.1, 1.0, 10.0, 1e6])
def test_more_of_either_never_hurts_whatever_delta_is(delta):
    p = published("besiroglu").parameters | {"delta": delta}
    N, D = np.meshgrid(np.geomspace(1e3, 1e13, 200), np.geomspace(1e5, 1e18, 200), indexing="ij")
    found = loss(INTERACTION, p, {"N": N, "D": D})
    assert (np.diff(found, axis=0) <= 0).all() and (np.diff(found, axis=1) <= 0).all()
