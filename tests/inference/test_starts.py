"""Starts fill their box evenly, in the place that each coordinate has."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.inference.starts import BOX, WIDE, box_of_starts, latin_hypercube
from bayes_dsl.laws.registry import registered


@given(st.integers(1, 20), st.integers(0, 5))
def test_the_grid_fills_the_cube_evenly(dimensions: int, seed: int) -> None:
    points = latin_hypercube(512, dimensions, seed)
    assert points.shape == (512, dimensions)
    assert np.all((points >= 0) & (points < 1))
    counts = np.stack([np.histogram(column, bins=8, range=(0, 1))[0] for column in points.T])
    assert np.all(counts == 64)


def test_starts_stand_in_their_coordinates_box_and_a_users_in_a_wide_one() -> None:
    found = box_of_starts(("log_R_D", "log_k"), 400, 3)
    for column, (low, high) in zip(found.T, (BOX["log_R_D"], WIDE), strict=True):
        assert low <= column.min() < low + 0.01 * (high - low)
        assert high >= column.max() > high - 0.01 * (high - low)


def test_every_coordinate_of_the_packages_laws_has_a_box() -> None:
    assert {name for law in registered() for name in coordinates_of(law).names} == set(BOX)
