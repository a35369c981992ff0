"""The scale of the scatter follows its formula, and is held where no tokens were seen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.inference.noise import EFFECT_MEANING, EFFECTS, token_scale, total_scale

SPAN = {"low": float(np.log(1e9)), "center": float(np.log(1e10)), "high": float(np.log(3e11))}
sizes = st.floats(1e-6, 1.0)
slopes = st.floats(-2.0, 2.0)


def scale_of(sigma: float, slope: float, tokens: float) -> float:
    with jax.enable_x64(True):
        span = {name: jnp.asarray(value) for name, value in SPAN.items()}
        return float(token_scale(jnp.asarray(sigma), jnp.asarray(slope), jnp.log(jnp.asarray(tokens)), span))


@settings(deadline=None)
@given(sigma=sizes, slope=slopes, tokens=st.floats(1e9, 3e11))
def test_inside_the_table_the_scale_is_a_power_of_tokens(sigma: float, slope: float, tokens: float) -> None:
    assert scale_of(sigma, slope, tokens) == pytest.approx(sigma * (tokens / 1e10) ** -slope, rel=1e-9)


@settings(deadline=None)
@given(sigma=sizes, slope=slopes, times=st.floats(1.0, 1e9))
def test_outside_it_is_held_at_the_edge(sigma: float, slope: float, times: float) -> None:
    assert scale_of(sigma, slope, 3e11 * times) == pytest.approx(scale_of(sigma, slope, 3e11), rel=1e-9)
    assert scale_of(sigma, slope, 1e9 / times) == pytest.approx(scale_of(sigma, slope, 1e9), rel=1e-9)


def test_a_falling_scale_does_not_promise_a_noiseless_run() -> None:
    assert scale_of(0.01, 0.8, 1e30) > 0.01 * 30**-0.8 * 0.999
    # Negative control: the power alone would.
    assert 0.01 * (1e30 / 1e10) ** -0.8 < 1e-17


@settings(deadline=None)
@given(scale=sizes, error=sizes, variance=sizes)
def test_parts_of_the_scatter_add_as_variances(scale: float, error: float, variance: float) -> None:
    with jax.enable_x64(True):
        found = float(total_scale(jnp.asarray(scale), jnp.asarray(error), jnp.asarray(variance)))
    assert found == pytest.approx(np.sqrt(scale**2 + error**2 + variance), rel=1e-12)
    assert found >= max(scale, error)


def test_every_effect_is_said_in_words() -> None:
    assert set(EFFECT_MEANING) == set(EFFECTS)
