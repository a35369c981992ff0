"""Teachers of one loss: coordinates and back, the box, and the cheapest of them."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.flops import PAPER, SIX_ND, of_function
from bayes_dsl.decisions.teachers import (
    Box,
    _inverse_softplus,
    cheapest_r,
    curve_of,
    elasticity,
    log_forward,
)
from bayes_dsl.decisions.world import World
from bayes_dsl.laws.published import published

LAWS = [published(name) for name in ("busbridge_corrected", "besiroglu")]
LOG_SIZES = st.floats(np.log(1e3), np.log(1e15))
MODELS = [PAPER, SIX_ND, of_function("square", lambda N: 2.0 * N + 3e4 * N**0.5)]


@pytest.fixture(autouse=True)
def _doubles():
    with jax.enable_x64(True):
        yield


def curve(known):
    return curve_of(World({name: jnp.asarray(value) for name, value in known.parameters.items()}))


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(LAWS), LOG_SIZES, LOG_SIZES)
def test_a_teacher_survives_the_round_trip(known, log_N, log_D):
    with jax.enable_x64(True):
        of = curve(known)
        log_s = of.log_s(log_N, log_D)
        r = (of.log_a - of.alpha * log_N) - (of.log_b - of.beta * log_D)
        assert float(of.log_params(log_s, r)) == pytest.approx(log_N, abs=1e-9)
        assert float(of.log_tokens(log_s, r)) == pytest.approx(log_D, abs=1e-9)
        loss = known.law.loss("supervised", known.parameters, {"N": np.exp(log_N), "D": np.exp(log_D)})
        assert float(of.loss(log_s)) == pytest.approx(float(loss), rel=1e-12)


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-12, 50))
def test_the_inverse_of_softplus(value):
    with jax.enable_x64(True):
        x = _inverse_softplus(jnp.asarray(value))
        assert float(jax.nn.softplus(x)) == pytest.approx(value, rel=1e-9)


def test_a_bound_that_does_not_bind_is_minus_infinity():
    assert np.isneginf(_inverse_softplus(jnp.asarray([0.0, -3.0]))).all()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(LAWS), LOG_SIZES, LOG_SIZES, st.floats(0.1, 20), st.floats(0.1, 20), st.floats(0, 1))
def test_every_r_of_the_range_is_a_teacher_inside_the_box_and_none_beyond(
    known, log_N, log_D, wide, long, at
):
    """`at` goes from the strongest teacher of the box to the weakest."""
    with jax.enable_x64(True):
        of = curve(known)
        box = Box(
            (jnp.asarray(log_N), jnp.asarray(log_N + wide)), (jnp.asarray(log_D), jnp.asarray(log_D + long))
        )
        strongest, weakest = of.log_s_range(box)
        log_s = strongest + at * (weakest - strongest)
        low, high = of.r_range(log_s, box)
        assert float(low) <= float(high)
        slack = 1e-7
        for r in (low, high, 0.5 * (low + high)):
            assert log_N - slack <= float(of.log_params(log_s, r)) <= log_N + wide + slack
            assert log_D - slack <= float(of.log_tokens(log_s, r)) <= log_D + long + slack
        assume(0.01 < at < 0.99)
        for r in (low - 0.01, high + 0.01):
            N, D = float(of.log_params(log_s, r)), float(of.log_tokens(log_s, r))
            assert not (log_N <= N <= log_N + wide and log_D <= D <= log_D + long)


def test_larger_r_is_a_smaller_teacher_trained_for_longer():
    of = curve(LAWS[0])
    r = jnp.linspace(-10.0, 10.0, 50)
    assert (np.diff(of.log_params(-3.0, r)) < 0).all() and (np.diff(of.log_tokens(-3.0, r)) > 0).all()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_forward_flops_in_logarithms(model):
    N = np.geomspace(1e3, 1e17, 40)
    np.testing.assert_allclose(np.exp(log_forward(model, jnp.log(N))), model.forward(N), rtol=1e-12)
    step = 1e-5
    slope = (np.log(model.forward(N * np.exp(step))) - np.log(model.forward(N * np.exp(-step)))) / (2 * step)
    np.testing.assert_allclose(elasticity(model, jnp.log(N)), slope, rtol=1e-7)


@pytest.mark.parametrize("known", LAWS, ids=lambda known: known.name)
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_no_teacher_of_this_loss_is_cheaper_to_train(known, model):
    of = curve(known)
    for log_s in np.linspace(-6.0, 0.5, 14):
        r = jnp.linspace(-15.0, 15.0, 3001)
        price = log_forward(model, of.log_params(log_s, r)) + of.log_tokens(log_s, r)
        at = cheapest_r(of, model, jnp.asarray(log_s))
        cheapest = log_forward(model, of.log_params(log_s, at)) + of.log_tokens(log_s, at)
        assert float(cheapest) <= float(price.min()) + 1e-7


def test_the_chinchilla_law_has_an_outer_exponent_of_one():
    assert float(curve(LAWS[1]).gamma) == 1.0
    assert "gamma" not in LAWS[1].parameters
