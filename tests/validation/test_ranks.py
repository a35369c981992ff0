"""Positions are uniform where truth and draws are one distribution, and the verdicts see it where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from bayes_dsl.validation.ranks import effective_draws, holm, p_of_ecdf, position, verdicts


def positions_of(shift: float, spread: float, *, n: int = 400, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(n):
        draws = rng.standard_normal((2, 60))
        found.append(position(shift + spread * rng.standard_normal(), draws, rng))
    return np.array(found)


def test_right_ranks_pass() -> None:
    judged = verdicts({"right": positions_of(0.0, 1.0)})
    assert judged.wrong(0.01) == () and judged.wrong(0.01, test="ecdf") == ()
    assert judged.table.loc["right", "n"] == 400


@pytest.mark.parametrize(("shift", "spread", "test"), [(0.0, 2.0, "coverage"), (0.5, 1.0, "ecdf")])
def test_wrong_ranks_fail(shift: float, spread: float, test: str) -> None:
    judged = verdicts({"right": positions_of(0.0, 1.0, seed=1), "wrong": positions_of(shift, spread)})
    assert judged.wrong(0.001, test=test) == ("wrong",)


def test_dependent_draws_count_by_their_effective_number() -> None:
    rng = np.random.default_rng(2)
    walk = np.zeros((2, 2000))
    for i in range(1, 2000):
        walk[:, i] = 0.9 * walk[:, i - 1] + rng.standard_normal(2)
    assert 60 < effective_draws(walk) < 500  # 4000 (1 - .9) / (1 + .9) = 210
    assert effective_draws(np.ones((2, 50))) == 100
    assert effective_draws(np.full((2, 50), np.nan)) == 0.0


def test_ties_are_broken_evenly() -> None:
    rng = np.random.default_rng(3)
    found = [
        position(float(rng.integers(2)), rng.integers(2, size=(2, 50)).astype(float), rng) for _ in range(400)
    ]
    assert stats.kstest(found, "uniform").pvalue > 1e-3


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.5])) == pytest.approx([0.04, 0.09, 0.09, 0.5])
    assert holm(np.array([0.9, 0.8])).max() == 1.0


def test_the_p_value_of_an_ecdf_is_itself_uniform() -> None:
    rng = np.random.default_rng(4)
    found = [p_of_ecdf(rng.random(50)) for _ in range(300)]
    assert stats.kstest(found, "uniform").pvalue > 1e-3
    assert p_of_ecdf(rng.random(50) ** 2) < 0.01


def test_among_no_draws_a_truth_stands_anywhere() -> None:
    rng = np.random.default_rng(3)
    found = np.array([position(1.0, np.empty((1, 0)), rng) for _ in range(400)])
    assert effective_draws(np.empty((1, 0))) == 0.0
    assert stats.kstest(found, "uniform").pvalue > 0.01
