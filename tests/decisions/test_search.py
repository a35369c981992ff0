"""Both searches find the least value: smooth, at a kink, at an edge, in the deeper of two basins."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from bayes_dsl.decisions.search import ENOUGH, brackets, golden_sections, in_turn, tangents

POINTS = 40
PROBLEMS = 400
DRAWN = np.random.default_rng(0).uniform(size=(4, PROBLEMS))
HARD = 1e4


def by_sections(objective, bracket):
    return golden_sections(objective, bracket, 40)


def by_tangents(objective, bracket):
    def value_and_slope(x):
        return jax.jvp(objective, (x,), (jnp.ones_like(x),))

    return tangents(value_and_slope, bracket, 40)


SEARCHES = pytest.mark.parametrize("search", [by_sections, by_tangents])


def least(search, objective, *, problems=PROBLEMS, basins=2, points=POINTS):
    """Point and value of the least of each problem between -1 and 1, after scan and search."""
    with jax.enable_x64(True):
        scan = jnp.broadcast_to(jnp.linspace(-1.0, 1.0, points)[:, None], (points, problems))
        found = search(objective, brackets(scan, objective(scan), basins))
        return tuple(np.asarray(value) for value in found)


@SEARCHES
def test_a_parabola_is_found_wherever_it_lies(search):
    centre, bend = 1.9 * DRAWN[0] - 0.95, 10 ** (3 * DRAWN[1] - 1)
    point, value = least(search, lambda x: bend * (x - centre) ** 2 + 3.0)
    np.testing.assert_allclose(point, centre, atol=1e-4)
    np.testing.assert_allclose(value, 3.0, atol=2 * ENOUGH)


@SEARCHES
def test_a_kink_is_found(search):
    at, left, right = 1.9 * DRAWN[0] - 0.95, 3 * DRAWN[1] + 0.01, 3 * DRAWN[2] + 0.01

    def objective(x):
        x = x - at
        return jnp.where(x < 0, jnp.expm1(-left * x), right * x + x**2)

    point, value = least(search, objective)
    np.testing.assert_allclose(point, at, atol=2e-7)
    assert (value < 1e-8).all()


@SEARCHES
@pytest.mark.parametrize("slope", [-1.0, 1.0])
def test_an_end_of_the_range_is_found(search, slope):
    point, _ = least(search, lambda x: slope * x)
    np.testing.assert_allclose(point, -slope, atol=1e-8)


def test_sections_find_the_edge_of_what_is_feasible_from_the_right():
    """Strong teachers cost more than the budget: the search meets infinite values on the left."""
    edge = 1.8 * DRAWN[0] - 0.9
    point, value = least(by_sections, lambda x: jnp.where(x < edge, jnp.inf, x))
    np.testing.assert_allclose(point, edge, atol=1e-7)
    assert (point >= edge).all() and (value == point).all()


def test_tangents_find_the_edge_where_what_lacks_is_punished():
    edge, rate = 1.8 * DRAWN[0] - 0.9, 10 ** (2 * DRAWN[1] - 1)
    objective = lambda x: x + HARD * jnp.maximum(0.0, jnp.expm1(rate * (edge - x)))  # noqa: E731
    point, value = least(by_tangents, objective)
    np.testing.assert_allclose(point, edge, atol=1e-8)
    np.testing.assert_allclose(value, edge, atol=2 * ENOUGH)


def test_tangents_find_a_minimum_close_to_the_punished_edge():
    """A steep cusp right of the edge: slopes of one and of ten thousand beside each other."""
    edge, gap = 1.8 * DRAWN[0] - 0.9, 10 ** (2 * DRAWN[1] - 3)

    def objective(x):
        x, end = (x - edge) / gap, 0.1
        inside = jnp.maximum(x, end)
        value = 0.1 * gap * (inside + 1.0 / inside + (1.0 - end**-2) * jnp.minimum(x - end, 0.0))
        return value + HARD * jnp.maximum(0.0, -x)

    _, value = least(by_tangents, objective)
    np.testing.assert_allclose(value, 0.2 * gap, atol=1e-8)


@SEARCHES
def test_the_deeper_of_two_basins_wins_even_where_the_scan_prefers_the_other(search):
    """A narrow deep basin and a wide shallow one, whose scan points come lower."""
    left, right = 0.2 + 0.7 * DRAWN[0], 0.2 + 0.7 * DRAWN[1]

    def objective(x):
        return jnp.minimum(jnp.square(x + left), 4.0 * jnp.sqrt(jnp.square(x - right) + 1e-4) - 0.05)

    _, value = least(search, objective)
    np.testing.assert_allclose(value, -0.01, atol=1e-7)
    _, value = least(search, objective, basins=1)
    assert (value > -0.009).any(), "one basin must not be enough, or this test shows nothing"


@SEARCHES
def test_problems_with_one_basin_are_not_spoilt_by_those_with_two(search):
    two = DRAWN[2] < 0.5
    _, value = least(search, lambda x: jnp.where(two, jnp.cos(6.5 * x) + 0.1 * x, (x - 0.3) ** 2))
    x = np.linspace(-1, 1, 200_001)
    np.testing.assert_allclose(value[two], np.min(np.cos(6.5 * x) + 0.1 * x), atol=1e-7)
    np.testing.assert_allclose(value[~two], 0.0, atol=1e-7)


def test_nothing_feasible_stays_infinite_and_spoils_no_neighbour():
    feasible = DRAWN[0] < 0.5
    point, value = least(by_sections, lambda x: jnp.where(feasible, x**2, jnp.inf))
    assert np.isinf(value[~feasible]).all() and np.isfinite(point).all()
    np.testing.assert_allclose(value[feasible], 0.0, atol=1e-12)


@SEARCHES
def test_no_worse_than_the_scan_whatever_the_function(search):
    phase = 6.0 * DRAWN[:3]

    def objective(x):
        return sum(jnp.sin((7.0 + 11.0 * i) * x + phase[i]) for i in range(3))

    _, value = least(search, objective)
    scan = np.asarray(objective(np.linspace(-1, 1, POINTS)[:, None]))
    assert (value <= scan.min(axis=0) + 1e-6).all()


def test_a_loop_of_pythons_own_gives_the_same():
    with jax.enable_x64(True):
        scan = jnp.linspace(-1.0, 1.0, 11)[:, None] * jnp.ones((1, 3))
        objective = lambda x: (x - jnp.array([0.1, 0.5, -0.7])) ** 2  # noqa: E731
        bracket = brackets(scan, objective(scan), 1)
        one = golden_sections(objective, bracket, 12)
        other = golden_sections(objective, bracket, 12, loop=in_turn)
        np.testing.assert_allclose(np.asarray(one), np.asarray(other), rtol=1e-12, atol=1e-15)


def test_brackets_are_the_lowest_local_minima():
    values = np.array([[3.0, 1.0, 2.0, 0.5, 0.7, 4.0, 0.9]]).T
    with jax.enable_x64(True):
        found = brackets(jnp.arange(7.0)[:, None], jnp.asarray(values), 3)
    np.testing.assert_array_equal(found.point[:, 0], [3, 6, 1])
    np.testing.assert_array_equal(found.left[:, 0], [2, 5, 0])
    np.testing.assert_array_equal(found.right[:, 0], [4, 6, 2])
    np.testing.assert_array_equal(found.left_value[:, 0], [2.0, 4.0, 3.0])
    np.testing.assert_array_equal(found.right_value[:, 0], [0.7, 0.9, 2.0])


def test_a_basin_too_few_repeats_the_lowest_point():
    values = np.array([[2.0, 1.0, 0.0, 1.0]]).T
    found = brackets(jnp.arange(4.0)[:, None], jnp.asarray(values), 2)
    np.testing.assert_array_equal(found.point[:, 0], [2, 2])
