"""Curvature that many fits borrow from one position close to all of them, in place of taking their own."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Residuals = Callable[[jax.Array, Any], jax.Array]
"""`residuals(position, data)`: (p,) and a tree of arrays to (n,), the residuals that should be small."""

type Array = Any

LARGEST_CURVATURE = 20_000_000


class Shared(NamedTuple):
    """Derivatives of the residuals at one position, for fits that stay close to it.

    `position` (p,), `residual` (n,), `slopes` (n, p), `bend` (n, p^2) their second derivatives, `outer`
    (n, p^2) the squares of the slopes, and `turn` (n, p^3) how these change along each coordinate.
    """

    position: Array
    residual: Array
    slopes: Array
    bend: Array
    outer: Array
    turn: Array


def curvature_fits(rows: int, parameters: int) -> bool:
    """Whether what each residual adds to the curvature, and how that turns, is small enough to be kept."""
    return rows * parameters**3 <= LARGEST_CURVATURE


def shared_at(residuals: Residuals, position: np.ndarray, data: Any) -> Shared:
    """Derivatives of the residuals at a position, to be shared by fits that stay close to it."""
    with jax.enable_x64(True):
        return _share(residuals)(jnp.asarray(position), data)


@functools.cache
def _share(residuals: Residuals) -> Callable[[jax.Array, Any], Shared]:
    def share(position: jax.Array, data: Any) -> Shared:
        slopes = jax.jacfwd(residuals)(position, data)
        bend = jax.jacfwd(jax.jacfwd(residuals))(position, data)
        half = bend[:, :, :, None] * slopes[:, None, None, :]
        turn = half + jnp.swapaxes(half, 2, 3)
        outer = slopes[:, :, None] * slopes[:, None, :]
        flat = (len(slopes), -1)
        # A borrowed curvature need not be summed in float64; the gradient is.
        return Shared(
            position=position,
            residual=residuals(position, data),
            slopes=slopes,
            bend=bend.reshape(flat),
            outer=outer.reshape(flat).astype(jnp.float32),
            turn=turn.reshape(flat).astype(jnp.float32),
        )

    return jax.jit(share)


def parabola(position: jax.Array, shared: Shared) -> jax.Array:
    """Residuals to second order about a position: products of matrices, where a law has logarithms to take."""
    step = position - shared.position
    square = (step[:, None] * step[None, :]).ravel()
    residuals: jax.Array = shared.residual + shared.slopes @ step + 0.5 * (shared.bend @ square)
    return residuals


def curvatures(
    r: jax.Array, weight: jax.Array, position: jax.Array, shared: Shared, delta: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The pull of each row, and secant and Newton's curvature from derivatives taken elsewhere."""
    size, p = jnp.abs(r), shared.slopes.shape[1]
    inside = size <= delta
    pull = weight * jnp.clip(r, -delta, delta)
    step = (position - shared.position).astype(jnp.float32)
    held = (weight * inside).astype(jnp.float32)
    secant = (weight * jnp.where(inside, 1.0, delta / size)).astype(jnp.float32) @ shared.outer
    newton = held @ shared.outer + pull.astype(jnp.float32) @ shared.bend.astype(jnp.float32)
    newton = newton + step @ (held @ shared.turn).reshape(p, p * p)
    return pull, *(curvature.astype(jnp.float64).reshape(p, p) for curvature in (secant, newton))
