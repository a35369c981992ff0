"""The path of the best split over budgets: its budgets, its numbers, and what it leaves out."""

from __future__ import annotations

import numpy as np
import pytest

from bayes_dsl.costs.flops import SIX_ND
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
)
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.errors import BudgetTooSmall
from bayes_dsl.inference.intervals import interval
from bayes_dsl.reporting.allocation_path import DRAWS, AllocationPath, allocation_path, budgets_about
from bayes_dsl.runs.table import RunTable
from tests.decisions.worlds import chinchilla_basis, distillation_basis


@pytest.fixture(scope="module")
def basis() -> Basis:
    return distillation_basis(draws=300, spread=0.005)


@pytest.fixture(scope="module")
def paid(basis: Basis) -> AllocationPath:
    return allocation_path(basis, PRETRAINING_AND_INFERENCE, budget_flops=[3e21], student_params=1e9)


def test_budgets_reach_a_decade_to_each_side_and_hold_those_asked_about() -> None:
    budgets, asked = budgets_about([1e21], 0.0)
    assert (budgets[0], budgets[-1]) == pytest.approx((1e20, 1e22))
    assert list(budgets[asked]) == [1e21] and len(budgets) == 9
    wide, asked = budgets_about([5e23, 1e20, 1.05e20, 1e20], 0.0)
    assert list(wide[asked]) == [1e20, 1.05e20, 5e23] and len(wide) <= 16
    assert np.all(np.diff(wide) > 0)
    above, asked = budgets_about([1e21], 8e20)
    assert above[0] == 8e20 or above[0] == 1e21
    assert above[-1] == pytest.approx(1e22)


def test_each_budget_is_split_and_those_asked_about_on_every_draw(basis: Basis, paid: AllocationPath) -> None:
    known = recommended_allocation(basis, PRETRAINING_AND_INFERENCE, budget_flops=3e21, student_params=1e9)
    (position,) = np.flatnonzero(paid.asked)
    for name in ("student_tokens", "teacher_params", "teacher_tokens"):
        assert paid.line(name)[position] == known.stated()[name]
        assert np.all(np.diff(paid.line(name)) > 0)
    assert paid.line("student_loss")[position] == known.losses.mean()
    assert np.all(np.diff(paid.line("student_loss")) < 0) and np.all(np.diff(paid.line("teacher_loss")) < 0)
    assert [one.cost_flops for one in paid.recommended] == pytest.approx(paid.budgets.tolist())
    assert paid.draws == 300 and paid.optima.basis.draws == DRAWS


def test_bands_are_the_draws_optima_and_hold_the_line(paid: AllocationPath) -> None:
    for name in ("student_tokens", "teacher_params", "teacher_tokens", "teacher_loss"):
        lower, upper = paid.band(name, prob=0.8, kind="eti")
        known = interval(paid.optima.values[name], prob=0.8, kind="eti")
        assert np.array_equal(lower, known[0]) and np.array_equal(upper, known[1])
        assert np.all((lower < paid.line(name)) & (paid.line(name) < upper))
    narrow, wide = (paid.band("teacher_params", prob=prob, kind="hdi") for prob in (0.5, 0.9))
    assert np.all(narrow[1] - narrow[0] < wide[1] - wide[0])
    for name in ("student_tokens", "teacher_params", "teacher_tokens"):
        lower, upper = paid.near(name)
        assert np.all((lower < paid.line(name)) & (paid.line(name) < upper))
    assert np.isnan(paid.near("teacher_loss")).all()


def test_shares_are_those_of_the_cost(paid: AllocationPath) -> None:
    shares = paid.shares()
    assert set(shares) == {"student_training", "teacher_logits", "teacher_training"}
    assert sum(shares.values()) == pytest.approx(np.ones(len(paid.budgets)))
    plan = paid.recommended[0].plan
    cost = paid.recommended[0].basis.cost
    trained = float(cost.training(plan.student_params, plan.student_tokens)) / paid.budgets[0]
    assert shares["student_training"][0] == pytest.approx(trained)


def test_what_is_open_has_no_numbers(basis: Basis) -> None:
    path = allocation_path(basis, BEST_CASE, budget_flops=[1e21], student_params=1e9)
    for name in path.optima.undetermined:
        assert np.isnan(path.line(name)).all() and np.isnan(path.near(name)).all()
        assert np.isnan(path.band(name, prob=0.9, kind="eti")).all()
    assert np.isfinite(path.line("teacher_loss")).all() and set(path.shares()) == {"student_training"}


def test_what_stands_on_a_bound_has_no_numbers(basis: Basis) -> None:
    path = allocation_path(basis, TEACHER_INFERENCE, budget_flops=[1e21], student_params=1e9)
    assert path.limited("teacher_tokens", prob=0.9).all() and path.bounds("teacher_tokens") == (1e6, 1e17)
    assert np.isnan(path.line("teacher_tokens")).all()
    assert np.isnan(path.band("teacher_tokens", prob=0.9, kind="eti")).all()
    assert (
        not path.limited("teacher_params", prob=0.9).any() and np.isfinite(path.line("teacher_params")).all()
    )


def test_a_cap_limits_only_where_it_binds() -> None:
    bounds = Bounds(params=PAPER_BOUNDS.params, tokens=PAPER_BOUNDS.tokens, student_tokens_cap=1e12)
    basis = chinchilla_basis(draws=20, bounds=bounds)
    path = allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[3e21], student_params=1e9)
    binds = path.budgets / 6e9 > 1e12
    assert 0 < binds.sum() < len(binds)
    assert np.array_equal(path.limited("student_tokens", prob=0.9), binds)
    assert np.array_equal(np.isnan(path.line("student_tokens")), binds)


def test_no_budget_is_below_the_least_that_works() -> None:
    basis = chinchilla_basis(draws=20)
    least = 6 * 1e9 * 1e6
    path = allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[2 * least], student_params=1e9)
    assert least < path.budgets[0] < 1.1 * least
    with pytest.raises(BudgetTooSmall):
        allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[least / 2, 2 * least], student_params=1e9)


def test_where_the_student_leaves_the_runs(small_table: RunTable) -> None:
    basis = chinchilla_basis(draws=20, cost=SIX_ND)
    path = allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[3e21], student_params=1e9)
    # The largest run has 5e9 parameters and 1e11 tokens; costs are 6 N D.
    assert path.beyond(small_table) == pytest.approx(6 * 5e20, rel=1e-6)
    below = allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[1e19], student_params=1e9)
    assert below.beyond(small_table) is None
    above = allocation_path(basis, SUPERVISED_TRAINING, budget_flops=[1e24], student_params=1e9)
    assert above.beyond(small_table) == above.budgets[0]


def test_progress_is_told_after_each_budget() -> None:
    told: list[tuple[int, int]] = []
    path = allocation_path(
        chinchilla_basis(draws=5),
        SUPERVISED_TRAINING,
        budget_flops=[1e21],
        student_params=1e9,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(i + 1, len(path.budgets)) for i in range(len(path.budgets))]
