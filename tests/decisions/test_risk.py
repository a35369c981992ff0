"""What plans risk: regret is never negative, quantiles and tails are the draws' own, the next run adds its noise."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_INFERENCE,
)
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.decisions.risk import Risk, assess, tail_mean
from bayes_dsl.errors import InputError
from bayes_dsl.forecast.next_run import next_run_loss
from tests.decisions.worlds import distillation_basis
from tests.forecast.made import made

BASIS = distillation_basis(draws=24, spread=0.02)
BUDGET = 1e21
DISTILLED = Plan(student_params=1e9, student_tokens=5e10, teacher_params=2e9, teacher_tokens=4e10)
KNOWN = Plan(student_params=1e9, student_tokens=5e10, teacher_loss=2.0)
ALONE = Plan(student_params=1e9, student_tokens=1e11)


@pytest.fixture(scope="module")
def rules() -> Risk:
    plans = {
        rule: recommended_allocation(
            BASIS, PRETRAINING_AND_INFERENCE, budget_flops=BUDGET, student_params=1e9, rule=rule
        ).plan
        for rule in ("mean", "quantile", "minimax-regret")
    }
    return assess(BASIS, PRETRAINING_AND_INFERENCE, plans=plans, target_loss=2.3, student_params=1e9)


@settings(max_examples=20, deadline=None)
@given(st.floats(-0.7, 0.7), st.floats(-0.7, 0.7), st.floats(-0.7, 0.7), st.booleans())
def test_regret_is_never_negative(student: float, size: float, tokens: float, alone: bool) -> None:
    plan = Plan(
        student_params=1e9,
        student_tokens=5e10 * np.exp(student),
        teacher_params=2e9 * np.exp(size),
        teacher_tokens=4e10 * np.exp(tokens),
    )
    plans = {"any": plan} | ({"alone": ALONE} if alone else {})
    risk = assess(BASIS, PRETRAINING_AND_INFERENCE, plans=plans, student_params=1e9)
    assert risk.regret.min() > -1e-6
    assert risk.regret[:, 0].max() > 1e-4
    assert risk.cost_flops[0] == pytest.approx(plan.cost(PRETRAINING_AND_INFERENCE, PAPER))


def test_regret_is_against_the_best_split_of_the_plans_own_cost() -> None:
    risk = assess(BASIS, PRETRAINING_AND_INFERENCE, plans={"one": DISTILLED}, student_params=1e9)
    best = optimal_allocations(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=risk.cost_flops, student_params=1e9
    ).values["student_loss"]
    np.testing.assert_allclose(risk.regret, plan_losses(BASIS, [DISTILLED]) - best, atol=1e-8)
    assert risk.against == "pretraining-and-inference"


def test_the_best_split_may_go_without_a_teacher_once_a_plan_does() -> None:
    plans = {"distilled": DISTILLED, "alone": ALONE}
    with_both = assess(BASIS, PRETRAINING_AND_INFERENCE, plans=plans, student_params=1e9)
    distilled = assess(BASIS, PRETRAINING_AND_INFERENCE, plans={"distilled": DISTILLED}, student_params=1e9)
    assert with_both.against == "pretraining-and-inference or supervised"
    assert with_both.expected_regret[0] > distilled.expected_regret[0] + 0.01
    # A supervised run of given size and cost has no alternative but distilling, which is worse here.
    np.testing.assert_allclose(with_both.regret[:, 1], 0.0, atol=1e-8)


def test_each_rule_is_best_by_its_own_measure(rules: Risk) -> None:
    assert rules.names == ("mean", "quantile", "minimax-regret")
    assert np.argmin(rules.losses.mean(axis=0)) == np.argmin(rules.expected_regret) == 0
    assert np.argmin(rules.loss_at_risk) == 1
    assert np.argmin(rules.largest_regret) == 2
    assert np.ptp(rules.cost_flops) < 1e-6 * BUDGET


def test_the_numbers_are_those_of_the_draws(rules: Risk) -> None:
    table = rules.table(prob=0.8)
    for i, name in enumerate(rules.names):
        losses, regret = rules.losses[:, i], rules.regret[:, i]
        row = table.loc[name]
        assert row["missing"] == np.mean(losses > 2.3) and 0 < row["missing"] < 1
        assert row["loss_at_risk"] == pytest.approx(np.quantile(losses, 0.9))
        worst = np.sort(losses)[-3:]  # of 24 draws, those at or above the quantile at .9
        assert row["cvar"] == pytest.approx(worst.mean())
        assert (row["regret_lower"], row["regret_upper"]) == pytest.approx(
            tuple(np.quantile(regret, [0.1, 0.9]))
        )
        assert row["largest_regret"] == regret.max() and row["regret"] == pytest.approx(regret.mean())
        assert row["loss_lower"] < row["loss"] < row["loss_at_risk"] <= row["cvar"]
    assert np.isnan(table["next_run_missing"]).all() and rules.next_run is None
    assert set(table["prob"]) == {0.8} and set(table["kind"]) == {"eti"}


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=40), st.floats(0.01, 0.99))
def test_the_tail_is_never_better_than_its_quantile(losses: list[float], prob: float) -> None:
    array = np.array(losses)[:, None]
    tail = tail_mean(array, prob)[0]
    assert np.quantile(array, prob) - 1e-9 <= tail <= array.max() + 1e-9


def test_a_teacher_stronger_than_any_draws_own_is_no_negative_regret() -> None:
    strong = Plan(student_params=1e9, student_tokens=5e10, teacher_loss=1.05)
    risk = assess(BASIS, BEST_CASE, plans={"strong": strong, "usual": KNOWN}, student_params=1e9)
    assert risk.regret.min() >= -1e-6


def test_the_next_run_adds_its_noise_and_says_how_far_it_reaches() -> None:
    posterior = made(spread=5e-3, sigma=0.02)
    near = Plan(student_params=1e9, student_tokens=2e10, teacher_loss=2.3)
    far = Plan(student_params=1e9, student_tokens=2e12, teacher_params=2e9, teacher_tokens=1e11)
    plans = {"near": near, "far": far, "alone": ALONE}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        risk = assess(
            posterior, BEST_CASE, plans=plans, target_loss=2.4, cost_model=PAPER, student_params=1e9
        )
    assert risk.next_run is not None and risk.next_run.shape == risk.losses.shape == (300, 3)
    assert (risk.next_run.std(axis=0) > risk.losses.std(axis=0)).all()
    forecast = next_run_loss(posterior, student_params=1e9, student_tokens=2e10, teacher_loss=2.3)
    np.testing.assert_array_equal(risk.next_run[:, 0], forecast.loss[:, 0])
    missing = risk.next_run_missing
    assert missing is not None and missing[0] == np.mean(forecast.loss > 2.4)
    assert any(note.startswith("far: ") for note in risk.notes)
    assert not any(note.startswith("near: ") for note in risk.notes)


def test_every_breach_is_told_at_once() -> None:
    plans = {
        "unpriced": KNOWN,
        "huge": Plan(student_params=1e18, student_tokens=1e11),
        "other": Plan(student_params=2e9, student_tokens=1e11),
    }
    with pytest.raises(InputError) as refused:
        assess(BASIS, TEACHER_INFERENCE, plans=plans, student_params=1e9, risk_prob=1.0)
    told = str(refused.value)
    assert len(refused.value.faults) == 5
    for part in ("risk_prob = 1.0", "teacher_params = None", "plan huge, student_params = 1e+18; outside"):
        assert part in told
    assert "plan other, student_params = 2e+09; the student is to have 1e+09 parameters" in told
    with pytest.raises(InputError, match="plans = none; there must be a plan"):
        assess(BASIS, BEST_CASE, plans={})
    with pytest.raises(InputError, match="plan one, scenario = supervised; there is no teacher"):
        assess(BASIS, SUPERVISED_TRAINING, plans={"one": DISTILLED})
