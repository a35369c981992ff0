"""Coordinates in which a posterior is rounder: the law's coordinates less what the others ask of them.

The data tell some combinations of a law's coordinates far better than each of them, along ridges that no one frame (a
centre and a matrix) straightens:

- A path of the misfit moves the expected losses by its scale times its innovations, and the law makes up for most of
  that: the ridge points another way for every scale.
- How fast the local exponents change tells E/m, not its logarithm: paths move E/m, and where it is open the other
  coordinates follow it along a curve.

So the sampler moves in coordinates y, from which the program's x differ in the law's alone. With u the innovations
times their scales, and h = ln(m/E) less its value at the mode,

    x_l = y_l - ln(1 - R_l u)                    for l = ln(m/E), straight on where R_l u is above 1/2,
    x_l = y_l + R_l u + r_l (1 - e^{-h})         for every other coordinate of the law,

R and r being how the law follows u and h in the normal approximation at the mode. Whatever is added to a coordinate
depends on other coordinates only, so that the densities in x and in y are equal: any R and r are right, good ones
save steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.observations import Structure

RESIDUAL = "log_m_over_E"
# Paths may take this share of E/m away; beyond it, its logarithm goes on straight.
FARTHEST = 0.5


class _Places(NamedTuple):
    """Where the flat vector has ln(m/E), the law's other coordinates (law,), each innovation and its scale (step,)."""

    residual: int
    law: np.ndarray
    steps: np.ndarray
    scales: np.ndarray


def straightens(structure: Structure) -> bool:
    """Whether a posterior has ridges that are known to bend."""
    return bool(structure.drifts) and RESIDUAL in coordinates_of(structure.law).names


def _places(structure: Structure) -> _Places:
    first, begin = {}, 0
    for name, shape in structure.sites:
        first[name] = begin
        begin += int(np.prod(shape))
    steps = [first[f"steps_{axis}"] + np.arange(count) for axis, count in structure.drifts]
    scales = [np.full(count, first[f"log_drift_{axis}"]) for axis, count in structure.drifts]
    law = [first[name] for name in coordinates_of(structure.law).names if name != RESIDUAL]
    return _Places(first[RESIDUAL], np.array(law), np.concatenate(steps), np.concatenate(scales))


def shear_at(structure: Structure, position: np.ndarray, whiten: np.ndarray) -> dict[str, np.ndarray]:
    """How the law follows paths and ln(m/E) in a normal approximation, as arrays.

    Its mean is `position` (size,), the program's coordinates, its covariance `whiten @ whiten.T`.
    """
    residual, law, steps, scales = _places(structure)

    def follows(what: np.ndarray, others: np.ndarray) -> np.ndarray:
        spread = whiten[others]
        return np.asarray(np.linalg.solve(spread @ spread.T, spread @ whiten[what].T).T)

    of_law = follows(law, np.append(steps, residual))
    unit = np.exp(position[scales])
    return {
        "at": position[residual],
        "residual_paths": follows(np.array([residual]), steps)[0] / unit,
        "law_paths": of_law[:, :-1] / unit,
        "law_residual": of_law[:, -1],
    }


def no_shear(structure: Structure) -> dict[str, np.ndarray]:
    """The numbers of y = x."""
    _, law, steps, _ = _places(structure)
    return {
        "at": np.zeros(()),
        "residual_paths": np.zeros(len(steps)),
        "law_paths": np.zeros((len(law), len(steps))),
        "law_residual": np.zeros(len(law)),
    }


def to_program(structure: Structure, position: jax.Array, shear: Mapping[str, Any]) -> jax.Array:
    """The program's coordinates x at the sampler's y, (size,)."""
    residual, law, _, _ = _places(structure)
    moved = position.at[residual].add(_of_residual(structure, position, shear))
    return moved.at[law].add(_of_law(structure, moved, shear))


def to_sampler(structure: Structure, position: jax.Array, shear: Mapping[str, Any]) -> jax.Array:
    """The sampler's coordinates y at the program's x, (size,)."""
    residual, law, _, _ = _places(structure)
    moved = position.at[law].add(-_of_law(structure, position, shear))
    return moved.at[residual].add(-_of_residual(structure, moved, shear))


def _of_paths(structure: Structure, position: jax.Array) -> jax.Array:
    _, _, steps, scales = _places(structure)
    return jnp.exp(position[scales]) * position[steps]


def _of_residual(structure: Structure, position: jax.Array, shear: Mapping[str, Any]) -> jax.Array:
    """What is added to ln(m/E): E/m moves with the paths, as long as it stays above 0."""
    moved = shear["residual_paths"] @ _of_paths(structure, position)
    within = jnp.minimum(moved, FARTHEST)
    added: jax.Array = (moved - within) / (1.0 - FARTHEST) - jnp.log1p(-within)
    return added


def _of_law(structure: Structure, position: jax.Array, shear: Mapping[str, Any]) -> jax.Array:
    """What is added to the law's other coordinates, given the program's ln(m/E)."""
    bent = 1.0 - jnp.exp(shear["at"] - position[_places(structure).residual])
    added: jax.Array = shear["law_paths"] @ _of_paths(structure, position) + shear["law_residual"] * bent
    return added
