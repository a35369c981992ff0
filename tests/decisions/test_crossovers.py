"""Crossover budgets: both sides are level there, every draw is counted, and the paper's own are found."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import BEST_CASE, SUPERVISED_TRAINING, TEACHER_PRETRAINING
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.compare import known_difference
from bayes_dsl.decisions.crossovers import Crossover, _closed, crossover_budget
from bayes_dsl.errors import BudgetTooSmall, InputError
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=24, spread=0.01)
SIZES = (3e8, 1e9, 1e10)


@pytest.fixture(scope="module")
def found() -> Crossover:
    return crossover_budget(BASIS, BEST_CASE, student_params=SIZES, budgets=(1e20, 1e26))


def of_paper() -> Basis:
    """The coefficients with B' = 2 418 100, on as many draws as the other basis: nothing is in doubt."""
    certain = distillation_basis(draws=24, spread=0.0)
    return replace(certain, parameters={**certain.parameters, "B_prime": np.full(24, 2418100.0)})


def test_both_sides_are_level_at_a_crossing_and_change_places_there(found: Crossover) -> None:
    for i, size in enumerate(SIZES):
        budgets = found.budget_flops("below")[:, i]
        some = np.where(np.isfinite(budgets), budgets, 1e22)
        at = np.stack([some * 0.999, some, some * 1.001])
        less, level, more = known_difference(BASIS, BEST_CASE, SUPERVISED_TRAINING, at, np.full(3, size)).T
        crosses = np.isfinite(budgets)
        assert crosses.any()
        assert np.abs(level[crosses]).max() < 1e-7
        assert (less[crosses] < 0).all() and (more[crosses] > 0).all()


def test_every_draw_is_counted_and_none_is_clipped(found: Crossover) -> None:
    np.testing.assert_allclose(found.always_distil + found.never_distil + found.crosses, 1.0)
    assert found.always_distil.sum() > 0 and (found.crosses > 0).all()
    real = found.crossings[np.isfinite(found.crossings)]
    assert ((real > 1e20) & (real < 1e26)).all()
    table = found.interval().set_index("student_params")
    np.testing.assert_allclose(table["share"], found.crosses)
    # Without the draws that never cross: a clipped end would sit on the range's own.
    assert (table["upper"] < 0.99e26).all()


def test_a_narrower_range_finds_the_same_crossings_and_loses_the_rest(found: Crossover) -> None:
    part = crossover_budget(BASIS, BEST_CASE, student_params=SIZES, budgets=(1e21, 1e23))
    whole = found.budget_flops("below")
    inside = (whole > 1e21) & (whole < 1e23)
    np.testing.assert_array_equal(np.isfinite(part.budget_flops("below")), inside)
    np.testing.assert_allclose(part.budget_flops("below")[inside], whole[inside], rtol=1e-6)
    np.testing.assert_allclose(part.never_distil, np.mean(whole <= 1e21, axis=0) + found.never_distil)


def test_a_range_without_a_crossing_says_so() -> None:
    none = crossover_budget(of_paper(), BEST_CASE, student_params=[1e9, 1e10], budgets=(1e20, 1e21))
    assert none.crossings.shape == (0, 24, 2)
    assert list(none.always_distil) == [1.0, 1.0] and list(none.crosses) == [0.0, 0.0]
    table = none.interval()
    assert set(table["distil_wins"]) == {"none"} and table[["median", "lower", "upper"]].isna().all(axis=None)
    assert list(table["share"]) == [0.0, 0.0]


@pytest.mark.parametrize(
    ("size", "budget"), [(3e8, 8e22), (5e8, 1.7e22), (1e9, 1.7e22), (3e9, 7e22), (5e9, 2e23), (1e10, 1.5e24)]
)
def test_the_laws_own_break_even_is_found(size: float, budget: float) -> None:
    """Where the best case's least loss first exceeds the supervised one, calculated on a grid of tokens."""
    found = crossover_budget(of_paper(), BEST_CASE, student_params=size, budgets=(1e20, 1e26))
    assert found.budget_flops("below")[:, 0] == pytest.approx(np.full(24, budget), rel=0.3)


def test_the_largest_students_are_never_caught_up_with() -> None:
    found = crossover_budget(of_paper(), BEST_CASE, student_params=[3e10, 5e10], budgets=(1e20, 1e27))
    assert list(found.always_distil) == [1.0, 1.0]


def test_a_teacher_that_must_be_trained_pays_only_above_a_first_crossing() -> None:
    found = crossover_budget(BASIS, TEACHER_PRETRAINING, student_params=1e9, budgets=(1e20, 1e24))
    first = np.isfinite(found.crossings[0])
    assert first.any() and not found.wins_below[0][first].any()
    assert found.always_distil[0] == 0 and found.never_distil[0] > 0


def test_every_crossing_of_a_draw_is_closed_in_and_told_apart() -> None:
    roots = np.array([[1.03, 4.21, np.inf], [2.5, np.inf, np.inf], [np.inf] * 3, [0.55, 3.3, 7.7]]).T

    def wins(at: np.ndarray) -> np.ndarray:
        return (at[:, None] > roots[None]).sum(axis=1) % 2 == 1

    grid = np.linspace(0.0, 10.0, 21)
    crossings, below = _closed(wins, wins(np.repeat(grid[:, None], 4, axis=1)), grid)
    np.testing.assert_allclose(crossings, np.exp(np.where(np.isfinite(roots), roots, np.nan)), rtol=1e-5)
    np.testing.assert_array_equal(below[:, 3], [False, True, False])
    np.testing.assert_array_equal(below[:, 0], [False, True, False])
    made = Crossover(
        scenario=BEST_CASE,
        basis=BASIS,
        student_params=np.array([1e9]),
        budgets=(1.0, np.exp(10.0)),
        crossings=crossings[:, :, None],
        wins_below=below[:, :, None],
        always_distil=np.zeros(1),
        never_distil=np.full(1, 0.25),
    )
    np.testing.assert_array_equal(made.count[:, 0], [2, 1, 0, 3])
    assert made.crosses[0] == 0.75 and made.crosses_again[0] == 0.5
    above = made.budget_flops("above")[:, 0]
    np.testing.assert_allclose(np.log(above), [1.03, 2.5, np.nan, 0.55], rtol=1e-5)
    np.testing.assert_allclose(np.log(made.budget_flops()[:, 0]), [4.21, np.nan, np.nan, 3.3], rtol=1e-5)
    assert list(made.interval()["share"]) == [0.5, 0.75]


def test_what_cannot_be_searched_is_refused(found: Crossover) -> None:
    with pytest.raises(InputError, match="the range must hold something"):
        crossover_budget(BASIS, BEST_CASE, student_params=1e9, budgets=(1e22, 1e21))
    with pytest.raises(BudgetTooSmall):
        crossover_budget(BASIS, BEST_CASE, student_params=1e9, budgets=(1e12, 1e21))
    with pytest.raises(InputError, match="there is no teacher"):
        crossover_budget(BASIS, SUPERVISED_TRAINING, student_params=1e9, budgets=(1e20, 1e21))
    with pytest.raises(InputError, match="direction = sideways"):
        found.budget_flops("sideways")
