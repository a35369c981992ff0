"""Where the search for a point fit starts: points spread evenly over a box of coordinates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

# Where starts lie, for each coordinate: from the first number to the second, `log_L_center` about the data's.
BOX: Mapping[str, tuple[float, float]] = {
    "log_L_center": (-0.2, 0.2),
    "log_m_over_E": (-3.0, 1.5),
    "logit_w": (-3.0, 3.0),
    "log_slope_N": (-4.5, -1.0),
    "log_slope_D": (-4.5, -1.0),
    "log_gamma": (-1.6, 0.5),
    "log_delta": (-1.5, 1.5),
    "log_R_D": (1.0, 4.5),
    "log_gap_center": (-5.0, 0.0),
    "slope_L_T": (-1.0, 8.0),
    "log_r_1": (-0.3, 0.3),
    "log_s_1": (0.7, 3.5),
    "log_eta": (-5.0, 1.0),
    "logit_w_prime": (-3.0, 3.0),
    "log_slope_N_S": (-4.0, -0.5),
    "log_slope_D_S": (-4.0, -0.5),
    "log_gamma_prime": (-1.6, 0.5),
}
# A user's law says nothing about the size of its coefficients.
WIDE = (-3.0, 3.0)


def box_of_starts(names: Sequence[str], points: int, seed: int) -> np.ndarray:
    """Starts, shape (point, coordinate): a Latin hypercube over the box of the named coordinates."""
    low, high = np.array([BOX.get(name, WIDE) for name in names]).T
    return np.asarray(low + (high - low) * latin_hypercube(points, len(names), seed))


def latin_hypercube(points: int, dimensions: int, seed: int) -> np.ndarray:
    """Points in the unit cube, shape (point, dimension): one in each of as many slices of every dimension.

    A grid whose size does not grow with the dimension.
    """
    rng = np.random.default_rng(seed)
    slices = rng.permuted(np.tile(np.arange(points), (dimensions, 1)), axis=1).T
    return np.asarray((slices + rng.uniform(size=(points, dimensions))) / points)
