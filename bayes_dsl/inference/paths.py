"""The paths of a misfit: over the runs for the program, and over their whole grids for the draws of a posterior."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from bayes_dsl.inference.drift import AtMany, AtRuns, Grid, Path, log_rates, path_of


class Drift(NamedTuple):
    """One path an axis; an axis that the law does not have is None."""

    N: Path | AtRuns | None
    D: Path | AtRuns | None
    L: Path | AtMany


def at_runs(
    firsts: Mapping[str, int],
    numbers: Mapping[str, Any],
    *,
    rho: Mapping[str, Any],
    edge: Any,
    steps: Mapping[str, Any],
) -> Drift:
    """The paths of one draw as the program evaluates them.

    `firsts` are the first sampled knots by axis, `numbers` those of `numbers_of`, `rho` the scales, `edge` what is
    added to that of "L" below the data's best loss, `steps` the innovations (knot,).
    """
    rates = {}
    for axis, first in firsts.items():
        scale = rho[axis]
        if axis == "L":
            scale = jnp.sqrt(scale**2 + numbers[axis]["edged"] * edge**2)
        rates[axis] = jnp.exp(log_rates(first, steps[axis], scale * jnp.sqrt(numbers[axis]["step"])))
    sizes = {
        axis: AtRuns(numbers[axis]["origin"], numbers[axis]["climbs"], rates[axis])
        for axis in firsts
        if axis != "L"
    }
    loss = path_of(numbers["L"], firsts["L"], rates["L"])
    return Drift(N=sizes.get("N"), D=sizes.get("D"), L=AtMany(loss))


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
    edge: np.ndarray,
    sampled: Mapping[str, np.ndarray],
    drawn: Mapping[str, np.ndarray],
) -> Drift:
    """The paths of every draw over their whole grids; call it with float64 enabled.

    Parameters
    ----------
    rho : mapping of str to ndarray
        The scales by axis, (draw,).
    edge : ndarray
        Added to the scale of "L" below the data's best loss, (draw,).
    sampled, drawn : mapping of str to ndarray
        Innovations over the data and, as `beyond` gives them, outside, (draw, knot).
    """
    found: dict[str, Path] = {}
    for axis, grid in grids.items():
        outside = np.asarray(drawn[axis], dtype=np.float64)
        steps = np.concatenate([outside[:, : grid.below], sampled[axis], outside[:, grid.below :]], axis=1)
        scale = np.repeat(rho[axis][:, None], steps.shape[1], axis=1)
        if axis == "L":
            scale = np.where(grid.edged(grid.lowest, grid.highest), np.hypot(rho[axis], edge)[:, None], scale)
        rates = jnp.exp(log_rates(grid.lowest, jnp.asarray(steps), jnp.asarray(scale * np.sqrt(grid.step))))
        found[axis] = path_of(grid.to_record(), grid.lowest, rates)
    return Drift(N=found.get("N"), D=found.get("D"), L=found["L"])
