"""Residuals to third order about one position, for many fits close to it: products of matrices, no logarithms.

Arrays have the fits on their last axis, so that one product serves all of them. A symmetric matrix is packed:
its entries (a, b), a <= b, row after row.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Residuals = Callable[[jax.Array, Any], jax.Array]
"""`residuals(position, data)`: (p,) and a tree of arrays to (n,), the residuals that should be small."""

type Array = Any

LARGEST_MODEL = 20_000_000


class Taylor(NamedTuple):
    """What the derivatives of the residuals at one position say of the residuals close to it.

    Attributes
    ----------
    position : (p,)
    residual : (n,)
    powers : (n, m)
        What each of `monomials` of a step adds to the residuals.
    slopes : (p, n)
        First derivatives.
    bend : ((1 + p) * pairs, n)
        Second derivatives, packed, then how they change along each coordinate.
    square : ((1 + p) * pairs, n)
        Likewise the products of two slopes, to first order.
    """

    position: Array
    residual: Array
    powers: Array
    slopes: Array
    bend: Array
    square: Array


def model_fits(rows: int, parameters: int) -> bool:
    """Whether the third derivatives of the residuals are few enough to be kept."""
    return rows * parameters**3 <= LARGEST_MODEL


def taylor_at(residuals: Residuals, position: np.ndarray, data: Any) -> Taylor:
    """The model of the residuals about a position.

    Its matrices are in float32: they carry steps from where the law was last evaluated, in float64.
    """
    with jax.enable_x64(True):
        found = _derivatives(residuals)(jnp.asarray(position), data)
    r, slopes, bend, twist = (np.asarray(value) for value in found)
    p = len(position)
    pairs = _pairs(p)
    first, second = np.array(pairs).T
    triples = list(itertools.combinations_with_replacement(range(p), 3))
    powers = np.stack(
        [slopes[:, a] for a in range(p)]
        + [bend[:, *at] / _repeats(at) for at in pairs]
        + [twist[:, *at] / _repeats(at) for at in triples],
        axis=1,
    )
    turn = bend[:, first] * slopes[:, second, None] + bend[:, second] * slopes[:, first, None]
    return Taylor(
        position=np.asarray(position, dtype=np.float64),
        residual=r,
        powers=np.ascontiguousarray(powers, dtype=np.float32),
        slopes=np.ascontiguousarray(slopes.T, dtype=np.float32),
        bend=_with_changes(bend[:, first, second], twist[:, first, second]),
        square=_with_changes(slopes[:, first] * slopes[:, second], turn),
    )


@functools.cache
def _derivatives(residuals: Residuals) -> Callable[[jax.Array, Any], tuple[jax.Array, ...]]:
    def derivatives(position: jax.Array, data: Any) -> tuple[jax.Array, ...]:
        def model(at: jax.Array) -> jax.Array:
            return residuals(at, data)

        bend = jax.jacfwd(jax.jacfwd(model))
        return model(position), jax.jacfwd(model)(position), bend(position), jax.jacfwd(bend)(position)

    return jax.jit(derivatives)


def apart(values: Any) -> Any:
    """The same values, which the compiler computes once: it would take a logarithm again for every use of it."""
    return jax.lax.optimization_barrier(values)


def _pairs(p: int) -> list[tuple[int, int]]:
    return list(itertools.combinations_with_replacement(range(p), 2))


def _repeats(at: Sequence[int]) -> int:
    """What a derivative is divided by in Taylor's series, less the orders in which it is counted."""
    return math.prod(math.factorial(at.count(a)) for a in set(at))


def _with_changes(packed: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """(n, pairs) and (n, pairs, p) to ((1 + p) * pairs, n)."""
    both = np.concatenate([packed[:, :, None], changes], axis=2)
    return np.ascontiguousarray(both.transpose(2, 1, 0).reshape(-1, len(packed)), dtype=np.float32)


def monomials(step: jax.Array) -> jax.Array:
    """Every product of one, two and three coordinates of steps (p, fit), in the order of `Taylor.powers`."""
    coordinates = range(len(step))
    two = [step[a] * step[a:] for a in coordinates]
    three = [step[a] * jnp.concatenate(two[a:]) for a in coordinates]
    return jnp.concatenate([step, *two, *three])


def differentiate(
    model: Taylor, r: jax.Array, step: jax.Array, weight: jax.Array, delta: jax.Array
) -> tuple[jax.Array, ...]:
    """The objective of residuals (n, fit), the model's gradient, and its secant and Newton's curvature, packed."""
    p, size, small = len(step), jnp.abs(r), step.astype(jnp.float32)
    pairs = p * (p + 1) // 2
    clipped = jnp.clip(r, -delta, delta)
    pull = weight * clipped
    objective = jnp.sum(pull * (r - 0.5 * clipped), axis=0)
    secant = model.square[:pairs] @ (weight * jnp.minimum(1.0, delta / size))
    bends = (model.bend @ pull).reshape(1 + p, pairs, -1)
    squares = (model.square @ (weight * (size <= delta))).reshape(1 + p, pairs, -1)
    bend = bends[0] + jnp.sum(bends[1:] * small[:, None], axis=0)
    newton = bend + squares[0] + jnp.sum(squares[1:] * small[:, None], axis=0)
    # Slopes are J + B s + (T s) s / 2 and bends B + T s, each times the pull.
    gradient = model.slopes @ pull + 0.5 * times(bends[0] + bend, small)
    return tuple(value.astype(jnp.float64) for value in (objective, gradient, secant, newton))


def differentiate_at_center(model: Taylor, weight: jax.Array, delta: jax.Array) -> tuple[jax.Array, ...]:
    """What `differentiate` says where no fit has moved: sums of the same terms, one product for all."""
    r, pairs = model.residual, len(model.position) * (len(model.position) + 1) // 2
    size, clipped = jnp.abs(r), jnp.clip(r, -delta, delta)
    square, bend = model.square[:pairs], model.bend[:pairs]
    terms = (
        (clipped * (r - 0.5 * clipped))[None],
        model.slopes * clipped,
        square * jnp.minimum(1.0, delta / size),
        square * (size <= delta) + bend * clipped,
    )
    sums = jnp.concatenate(terms).astype(jnp.float32) @ weight
    ends = np.cumsum([len(term) for term in terms])[:-1]
    objective, *others = jnp.split(sums.astype(jnp.float64), ends)
    return objective[0], *others


def matrix(packed: jax.Array, p: int) -> list[list[jax.Array]]:
    """The entries of symmetric matrices, each of shape (fit,)."""
    at = {pair: i for i, pair in enumerate(_pairs(p))}
    return [[packed[at[min(a, b), max(a, b)]] for b in range(p)] for a in range(p)]


def times(packed: jax.Array, vector: jax.Array) -> jax.Array:
    """Symmetric matrices times vectors (p, fit)."""
    rows = matrix(packed, len(vector))
    return jnp.stack([sum(entry * x for entry, x in zip(row, vector, strict=True)) for row in rows])


def outer(vector: jax.Array) -> jax.Array:
    """v v', packed."""
    return jnp.stack([vector[a] * vector[b] for a, b in _pairs(len(vector))])


def diagonal(packed: jax.Array, p: int) -> jax.Array:
    """The diagonals of symmetric matrices, (p, fit)."""
    rows = matrix(packed, p)
    return jnp.stack([rows[a][a] for a in range(p)])


def newton_step(
    curvature: jax.Array, damping: jax.Array, gradient: jax.Array, least: jax.Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """The step to the minimum of a quadratic, and what it gains; NaN where there is no minimum.

    Cholesky's factor of packed matrices with `damping` (p, fit) added to the diagonal, written out: arrays
    over fits are what a compiler makes one loop of.
    """
    p = len(gradient)
    rows = matrix(curvature, p)
    lower: list[list[jax.Array]] = [[] for _ in range(p)]
    inverse: list[jax.Array] = []
    for j in range(p):
        left = rows[j][j] + damping[j] - sum(x * x for x in lower[j])
        if least is not None:
            left = jnp.maximum(left, least[j])
        inverse.append(jax.lax.rsqrt(left))
        for i in range(j + 1, p):
            left = rows[i][j] - sum(x * y for x, y in zip(lower[i], lower[j], strict=False))
            lower[i].append(left * inverse[j])
    half: list[jax.Array] = []
    for j in range(p):
        half.append((gradient[j] - sum(x * y for x, y in zip(lower[j], half, strict=True))) * inverse[j])
    step: list[jax.Array] = []
    for j in reversed(range(p)):
        above = [lower[i][j] for i in range(p - 1, j, -1)]
        step.append((half[j] - sum(x * y for x, y in zip(above, step, strict=True))) * inverse[j])
    return jnp.stack(step[::-1]), 0.5 * sum((x * x for x in half), jnp.zeros(()))
