"""Break-even students: with as many distilling wins, with one fewer it does not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
    TEACHER_PRETRAINING,
    Scenario,
)
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.sharing import BreakEven, break_even_students, shared_log_loss
from bayes_dsl.errors import BudgetTooSmall, InputError
from tests.decisions.worlds import distillation_basis

BASIS = distillation_basis(draws=24, spread=0.01)
STORED = replace(PRETRAINING_AND_INFERENCE, name="stored", stored_logits=True)


@pytest.fixture(scope="module")
def found() -> BreakEven:
    return break_even_students(
        BASIS, TEACHER_PRETRAINING, budget_flops=[1e21, 1e22], student_params=[1e9, 1e10]
    )


def differences(scenario: Scenario, students: float) -> np.ndarray:
    """Best distilled minus best supervised loss of 1B students at 1e21 FLOPs each, (draw,)."""
    shared = replace(scenario, students=students)
    sides = [
        optimal_allocations(BASIS, one, budget_flops=1e21, student_params=1e9).values["student_loss"]
        for one in (shared, SUPERVISED_TRAINING)
    ]
    return sides[0][:, 0] - sides[1][:, 0]


def test_it_is_the_least_number_that_wins(found: BreakEven) -> None:
    students = found.students[:, 0]
    reachable = np.flatnonzero(np.isfinite(students) & (students > 1) & (students < 1000))
    assert len(reachable) > 5
    for draw in reachable[:6]:
        assert differences(TEACHER_PRETRAINING, students[draw])[draw] < 0
        assert differences(TEACHER_PRETRAINING, students[draw] - 1)[draw] >= 0


def test_students_are_whole_and_the_rest_is_counted(found: BreakEven) -> None:
    real = found.students[np.isfinite(found.students)]
    assert (real == np.round(real)).all() and (real >= 1).all() and (real <= found.limit).all()
    table = found.interval()
    np.testing.assert_allclose(table["share"] + table["never"], 1.0)
    few = break_even_students(BASIS, TEACHER_PRETRAINING, budget_flops=1e21, student_params=1e9, limit=5)
    np.testing.assert_array_equal(
        few.students[:, 0], np.where(found.students[:, 0] <= 5, found.students[:, 0], np.nan)
    )
    assert few.never[0] > found.never[0] and few.limit == 5


def test_more_students_never_make_distilling_less_likely(found: BreakEven) -> None:
    likely = np.array([found.probability(number) for number in (1, 3, 10, 100, 1e9)])
    assert (np.diff(likely, axis=0) >= 0).all() and (likely[-1] > likely[0]).all()
    np.testing.assert_allclose(likely[0], found.alone)
    np.testing.assert_allclose(likely[-1], 1 - found.never)


def test_prices_of_their_own_for_every_draw_are_those_of_the_scenario() -> None:
    for scenario in (TEACHER_PRETRAINING, STORED):
        shared = replace(scenario, students=7.0)
        expected = optimal_allocations(BASIS, shared, budget_flops=1e21, student_params=1e9)
        log_loss = shared_log_loss(BASIS, scenario, 1e21, 1e9, np.full(24, 7.0))
        np.testing.assert_allclose(np.exp(log_loss), expected.values["student_loss"][:, 0], rtol=1e-9)


def test_stored_logits_are_shared_and_need_fewer_students(found: BreakEven) -> None:
    anew, stored = (
        break_even_students(BASIS, one, budget_flops=1e21, student_params=1e9).students[:, 0]
        for one in (PRETRAINING_AND_INFERENCE, STORED)
    )
    infinite = [np.where(np.isnan(one), np.inf, one) for one in (found.students[:, 0], stored, anew)]
    assert (infinite[0] <= infinite[1]).all() and (infinite[1] <= infinite[2]).all()
    assert (infinite[1] < infinite[2]).any()


def test_where_students_share_nothing_the_question_is_refused() -> None:
    for scenario in (BEST_CASE, TEACHER_INFERENCE):
        with pytest.raises(InputError, match="students share no cost"):
            break_even_students(BASIS, scenario, budget_flops=1e21, student_params=1e9)
    with pytest.raises(InputError, match="limit = 1; at least two"):
        break_even_students(BASIS, TEACHER_PRETRAINING, budget_flops=1e21, student_params=1e9, limit=1)
    with pytest.raises(InputError, match="no teacher"):
        break_even_students(BASIS, SUPERVISED_TRAINING, budget_flops=1e21, student_params=1e9)
    with pytest.raises(BudgetTooSmall):
        break_even_students(BASIS, TEACHER_PRETRAINING, budget_flops=1e12, student_params=1e9)
