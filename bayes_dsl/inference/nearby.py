"""Huber's objective minimised for many weights at once, where the minima lie close to one known fit.

The residuals' Taylor model about that fit (`taylor.py`) leads each refit down; the law itself is evaluated
about twice for each. Where it is, its residuals and its gradient replace the model's, so that the model says
no more than how they change from there: a refit that no longer moves has reached the law's minimum, not the
model's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.least_squares import (
    FORGIVENESS,
    JITTER,
    PUNISHMENT,
    TOLERANCE,
    Minima,
    huber,
)
from bayes_dsl.inference.taylor import (
    Residuals,
    Taylor,
    apart,
    diagonal,
    differentiate,
    differentiate_at_center,
    monomials,
    newton_step,
    outer,
    taylor_at,
    times,
)

# Inside compiled functions the fits are on the last axis; between them, on the first.
type Array = Any

FITS_A_BLOCK = 128
# Evaluations of the model, before the law is evaluated for the first time and after each time.
FIRST_EVALUATIONS, EVALUATIONS = 6, 2
ROUNDS = 6
# Evaluations of either that a fit may use, in all.
MOST_EVALUATIONS = FIRST_EVALUATIONS + ROUNDS * (1 + EVALUATIONS)
# Of the secant curvature in the first step: enough that few steps are refused.
BLEND = 0.2
# The model's objectives are sums in float32.
ROUNDING = 2e-6
# Of the secant curvature's diagonal, so that Newton's makes a step where it is not positive definite.
LEAST_PIVOT = 1e-2
# A step this much across the change of gradient says nothing of the curvature along it.
LEAST_COSINE = 1e-3


class Descent(NamedTuple):
    """Fits on their way down: the best steps (p, fit) from the centre, what is known there, the next to try."""

    step: Array
    objective: Array
    gradient: Array
    secant: Array
    newton: Array
    blend: Array
    trial: Array


class Anchor(NamedTuple):
    """Where the law was evaluated, what it said, and how it corrects the model.

    `step` (p, fit); `objective` (fit,); `gain` (fit,), what a Newton step would gain, as a share of the
    objective's scale; `offset` (p, fit), the law's gradient less the model's; `bend` (pairs, fit), how the
    offset changes with the step.
    """

    step: Array
    objective: Array
    gain: Array
    offset: Array
    bend: Array


class Kept(NamedTuple):
    """What is kept of every fit while the others have their turn: `tuples` holds descent and anchor."""

    trial: np.ndarray
    tuples: np.ndarray
    residual: np.ndarray


def minimise_nearby(
    residuals: Residuals, data: Any, *, center: np.ndarray, weights: np.ndarray, delta: float
) -> Minima:
    """Minimise sum_i weight_i Huber_delta(residual_i) for every row of `weights`, from a fit close to all.

    The objective, the gradient and the test of convergence are those of `least_squares.minimise`, of the law
    itself and in float64; the curvature in the test is the model's. A fit that leaves the model's reach says
    that it has not converged, and where it has been best.

    Parameters
    ----------
    residuals, data
        As for `least_squares.minimise`.
    center : ndarray, shape (p,)
        Where every fit starts.
    weights : ndarray, shape (fit, n)
        How often each row counts.
    delta : float
        Where Huber's function turns from a square to a line.
    """
    fits, p = len(weights), len(center)
    kept = Kept(
        trial=np.zeros((fits, p)),
        tuples=np.zeros((fits, sum(_widths(p)))),
        residual=np.zeros((fits, weights.shape[1]), dtype=np.float32),
    )
    left = np.arange(fits)
    with jax.enable_x64(True):
        model = jax.tree.map(jnp.asarray, taylor_at(residuals, center, data))
        data = jax.tree.map(jnp.asarray, data)
        best = _at_start(model, weights, delta)
        look = _look(residuals)
        for rows in _blocks(left):
            kept.trial[rows] = _depart(model, weights[rows], delta)
        for _ in range(ROUNDS):
            for rows in _blocks(left):
                kept.tuples[rows], kept.residual[rows] = look(
                    model, data, weights[rows], kept.trial[rows], kept.tuples[rows], delta
                )
            left = _judge(best, kept.tuples, left, center)
            for rows in _blocks(left):
                kept.trial[rows] = _go_on(model, weights[rows], kept.tuples[rows], kept.residual[rows], delta)
            best.iterations[left] += 1 + EVALUATIONS
    return best


def _at_start(model: Taylor, weights: np.ndarray, delta: float) -> Minima:
    fits = len(weights)
    return Minima(
        position=np.tile(np.asarray(model.position), (fits, 1)),
        objective=weights @ np.asarray(huber(model.residual, delta)),
        converged=np.zeros(fits, dtype=bool),
        iterations=np.full(fits, 1 + FIRST_EVALUATIONS),
    )


def _blocks(fits: np.ndarray) -> Iterator[np.ndarray]:
    """Fits in blocks of one size, the last filled up with fits of its own: each size is compiled apart."""
    for at in range(0, len(fits), FITS_A_BLOCK):
        yield np.resize(fits[at : at + FITS_A_BLOCK], FITS_A_BLOCK)


def _judge(best: Minima, tuples: np.ndarray, left: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Note what the law said of some fits, and say which of them are to go on."""
    _, anchor = _unpacked(tuples[left], len(center))
    better = anchor.objective <= best.objective[left] * (1 + ROUNDING)
    best.position[left[better]] = center + anchor.step.T[better]
    best.objective[left[better]] = anchor.objective[better]
    converged = better & (anchor.gain <= TOLERANCE)
    best.converged[left[converged]] = True
    going_on: np.ndarray = left[better & ~converged]
    return going_on


def _widths(p: int) -> tuple[int, ...]:
    pairs = p * (p + 1) // 2
    return (p, 1, p, pairs, pairs, 1, p, p, 1, 1, p, pairs)


def _packed(descent: Descent, anchor: Anchor) -> jax.Array:
    """One array (fit, ...) of all: an array more costs a call as much as a hundred fits' arithmetic."""
    columns: jax.Array = jnp.concatenate([jnp.atleast_2d(array) for array in (*descent, *anchor)])
    return columns.T


def _unpacked(tuples: Array, p: int) -> tuple[Descent, Anchor]:
    ends = np.cumsum(_widths(p))
    columns = [tuples[:, end - width : end].T for width, end in zip(_widths(p), ends, strict=True)]
    for scalar in (1, 5, 8, 9):
        columns[scalar] = columns[scalar][0]
    return Descent(*columns[:7]), Anchor(*columns[7:])


@jax.jit
def _depart(model: Taylor, weights: jax.Array, delta: jax.Array) -> jax.Array:
    """Where the first steps lead, on the model alone: (fit, p)."""
    weight, p = _on_last_axis(weights), len(model.position)
    start = _fresh(jnp.zeros((p, len(weights))))
    nowhere = Anchor(jnp.zeros((p, 1)), 0.0, 0.0, jnp.zeros((p, 1)), jnp.zeros((p * (p + 1) // 2, 1)))
    residual = model.residual[:, None].astype(jnp.float32)
    start = _decide(start, differentiate_at_center(model, weight, delta))
    ended = _descend(model, nowhere, residual, start, weight, delta, FIRST_EVALUATIONS - 1)
    return jnp.transpose(ended.trial)


def _fresh(trial: jax.Array) -> Descent:
    """The descent of fits that know nothing yet."""
    (p, fits), nothing = trial.shape, jnp.zeros_like(trial)
    packed = jnp.zeros((p * (p + 1) // 2, fits))
    objective, blend = jnp.full(fits, jnp.inf), jnp.full(fits, BLEND / FORGIVENESS)
    return Descent(nothing, objective, nothing, packed, packed, blend, trial)


@functools.cache
def _look(residuals: Residuals) -> Callable[..., tuple[jax.Array, jax.Array]]:
    """Evaluate the law where a block of fits is about to go."""

    def look(
        model: Taylor, data: Any, weights: jax.Array, trial: jax.Array, tuples: jax.Array, delta: jax.Array
    ) -> tuple[jax.Array, jax.Array]:
        weight, step = _on_last_axis(weights), trial.T
        exact = weight.astype(jnp.float64)
        _, before = _unpacked(tuples, len(step))
        residual, objective, gradient = _law(residuals, model.position, data, exact, step, delta)
        near = apart(residual.astype(jnp.float32))
        rounded, of_model, secant, newton = differentiate(model, near, step, weight, delta)
        offset = gradient - of_model
        bend = _bend_between(step - before.step, offset - before.offset)
        newton = newton + bend
        _, gain = newton_step(newton, JITTER * diagonal(secant, len(step)), gradient)
        gain = gain / (objective + jnp.sum(exact, axis=0) * delta**2)
        descent = _decide(_fresh(step), (rounded, gradient, secant, newton))
        return _packed(descent, Anchor(step, objective, gain, offset, bend)), near.T

    return jax.jit(look)


@jax.jit
def _go_on(
    model: Taylor, weights: jax.Array, tuples: jax.Array, residual: jax.Array, delta: jax.Array
) -> jax.Array:
    """Where further steps lead, on the model as the law corrects it: (fit, p)."""
    descent, anchor = _unpacked(tuples, len(model.position))
    weight, residual = _on_last_axis(weights), _on_last_axis(residual)
    ended = _descend(model, anchor, residual, descent, weight, delta, EVALUATIONS)
    return jnp.transpose(ended.trial)


def _on_last_axis(array: jax.Array) -> jax.Array:
    turned: jax.Array = apart(array.T.astype(jnp.float32))
    return turned


def _law(
    residuals: Residuals, center: jax.Array, data: Any, weight: jax.Array, step: jax.Array, delta: jax.Array
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """The law's residuals (n, fit), with the objective and its gradient."""

    def law(steps: jax.Array) -> jax.Array:
        return jax.vmap(lambda one: residuals(center + one, data), in_axes=1, out_axes=1)(steps)

    r, pullback = apart(jax.vjp(law, step))
    clipped = jnp.clip(r, -delta, delta)
    pull = weight * clipped
    return r, jnp.sum(pull * (r - 0.5 * clipped), axis=0), pullback(pull)[0]


def _bend_between(step: jax.Array, change: jax.Array) -> jax.Array:
    """The symmetric matrix of rank one that turns a step into a change of gradient (Davidon 1959), packed."""
    along = jnp.sum(step * change, axis=0)
    least = LEAST_COSINE * jnp.sqrt(jnp.sum(step**2, axis=0) * jnp.sum(change**2, axis=0))
    known = jnp.abs(along) > least
    return jnp.where(known, outer(change) / jnp.where(known, along, 1.0), 0.0)


def _descend(
    model: Taylor,
    anchor: Anchor,
    residual: jax.Array,
    start: Descent,
    weight: jax.Array,
    delta: jax.Array,
    evaluations: int,
) -> Descent:
    """Steps on the model from an anchor with its residuals (n, fit)."""
    powers = monomials(anchor.step)

    def iterate(_: int, descent: Descent) -> Descent:
        step = descent.trial
        # The change since the law was evaluated loses nothing in float32; the residual itself would.
        change = (monomials(step) - powers).astype(jnp.float32)
        tried = differentiate(model, residual + model.powers @ change, step, weight, delta)
        gradient = tried[1] + anchor.offset + times(anchor.bend, step - anchor.step)
        return _decide(descent, (tried[0], gradient, tried[2], tried[3] + anchor.bend))

    ended: Descent = jax.lax.fori_loop(0, evaluations, iterate, start)
    return ended


def _decide(descent: Descent, tried: tuple[jax.Array, ...]) -> Descent:
    """Keep the trial where it descends, and choose the next one: see `least_squares.minimise`."""
    descends = tried[0] <= descent.objective * (1 + ROUNDING)
    step, objective, gradient, secant, newton = (
        jnp.where(descends, new, old) for new, old in zip((descent.trial, *tried), descent[:5], strict=True)
    )
    blend = jnp.where(descends, FORGIVENESS * descent.blend, PUNISHMENT * descent.blend + 0.2)
    scales = diagonal(secant, len(step))
    blended = newton + jnp.minimum(blend, 1.0) * (secant - newton)
    damping = (JITTER + 1e-3 * jnp.maximum(blend - 1.0, 0.0)) * scales
    move, _ = newton_step(blended, damping, gradient, least=LEAST_PIVOT * scales)
    return Descent(step, objective, gradient, secant, newton, blend, step - move)
