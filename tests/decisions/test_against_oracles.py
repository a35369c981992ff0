"""No split that SciPy or a grid finds is better than ours by a millionth of a nat, on random problems.

`python -m benchmarks.allocation --problems 200` asks the same of 200 problems in each scenario.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bayes_dsl.costs.scenarios import SCENARIOS, TEACHER_PRETRAINING
from bayes_dsl.decisions import splits
from bayes_dsl.decisions.allocation import quantities, solve
from bayes_dsl.decisions.choice import Choice
from bayes_dsl.decisions.world import of_draws
from tests.decisions.solved import solved
from tests.decisions.worlds import distillation_basis, wandering
from tests.reference.allocation import Objective, best_of_grid, best_of_slsqp, grid_values, middle
from tests.reference.problems import asked

PROBLEMS = 25
TOLERANCE = 1e-6


def ours(problem):
    """Loss in nats of the solver's split."""
    answer = solved(
        problem.scenario,
        problem.budget,
        problem.student_params,
        parameters=problem.parameters,
        model=problem.model,
        bounds=problem.bounds,
    )
    return float(answer["student_loss"][0, 0])


@pytest.mark.parametrize("paid", SCENARIOS, ids=lambda one: one.name)
@pytest.mark.parametrize("free", [False, True], ids=["size given", "size free"])
def test_no_oracle_finds_a_better_split(paid, free):
    seeds = range(1000, 1000 + (5 if free else PROBLEMS - 5))
    for seed in seeds:
        problem = asked(paid, seed, free_size=free)
        loss = ours(problem)
        slsqp, _ = best_of_slsqp(problem.plain, starts=4, seed=seed)
        grid, _ = best_of_grid(problem.plain)
        assert np.isfinite(loss) and loss <= np.exp(min(slsqp, grid)) + TOLERANCE, f"problem {seed}"


def test_the_oracles_would_see_a_search_that_stops_too_early(monkeypatch):
    """Negative control: the best point of the scan alone is worse than a grid's best."""
    monkeypatch.setattr(splits, "STEPS", 0)
    splits._compiled.cache_clear()
    try:
        problems = [asked(TEACHER_PRETRAINING, seed, free_size=False) for seed in range(1000, 1008)]
        excess = [ours(problem) - np.exp(best_of_grid(problem.plain)[0]) for problem in problems]
    finally:
        splits._compiled.cache_clear()
    assert np.mean(np.array(excess) > 100 * TOLERANCE) > 0.5


@pytest.mark.parametrize("free", [False, True])
def test_the_oracles_gradients_are_those_of_their_values(free):
    for paid in SCENARIOS:
        objective = Objective(asked(paid, 7, free_size=free).plain)
        x = middle(objective)
        for function in (objective.log_loss, objective.log_bill):
            steps = 1e-5 * np.eye(len(x))
            slopes = [(function(x + step)[0] - function(x - step)[0]) / 2e-5 for step in steps]
            np.testing.assert_allclose(function(x)[1], slopes, rtol=1e-5, atol=1e-9)


def test_the_two_oracles_know_the_same_law():
    for paid in SCENARIOS:
        objective = Objective(asked(paid, 3, free_size=True).plain)
        value, x = objective.repaired(middle(objective))
        assert grid_values(objective.problem, x[None, [0, 1, 3]])[0] == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("paid", SCENARIOS, ids=lambda one: one.name)
def test_no_grid_finds_a_better_split_where_the_world_leaves_the_law(paid):
    """The grid follows the paths forwards only, the search takes their inverses and slopes, too."""
    draws = 4
    basis = replace(distillation_basis(draws=draws, spread=0.05), drift=wandering(draws, rho=0.15))
    found = quantities(solve(basis, paid, np.full(1, 2e22), np.full(1, 1e9)))["student_loss"][:, 0]
    for draw in range(draws):
        alone = replace(
            basis,
            parameters={name: values[draw : draw + 1] for name, values in basis.parameters.items()},
            drift=of_draws(basis.drift, np.array([draw])),
        )
        best = zoomed(Choice(basis=alone, scenario=paid, budget=2e22, student_params=1e9))
        assert found[draw] <= best + TOLERANCE


def zoomed(choice):
    """The least loss of one draw on grids that close in on their best point."""
    low, high = np.array(choice.box()).T
    width, points = high - low, 61
    middle, best = 0.5 * (low + high), np.inf
    for _ in range(10):
        axes = [
            np.clip(m + w * np.linspace(-0.5, 0.5, points), a, b)
            for m, w, a, b in zip(middle, width, low, high, strict=True)
        ]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(low))
        losses = choice.losses(grid)[:, 0]
        middle, best = grid[np.argmin(losses)], min(best, losses.min())
        width, points = width * 0.3 if points == 21 else width * 0.15, 21
    return best
