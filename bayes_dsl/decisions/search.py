"""The least value of many functions of one variable at once: a scan for the basins, golden sections within them."""

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

GOLDEN = (5.0**0.5 - 1.0) / 2.0


class Bracket(NamedTuple):
    """Intervals that hold a local minimum each, and the best point seen in them, all (basin, problem)."""

    left: jax.Array
    right: jax.Array
    point: jax.Array
    value: jax.Array


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

    return Bracket(at(points, index - 1), at(points, index + 1), at(points, index), at(values, index))


def golden_sections(
    objective: Objective, bracket: Bracket, steps: int, loop: Loop = jax.lax.fori_loop
) -> tuple[jax.Array, jax.Array]:
    """Shrink every bracket by golden sections, then try the vertex of the parabola through what is left.

    Returns the best point and value of each problem, (problem,), over all its basins. Where both inner
    points are infeasible, the search goes right: there the cheaper teachers are. `loop` is JAX's own, or
    `in_turn` for an objective that cannot be traced.
    """
    left, right, best, best_value = bracket
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
