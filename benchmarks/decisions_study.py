"""Decisions in simulated worlds: what each way of planning loses where the truth is known, and the sums.

Twenty worlds, one table of 374 runs each, eighteen problems and four planners, all fixed here before any was run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.costs.flops import PAPER
from bayes_dsl.costs.scenarios import SCENARIOS, SUPERVISED_TRAINING, Scenario
from bayes_dsl.decisions.allocation import quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, basis_of_coefficients
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import recommended_allocation
from bayes_dsl.decisions.reference_plans import center, optimum_at, paper_recipe_plan
from bayes_dsl.inference.design import busbridge_study_design
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.inference.settings import Settings
from bayes_dsl.inference.simulate import simulate
from bayes_dsl.laws.published import published
from bayes_dsl.runs.table import RunTable
from benchmarks import recovery_study

SEEDS = tuple(range(20))
BUDGETS = (1e21, 1e23)
STUDENTS = (3e9, None)
PLANNERS = ("recommended", "plug_in", "point_fit", "paper")
PUBLISHED = published("busbridge_corrected")
NOISE = recovery_study.INDEPENDENT

# How worlds differ: standard deviations of ln, of c_0 itself. Weights follow from their terms at the centre.
EXPONENTS = ("alpha", "beta", "gamma", "alpha_prime", "beta_prime", "gamma_prime", "d_1", "f_1")
EXPONENT_SD, E_SD, C_0_SD, TERM_SD = 0.05, 0.03, 0.2, 0.1
CENTER = {
    "A": ("alpha", 1e9),
    "B": ("beta", 2e10),
    "A_prime": ("alpha_prime", 1e9),
    "B_prime": ("beta_prime", 2e10),
}
ROOMS = ("decisions", "costs")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One budget of FLOPs in one scenario, for a student of given size or (None) of any."""

    scenario: Scenario
    budget_flops: float
    student_params: float | None

    @property
    def name(self) -> str:
        size = "free" if self.student_params is None else f"{self.student_params:.0e}"
        return f"{self.scenario.name} {self.budget_flops:.0e} FLOPs, student {size}"


PROBLEMS = tuple(
    Problem(scenario=scenario, budget_flops=budget, student_params=size)
    for scenario in (*SCENARIOS, SUPERVISED_TRAINING)
    for budget in BUDGETS
    for size in STUDENTS
    if scenario.teacher or size is None  # a supervised run of given size and budget has nothing to choose
)


def truth(seed: int) -> dict[str, float]:
    """The coefficients of one world: near the published ones, apart from these by more than a study's doubt."""
    rng = np.random.default_rng((7, seed))
    known = dict(PUBLISHED.parameters)
    for name in EXPONENTS:
        known[name] *= float(np.exp(EXPONENT_SD * rng.standard_normal()))
    known["E"] *= float(np.exp(E_SD * rng.standard_normal()))
    known["c_0"] += float(C_0_SD * rng.standard_normal())
    for weight, (exponent, at) in CENTER.items():
        moved = known[exponent] - PUBLISHED.parameters[exponent]
        known[weight] *= float(at**moved * np.exp(TERM_SD * rng.standard_normal()))
    return known


def study(seed: int) -> RunTable:
    """The 374 runs of one world."""
    return simulate(PUBLISHED.law, truth(seed), busbridge_study_design(), noise=NOISE, seed=seed)


def planners(posterior: Posterior, fitted: Mapping[str, float]) -> dict[str, Callable[[Problem], Plan]]:
    """How each planner plans; `fitted` are the coefficients of the literature's estimator."""
    basis, middle = judged(posterior), center(posterior)

    def asked(problem: Problem) -> dict[str, Any]:
        return {"budget_flops": problem.budget_flops, "student_params": problem.student_params}

    return {
        "recommended": lambda one: recommended_allocation(basis, one.scenario, **asked(one)).plan,
        "plug_in": lambda one: optimum_at(basis, middle, one.scenario, **asked(one)),
        "point_fit": lambda one: optimum_at(basis, fitted, one.scenario, **asked(one)),
        "paper": lambda one: paper_recipe_plan(basis, one.scenario, **asked(one)),
    }


def judged(posterior: Posterior) -> Basis:
    """The posterior with the paper's cost model, healthy or not: an unhealthy one is told in the record."""
    return basis_of(posterior, cost_model=PAPER, accept_unhealthy=True)


def regrets(posterior: Posterior, fitted: Mapping[str, float], seed: int) -> dict[str, dict[str, float]]:
    """Loss of every planner's plan above the least of the true world, by problem; nats per token."""
    bounds = judged(posterior).bounds
    world = basis_of_coefficients(PUBLISHED.law, truth(seed), cost_model=PAPER, bounds=bounds)
    plans = planners(posterior, fitted)
    found = {}
    for problem in PROBLEMS:
        size = None if problem.student_params is None else np.full(1, problem.student_params)
        split = solve(world, problem.scenario, np.full(1, problem.budget_flops), size)
        best = float(quantities(split)["student_loss"][0, 0])
        losses = plan_losses(world, [_as_built(plans[name](problem), world) for name in PLANNERS])[0]
        found[problem.name] = {name: float(loss) - best for name, loss in zip(PLANNERS, losses, strict=True)}
    return found


def _as_built(plan: Plan, world: Basis) -> Plan:
    """The plan with a teacher that the world has: one named by its loss alone is the strongest at best."""
    if plan.teacher_loss is None or plan.teacher_params is not None:
        return plan
    strongest = Plan(student_params=world.bounds.params[1], student_tokens=world.bounds.teacher_tokens[1])
    return replace(plan, teacher_loss=max(plan.teacher_loss, float(plan_losses(world, [strongest])[0, 0])))


def fingerprint(settings: Settings) -> str:
    """What recorded figures come from: code without comments and layout, worlds, problems, settings."""
    chosen = [recovery_study.fingerprint(settings), asdict(NOISE), [one.name for one in PROBLEMS], PLANNERS]
    chosen += [[truth(seed) for seed in SEEDS]]
    digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode())
    sources = [
        path for room in ROOMS for path in sorted((recovery_study.ROOT / "bayes_dsl" / room).glob("*.py"))
    ]
    for path in (*sources, Path(__file__)):
        digest.update(f"\n{path.name}\n{recovery_study._code(path)}".encode())
    return digest.hexdigest()[:16]


def summary(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Mean regret of every planner with its standard error over worlds: in all, by scenario and by problem."""
    groups = {"all": [one.name for one in PROBLEMS]}
    for scenario in dict.fromkeys(one.scenario.name for one in PROBLEMS):
        groups[scenario] = [one.name for one in PROBLEMS if one.scenario.name == scenario]
    by_problem = {one.name: [one.name] for one in PROBLEMS}
    sums = {name: _sums(records, names) for name, names in groups.items()}
    return {
        "seeds": len(records),
        "gates_passed": sum(not record["problems"] for record in records),
        "groups": sums,
        "by_problem": {name: _sums(records, names) for name, names in by_problem.items()},
        "not_lowest": [name for name, found in sums.items() if found["lowest"] != "recommended"],
        "least_regret": min(
            value for record in records for of in record["regret"].values() for value in of.values()
        ),
        "median_wall_s": float(np.median([record["wall_s"] for record in records])),
    }


def _sums(records: Sequence[Mapping[str, Any]], problems: Sequence[str]) -> dict[str, Any]:
    """Of some problems: each planner's mean over worlds, its standard error, and how much more than ours."""
    worlds = {
        name: np.array([np.mean([record["regret"][one][name] for one in problems]) for record in records])
        for name in PLANNERS
    }
    found: dict[str, Any] = {
        name: {"mean": float(values.mean()), "se": _standard_error(values)} for name, values in worlds.items()
    }
    for name in PLANNERS[1:]:
        more = worlds[name] - worlds["recommended"]
        found[name] |= {"more_than_recommended": float(more.mean()), "more_se": _standard_error(more)}
    found["lowest"] = min(PLANNERS, key=lambda name: float(worlds[name].mean()))
    return found


def _standard_error(values: np.ndarray) -> float | None:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else None
