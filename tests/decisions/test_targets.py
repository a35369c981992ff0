"""A budget that reaches its target with the assurance asked for, is the least that does, or is said not to exist."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bayes_dsl.costs.scenarios import BEST_CASE, PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.decisions.targets import (
    HIGHEST,
    RESOLUTION,
    AssuredBudget,
    _least,
    budget_for_target,
    law_floor,
)
from bayes_dsl.errors import BudgetTooSmall, InputError
from tests.decisions.worlds import chinchilla_basis, distillation_basis

BASIS = distillation_basis(draws=24, spread=0.02)


@pytest.fixture(scope="module")
def found() -> AssuredBudget:
    return budget_for_target(BASIS, BEST_CASE, target_loss=2.3, student_params=1e9)


def assured(budget: float, target: float) -> float:
    losses = recommended_allocation(BASIS, BEST_CASE, budget_flops=budget, student_params=1e9).losses
    return float(np.mean(losses <= target))


def test_the_budget_is_enough_and_a_little_less_is_not(found: AssuredBudget) -> None:
    assert found.budget_flops is not None and found.recommendation is not None
    assert assured(found.budget_flops, 2.3) == found.probability >= 0.9
    assert assured(found.budget_flops / (1 + RESOLUTION), 2.3) < 0.9
    assert found.recommendation.budget_flops == found.budget_flops
    assert found.statement() == f"{found.budget_flops:.4g} FLOPs reach a loss of 2.3 with 90 % assurance"


def test_more_assurance_and_lower_targets_cost_more(found: AssuredBudget) -> None:
    surer = budget_for_target(BASIS, BEST_CASE, target_loss=2.3, assurance=0.95, student_params=1e9)
    lower = budget_for_target(BASIS, BEST_CASE, target_loss=2.25, student_params=1e9)
    half = budget_for_target(BASIS, BEST_CASE, target_loss=2.3, assurance=0.5, student_params=1e9)
    assert half.budget_flops < found.budget_flops < min(surer.budget_flops, lower.budget_flops)


def test_below_the_laws_floor_there_is_no_budget(found: AssuredBudget) -> None:
    floor = law_floor(BASIS, BEST_CASE, 1e9)
    np.testing.assert_array_equal(found.floor, floor)
    target = float(np.median(floor))
    none = budget_for_target(BASIS, BEST_CASE, target_loss=target, student_params=1e9)
    assert none.budget_flops is None and none.recommendation is None
    assert none.probability == none.reachable == np.mean(floor <= target)
    assert none.statement().startswith("no budget reaches")
    assert f"{100 * none.reachable:.3g} % of the draws" in none.statement()


def test_the_floor_is_what_no_budget_goes_below() -> None:
    for scenario in (BEST_CASE, PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING):
        floor = law_floor(BASIS, scenario, 1e9)
        losses = recommended_allocation(BASIS, scenario, budget_flops=1e27, student_params=1e9).losses
        assert (floor <= losses + 1e-9).all()
    p = BASIS.parameters
    expected = p["E"] + (p["A"] / 1e9 ** p["alpha"]) ** p["gamma"]
    np.testing.assert_allclose(law_floor(BASIS, SUPERVISED_TRAINING, 1e9), expected, rtol=1e-3)
    # A student of free size is the largest that is searched.
    known = chinchilla_basis(draws=24)
    np.testing.assert_allclose(law_floor(known, SUPERVISED_TRAINING, None), known.parameters["E"], rtol=2e-3)


def test_a_range_that_ends_too_early_is_said_not_clipped(found: AssuredBudget) -> None:
    early = budget_for_target(
        BASIS, BEST_CASE, target_loss=2.3, student_params=1e9, budgets=(1e20, found.budget_flops / 2)
    )
    assert early.budget_flops is None and early.reachable >= 0.9 > early.probability
    assert early.statement().startswith(f"no budget up to {found.budget_flops / 2:.4g} FLOPs reaches")
    same = budget_for_target(BASIS, BEST_CASE, target_loss=2.3, student_params=1e9, budgets=(1e20, 1e23))
    assert same.budget_flops == pytest.approx(found.budget_flops, rel=2 * RESOLUTION)
    assert found.budgets[1] == HIGHEST


def test_a_target_that_the_least_budget_reaches_costs_the_least_budget() -> None:
    easy = budget_for_target(BASIS, SUPERVISED_TRAINING, target_loss=50.0, student_params=1e9)
    assert easy.budget_flops == easy.budgets[0] and easy.probability == 1.0


@given(st.floats(0.01, 40), st.floats(0, 45))
def test_the_least_is_found_from_wherever_the_search_begins(edge: float, start: float) -> None:
    threshold, low, high = np.exp(edge), 1.0, float(np.exp(38.0))
    found = _least(lambda at: at >= threshold, float(np.exp(start)), low, high)
    if threshold > high:
        assert found is None
    else:
        assert found is not None and threshold <= found <= threshold * (1 + RESOLUTION) * (1 + 1e-12)


def test_what_makes_no_sense_is_refused() -> None:
    for assurance in (0.0, 1.0, 1.5):
        with pytest.raises(InputError, match="assurance"):
            budget_for_target(BASIS, BEST_CASE, target_loss=2.3, assurance=assurance)
    with pytest.raises(InputError, match="target_loss = -1"):
        budget_for_target(BASIS, BEST_CASE, target_loss=-1.0)
    with pytest.raises(InputError, match="the range must hold something"):
        budget_for_target(BASIS, BEST_CASE, target_loss=2.3, budgets=(1e22, 1e21))
    with pytest.raises(BudgetTooSmall):
        budget_for_target(BASIS, BEST_CASE, target_loss=2.3, student_params=1e9, budgets=(1e12, 1e21))
