"""The recommended split is the best one for the whole posterior, under the rule that was asked for."""

import numpy as np
import pytest
from scipy.optimize import minimize

from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SCENARIOS,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
    TEACHER_PRETRAINING,
    Scenario,
)
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.choice import Choice
from bayes_dsl.decisions.plans import plan_losses
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.errors import BudgetTooSmall, InputError
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=32, spread=0.05)
EVERY = pytest.mark.parametrize("scenario", [*SCENARIOS, SUPERVISED_TRAINING], ids=lambda one: one.name)


@EVERY
@pytest.mark.parametrize("size", [1e9, None], ids=["given", "free"])
def test_no_other_split_has_a_lower_expected_loss(scenario: Scenario, size: float | None) -> None:
    found = recommended_allocation(BASIS, scenario, budget_flops=1e21, student_params=size)
    choice = Choice(basis=BASIS, scenario=scenario, budget=1e21, student_params=size)
    best = found.losses.mean()
    if not choice.names:
        return
    box = choice.box()
    rng = np.random.default_rng(2)
    starts = [rng.uniform(*np.array(box).T) for _ in range(4)]
    for start in starts:

        def value(point: np.ndarray) -> float:
            return min(float(choice.losses(point[None]).mean()), 1e3)

        other = minimize(value, start, method="Powell", bounds=box, options={"xtol": 1e-5, "maxfev": 3000})
        assert best <= other.fun + 1e-6


@EVERY
def test_the_losses_are_those_of_the_plan_and_the_cost_is_the_budget(scenario: Scenario) -> None:
    found = recommended_allocation(BASIS, scenario, budget_flops=1e21, student_params=1e9)
    assert plan_losses(BASIS, [found.plan])[:, 0] == pytest.approx(found.losses, rel=1e-9)
    assert found.cost_flops == pytest.approx(1e21, rel=1e-9)
    optima = optimal_allocations(BASIS, scenario, budget_flops=1e21, student_params=1e9)
    assert (found.losses >= optima.values["student_loss"][:, 0] - 1e-6).all()


def test_what_is_no_advice_is_not_stated() -> None:
    free = recommended_allocation(BASIS, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert free.undetermined == ("teacher_params", "teacher_tokens")
    assert free.stated()["teacher_params"] is None and free.plan.teacher_loss is not None
    paid = recommended_allocation(BASIS, TEACHER_INFERENCE, budget_flops=1e21, student_params=1e9)
    assert [str(hit) for hit in paid.bounds_hit] == [
        "teacher_tokens runs into the upper bound 1e+17 of the search"
    ]
    assert paid.stated()["teacher_tokens"] is None and paid.stated()["teacher_params"] is not None


def test_a_bound_that_binds_is_found_on_either_side() -> None:
    tight = Bounds(params=(1e8, 5e8), tokens=(1e9, 1e13))
    found = recommended_allocation(
        BASIS, TEACHER_PRETRAINING, budget_flops=1e22, student_params=1e9, bounds=tight
    )
    assert [(hit.quantity, hit.side) for hit in found.bounds_hit] == [("teacher_params", "upper")]
    capped = Bounds(params=(1e6, 1e17), tokens=(1e6, 1e17), student_tokens_cap=1e10)
    found = recommended_allocation(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e22, student_params=1e9, bounds=capped
    )
    assert ("student_tokens", "upper") in [(hit.quantity, hit.side) for hit in found.bounds_hit]
    assert found.plan.student_tokens == pytest.approx(1e10) and found.cost_flops <= 1e22


def test_each_rule_is_best_at_what_it_is_for() -> None:
    def chosen(**rule: object) -> np.ndarray:
        found = recommended_allocation(
            BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e10, **rule
        )
        return found.losses

    optima = optimal_allocations(BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e10)
    best = optima.values["student_loss"][:, 0]
    mean, upper, regret = chosen(), chosen(rule="quantile", quantile=0.9), chosen(rule="minimax-regret")
    scores = {
        "mean": [losses.mean() for losses in (mean, upper, regret)],
        "quantile": [np.quantile(losses, 0.9) for losses in (mean, upper, regret)],
        "regret": [(losses - best).max() for losses in (mean, upper, regret)],
    }
    for place, values in enumerate(scores.values()):
        assert values[place] <= min(values) + 1e-6
    assert scores["regret"][2] < scores["regret"][0] - 1e-4


def test_an_unknown_rule_is_refused() -> None:
    for rule, quantile in (("median", 0.9), ("quantile", 1.5)):
        with pytest.raises(InputError, match="no such rule for a decision"):
            recommended_allocation(
                BASIS,
                BEST_CASE,
                budget_flops=1e21,
                student_params=1e9,
                rule=rule,
                quantile=quantile,  # type: ignore[arg-type]
            )


def test_too_small_a_budget_is_refused() -> None:
    with pytest.raises(BudgetTooSmall):
        recommended_allocation(BASIS, BEST_CASE, budget_flops=1e10, student_params=1e9)
