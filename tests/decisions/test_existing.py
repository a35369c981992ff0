"""Existing teachers: what each costs and brings, which is best, and that none may be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
)
from bayes_dsl.decisions.existing import NONE, Teacher, TeacherChoice, choose_teacher
from bayes_dsl.decisions.plans import plan_losses
from bayes_dsl.errors import BudgetTooSmall, InputError
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=24, spread=0.01)
TEACHERS = (
    Teacher(name="weak", loss=2.6, params=5e8),
    Teacher(name="fitting", loss=2.0, params=3e9),
    Teacher(name="mighty", loss=1.7, params=3e11),
)


@pytest.fixture(scope="module")
def found() -> TeacherChoice:
    return choose_teacher(BASIS, TEACHER_INFERENCE, TEACHERS, budget_flops=1e21, student_params=3e9)


def test_every_option_spends_the_budget_and_is_judged_on_the_same_draws(found: TeacherChoice) -> None:
    assert found.names == ("weak", "fitting", "mighty", NONE) and found.unaffordable == ()
    for plan in found.plans.values():
        scenario = SUPERVISED_TRAINING if plan.supervised else TEACHER_INFERENCE
        assert plan.cost(scenario, PAPER) == pytest.approx(1e21, rel=1e-12)
    np.testing.assert_allclose(found.losses, plan_losses(BASIS, list(found.plans.values())), rtol=1e-12)


def test_the_teacher_that_fits_is_taken_and_the_rest_regretted(found: TeacherChoice) -> None:
    table = found.table()
    assert found.recommended == "fitting" == table["loss"].idxmin() == table["regret"].idxmin()
    assert table["probability_best"].sum() == pytest.approx(1.0)
    assert found.probability_best[1] == np.mean(np.argmin(found.losses, axis=1) == 1) > 0.5
    assert (found.regret >= 0).all() and (found.regret.min(axis=1) == 0).all()
    assert (table["lower"] < table["loss"]).all() and (table["loss"] < table["upper"]).all()


def test_where_logits_are_free_the_teachers_size_does_not_matter() -> None:
    bare = [replace(teacher, params=None) for teacher in TEACHERS]
    without, within = (
        choose_teacher(BASIS, BEST_CASE, some, budget_flops=1e21, student_params=3e9)
        for some in (bare, TEACHERS)
    )
    np.testing.assert_array_equal(without.losses, within.losses)


def test_training_is_charged_by_the_price_alone(found: TeacherChoice) -> None:
    both = choose_teacher(BASIS, PRETRAINING_AND_INFERENCE, TEACHERS, budget_flops=1e21, student_params=3e9)
    np.testing.assert_array_equal(both.losses, found.losses)
    priced = [replace(teacher, price_flops=5e20) for teacher in TEACHERS]
    half = choose_teacher(BASIS, TEACHER_INFERENCE, priced, budget_flops=1e21, student_params=3e9)
    for name in ("weak", "fitting", "mighty"):
        assert half.plans[name].student_tokens == pytest.approx(found.plans[name].student_tokens / 2)
    np.testing.assert_array_equal(half.losses[:, -1], found.losses[:, -1])
    assert half.recommended == NONE


def test_a_teacher_beyond_the_budget_is_named_not_hidden() -> None:
    dear = (*TEACHERS, Teacher(name="dear", loss=1.9, params=3e9, price_flops=2e21))
    found = choose_teacher(BASIS, TEACHER_INFERENCE, dear, budget_flops=1e21, student_params=3e9)
    assert found.unaffordable == ("dear",) and "dear" not in found.names
    assert found.losses.shape == (24, 4)


def test_a_free_size_is_never_worse_than_a_given_one(found: TeacherChoice) -> None:
    free = choose_teacher(BASIS, TEACHER_INFERENCE, TEACHERS, budget_flops=1e21)
    assert (free.losses.mean(axis=0) <= found.losses.mean(axis=0) + 1e-9).all()
    assert len({plan.student_params for plan in free.plans.values()}) == 4


def test_an_uncertain_teacher_widens_its_own_loss_alone(found: TeacherChoice) -> None:
    unsure = [TEACHERS[0], replace(TEACHERS[1], loss_se=0.05), TEACHERS[2]]
    one, two, other = (
        choose_teacher(BASIS, TEACHER_INFERENCE, unsure, budget_flops=1e21, student_params=3e9, seed=seed)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.losses, two.losses)
    assert (one.losses[:, 1] != other.losses[:, 1]).all()
    np.testing.assert_array_equal(one.losses[:, [0, 2, 3]], found.losses[:, [0, 2, 3]])
    assert one.losses[:, 1].std() > 1.1 * found.losses[:, 1].std()


def test_what_cannot_be_chosen_is_told_at_once() -> None:
    unsized = [
        Teacher(name="a", loss=2.0),
        Teacher(name="b", loss=2.1),
        Teacher(name="a", loss=2.2, params=1e9),
    ]
    with pytest.raises(InputError) as refused:
        choose_teacher(BASIS, TEACHER_INFERENCE, unsized, budget_flops=1e21)
    told = [str(fault) for fault in refused.value.faults]
    assert len(told) == 3 and "teacher = a; two teachers" in told[0]
    assert "teacher a, params = None" in told[1] and "teacher b, params = None" in told[2]
    with pytest.raises(InputError, match="there must be one to choose"):
        choose_teacher(BASIS, BEST_CASE, [], budget_flops=1e21)
    with pytest.raises(InputError, match="there is no teacher in it"):
        choose_teacher(BASIS, SUPERVISED_TRAINING, TEACHERS, budget_flops=1e21)
    with pytest.raises(BudgetTooSmall):
        choose_teacher(BASIS, BEST_CASE, TEACHERS, budget_flops=1e12, student_params=1e9)
    with pytest.raises(InputError) as refused:
        Teacher(name="none", loss=-1.0, params=0.0, price_flops=-1.0, loss_se=float("nan"))
    assert len(refused.value.faults) == 5
