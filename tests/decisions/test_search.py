"""Scans and golden sections find the least value: smooth, at a kink, at an edge, in the deeper of two basins."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.decisions.search import brackets, golden_sections

POINTS = 40
STEPS = 40


def least(objective, low=-1.0, high=1.0, *, problems=1, basins=2, steps=STEPS, points=POINTS):
    """Point and value of the least of each problem between `low` and `high`, after scan and sections."""
    with jax.enable_x64(True):
        scan = jnp.broadcast_to(jnp.linspace(low, high, points)[:, None], (points, problems))
        found = golden_sections(objective, brackets(scan, objective(scan), basins), steps)
        return tuple(np.asarray(value) for value in found)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-0.95, 0.95), min_size=4, max_size=4), st.floats(0.1, 100.0))
def test_a_parabola_is_found_wherever_it_lies(centres, bend):
    centre = np.array(centres)
    point, value = least(lambda x: bend * (x - centre) ** 2 + 3.0, problems=4)
    np.testing.assert_allclose(point, centre, atol=1e-7)
    np.testing.assert_allclose(value, 3.0, atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.95, 0.95), st.floats(0.01, 3.0), st.floats(0.01, 3.0))
def test_a_kink_is_found(at, left, right):
    point, value = least(lambda x: jnp.where(x < at, left * (at - x), right * (x - at)))
    assert point[0] == pytest.approx(at, abs=1e-8)
    assert value[0] < 3e-8


@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_an_end_of_the_range_is_found(slope):
    point, _ = least(lambda x: slope * x)
    assert point[0] == pytest.approx(-slope, abs=1e-8)


@settings(max_examples=30, deadline=None)
@given(st.floats(-0.9, 0.9))
def test_the_edge_of_what_is_feasible_is_found_from_the_right(edge):
    """Strong teachers cost more than the budget: the search meets infinite values on the left."""
    point, value = least(lambda x: jnp.where(x < edge, jnp.inf, x))
    assert point[0] == pytest.approx(edge, abs=1e-8) and point[0] >= edge
    assert value[0] == point[0]


@settings(max_examples=30, deadline=None)
@given(st.floats(0.2, 0.9), st.floats(0.2, 0.9), st.floats(0.05, 0.3))
def test_the_deeper_of_two_basins_wins_even_where_the_scan_prefers_the_other(left, right, depth):
    """A narrow deep basin and a wide shallow one, whose scan points come lower."""

    def objective(x):
        wide = jnp.square(x + left)
        narrow = jnp.sqrt(jnp.square(x - right) + 1e-4) * 4.0 - depth
        return jnp.minimum(wide, narrow)

    point, _ = least(objective)
    assert point[0] == pytest.approx(right, abs=1e-6)


def test_one_basin_is_not_enough_there():
    """Negative control of the test above: with the lowest bracket alone the search stays in the wide basin."""

    def objective(x):
        return jnp.minimum(jnp.square(x + 1 / 39), 10.0 * jnp.abs(x - 0.5) - 0.01)

    assert least(objective, basins=1)[0][0] == pytest.approx(-1 / 39, abs=1e-6)
    assert least(objective, basins=2)[0][0] == pytest.approx(0.5, abs=1e-6)


def test_nothing_feasible_stays_infinite_and_spoils_no_neighbour():
    feasible = np.array([False, True])
    point, value = least(lambda x: jnp.where(feasible, x**2, jnp.inf), problems=2)
    assert np.isinf(value[0]) and value[1] == pytest.approx(0.0, abs=1e-12)
    assert np.isfinite(point).all()


def test_no_worse_than_the_scan_whatever_the_function():
    with jax.enable_x64(True):
        x = jnp.linspace(0.0, 1.0, POINTS)[:, None] * jnp.ones((1, 50))
        phase = jnp.asarray(np.random.default_rng(0).uniform(0, 6, (3, 50)))

        def objective(x):
            return sum(jnp.sin((7.0 + 11.0 * i) * x + phase[i]) for i in range(3))

        _, value = golden_sections(objective, brackets(x, objective(x), 2), 10)
        assert (value <= objective(x).min(axis=0)).all()


def test_brackets_are_the_lowest_local_minima():
    values = np.array([[3.0, 1.0, 2.0, 0.5, 0.7, 4.0, 0.9]]).T
    points = np.arange(7.0)[:, None]
    with jax.enable_x64(True):
        found = brackets(jnp.asarray(points), jnp.asarray(values), 3)
    np.testing.assert_array_equal(found.point[:, 0], [3, 6, 1])
    np.testing.assert_array_equal(found.left[:, 0], [2, 5, 0])
    np.testing.assert_array_equal(found.right[:, 0], [4, 6, 2])


def test_a_basin_too_few_repeats_the_lowest_point():
    values = np.array([[2.0, 1.0, 0.0, 1.0]]).T
    found = brackets(jnp.arange(4.0)[:, None], jnp.asarray(values), 2)
    np.testing.assert_array_equal(found.point[:, 0], [2, 2])
