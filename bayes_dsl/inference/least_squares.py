"""Huber's objective minimised for many weights and starts at once, each fit saying whether it converged."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.taylor import Residuals, apart

# Of one fit inside a compiled block, of all fits as NumPy arrays between blocks.
type Array = Any

TOLERANCE = 1e-12
ITERATIONS_A_ROUND = 2
# Fits that share a call: enough to fill vector units, few enough that their rows stay in the cache.
MOST_FITS_A_BLOCK = 256
FEW_FITS = 32
ROWS_A_BLOCK = 2**16
# Of the secant curvature's diagonal, so that a flat direction is no fault of rounding.
JITTER = 1e-10
BLEND_FAR, BLEND_NEAR = 5.0, 1e-2
FORGIVENESS, PUNISHMENT = 0.2, 4.0


class Descent(NamedTuple):
    """One fit on its way down: its best position, what is known there, and the position to try next."""

    position: Array
    objective: Array
    gradient: Array
    secant: Array
    newton: Array
    blend: Array
    trial: Array
    converged: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Minima:
    """Where each fit ended: `position` (fit, p), `objective`, `converged` and `iterations` (fit,)."""

    position: np.ndarray
    objective: np.ndarray
    converged: np.ndarray
    iterations: np.ndarray


def huber(residuals: jax.Array, delta: jax.Array | float) -> jax.Array:
    """r^2 / 2 within delta of zero and delta (|r| - delta / 2) beyond (Huber 1964)."""
    size = jnp.abs(residuals)
    return jnp.where(size <= delta, 0.5 * residuals**2, delta * (size - 0.5 * delta))


def minimise(
    residuals: Residuals,
    data: Any,
    *,
    starts: np.ndarray,
    weights: np.ndarray,
    delta: float,
    max_iterations: int,
    cold: bool = True,
) -> Minima:
    """Minimise sum_i weight_i Huber_delta(residual_i) for every row of `starts` and `weights`.

    Each iteration blends Newton's curvature with the secant (reweighted least squares) curvature, which
    majorises Huber's function: a step that descends is accepted and moves the blend towards Newton, any
    other is refused and moves it back, then damps it (Levenberg-Marquardt). A fit has converged when a Newton
    step from where it stands, on a positive definite curvature, would gain less than 1e-12 of
    (objective + sum of weights * delta^2). A fit that runs out of iterations says that it has not.

    Parameters
    ----------
    residuals : callable
        A pure JAX function, the same object from call to call (it is compiled once for each shape).
    data : tree of arrays
        What `residuals` reads beside the position.
    starts : ndarray, shape (fit, p)
    weights : ndarray, shape (fit, n)
        How often each row counts: ones, or a bootstrap's counts.
    delta : float
        Where Huber's function turns from a square to a line, in the residuals' unit.
    max_iterations : int
        Evaluations of residuals and derivatives that each fit may use (rounded up to a multiple of two).
    cold : bool
        Whether the starts are far from their minima.
    """
    with jax.enable_x64(True):
        data = jax.tree.map(jnp.asarray, data)
        advance = _advance(residuals)
        state = _start(starts, BLEND_FAR if cold else BLEND_NEAR)
        used = np.zeros(len(starts), dtype=np.int64)
        size = _fits_a_block(len(starts), weights.shape[1])
        left = np.arange(len(starts))
        while len(left) and used.max() < max_iterations:
            for block in (left[at : at + size] for at in range(0, len(left), size)):
                rows = np.resize(block, size)
                part = Descent(*(array[rows] for array in state))
                # Counts and ones of one kind of number: each kind would be compiled apart.
                moved = advance(part, weights[rows].astype(np.float64), data, delta)
                for array, new in zip(state, moved, strict=True):
                    array[block] = np.asarray(new)[: len(block)]
                used[block] += ITERATIONS_A_ROUND
            left = left[~state.converged[left]]
    return Minima(
        position=np.asarray(state.position),
        objective=np.asarray(state.objective),
        converged=np.asarray(state.converged),
        iterations=used,
    )


def _fits_a_block(fits: int, rows: int) -> int:
    """One of few sizes, since each is compiled apart."""
    most = max(1, min(MOST_FITS_A_BLOCK, ROWS_A_BLOCK // max(rows, 1)))
    size = 1 << (most.bit_length() - 1)
    return min(size, FEW_FITS) if fits <= size // 2 else size


def _start(starts: np.ndarray, blend: float) -> Descent:
    fits, p = starts.shape
    return Descent(
        position=np.array(starts, dtype=np.float64),
        objective=np.full(fits, np.inf),
        gradient=np.zeros((fits, p)),
        secant=np.zeros((fits, p, p)),
        newton=np.zeros((fits, p, p)),
        blend=np.full(fits, blend / FORGIVENESS),
        trial=np.array(starts, dtype=np.float64),
        converged=np.zeros(fits, dtype=bool),
    )


@functools.cache
def _advance(residuals: Residuals) -> Callable[..., Descent]:
    """A compiled round of iterations for a block of fits."""

    def one(fit: Descent, weight: jax.Array, data: Any, delta: jax.Array) -> Descent:
        def iterate(_: int, fit: Descent) -> Descent:
            tried = _evaluate(residuals, fit.trial, weight, data, delta)
            return _decide(fit, tried, jnp.sum(weight) * delta**2)

        ended: Descent = jax.lax.fori_loop(0, ITERATIONS_A_ROUND, iterate, fit)
        return ended

    compiled: Callable[..., Descent] = jax.jit(jax.vmap(one, in_axes=(0, 0, None, None)))
    return compiled


def _evaluate(
    residuals: Residuals, position: jax.Array, weight: jax.Array, data: Any, delta: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array, jax.Array]:
    """The objective at a position with its gradient and its two curvatures, secant and Newton's."""

    def model(at: jax.Array) -> jax.Array:
        return residuals(at, data)

    def gradient(at: jax.Array) -> jax.Array:
        _, pullback = apart(jax.vjp(model, at))
        pulled: jax.Array = pullback(pull)[0]
        return pulled

    directions = jnp.eye(position.shape[0], dtype=position.dtype)
    r, tangent = apart(jax.linearize(model, position))
    jacobian = apart(jax.vmap(tangent)(directions))
    size = jnp.abs(r)
    inside = size <= delta
    pull = weight * jnp.clip(r, -delta, delta)
    _, bend_along = apart(jax.linearize(gradient, position))
    bend = jax.vmap(bend_along)(directions)
    secant = _gram(jacobian, weight * jnp.where(inside, 1.0, delta / size))
    newton = _gram(jacobian, weight * inside) + bend
    return jnp.dot(weight, huber(r, delta)), jacobian @ pull, secant, newton


def _gram(slopes: jax.Array, weight: jax.Array) -> jax.Array:
    """sum_i weight_i slope_i slope_i', (p, p)."""
    return (slopes * weight) @ slopes.T


def _decide(fit: Descent, tried: tuple[jax.Array, ...], scale: jax.Array) -> Descent:
    """Keep the trial where it descends, and choose the next one."""
    descends = tried[0] < fit.objective
    known = (fit.position, fit.objective, fit.gradient, fit.secant, fit.newton)
    position, objective, gradient, secant, newton = (
        jnp.where(descends, new, old) for new, old in zip((fit.trial, *tried), known, strict=True)
    )
    blend = jnp.where(descends, FORGIVENESS * fit.blend, PUNISHMENT * fit.blend + 0.2)
    scales = jnp.diag(jnp.diag(secant))
    blended = newton + jnp.minimum(blend, 1.0) * (secant - newton)
    step, _ = _newton_step(blended + (JITTER + 1e-3 * jnp.maximum(blend - 1.0, 0.0)) * scales, gradient)
    # A curvature that is not positive definite makes no step: the trial fails, and the blend rises.
    step = jnp.where(jnp.all(jnp.isfinite(step)), step, 0.0)
    _, gain = _newton_step(newton + JITTER * scales, gradient)
    converged = (gain <= TOLERANCE * (objective + scale)) & jnp.isfinite(objective)
    return Descent(
        position=position,
        objective=objective,
        gradient=gradient,
        secant=secant,
        newton=newton,
        blend=blend,
        trial=position - step,
        converged=fit.converged | converged,
    )


def _newton_step(curvature: jax.Array, gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The step to the minimum of a quadratic, and what it gains; NaN where there is no minimum."""
    lower = jnp.linalg.cholesky(curvature)
    half = jax.scipy.linalg.solve_triangular(lower, gradient, lower=True)
    return jax.scipy.linalg.solve_triangular(lower, half, lower=True, trans=1), 0.5 * jnp.dot(half, half)
