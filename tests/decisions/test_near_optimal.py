"""The near-optimal set holds what is nearly as good, and nothing else."""

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import BEST_CASE, PRETRAINING_AND_INFERENCE, SUPERVISED_TRAINING
from bayes_dsl.decisions.choice import Choice
from bayes_dsl.decisions.near_optimal import near_optimal
from bayes_dsl.decisions.recommended import recommended_allocation
from tests.decisions.worlds import chinchilla_basis, distillation_basis

BASIS = distillation_basis(draws=32)
WITHIN = 0.005


def test_every_split_of_the_set_is_nearly_as_good_and_those_outside_its_ranges_are_not() -> None:
    found = recommended_allocation(
        BASIS, PRETRAINING_AND_INFERENCE, budget_flops=1e21, student_params=1e9, within=WITHIN
    )
    choice = Choice(basis=BASIS, scenario=PRETRAINING_AND_INFERENCE, budget=1e21, student_params=1e9)
    best = found.losses.mean()
    near = found.near_optimal
    assert (choice.losses(near.points).mean(axis=1) <= best + WITHIN + 1e-9).all()
    rng = np.random.default_rng(1)
    centre = near.points[0]
    points = centre + rng.uniform(-1.5, 1.5, size=(4000, 2))
    inside = points[choice.losses(points).mean(axis=1) <= best + WITHIN]
    assert len(inside) > 50
    for i, name in enumerate(near.names):
        low, high = near.ranges[name]
        cell = (np.log(high) - np.log(low)) / 15
        assert inside[:, i].min() > np.log(low) - cell and inside[:, i].max() < np.log(high) + cell
        assert inside[:, i].min() < np.log(low) + 3 * cell and inside[:, i].max() > np.log(high) - 3 * cell


def test_a_wider_margin_holds_a_narrower_one() -> None:
    ranges = [
        recommended_allocation(
            BASIS, BEST_CASE, budget_flops=1e21, student_params=1e9, within=within
        ).near_optimal.ranges["teacher_loss"]
        for within in (0.001, 0.01)
    ]
    assert ranges[1][0] < ranges[0][0] < ranges[0][1] < ranges[1][1]


def test_the_chinchilla_valley_has_the_width_of_its_curvature() -> None:
    basis = chinchilla_basis(draws=1, spread=0.0)
    found = recommended_allocation(basis, SUPERVISED_TRAINING, budget_flops=1e21, within=1e-5)
    p = {name: draws[0] for name, draws in basis.parameters.items()}
    plan = found.plan
    # L = E + A e^(-alpha u) + B e^(beta u) ..., so its curvature in ln N is alpha^2 A/N^alpha + beta^2 B/D^beta.
    curvature = (
        p["alpha"] ** 2 * p["A"] / plan.student_params ** p["alpha"]
        + p["beta"] ** 2 * p["B"] / plan.student_tokens ** p["beta"]
    )
    low, high = found.near_optimal.ranges["student_params"]
    assert np.log(high / low) == pytest.approx(2 * np.sqrt(2e-5 / curvature), rel=0.03)


def test_with_nothing_free_the_set_is_the_split_itself() -> None:
    choice = Choice(basis=BASIS, scenario=SUPERVISED_TRAINING, budget=1e21, student_params=1e9)
    found = near_optimal(choice, np.zeros(0), WITHIN)
    assert found.points.shape == (1, 0)
    low, high = found.ranges["student_tokens"]
    assert low == high
