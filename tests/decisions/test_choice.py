"""The points of a choice: what is free in each scenario, what is left for the student, and the loss of each."""

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SCENARIOS,
    SUPERVISED_TRAINING,
    Scenario,
)
from bayes_dsl.decisions.choice import BLOCK, Choice
from bayes_dsl.decisions.plans import plan_losses
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=16)


def _choice(scenario: Scenario, *, size: float | None = 1e9, budget: float = 1e21) -> Choice:
    return Choice(basis=BASIS, scenario=scenario, budget=budget, student_params=size)


@pytest.mark.parametrize(
    ("scenario", "names"),
    [
        (SUPERVISED_TRAINING, ()),
        (BEST_CASE, ("teacher_loss",)),
        (PRETRAINING_AND_INFERENCE, ("teacher_params", "teacher_tokens")),
    ],
)
def test_what_is_free(scenario: Scenario, names: tuple[str, ...]) -> None:
    assert _choice(scenario).names == names
    free = _choice(scenario, size=None)
    assert free.names == ("student_params", *names)
    assert all(low < high for low, high in free.box())


@pytest.mark.parametrize("scenario", SCENARIOS[1:], ids=lambda one: one.name)
def test_the_plan_of_a_point_costs_the_budget_and_has_the_points_loss(scenario: Scenario) -> None:
    choice = _choice(scenario)
    points = np.log([[3e8, 4e9], [2e9, 2e10], [1e9, 1e10]])
    losses = choice.losses(points)
    assert losses.shape == (3, 16)
    for point, loss in zip(points, losses, strict=True):
        plan = choice.plan(point)
        assert plan.student_params == 1e9
        assert plan.cost(scenario, BASIS.cost) == pytest.approx(1e21, rel=1e-12)
        assert plan_losses(BASIS, [plan])[:, 0] == pytest.approx(loss, rel=1e-9)


def test_a_free_teacher_is_chosen_by_its_loss() -> None:
    choice = _choice(BEST_CASE, size=None)
    point = np.log([2e9, 2.1])
    plan = choice.plan(point)
    assert (plan.teacher_loss, plan.teacher_params) == (pytest.approx(2.1), None)
    assert plan_losses(BASIS, [plan])[:, 0] == pytest.approx(choice.losses(point[None])[0], rel=1e-9)


def test_what_the_budget_does_not_pay_is_infinite() -> None:
    losses = _choice(PRETRAINING_AND_INFERENCE).losses(np.log([[1e12, 1e12], [1e9, 1e10]]))
    assert np.isinf(losses[0]).all() and np.isfinite(losses[1]).all()


def test_blocks_do_not_show() -> None:
    choice = _choice(PRETRAINING_AND_INFERENCE)
    rng = np.random.default_rng(0)
    points = np.log(10.0) * rng.uniform([8, 9], [10, 11], size=(BLOCK + 3, 2))
    together = choice.losses(points)
    assert together.shape == (BLOCK + 3, 16)
    assert choice.losses(points[BLOCK + 1 :]) == pytest.approx(together[BLOCK + 1 :], rel=1e-13)
    assert choice.losses(points[:1]) == pytest.approx(together[:1], rel=1e-13)
