"""Plans that ignore the doubt: the optimum at one point, spending the budget, and the paper's own numbers."""

from __future__ import annotations

from dataclasses import replace

import jax
import numpy as np
import pytest

from bayes_dsl.costs.flops import PAPER, SIX_ND
from bayes_dsl.costs.scenarios import (
    BEST_CASE,
    PRETRAINING_AND_INFERENCE,
    SUPERVISED_TRAINING,
    TEACHER_PRETRAINING,
)
from bayes_dsl.decisions.allocation import optimal_allocations
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.plans import plan_losses
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.decisions.reference_plans import center, optimum_at, paper_recipe_plan, plug_in_plan
from bayes_dsl.errors import BudgetTooSmall
from bayes_dsl.inference.coordinates import coordinates_of
from bayes_dsl.laws.published import published
from tests.decisions.worlds import chinchilla_basis, distillation_basis
from tests.forecast.made import made, with_draws

BASIS = distillation_basis(draws=24, spread=0.05)
TRUTH = published("busbridge_corrected").parameters


@pytest.mark.parametrize(
    "scenario", [BEST_CASE, PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING], ids=lambda one: one.name
)
@pytest.mark.parametrize("make", [plug_in_plan, paper_recipe_plan])
def test_they_spend_the_budget_and_are_never_better_than_the_recommended_one(scenario, make) -> None:
    plan = make(BASIS, scenario, budget_flops=1e21, student_params=1e9)
    assert plan.cost(scenario, PAPER) == pytest.approx(1e21, rel=1e-8)
    assert plan.student_params == 1e9 and plan.supervised == (not scenario.teacher)
    assert (plan.teacher_loss is not None) == (scenario is BEST_CASE)
    best = recommended_allocation(BASIS, scenario, budget_flops=1e21, student_params=1e9)
    assert plan_losses(BASIS, [plan]).mean() >= best.losses.mean() - 1e-8


def test_the_plug_in_is_the_optimum_at_the_centre() -> None:
    point = replace(BASIS, parameters={name: np.full(1, value) for name, value in center(BASIS).items()})
    own = optimal_allocations(point, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    plan = plug_in_plan(BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    for name in ("student_tokens", "teacher_params", "teacher_tokens"):
        assert getattr(plan, name) == pytest.approx(own.values[name][0, 0], rel=1e-6)


def test_the_centre_stays_on_the_ridge_of_a_weight_and_its_exponent() -> None:
    """A / N^alpha is the same in every draw at N = 1e9; so it is at the centre, and not at the means."""
    rng = np.random.default_rng(1)
    alpha = TRUTH["alpha"] * np.exp(0.1 * rng.standard_normal(400))
    A = TRUTH["A"] * 1e9 ** (alpha - TRUTH["alpha"])
    ridge = distillation_basis(draws=400, spread=0.0)
    basis = Basis(
        law=ridge.law,
        parameters={**ridge.parameters, "alpha": alpha, "A": A},
        cost=PAPER,
        bounds=ridge.bounds,
    )
    at = center(basis)
    term = TRUTH["A"] / 1e9 ** TRUTH["alpha"]
    assert at["A"] / 1e9 ** at["alpha"] == pytest.approx(term, rel=0.1)
    assert A.mean() / 1e9 ** alpha.mean() > 1.25 * term
    assert at["c_0"] == pytest.approx(TRUTH["c_0"])


def test_the_mean_of_a_posterior_is_that_of_its_own_coordinates() -> None:
    posterior = made(spread=0.05)
    coordinates, at = coordinates_of(posterior.law), posterior.center
    with jax.enable_x64(True):
        draws = coordinates.from_parameters(posterior.law_draws(), at)
        point = coordinates.from_parameters(center(posterior), at)
        for name, z in draws.items():
            assert float(point[name]) == pytest.approx(float(np.mean(z)), rel=1e-8, abs=1e-10)


def test_the_mean_of_a_posterior_keeps_to_the_ridge_of_the_capacity_transition() -> None:
    """Where c_1 and f_1 run together and d_1 makes up for both, the transition's place r_0 stays."""
    z = np.random.default_rng(4).standard_normal(300)
    c_1, f_1 = TRUTH["c_1"] * np.exp(1.5 * z), TRUTH["f_1"] * np.exp(0.2 * z)
    r_0 = TRUTH["d_1"] * (TRUTH["c_1"] * TRUTH["f_1"]) ** -TRUTH["f_1"]
    posterior = with_draws(made(spread=0.0), c_1=c_1, f_1=f_1, d_1=r_0 * (c_1 * f_1) ** f_1)
    bare = replace(BASIS, parameters=posterior.law_draws())
    on_ridge, beside = (
        at["d_1"] * (at["c_1"] * at["f_1"]) ** -at["f_1"] for at in (center(posterior), center(bare))
    )
    assert on_ridge == pytest.approx(r_0, rel=5e-3)
    assert beside > 1.02 * r_0


def test_the_papers_recipe_does_not_look_at_the_draws() -> None:
    other = distillation_basis(draws=7, spread=0.3, seed=5)
    for scenario in (BEST_CASE, SUPERVISED_TRAINING):
        one, two = (
            paper_recipe_plan(basis, scenario, budget_flops=1e21, student_params=1e9)
            for basis in (BASIS, other)
        )
        assert one == two
    certain = distillation_basis(draws=24, spread=0.0)
    own = plug_in_plan(certain, BEST_CASE, budget_flops=1e21, student_params=1e9)
    recipe = paper_recipe_plan(BASIS, BEST_CASE, budget_flops=1e21, student_params=1e9)
    assert recipe.teacher_loss == pytest.approx(own.teacher_loss, rel=1e-6)


def test_supervised_training_has_twenty_tokens_per_parameter_where_its_size_is_free() -> None:
    plan = paper_recipe_plan(BASIS, SUPERVISED_TRAINING, budget_flops=1e21)
    assert plan.student_tokens / plan.student_params == pytest.approx(20, rel=1e-6)
    assert plan.cost(SUPERVISED_TRAINING, PAPER) == pytest.approx(1e21, rel=1e-8)
    known = chinchilla_basis(draws=4)
    plan = paper_recipe_plan(known, SUPERVISED_TRAINING, budget_flops=5.76e23)
    assert plan.student_params == pytest.approx((5.76e23 / 120) ** 0.5, rel=1e-6)  # 6 N 20 N
    assert plan.cost(SUPERVISED_TRAINING, SIX_ND) == pytest.approx(5.76e23, rel=1e-8)
    serving = replace(SUPERVISED_TRAINING, serving_tokens=1e12)
    plan = paper_recipe_plan(known, serving, budget_flops=5.76e23)
    assert plan.student_tokens / plan.student_params == pytest.approx(20, rel=1e-6)
    assert plan.cost(serving, SIX_ND) == pytest.approx(5.76e23, rel=1e-8)


def test_a_known_world_has_one_best_split_and_a_budget_that_pays_it() -> None:
    plan = optimum_at(BASIS, TRUTH, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    certain = distillation_basis(draws=24, spread=0.0)
    best = recommended_allocation(certain, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9)
    assert plan_losses(certain, [plan])[0, 0] == pytest.approx(best.losses[0], abs=1e-7)
    with pytest.raises(BudgetTooSmall):
        optimum_at(BASIS, TRUTH, TEACHER_PRETRAINING, budget_flops=1e12, student_params=1e9)
    with pytest.raises(BudgetTooSmall):
        paper_recipe_plan(BASIS, SUPERVISED_TRAINING, budget_flops=1e3)
