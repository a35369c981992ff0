"""Sums of logarithms are JAX's own, in value and in every derivative."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.laws.logarithms import log_sum, softplus

FINITE = st.floats(-700, 700)


@settings(deadline=None)
@given(a=FINITE, b=FINITE)
def test_the_value_and_the_slopes_are_those_of_logaddexp(a: float, b: float) -> None:
    with jax.enable_x64(True):
        x, y = jnp.asarray(a), jnp.asarray(b)
        assert float(log_sum(x, y)) == pytest.approx(float(jnp.logaddexp(x, y)), rel=1e-14, abs=1e-300)
        ours = jax.grad(lambda pair: log_sum(*pair))((x, y))
        known = jax.grad(lambda pair: jnp.logaddexp(*pair))((x, y))
        assert np.allclose(ours, known, rtol=1e-13, atol=1e-300)


@pytest.mark.parametrize("at", [0.0, 1.0, -3.0, 1e-12])
def test_the_curvature_is_right_at_a_tie_too(at: float) -> None:
    with jax.enable_x64(True):
        bend = jax.grad(jax.grad(lambda x: softplus(x)))(jnp.asarray(at))
        share = 1 / (1 + np.exp(-at))
        assert float(bend) == pytest.approx(share * (1 - share), rel=1e-10)


def test_nothing_adds_nothing() -> None:
    with jax.enable_x64(True):
        assert float(log_sum(jnp.asarray(-jnp.inf), jnp.asarray(2.0))) == 2.0
        assert float(log_sum(jnp.asarray(2.0), jnp.asarray(-jnp.inf))) == 2.0
        assert float(log_sum(jnp.asarray(jnp.inf), jnp.asarray(2.0))) == jnp.inf
        assert float(softplus(jnp.asarray(-1e9))) == 0.0
