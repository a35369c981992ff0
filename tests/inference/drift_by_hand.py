"""The misfit's paths written out by hand with SciPy's B-splines, from the equations of drift.py and misfit.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.interpolate import BSpline

from bayes_dsl.inference.drift import Grid

EDGE = 1.5
_BASIS = BSpline.basis_element([-1.5, -0.5, 0.5, 1.5])
_RISE = _BASIS.antiderivative()


def slopes_at_knots(
    grid: Grid, steps: np.ndarray, rho: np.ndarray, edge: np.ndarray | float
) -> dict[int, np.ndarray]:
    """c_k of every knot, (point,): exp of a walk that starts at knot 0, in steps of rho sqrt(step) v.

    Steps that end beyond the data's last place (`high`) have rho^2 + edge^2 in place of rho^2.
    """
    away = [k for k in range(grid.first, grid.last + 1) if k != 0]
    log_c = {0: np.zeros(len(rho))}
    for outward in ([k for k in away if k > 0], [k for k in reversed(away) if k < 0]):
        for k in outward:
            scale = np.sqrt(rho**2 + (edge**2 if k * grid.step > grid.high else 0.0))
            nearer = k - 1 if k > 0 else k + 1
            log_c[k] = log_c[nearer] + scale * np.sqrt(grid.step) * steps[:, away.index(k)]
    return {k: np.exp(value) for k, value in log_c.items()}


def warped(grid: Grid, c: Mapping[int, np.ndarray], logarithm: Any) -> Any:
    """Where a path takes a logarithm: origin + unit times the integral of its slope from 0; held past the knots."""
    place = np.broadcast_to((logarithm - grid.origin) / grid.unit / grid.step, c[0].shape)
    inside = np.clip(place, grid.first + 0.5, grid.last - 0.5)
    climbed, slope = np.zeros(c[0].shape), np.zeros(c[0].shape)
    for k, rate in c.items():
        here, zero = np.clip([inside - k, np.full(inside.shape, -float(k))], -EDGE, EDGE)
        climbed += rate * (_RISE(here) - _RISE(zero))
        slope += rate * _BASIS(here)
    return grid.origin + grid.unit * grid.step * (climbed + (place - inside) * slope)


class DriftByHand:
    """The paths of all points; `wrong` plants a mistake."""

    def __init__(self, grids: Mapping[str, Grid], z: Mapping[str, np.ndarray], wrong: str = "") -> None:
        edges = {"L": "", "N_S": "_student", "D_S": "_student", "L_T": "_teacher"}
        edge = {
            axis: 0.0 if wrong == f"no edge{name}" else np.exp(z[f"log_drift_edge{name}"])
            for axis, name in edges.items()
            if axis in grids
        }
        self.grids = grids
        self.c = {
            axis: slopes_at_knots(
                grid,
                -z[f"steps_{axis}"] if wrong == f"sign of the path in {axis}" else z[f"steps_{axis}"],
                np.exp(z[f"log_drift_{axis}"]),
                edge.get(axis, 0.0),
            )
            for axis, grid in grids.items()
        }

    def __call__(self, axis: str, logarithm: Any) -> Any:
        return warped(self.grids[axis], self.c[axis], logarithm)
