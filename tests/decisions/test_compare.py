"""Distil or train: both sides spend the same, are judged on the same draws, and win where the paper says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_PRETRAINING,
)
from bayes_dsl.decisions import compare
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.compare import Comparison, distil_or_train
from bayes_dsl.decisions.plans import plan_losses
from bayes_dsl.errors import BudgetTooSmall, InputError, NotIdentified
from tests.decisions.worlds import chinchilla_basis, distillation_basis

BASIS = distillation_basis(draws=24, spread=0.01)
CERTAIN = distillation_basis(draws=24, spread=0.0)


@pytest.fixture(scope="module")
def paid() -> Comparison:
    return distil_or_train(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=[1e21, 1e23], student_params=[1e9, 1e9]
    )


@pytest.fixture(scope="module")
def free() -> Comparison:
    return distil_or_train(BASIS, BEST_CASE, budget_flops=[1e21, 1e23], student_params=1e9)


def test_both_sides_spend_the_same_compute(paid: Comparison, free: Comparison) -> None:
    for found in (paid, free):
        for budget, distilled, supervised in zip(
            found.budget_flops, found.distilled, found.supervised, strict=True
        ):
            assert distilled.cost(found.scenario, PAPER) == pytest.approx(budget, rel=1e-9)
            assert supervised.cost(found.supervised_scenario, PAPER) == pytest.approx(budget, rel=1e-9)
            assert supervised.supervised and not distilled.supervised


def test_both_sides_serve_the_same_tokens() -> None:
    serving = replace(BEST_CASE, serving_tokens=1e11)
    found = distil_or_train(BASIS, serving, budget_flops=1e21, student_params=1e9)
    bare = distil_or_train(BASIS, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert found.supervised_scenario.serving_tokens == 1e11
    fewer = bare.supervised[0].student_tokens - found.supervised[0].student_tokens
    assert fewer == pytest.approx(1e11 / 3, rel=1e-9)
    assert found.distilled[0].student_tokens == pytest.approx(found.supervised[0].student_tokens, rel=1e-9)


def test_the_difference_is_that_of_the_plans_on_the_same_draws(paid: Comparison) -> None:
    distilled, supervised = (plan_losses(BASIS, plans) for plans in (paid.distilled, paid.supervised))
    np.testing.assert_array_equal(paid.difference, distilled - supervised)
    np.testing.assert_array_equal(paid.probability, np.mean(distilled < supervised, axis=0))
    # The two sides share their coefficients: pairing them up otherwise would widen the difference.
    paired, mixed = paid.difference[:, 0].std(), (distilled[:, 0] - np.roll(supervised[:, 0], 7)).std()
    assert paired < 0.6 * mixed


def test_knowing_the_coefficients_is_the_draws_own_optimum(paid: Comparison) -> None:
    sides = [
        optimal_allocations(BASIS, one, budget_flops=[1e21, 1e23], student_params=1e9).values["student_loss"]
        for one in (PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING)
    ]
    np.testing.assert_allclose(paid.difference_if_known, sides[0] - sides[1], atol=1e-12)
    # With a given size the supervised run has nothing to choose: knowing helps the distilled side alone.
    assert (paid.difference_if_known <= paid.difference + 1e-7).all()
    assert (paid.probability_if_known >= paid.probability).all()


def test_where_nothing_is_in_doubt_there_is_no_regret_and_no_probability_between() -> None:
    found = distil_or_train(CERTAIN, BEST_CASE, budget_flops=[10**20.1, 1e24], student_params=1e9)
    np.testing.assert_allclose(found.difference, found.difference_if_known, atol=1e-7)
    assert list(found.probability) == [1.0, 0.0]
    # Read from the paper's Fig. 8: 2.321 distilled and 2.386 supervised.
    assert found.distilled_loss[0, 0] == pytest.approx(2.321, abs=0.02)
    assert found.supervised_loss[0, 0] == pytest.approx(2.386, abs=0.02)


def test_a_teacher_trained_for_one_student_loses_at_small_budgets() -> None:
    """The paper's Section 5: where its training is charged, supervised is at least as good."""
    found = distil_or_train(BASIS, TEACHER_PRETRAINING, budget_flops=1e21, student_params=1e9)
    assert found.probability[0] == 0.0 and found.interval()["lower"][0] > 0


def test_each_side_chooses_its_own_size_where_it_is_free() -> None:
    found = distil_or_train(CERTAIN, BEST_CASE, budget_flops=1e21)
    given = distil_or_train(CERTAIN, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert found.student_params is None and np.isnan(found.interval()["student_params"]).all()
    assert found.distilled_loss.mean() < given.distilled_loss.mean()
    assert found.supervised_loss.mean() < given.supervised_loss.mean()
    assert found.distilled[0].student_params > 1.5 * found.supervised[0].student_params


def test_plans_of_a_grid_are_sought_on_some_draws_and_judged_on_all(
    free: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compare, "FEW", 1)
    monkeypatch.setattr(compare, "GRID_DRAWS", 8)
    told: list[tuple[int, int]] = []
    found = distil_or_train(
        BASIS,
        BEST_CASE,
        budget_flops=[1e21, 1e23],
        student_params=1e9,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 2), (2, 2)]
    assert found.difference.shape == free.difference.shape == (24, 2)
    assert found.distilled[0].teacher_loss != free.distilled[0].teacher_loss
    np.testing.assert_allclose(found.difference.mean(axis=0), free.difference.mean(axis=0), atol=1e-3)
    assert (found.distilled_loss.mean(axis=0) >= free.distilled_loss.mean(axis=0) - 1e-8).all()


def test_the_interval_has_its_probability_and_kind(free: Comparison) -> None:
    wide, narrow = free.interval(prob=0.9), free.interval(prob=0.5, kind="hdi")
    assert list(narrow["prob"]) == [0.5, 0.5] and set(narrow["kind"]) == {"hdi"}
    assert (wide["upper"] - wide["lower"] > narrow["upper"] - narrow["lower"]).all()
    assert ((wide["lower"] < wide["median"]) & (wide["median"] < wide["upper"])).all()
    np.testing.assert_array_equal(wide["probability"], free.probability)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match="scenario = supervised; there is no teacher"):
        distil_or_train(BASIS, SUPERVISED_TRAINING, budget_flops=1e21)
    with pytest.raises(NotIdentified, match="chinchilla"):
        distil_or_train(chinchilla_basis(4), BEST_CASE, budget_flops=1e21)
    with pytest.raises(InputError, match="2 and 3; there must be one of either"):
        distil_or_train(BASIS, BEST_CASE, budget_flops=[1e21, 1e22], student_params=[1e9, 2e9, 3e9])
    with pytest.raises(BudgetTooSmall):
        distil_or_train(BASIS, BEST_CASE, budget_flops=1e12, student_params=1e9)
