"""The grid of distil or train: its pairs, its probabilities, and where the students leave the runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING, TEACHER_INFERENCE
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.compare import distil_or_train
from bayes_dsl.errors import InputError
from bayes_dsl.reporting import comparison_grid as module
from bayes_dsl.reporting.comparison_grid import ComparisonGrid, comparison_grid
from bayes_dsl.runs.table import RunTable
from tests.decisions.worlds import distillation_basis

TOLD: list[tuple[int, int]] = []


@pytest.fixture(scope="module")
def basis() -> Basis:
    # No student of 1e8 tokens or less: large ones are beyond small budgets.
    return distillation_basis(draws=60, bounds=Bounds(params=(1e6, 1e14), tokens=(1e8, 1e16)))


@pytest.fixture(scope="module")
def grid(basis: Basis) -> ComparisonGrid:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BUDGETS", 5)
        patch.setattr(module, "SIZES", 3)
        return comparison_grid(
            basis,
            TEACHER_INFERENCE,
            budget_flops=[1e19],
            student_params=[2e9, 4e9],
            progress=lambda done, total: TOLD.append((done, total)),
        )


def test_the_grid_reaches_beyond_what_is_asked_about(grid: ComparisonGrid) -> None:
    assert grid.budgets == pytest.approx(np.geomspace(1e18, 1e20, 5))
    assert (grid.sizes[0], grid.sizes[-1]) == pytest.approx((2e9 / np.sqrt(10), 4e9 * np.sqrt(10)))
    assert grid.asked == ((1e19, 2e9), (1e19, 4e9)) and grid.asked_probability.shape == (2,)
    assert TOLD[-1][0] == TOLD[-1][1] == np.isfinite(grid.probability).sum() + 2


def test_probabilities_are_those_of_the_comparison(basis: Basis, grid: ComparisonGrid) -> None:
    known = distil_or_train(
        basis, TEACHER_INFERENCE, budget_flops=grid.budgets[3], student_params=grid.sizes[1]
    )
    assert grid.probability[1, 3] == known.probability[0]
    assert grid.tokens[1, 3] == known.distilled[0].student_tokens


def test_a_budget_too_small_is_left_out(basis: Basis, grid: ComparisonGrid) -> None:
    alone = 3 * basis.cost.forward(grid.sizes[:, None]) * 1e8 + 0 * grid.budgets
    too_small = np.isnan(grid.probability)
    assert 0 < too_small.sum() < too_small.size and np.array_equal(too_small, np.isnan(grid.tokens))
    assert not np.any((grid.budgets < alone) & ~too_small)
    assert not np.any((grid.budgets > 1.2 * alone) & too_small)


def test_where_students_leave_the_runs(grid: ComparisonGrid, small_table: RunTable) -> None:
    # Runs of 5e7 to 5e9 parameters, the largest with 1e11 tokens.
    simple = replace(
        grid, sizes=np.array([1e7, 1e9, 1e10]), tokens=np.array([[1e10, 1e15], [1e10, 1e12], [1e10, np.nan]])
    )
    found = simple.beyond(small_table)
    assert found[0] == pytest.approx([np.log(5), np.log(1e22 / 5e20)])
    assert found[1, 0] < 0 and found[1, 1] == pytest.approx(np.log(2))
    assert found[2, 0] == pytest.approx(np.log(2)) and np.isnan(found[2, 1])


def test_a_scenario_without_a_teacher_is_refused(basis: Basis) -> None:
    with pytest.raises(InputError, match="there is no teacher in it"):
        comparison_grid(basis, SUPERVISED_TRAINING, budget_flops=[1e21], student_params=[1e9])
