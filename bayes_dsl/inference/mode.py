"""Where the chains start, and the scale of the posterior there: a mode, with the effects' scales at their marginal one.

The joint mode of a model with shared effects or a misfit is useless: it shrinks the noise until they explain every
row. So the scales (noise, effects, paths) move along the gradient of their marginal posterior, which by Fisher's
identity is the mean gradient of the joint one over the other coordinates (here: over their local normal
approximation), while the law, the effects and the paths follow by Newton steps. The chains' diagnostics, not this
search, decide about a posterior.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import linalg

# (k, size) positions -> potentials (k,) and gradients (k, size), with k = 2 size + 1.
Gradients = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

DIFFERENCE = 1e-4
LEAST_CURVATURE = 0.05
MOST_STEPS = 100
SCALE_ROUNDS = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class Mode:
    """`position` (size,), and `whiten` (size, size), which maps standard normals to the local approximation.

    `curvature` (size,) is the diagonal of the Hessian there: how much is known about each coordinate alone.
    """

    position: np.ndarray
    whiten: np.ndarray
    curvature: np.ndarray
    potential: float
    converged: bool


def find_mode(gradients: Gradients, start: np.ndarray, *, scales: np.ndarray, seed: int = 0) -> Mode:
    """Search from `start`; `scales` (size,) marks the log scales that have latent effects, if any.

    `gradients` evaluates 2 size + 1 positions at once, which is one central-difference Hessian.
    """
    position, others = np.array(start, dtype=np.float64), ~scales
    position, hessian, value, converged = _newton(gradients, position, others, 1.0, MOST_STEPS)
    if not scales.any():
        return _mode(position, hessian, value, converged)
    normals = np.random.default_rng(seed).standard_normal((position.size, position.size))
    settled = False
    for _ in range(SCALE_ROUNDS):
        gradient, curvature = _marginal(gradients, position, hessian, others, normals)
        step = np.where(scales, np.clip(-gradient / curvature, -0.7, 0.7), 0.0)
        position, hessian, value, converged = _newton(gradients, position + step, others, 1e-3, 4)
        settled = bool(np.max(np.abs(step)) < 0.05)
        if settled:
            break
    return _with_scales(gradients, position, hessian, scales, value, normals, converged and settled)


def local_scale(gradients: Gradients, mode: Mode, *, scales: np.ndarray, seed: int = 0) -> Mode:
    """The same mode after a change of the other coordinates, which they may have left by a little."""
    normals = np.random.default_rng(seed).standard_normal((mode.position.size, mode.position.size))
    position, hessian, value, converged = _newton(gradients, mode.position, ~scales, 1e-3, MOST_STEPS)
    return _with_scales(gradients, position, hessian, scales, value, normals, mode.converged and converged)


def _with_scales(
    gradients: Gradients,
    position: np.ndarray,
    hessian: np.ndarray,
    scales: np.ndarray,
    value: float,
    normals: np.ndarray,
    converged: bool,
) -> Mode:
    others = ~scales
    _, curvature = _marginal(gradients, position, hessian, others, normals)
    joint = np.where(np.outer(others, others), hessian, 0.0) + np.diag(np.where(scales, curvature, 0.0))
    return _mode(position, joint, value, converged)


def _mode(position: np.ndarray, hessian: np.ndarray, value: float, converged: bool) -> Mode:
    return Mode(
        position=position,
        whiten=_whiten(hessian),
        curvature=np.diag(hessian).copy(),
        potential=value,
        converged=converged,
    )


def _newton(
    gradients: Gradients, position: np.ndarray, free: np.ndarray, damping: float, most: int
) -> tuple[np.ndarray, np.ndarray, float, bool]:
    """Damped Newton descent over the `free` coordinates; stops at a decrement below 1e-4 squared sds."""
    value, gradient, hessian = _curvature(gradients, position)
    for _ in range(most):
        step = np.zeros_like(position)
        step[free] = -_solve(hessian[np.ix_(free, free)], damping, gradient[free])
        if damping <= 1e-3 and -gradient @ step < 1e-4:
            return position, hessian, value, True
        if damping > 1e12:
            break
        new = _curvature(gradients, position + step)
        if np.isfinite(new[0]) and new[0] <= value and np.all(np.isfinite(new[2])):
            position = position + step
            value, gradient, hessian = new
            damping = max(damping * 0.1, 1e-8)
        else:
            damping = max(damping * 10.0, 1e-6)
    return position, hessian, value, False


def _curvature(gradients: Gradients, position: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """Potential, gradient, and central-difference Hessian."""
    offsets = DIFFERENCE * np.eye(position.size)
    values, slopes = gradients(np.concatenate([position[None], position + offsets, position - offsets]))
    hessian = (slopes[1 : position.size + 1] - slopes[position.size + 1 :]) / (2 * DIFFERENCE)
    return float(values[0]), slopes[0], 0.5 * (hessian + hessian.T)


def _marginal(
    gradients: Gradients, position: np.ndarray, hessian: np.ndarray, others: np.ndarray, normals: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Mean gradient over antithetic draws of the other coordinates, and a mean curvature to step by."""
    spread = np.zeros_like(normals)
    spread[:, others] = normals[:, others] @ _whiten(hessian[np.ix_(others, others)]).T
    _, slopes = gradients(np.concatenate([position[None], position + spread, position - spread]))
    slopes = np.where(np.isfinite(slopes), slopes, 0.0)
    mean = slopes[1:].mean(axis=0)
    # The information about a log scale is at most the joint curvature, and rarely below a tenth of it.
    return mean, np.maximum(np.abs(np.diag(hessian)), 1.0)


def _solve(hessian: np.ndarray, damping: float, gradient: np.ndarray) -> np.ndarray:
    """A Newton step on the Hessian made positive definite: negative curvatures count by their size."""
    values, vectors = linalg.eigh(hessian)
    size = np.maximum(np.abs(values), LEAST_CURVATURE)
    step: np.ndarray = vectors @ ((vectors.T @ gradient) / (size + damping * np.maximum(1.0, size)))
    return step


def _whiten(hessian: np.ndarray) -> np.ndarray:
    values, vectors = linalg.eigh(0.5 * (hessian + hessian.T))
    scaled: np.ndarray = vectors / np.sqrt(np.maximum(values, LEAST_CURVATURE))
    return scaled
