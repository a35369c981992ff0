"""Every split that is nearly as good as the best one: the valley is flat, and a single point would hide it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bayes_dsl.decisions.choice import GRID_DRAWS, Choice

# Points on each axis of a grid, by the number of free coordinates.
_GRID = {1: 257, 2: 41, 3: 17}
# The first box about the best split, in natural logarithms to each side, and how often it is fitted to the set.
_FIRST = 1.0
_FITS = 8
# The set shall fill at least this part of the box on each axis.
_FILLED = 0.4


@dataclass(frozen=True, kw_only=True, eq=False)
class NearOptimal:
    """Splits of the same budget whose expected loss is at most `within` nats per token above the best.

    `ranges` has (least, greatest) of each quantity over the set; the set itself is not a box, so that not
    every combination within the ranges belongs to it. `points` (point, coordinate) are splits of the set on
    a grid, as natural logarithms of the quantities `names`, with their `student_tokens` (point,).
    """

    within: float
    ranges: dict[str, tuple[float, float]]
    names: tuple[str, ...]
    points: np.ndarray
    student_tokens: np.ndarray


def near_optimal(choice: Choice, best: np.ndarray, within: float) -> NearOptimal:
    """The set about a best point (coordinate,), judged on a few hundred evenly chosen draws.

    A grid about the best split grows where the set reaches its edge, and shrinks to the set's extent: ranges
    are exact to a cell of the last grid. A part of the set that no split of it connects is not looked for.
    """
    few = replace(choice, basis=choice.basis.thinned(GRID_DRAWS))
    points = best[None]
    if choice.names:
        limit = float(few.losses(best[None]).mean()) + within
        least, most = np.array(choice.box()).T
        low, high = np.maximum(best - _FIRST, least), np.minimum(best + _FIRST, most)
        for _ in range(_FITS):
            grid = _grid(low, high)
            points = np.concatenate([best[None], grid[few.losses(grid).mean(axis=1) <= limit]])
            found_low, found_high = points.min(axis=0), points.max(axis=0)
            cell = (high - low) / (_GRID[len(low)] - 1)
            open_low, open_high = (
                (found_low - low < cell / 2) & (low > least),
                (high - found_high < cell / 2) & (high < most),
            )
            filled = np.all(found_high - found_low >= _FILLED * (high - low))
            if filled and not open_low.any() and not open_high.any():
                break
            width = high - low
            low = np.maximum(np.where(open_low, low - width, found_low - cell), least)
            high = np.minimum(np.where(open_high, high + width, found_high + cell), most)
    tokens = choice.student_tokens(points)
    ranges = {"student_tokens": (float(tokens.min()), float(tokens.max()))}
    for i, name in enumerate(choice.names):
        values = np.exp(points[:, i])
        ranges[name] = (float(values.min()), float(values.max()))
    return NearOptimal(within=within, ranges=ranges, names=choice.names, points=points, student_tokens=tokens)


def _grid(low: np.ndarray, high: np.ndarray) -> np.ndarray:
    axes = [np.linspace(a, b, _GRID[len(low)]) for a, b in zip(low, high, strict=True)]
    return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
