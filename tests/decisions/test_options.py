"""One teacher as an option: what is left buys tokens, and a free size is the best one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import BEST_CASE, SUPERVISED_TRAINING, TEACHER_INFERENCE
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.options import Option
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import recommended_allocation
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=24, spread=0.02)
LOSS = np.full(24, 2.0)
TAUGHT = Option(basis=BASIS, scenario=TEACHER_INFERENCE, money=1e21, teacher_params=4e9, teacher_loss=LOSS)
ALONE = Option(basis=BASIS, scenario=SUPERVISED_TRAINING, money=1e21)


@pytest.mark.parametrize("option", [TAUGHT, ALONE], ids=["taught", "alone"])
def test_tokens_are_what_the_money_buys(option: Option) -> None:
    serving = replace(option, scenario=replace(option.scenario, serving_tokens=1e10))
    for one in (option, serving):
        tokens = float(one.student_tokens(np.full(1, 1e9))[0])
        plan = Plan(
            student_params=1e9, student_tokens=tokens, teacher_params=one.teacher_params, teacher_loss=2.0
        )
        if one.teacher_loss is None:
            plan = Plan(student_params=1e9, student_tokens=tokens)
        assert plan.cost(one.scenario, PAPER) == pytest.approx(1e21, rel=1e-12)
        np.testing.assert_allclose(
            one.losses(np.full(1, 1e9))[0], plan_losses(BASIS, [plan])[:, 0], rtol=1e-12
        )


def test_the_best_size_of_no_teacher_is_the_recommended_one() -> None:
    found = ALONE.best(None)
    recommended = recommended_allocation(BASIS, SUPERVISED_TRAINING, budget_flops=1e21)
    assert found == pytest.approx(recommended.plan.student_params, rel=1e-3)
    assert ALONE.losses(np.array([found])).mean() <= recommended.losses.mean() + 1e-9


def test_no_other_size_is_better() -> None:
    best = TAUGHT.losses(np.array([TAUGHT.best(None)])).mean()
    others = TAUGHT.losses(np.geomspace(1e7, 1e12, 400)).mean(axis=1)
    assert best <= others.min() + 1e-9 and best == pytest.approx(others.min(), abs=1e-4)


def test_a_size_that_is_given_stays_and_one_that_is_not_paid_is_none() -> None:
    assert TAUGHT.best(3e9) == 3e9
    poor = replace(TAUGHT, money=1e15)
    assert poor.best(1e9) is None and np.isinf(poor.losses(np.full(1, 1e9))).all()
    assert replace(TAUGHT, money=-1.0).best(None) is None


def test_caps_hold_tokens_and_size() -> None:
    tight = Bounds(params=(1e6, 1e15), tokens=(1e6, 1e15), student_params_cap=1e9, student_tokens_cap=1e10)
    capped = Option(basis=replace(BASIS, bounds=tight), scenario=BEST_CASE, money=1e23, teacher_loss=LOSS)
    assert capped.best(None) == pytest.approx(1e9, rel=1e-4)
    assert capped.student_tokens(np.full(1, 1e8))[0] == 1e10
