"""The distribution of the best split: what is open, what a bound sets, and what a budget must pay at least."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.flops import PAPER, SIX_ND
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SCENARIOS,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
    Scenario,
)
from bayes_dsl.decisions.allocation import QUANTITIES, optimal_allocations
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.errors import BudgetTooSmall, InputError, NotIdentified
from bayes_dsl.inference.posterior import Posterior
from tests.decisions.worlds import chinchilla_basis, distillation_basis

BASIS = distillation_basis(draws=16)
EVERY = pytest.mark.parametrize("scenario", [*SCENARIOS, SUPERVISED_TRAINING], ids=lambda one: one.name)


@EVERY
def test_every_draw_spends_the_whole_budget(scenario: Scenario) -> None:
    found = optimal_allocations(BASIS, scenario, budget_flops=[1e20, 3e22], student_params=1e9)
    v = found.values
    teacher = {"teacher_params": v["teacher_params"], "teacher_tokens": v["teacher_tokens"]}
    if found.undetermined or not scenario.teacher:
        teacher = {}
    cost = scenario.cost(
        PAPER, student_params=v["student_params"], student_tokens=v["student_tokens"], **teacher
    )
    assert np.allclose(cost, [[1e20, 3e22]], rtol=1e-9)
    assert np.array_equal(v["student_params"], np.full((16, 2), 1e9))


@EVERY
def test_the_loss_is_that_of_the_plan_in_its_own_draw(scenario: Scenario) -> None:
    found = optimal_allocations(BASIS, scenario, budget_flops=1e21, student_params=1e9).values
    one = {name: float(found[name][5, 0]) for name in QUANTITIES}
    plan = Plan(
        student_params=one["student_params"],
        student_tokens=one["student_tokens"],
        teacher_loss=one["teacher_loss"] if scenario.teacher else None,
    )
    assert plan_losses(BASIS, [plan])[5, 0] == pytest.approx(one["student_loss"], rel=1e-9)


def test_what_a_free_teacher_leaves_open_is_no_number() -> None:
    found = optimal_allocations(BASIS, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert found.undetermined == ("teacher_params", "teacher_tokens")
    assert np.isnan(found.values["teacher_params"]).all()
    assert np.isfinite(found.values["teacher_loss"]).all()
    assert "teacher_params" not in set(found.interval()["quantity"])


def test_a_quantity_on_its_bound_is_named() -> None:
    found = optimal_allocations(BASIS, TEACHER_INFERENCE, budget_flops=1e21, student_params=1e9)
    assert found.at_bound["teacher_tokens"].tolist() == [1.0]
    assert "teacher_params" not in found.at_bound
    frame = found.interval(prob=0.5)
    at_bound = frame.set_index("quantity")["at_bound"]
    assert at_bound["teacher_tokens"] == 1.0 and at_bound["student_tokens"] == 0.0


def test_a_cap_on_the_students_tokens_is_kept_and_named() -> None:
    capped = Bounds(params=(1e6, 1e17), tokens=(1e6, 1e17), student_tokens_cap=2e10)
    found = optimal_allocations(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e22, student_params=1e9, bounds=capped
    )
    assert found.values["student_tokens"] == pytest.approx(2e10)
    assert found.at_bound["student_tokens"].tolist() == [1.0]


def test_without_a_size_the_best_one_is_found() -> None:
    free = optimal_allocations(BASIS, SUPERVISED_TRAINING, budget_flops=[1e20, 1e22])
    best = free.values["student_loss"]
    for factor in (0.7, 1.4):
        sizes = factor * np.median(free.values["student_params"], axis=0)
        fixed = optimal_allocations(
            BASIS, SUPERVISED_TRAINING, budget_flops=[1e20, 1e22], student_params=sizes
        )
        assert (best <= fixed.values["student_loss"] + 1e-9).all()


def test_the_chinchilla_split_has_its_closed_form() -> None:
    basis = chinchilla_basis(draws=8)
    found = optimal_allocations(basis, SUPERVISED_TRAINING, budget_flops=1e21)
    p = basis.parameters
    a = p["beta"] / (p["alpha"] + p["beta"])
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / (p["alpha"] + p["beta"]))
    assert found.values["student_params"][:, 0] == pytest.approx(G * (1e21 / 6) ** a, rel=1e-4)
    assert found.tokens_per_param()[:, 0] == pytest.approx((1e21 / 6) ** (1 - 2 * a) / G**2, rel=2e-4)


@EVERY
def test_a_budget_that_pays_nothing_says_what_does(scenario: Scenario) -> None:
    with pytest.raises(BudgetTooSmall) as caught:
        optimal_allocations(BASIS, scenario, budget_flops=[1e10, 1e21], student_params=1e9)
    assert len(caught.value.faults) == 1 and "budget_flops = 1e+10" in str(caught.value)
    least = caught.value.least_flops
    found = optimal_allocations(BASIS, scenario, budget_flops=least * 1.01, student_params=1e9)
    assert np.isfinite(found.values["student_loss"]).all()
    with pytest.raises(BudgetTooSmall):
        optimal_allocations(BASIS, scenario, budget_flops=least * 0.99, student_params=1e9)


@settings(max_examples=15, deadline=None)
@given(log_budget=st.floats(20, 25), more=st.floats(1.01, 30), size=st.sampled_from([3e8, 1e9, 1e10]))
def test_more_budget_never_hurts_and_a_free_teacher_is_never_worse(
    log_budget: float, more: float, size: float
) -> None:
    budgets = 10.0**log_budget * np.array([1.0, more])
    losses = {
        scenario.name: optimal_allocations(BASIS, scenario, budget_flops=budgets, student_params=size).values[
            "student_loss"
        ]
        for scenario in SCENARIOS
    }
    for loss in losses.values():
        assert (loss[:, 1] <= loss[:, 0] + 1e-7).all()
    free, logits, training, both = losses.values()
    assert (free <= np.minimum(logits, training) + 1e-7).all()
    assert (np.maximum(logits, training) <= both + 1e-7).all()


def test_intervals_carry_their_probability_and_kind() -> None:
    frame = optimal_allocations(BASIS, SUPERVISED_TRAINING, budget_flops=1e21).interval(prob=0.8, kind="hdi")
    assert set(frame["prob"]) == {0.8} and set(frame["kind"]) == {"hdi"}
    assert (frame["lower"] <= frame["median"]).all() and (frame["median"] <= frame["upper"]).all()


def test_a_posterior_without_distilled_rows_has_no_teacher_to_pay(small_posterior: Posterior) -> None:
    with pytest.raises(NotIdentified, match="best-case"):
        optimal_allocations(small_posterior, BEST_CASE, budget_flops=1e21)
    found = optimal_allocations(small_posterior, SUPERVISED_TRAINING, budget_flops=1e21)
    assert found.basis.cost == SIX_ND and found.values["student_params"].shape == (4000, 1)


def test_wrong_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="student_params"):
        optimal_allocations(BASIS, BEST_CASE, budget_flops=1e21, student_params=-1)
    with pytest.raises(InputError, match="budget_flops"):
        optimal_allocations(BASIS, BEST_CASE, budget_flops=float("nan"))
