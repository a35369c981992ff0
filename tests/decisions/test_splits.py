"""Splits spend the budget, gain from more of it and from a free teacher, and keep to bounds and caps."""

from __future__ import annotations

import jax
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
    TEACHER_PRETRAINING,
    scenario,
)
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.world import World
from bayes_dsl.laws.published import published
from tests.decisions.solved import CORRECTED, cost_of, solved
from tests.decisions.worlds import wandering

ALL = pytest.mark.parametrize("paid", SCENARIOS, ids=lambda one: one.name)
BUDGETS = np.geomspace(1e19, 1e26, 15)
SMALL = Bounds(params=(1e3, 1e10), tokens=(1e4, 1e13))
DRAWS = {
    name: value * np.exp(0.1 * np.random.default_rng(i).standard_normal(8))
    for i, (name, value) in enumerate(CORRECTED.parameters.items())
}
DRIFTS = pytest.mark.parametrize("drift", [None, wandering(8)], ids=["bare law", "misfit"])
# Nats: a search ends a ten-millionth from its optimum, and the promise is a millionth.
SLACK = 5e-7
SHARE = st.one_of(st.just(0.0), st.floats(0.01, 1.0))
PAYMENT = st.builds(
    lambda logits, pretraining, students, stored, serving: scenario(
        "best-case",
        name="any",
        logits=logits,
        pretraining=pretraining,
        students=students,
        stored_logits=stored,
        serving_tokens=serving,
    ),
    *(SHARE, SHARE, st.floats(1, 100), st.booleans(), st.one_of(st.just(0.0), st.floats(1e6, 1e9))),
)


@DRIFTS
@settings(max_examples=25, deadline=None)
@given(PAYMENT, st.floats(19, 26), st.floats(7.5, 10.5))
def test_every_split_costs_its_budget(drift, paid, log_budget, log_N):
    budget = 10**log_budget
    answer = solved(paid, budget, 10**log_N, parameters=DRAWS, drift=drift)
    cost = cost_of(paid, PAPER, answer)
    feasible = np.isfinite(answer["student_loss"])
    capped = answer["student_tokens"] >= 1e17
    np.testing.assert_allclose(cost[feasible & ~capped], budget, rtol=1e-9)
    assert (cost[feasible] <= budget * (1 + 1e-9)).all()


@DRIFTS
@ALL
def test_the_size_too_is_chosen_within_the_budget(paid, drift):
    answer = solved(paid, BUDGETS[::5], parameters=DRAWS, drift=drift)
    np.testing.assert_allclose(cost_of(paid, PAPER, answer), BUDGETS[::5, None] + np.zeros((1, 8)), rtol=1e-9)
    for size in (1e8, 1e9, 1e10, 1e11):
        fixed = solved(paid, BUDGETS[::5], size, parameters=DRAWS, drift=drift)
        assert (answer["student_loss"] <= fixed["student_loss"] + 1e-7).all()


@DRIFTS
@ALL
def test_the_loss_is_that_of_the_law(paid, drift):
    answer = solved(paid, BUDGETS, 1e9, parameters=DRAWS, drift=drift)
    with jax.enable_x64(True):
        world = World(DRAWS, drift)
        inputs = {"N": answer["teacher_params"], "D": answer["teacher_tokens"]}
        teacher = np.exp(world.log_loss(CORRECTED.law, "supervised", inputs))
        inputs = {
            "N_S": answer["student_params"],
            "D_S": answer["student_tokens"],
            "L_T": answer["teacher_loss"],
        }
        student = np.exp(world.log_loss(CORRECTED.law, "distilled", inputs))
    np.testing.assert_allclose(answer["teacher_loss"], teacher, rtol=1e-5)
    np.testing.assert_allclose(answer["student_loss"], student, rtol=1e-5)


@DRIFTS
@ALL
def test_more_budget_never_hurts(paid, drift):
    loss = solved(paid, BUDGETS, 3e9, parameters=DRAWS, drift=drift)["student_loss"]
    assert (np.diff(loss, axis=0) <= SLACK).all()


@DRIFTS
def test_a_free_teacher_is_never_worse_than_a_paid_one(drift):
    loss = {
        one.name: solved(one, BUDGETS, 1e9, parameters=DRAWS, drift=drift)["student_loss"]
        for one in SCENARIOS
    }
    cheaper = [
        (BEST_CASE, TEACHER_INFERENCE),
        (BEST_CASE, TEACHER_PRETRAINING),
        (TEACHER_INFERENCE, PRETRAINING_AND_INFERENCE),
        (TEACHER_PRETRAINING, PRETRAINING_AND_INFERENCE),
    ]
    for less, more in cheaper:
        assert (loss[less.name] <= loss[more.name] + SLACK).all()


@DRIFTS
@settings(max_examples=15, deadline=None)
@given(PAYMENT, st.floats(20, 25), st.floats(1.0, 20.0))
def test_more_students_make_a_teacher_cheaper(drift, paid, log_budget, more):
    alone = solved(paid, 10**log_budget, 3e8, parameters=DRAWS, drift=drift)["student_loss"]
    shared = scenario("best-case", **_changes(paid), students=paid.students * more)
    assert (
        solved(shared, 10**log_budget, 3e8, parameters=DRAWS, drift=drift)["student_loss"] <= alone + SLACK
    ).all()


@DRIFTS
@ALL
def test_caps_are_respected_and_cost_something(paid, drift):
    capped = Bounds(params=(1e6, 1e12), tokens=(1e6, 1e15), student_tokens_cap=1e11, teacher_tokens_cap=2e11)
    answer = solved(paid, BUDGETS, 1e9, parameters=DRAWS, drift=drift, bounds=capped)
    assert (answer["student_tokens"] <= 1e11).all()
    assert (answer["teacher_tokens"] <= 2e11 * (1 + 1e-12)).all()
    assert (answer["teacher_params"] <= 1e12 * (1 + 1e-12)).all()
    assert (answer["teacher_params"] >= 1e6 * (1 - 1e-12)).all()
    free = solved(paid, BUDGETS, 1e9, parameters=DRAWS, drift=drift)
    assert (answer["student_loss"] >= free["student_loss"] - SLACK).all()
    assert (answer["student_loss"][-1] > free["student_loss"][-1]).all()
    sized = Bounds(params=(1e6, 1e12), tokens=(1e6, 1e15), student_params_cap=5e8)
    answer = solved(paid, BUDGETS[-3:], parameters=DRAWS, drift=drift, bounds=sized)
    assert (answer["student_params"] <= 5e8 * (1 + 1e-12)).all()
    assert answer["student_params"] == pytest.approx(5e8, rel=1e-3)


@ALL
def test_a_budget_below_the_least_student_has_no_split(paid):
    answer = solved(paid, [1e10, 1e22], 1e9, parameters=DRAWS)
    assert np.isinf(answer["student_loss"][0]).all() and np.isfinite(answer["student_loss"][1]).all()


@ALL
def test_small_worlds_scale_alike(paid):
    """Networks of a few thousand parameters, budgets of laptop minutes."""
    answer = solved(paid, np.geomspace(1e13, 1e17, 5), 1e5, parameters=DRAWS, model=SIX_ND, bounds=SMALL)
    assert np.isfinite(answer["student_loss"]).all()
    np.testing.assert_allclose(
        cost_of(paid, SIX_ND, answer), np.geomspace(1e13, 1e17, 5)[:, None] + np.zeros((1, 8))
    )


@DRIFTS
def test_the_supervised_run_spends_its_budget_too(drift):
    for size in (1e9, None):
        answer = solved(SUPERVISED_TRAINING, BUDGETS, size, parameters=DRAWS, drift=drift)
        cost = cost_of(SUPERVISED_TRAINING, PAPER, answer)
        np.testing.assert_allclose(cost, BUDGETS[:, None] + np.zeros((1, 8)), rtol=1e-9)
        assert (
            np.isnan(answer["teacher_params"]).all() and (np.diff(answer["student_loss"], axis=0) < 0).all()
        )


def test_the_best_supervised_size_is_chinchillas_formula():
    """N = G (C/6)^a, a = beta / (alpha + beta), for the Chinchilla law at 6ND (arXiv 2203.15556, Eq. 4)."""
    known = published("besiroglu")
    p = known.parameters
    answer = solved(SUPERVISED_TRAINING, BUDGETS, parameters=p, model=SIX_ND, law=known.law)
    total = p["alpha"] + p["beta"]
    G = (p["alpha"] * p["A"] / (p["beta"] * p["B"])) ** (1 / total)
    expected = G * (BUDGETS / 6) ** (p["beta"] / total)
    np.testing.assert_allclose(answer["student_params"][:, 0], expected, rtol=1e-4)


def _changes(paid):
    return {"name": "shared", "logits": paid.logits, "pretraining": paid.pretraining} | {
        "stored_logits": paid.stored_logits,
        "serving_tokens": paid.serving_tokens,
    }
