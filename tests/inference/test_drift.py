"""Paths rise everywhere, start with slope 1, and are the splines that SciPy integrates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import BSpline

from bayes_dsl.inference.drift import LN10, AtRuns, Grid, climbs, grid_over, log_rates, path_of, sums

GRID = Grid(
    origin=20.0,
    unit=LN10,
    step=0.25,
    low=-0.7,
    high=0.9,
    first=-4,
    last=5,
    lowest=-20,
    highest=21,
    reach=4.0,
)
LOSS = replace(GRID, origin=0.9, unit=-0.12, step=0.4)


def wandering(grid: Grid, seed: int, rho: float) -> np.ndarray:
    """ln c at the knots of a grid, by a walk outwards from knot 0."""
    v = np.random.default_rng(seed).standard_normal(grid.highest - grid.lowest)
    down, up = v[: -grid.lowest][::-1], v[-grid.lowest :]
    walked = np.concatenate([np.cumsum(down)[::-1], [0.0], np.cumsum(up)])
    return rho * np.sqrt(grid.step) * walked


@cache
def compiled(grid: Grid) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """The path with slopes (..., knot) at values (...), the value and its first two derivatives."""

    def one(rates: jax.Array, u: jax.Array) -> tuple[jax.Array, ...]:
        path = path_of(grid.numbers(grid.lowest, grid.highest), rates)
        slope = jax.grad(path)
        return path(u), slope(u), jax.grad(slope)(u)

    every = jax.jit(jax.vmap(one, in_axes=(None, 0)))

    def call(rates: np.ndarray, u: np.ndarray) -> np.ndarray:
        with jax.enable_x64(True):
            return np.stack(every(jnp.asarray(rates), jnp.asarray(u)))

    return call


def by_scipy(grid: Grid, rates: np.ndarray, u: np.ndarray) -> np.ndarray:
    """The integral of the spline from the origin, inside the support of the knots."""
    edges = (np.arange(grid.lowest - 1.5, grid.highest + 2.0)) * grid.step
    slope = BSpline(edges, rates, 2, extrapolate=False)
    whole = slope.antiderivative()
    return np.asarray(grid.origin + grid.unit * (whole((u - grid.origin) / grid.unit) - whole(0.0)))


def inside(grid: Grid, count: int = 301) -> np.ndarray:
    t = np.linspace((grid.lowest + 0.51) * grid.step, (grid.highest - 0.51) * grid.step, count)
    return np.asarray(grid.origin + grid.unit * t)


@pytest.mark.parametrize("grid", [GRID, LOSS], ids=["size", "loss"])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_three_forms_of_a_path_are_the_spline_that_scipy_integrates(grid: Grid, seed: int) -> None:
    with jax.enable_x64(True):
        v = np.random.default_rng(seed).standard_normal(grid.highest - grid.lowest)
        scales = np.full(len(v), 0.3 * np.sqrt(grid.step))
        log_c = np.asarray(
            log_rates(grid.numbers(grid.lowest, grid.highest), jnp.asarray(v), jnp.asarray(scales))
        )
        np.testing.assert_allclose(log_c, wandering(grid, seed, 0.3), atol=1e-13)
        rates, u = np.exp(log_c), inside(grid)
        wanted = by_scipy(grid, rates, u)
        path = path_of(grid.numbers(grid.lowest, grid.highest), jnp.asarray(rates))
        np.testing.assert_allclose(path(jnp.asarray(u)), wanted, rtol=1e-12)
        added = grid.unit * climbs((u - grid.origin) / grid.unit, grid.lowest, len(rates), grid.step)
        fixed = AtRuns(jnp.asarray(grid.origin), jnp.asarray(added), jnp.asarray(rates))
        np.testing.assert_allclose(fixed(jnp.asarray(u)), wanted, rtol=1e-12)
    # Negative control: another path is told apart.
    assert np.max(np.abs(by_scipy(grid, np.exp(wandering(grid, seed + 1, 0.3)), u) - wanted)) > 1e-3


def test_a_path_stands_at_its_origin_with_slope_one_and_two_derivatives() -> None:
    rates = np.exp(wandering(GRID, 4, 0.05))
    value, slope, _ = compiled(GRID)(rates, np.full(2, GRID.origin))
    assert value[0] == pytest.approx(GRID.origin, abs=1e-12) and slope[0] == pytest.approx(1.0, abs=0.01)
    seams = GRID.origin + GRID.unit * (np.arange(GRID.lowest + 2, GRID.highest - 1) - 0.5) * GRID.step
    before, after = compiled(GRID)(rates, seams - 1e-9), compiled(GRID)(rates, seams + 1e-9)
    np.testing.assert_allclose(before, after, atol=1e-7)


@settings(max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    rho=st.floats(1e-3, 2.0),
    start=st.floats(-30, 60),
    gap=st.floats(1e-3, 30),
    falls=st.booleans(),
)
def test_a_path_rises_everywhere_also_beyond_its_knots(
    seed: int, rho: float, start: float, gap: float, falls: bool
) -> None:
    grid = LOSS if falls else GRID
    values, slopes, _ = compiled(grid)(np.exp(wandering(grid, seed, rho)), np.array([start, start + gap]))
    assert values[0] < values[1] and np.isfinite(values).all() and np.all(slopes > 0)


def test_paths_of_many_draws_broadcast_and_no_innovation_is_the_identity() -> None:
    rates = np.exp(np.stack([wandering(GRID, seed, 0.2) for seed in range(3)]))
    u = np.linspace(5.0, 35.0, 7)
    with jax.enable_x64(True):
        many = np.asarray(
            path_of(GRID.numbers(GRID.lowest, GRID.highest), jnp.asarray(rates[:, None]))(jnp.asarray(u))
        )
        for i in range(3):
            one = path_of(GRID.numbers(GRID.lowest, GRID.highest), jnp.asarray(rates[i]))
            assert many[i].tolist() == np.asarray(one(jnp.asarray(u))).tolist()
        flat = path_of(GRID.numbers(GRID.lowest, GRID.highest), jnp.ones(len(rates[0])))
        np.testing.assert_allclose(flat(jnp.asarray(u)), u, rtol=1e-13)


@settings(max_examples=60)
@given(
    logs=st.lists(st.floats(10.0, 35.0), min_size=1, max_size=40),
    cells=st.integers(4, 12),
    spare=st.integers(0, 2),
    reach=st.floats(0.5, 8.0),
)
def test_a_grid_bears_on_all_its_data_and_reaches_as_far_as_it_says(
    logs: list[float], cells: int, spare: int, reach: float
) -> None:
    values = np.array(logs)
    grid = grid_over(
        values,
        origin=float(values.mean()),
        unit=LN10,
        least_step=0.25,
        cells=cells,
        spare=spare,
        reach=reach,
    )
    t = (values - grid.origin) / grid.unit
    slack = 1e-9
    assert (grid.first + 0.5) * grid.step <= t.min() + slack and t.max() <= (
        grid.last - 0.5
    ) * grid.step + slack
    assert (grid.lowest + 0.5) * grid.step <= grid.low - reach + slack
    assert grid.high + reach <= (grid.highest - 0.5) * grid.step + slack
    assert grid.sampled <= cells + 5 + 2 * spare
    assert Grid.from_record(grid.to_record()) == grid
    least, most = grid.ends()
    assert (
        least * 0.99 <= np.exp(values.min()) / 10**reach and most * 1.01 >= np.exp(values.max()) * 10**reach
    )


def test_sums_walk_outwards_and_a_grid_that_is_none_is_refused() -> None:
    assert sums(-1, 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0], [0, 1, 1]]
    wrong: dict[str, Any] = {"first": 1}
    with pytest.raises(ValueError, match="no grid"):
        replace(GRID, **wrong)


@pytest.mark.parametrize("grid", [GRID, LOSS], ids=["size", "loss"])
@pytest.mark.parametrize("rho", [0.03, 0.5])
def test_a_path_is_inverted_and_its_slope_known_everywhere(grid: Grid, rho: float) -> None:
    t = np.linspace(grid.lowest * grid.step - 3.0, grid.highest * grid.step + 3.0, 501)
    with jax.enable_x64(True):
        rates = jnp.exp(jnp.asarray(np.stack([wandering(grid, seed, rho) for seed in range(20)])))
        path = path_of(grid.numbers(grid.lowest, grid.highest), rates)
        u = jnp.broadcast_to((grid.origin + grid.unit * t)[:, None], (501, 20))
        value, slope = jax.jvp(path, (u,), (jnp.ones_like(u),))
        back, rise = jax.jvp(path.inverse, (value,), (jnp.ones_like(value),))
        np.testing.assert_allclose(path.slope(u), slope, rtol=1e-12)
        np.testing.assert_allclose(back, u, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(rise * slope, 1.0, rtol=1e-9)
    # Control: the paths do bend.
    assert np.ptp(np.log(slope), axis=0).min() > rho / 10
