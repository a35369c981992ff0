"""The paths of a misfit: over the runs for the program, and over their whole grids for the draws of a posterior."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.drift import AtRuns, Grid, Path, log_rates, path_of

EDGES = {
    "L": "drift_edge",
    "N_S": "drift_edge_student",
    "D_S": "drift_edge_student",
    "L_T": "drift_edge_teacher",
}
"""What is added to an axis' scale (as variances add) beyond its data's best end: the site's name without `log_`."""


def edges_of(axes: Iterable[str]) -> dict[str, str]:
    """The edge of each axis that has one; `dict.fromkeys` of its values are the sites."""
    return {axis: EDGES[axis] for axis in axes if axis in EDGES}


def students_drift(axes: Iterable[str]) -> bool:
    """Whether the gap of distilled runs has paths among these axes."""
    return "R" in axes


class GapDrift(NamedTuple):
    """One path for each logarithm that the gap between student and teacher depends on."""

    N_S: Path | AtRuns
    D_S: Path | AtRuns
    L_T: Path
    R: Path


class Drift(NamedTuple):
    """One path an axis; an axis that the law does not have is None, and so is `gap` where students have no drift."""

    N: Path | AtRuns | None
    D: Path | AtRuns | None
    L: Path
    gap: GapDrift | None = None


def at_runs(
    numbers: Mapping[str, Any],
    *,
    rho: Mapping[str, Any],
    edge: Mapping[str, Any],
    steps: Mapping[str, Any],
    roles: Sequence[str] = ("supervised",),
) -> dict[str, Drift]:
    """The paths of one draw as the program evaluates them at the runs of each role.

    `numbers` are those of `numbers_of`, by axis, `rho` the scales, `edge` what is added to them beyond the data's
    best end, `steps` the innovations (knot,).
    """
    rates = {}
    for axis, innovations in steps.items():
        scale = rho[axis]
        if axis in edge:
            scale = jnp.sqrt(scale**2 + numbers[axis]["edged"] * edge[axis] ** 2)
        scales = scale * jnp.sqrt(numbers[axis]["step"])
        rates[axis] = jnp.exp(log_rates(numbers[axis], innovations, scales))

    def fixed(axis: str, role: str) -> AtRuns:
        return AtRuns(numbers[axis]["origin"], numbers[axis]["climbs"][role], rates[axis])

    def free(axis: str) -> Path:
        return path_of(numbers[axis], rates[axis])

    gap = None
    if students_drift(rates):
        students = {axis: fixed(axis, "distilled") for axis in ("N_S", "D_S")}
        gap = GapDrift(**students, L_T=free("L_T"), R=free("R"))
    loss, found = free("L"), {}
    for role in roles:
        sizes = {
            axis: fixed(axis, role)
            for axis in ("N", "D")
            if axis in rates and role in numbers[axis]["climbs"]
        }
        found[role] = Drift(N=sizes.get("N"), D=sizes.get("D"), L=loss, gap=gap)
    return found


def beyond(grids: Mapping[str, Grid], *, shape: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    """What each draw of a posterior carries beyond the data, so that its paths go on as one.

    Innovations (chain, draw, knot) by axis, those below the data's knots before those above them, which no data
    change; the same seed gives the same bits.
    """
    rng = np.random.default_rng((seed, 3))
    # Four bytes a number: their sum is what matters, and a file holds a hundred of them a draw.
    return {
        axis: rng.standard_normal((*shape, grid.below + grid.above)).astype(np.float32)
        for axis, grid in grids.items()
    }


def paths(
    grids: Mapping[str, Grid],
    *,
    rho: Mapping[str, np.ndarray],
    edge: Mapping[str, np.ndarray],
    sampled: Mapping[str, np.ndarray],
    drawn: Mapping[str, np.ndarray],
) -> Drift:
    """The paths of every draw over their whole grids; call it with float64 enabled.

    Parameters
    ----------
    rho : mapping of str to ndarray
        The scales by axis, (draw,).
    edge : mapping of str to ndarray
        What is added to the scales beyond the data's best end, by axis, (draw,).
    sampled, drawn : mapping of str to ndarray
        Innovations over the data and, as `beyond` gives them, outside, (draw, knot).
    """
    found: dict[str, Path] = {}
    for axis, grid in grids.items():
        outside = np.asarray(drawn[axis], dtype=np.float64)
        steps = np.concatenate([outside[:, : grid.below], sampled[axis], outside[:, grid.below :]], axis=1)
        scale = np.repeat(rho[axis][:, None], steps.shape[1], axis=1)
        if axis in edge:
            wider = np.hypot(rho[axis], edge[axis])[:, None]
            scale = np.where(grid.edged(grid.lowest, grid.highest), wider, scale)
        numbers = grid.numbers(grid.lowest, grid.highest)
        rates = jnp.exp(log_rates(numbers, jnp.asarray(steps), jnp.asarray(scale * np.sqrt(grid.step))))
        found[axis] = path_of(numbers, rates)
    gap = GapDrift(**{axis: found[axis] for axis in GapDrift._fields}) if students_drift(found) else None
    return Drift(N=found.get("N"), D=found.get("D"), L=found["L"], gap=gap)
