"""The least value of many functions of one variable at once: a scan for the basins, then a search within them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Objective = Callable[[jax.Array], jax.Array]
"""Values (..., problem) at points (..., problem); infinite where nothing is feasible."""

State = tuple[jax.Array, ...]
Loop = Callable[..., Any]
"""`jax.lax.fori_loop`, or what is called like it."""

ValueAndSlope = Callable[[jax.Array], tuple[jax.Array, jax.Array]]
"""Values and derivatives (problem,) at points (problem,)."""

GOLDEN = (5.0**0.5 - 1.0) / 2.0
# A basin is left where the slopes at its ends promise no more than this, in the unit of the values.
ENOUGH = 1e-7


class Bracket(NamedTuple):
    """Intervals that hold a local minimum each, and the best point seen in them, all (basin, problem)."""

    left: jax.Array
    right: jax.Array
    point: jax.Array
    value: jax.Array
    left_value: jax.Array
    right_value: jax.Array


def brackets(points: jax.Array, values: jax.Array, basins: int) -> Bracket:
    """The lowest local minima of a scan; `points` and `values` are (point, problem), points ascending.

    A problem with fewer local minima than `basins` has its lowest point repeated.
    """
    infinite = jnp.full_like(values[:1], jnp.inf)
    lower = jnp.concatenate([infinite, values[:-1]])
    upper = jnp.concatenate([values[1:], infinite])
    local = jnp.where((values <= lower) & (values <= upper), values, jnp.inf)
    best = jnp.argmin(values, axis=0)
    chosen = [best]
    for _ in range(basins - 1):
        rows = jnp.arange(len(points))[:, None]
        taken = sum((rows == index[None] for index in chosen), start=jnp.zeros_like(local, dtype=bool))
        local = jnp.where(taken, jnp.inf, local)
        other = jnp.argmin(local, axis=0)
        found = jnp.isfinite(jnp.take_along_axis(local, other[None], axis=0)[0])
        chosen.append(jnp.where(found, other, best))
    index = jnp.stack(chosen)
    last = len(points) - 1

    def at(array: jax.Array, position: jax.Array) -> jax.Array:
        return jnp.take_along_axis(array, jnp.clip(position, 0, last), axis=0)

    return Bracket(
        left=at(points, index - 1),
        right=at(points, index + 1),
        point=at(points, index),
        value=at(values, index),
        left_value=at(values, index - 1),
        right_value=at(values, index + 1),
    )


class _Interval(NamedTuple):
    """What is left of a bracket: its ends, their values and slopes (NaN: unknown), the next point, the best."""

    left: jax.Array
    left_value: jax.Array
    left_slope: jax.Array
    right: jax.Array
    right_value: jax.Array
    right_slope: jax.Array
    next: jax.Array
    best: jax.Array
    best_value: jax.Array
    before: jax.Array
    long_before: jax.Array


def tangents(function: ValueAndSlope, bracket: Bracket, steps: int) -> tuple[jax.Array, jax.Array]:
    """Close every bracket by the sign of the slope; the best point and value of each problem, (problem,).

    The next point is by turns where the slope's secant vanishes, which is exact for a parabola, and where
    the tangents at both ends meet, which is exact for a kink; the middle where neither halves the interval
    in two steps. A basin is left once the slopes at its ends promise
    less than `ENOUGH`, or after `steps`; those that no problem has are not searched.
    """
    basins = jnp.sum(jnp.any(bracket.point != bracket.point[:1], axis=-1)) + 1
    start = bracket.point[0], bracket.value[0]

    def search(basin: jax.Array, best: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        point, value = _closed(function, Bracket(*(field[basin] for field in bracket)), steps)
        return _better(*best, point, value)

    found: tuple[jax.Array, jax.Array] = jax.lax.fori_loop(0, basins, search, start)
    return found


def _closed(function: ValueAndSlope, of: Bracket, steps: int) -> tuple[jax.Array, jax.Array]:
    """The best point and value of one basin, all (problem,)."""
    unknown = jnp.full_like(of.point, jnp.nan)
    first = _vertex(of.left, of.point, of.right, of.left_value, of.value, of.right_value)
    ends = (of.left, of.left_value, unknown, of.right, of.right_value, unknown)
    width = of.right - of.left
    # At an end itself, such as the strongest teacher of a box, the slope may be that of the other side.
    first = jnp.clip(first, of.left + 1e-3 * width, of.right - 1e-3 * width)
    start = _Interval(*ends, first, of.point, of.value, width, 2.0 * width)

    def going(state: tuple[jax.Array, _Interval]) -> jax.Array:
        step, at = state
        promise = jnp.fmin(jnp.abs(at.left_slope), jnp.abs(at.right_slope)) * (at.right - at.left)
        near = promise < ENOUGH
        return (step < steps) & ~jnp.all(near)

    def closer(state: tuple[jax.Array, _Interval]) -> tuple[jax.Array, _Interval]:
        step, at = state
        value, slope = function(at.next)
        rising = slope >= 0
        best, best_value = _better(at.best, at.best_value, at.next, value)
        at = _Interval(
            left=jnp.where(rising, at.left, at.next),
            left_value=jnp.where(rising, at.left_value, value),
            left_slope=jnp.where(rising, at.left_slope, slope),
            right=jnp.where(rising, at.next, at.right),
            right_value=jnp.where(rising, value, at.right_value),
            right_slope=jnp.where(rising, slope, at.right_slope),
            next=at.next,
            best=best,
            best_value=best_value,
            before=at.right - at.left,
            long_before=at.before,
        )
        return step + 1, at._replace(next=_next(at, step % 2 == 1))

    _, at = jax.lax.while_loop(going, closer, (jnp.asarray(0), start))
    return at.best, at.best_value


def _next(at: _Interval, meet: jax.Array) -> jax.Array:
    """Where to look next, well inside the interval."""
    width = at.right - at.left
    rise = at.right_value - at.left_value
    turning = at.right_slope - at.left_slope
    secant = at.left - at.left_slope * width / turning
    from_left = at.left - 0.5 * at.left_slope * width**2 / (rise - at.left_slope * width)
    from_right = at.right - 0.5 * at.right_slope * width**2 / (at.right_slope * width - rise)
    one_sided = jnp.where(jnp.isnan(at.left_slope), from_right, from_left)
    middle = at.left + 0.5 * width
    both = jnp.isfinite(turning)
    point = jnp.where(both, jnp.where(meet, _meeting(at), secant), jnp.where(meet, middle, one_sided))
    inside = (point >= at.left) & (point <= at.right) & (width < 0.5 * at.long_before)
    edge = 1e-3 * width
    return jnp.where(inside, jnp.clip(point, at.left + edge, at.right - edge), middle)


def _meeting(at: _Interval) -> jax.Array:
    """Where the tangents at the ends meet; NaN while one of them is unknown."""
    rise = at.right_value - at.left_value
    return at.left + (rise - at.right_slope * (at.right - at.left)) / (at.left_slope - at.right_slope)


def golden_sections(
    objective: Objective, bracket: Bracket, steps: int, loop: Loop = jax.lax.fori_loop
) -> tuple[jax.Array, jax.Array]:
    """Shrink every bracket by golden sections, then try the vertex of the parabola through what is left.

    Returns the best point and value of each problem, (problem,), over all its basins. Where both inner
    points are infeasible, the search goes right: there the cheaper teachers are. `loop` is JAX's own, or
    `in_turn` for an objective that cannot be traced.
    """
    left, right, best, best_value, *_ = bracket
    width = right - left
    points = jnp.stack([left, right - GOLDEN * width, left + GOLDEN * width, right])
    state = (points, objective(points), best, best_value)

    def narrowed(_: int, state: State) -> State:
        (a, c, d, b), (fa, fc, fd, fb), best, best_value = state
        keep = fc < fd
        a, fa = jnp.where(keep, a, c), jnp.where(keep, fa, fc)
        b, fb = jnp.where(keep, d, b), jnp.where(keep, fd, fb)
        fresh = jnp.where(keep, b - GOLDEN * (b - a), a + GOLDEN * (b - a))
        value = objective(fresh)
        c, fc, d, fd = (
            jnp.where(keep, fresh, d),
            jnp.where(keep, value, fd),
            jnp.where(keep, c, fresh),
            jnp.where(keep, fc, value),
        )
        best, best_value = _better(best, best_value, fresh, value)
        return jnp.stack([a, c, d, b]), jnp.stack([fa, fc, fd, fb]), best, best_value

    points, values, best, best_value = loop(0, steps, narrowed, state)
    for point, value in zip(points, values, strict=True):
        best, best_value = _better(best, best_value, point, value)
    vertex = _vertex(points[0], best, points[3], values[0], best_value, values[3])
    best, best_value = _better(best, best_value, vertex, objective(vertex))
    basin = jnp.argmin(best_value, axis=0)[None]
    return jnp.take_along_axis(best, basin, 0)[0], jnp.take_along_axis(best_value, basin, 0)[0]


def in_turn(first: int, last: int, body: Callable[[int, State], State], state: State) -> State:
    """A loop of Python's own, for objectives that are compiled already."""
    for step in range(first, last):
        state = body(step, state)
    return state


def _better(
    best: jax.Array, best_value: jax.Array, point: jax.Array, value: jax.Array
) -> tuple[jax.Array, jax.Array]:
    better = value < best_value
    return jnp.where(better, point, best), jnp.where(better, value, best_value)


def _vertex(
    a: jax.Array, b: jax.Array, c: jax.Array, fa: jax.Array, fb: jax.Array, fc: jax.Array
) -> jax.Array:
    """Where the parabola through three points is lowest; the middle point where it has no lowest point."""
    one, two = (b - a) * (fb - fc), (b - c) * (fb - fa)
    bend = one - two
    vertex = b - 0.5 * ((b - a) * one - (b - c) * two) / jnp.where(bend == 0, 1.0, bend)
    usable = jnp.isfinite(vertex) & (vertex > a) & (vertex < c)
    return jnp.where(usable, vertex, b)
