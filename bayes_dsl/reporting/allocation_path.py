"""How the best split changes with the budget: what the figure of an allocation shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import Allocations, least_budget, optimal_allocations
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import WITHIN, Recommendation, Rule, recommended_allocation
from bayes_dsl.errors import BudgetTooSmall
from bayes_dsl.inference.intervals import interval
from bayes_dsl.runs.table import RunTable

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]

DRAWS = 200
"""Draws that the bands and the line are made from; a free student's size is searched on half as many."""
PER_DECADE = 4
MOST_BUDGETS = 13
ROOM = 10.0
"""The budgets reach this factor below the least asked about, and above the greatest."""


@dataclass(frozen=True, kw_only=True, eq=False)
class AllocationPath:
    """Recommended splits and the draws' optima at each of several budgets, (budget,).

    `asked` marks the budgets of the question, whose split is recommended on every draw; the others' is on
    the thinned draws of `optima`.
    """

    scenario: Scenario
    budgets: Floats
    asked: NDArray[np.bool_]
    student_params: float | None
    draws: int
    optima: Allocations
    recommended: tuple[Recommendation, ...]

    def line(self, name: str) -> Floats:
        """The recommended number at each budget, NaN where it is open or a bound's."""
        if name == "student_loss":
            return np.array([one.losses.mean() for one in self.recommended])
        if name == "teacher_loss":
            return np.array([_teacher_loss(one) for one in self.recommended])
        return np.array([np.nan if (v := one.stated()[name]) is None else v for one in self.recommended])

    def band(self, name: str, *, prob: float, kind: str) -> tuple[Floats, Floats]:
        """Interval of the draws' optima (of the recommended split's loss), NaN where an end is a bound's."""
        if name == "student_loss":
            ends = [interval(one.losses, prob=prob, kind=kind) for one in self.recommended]
            return np.array([low for low, _ in ends]), np.array([high for _, high in ends])
        values = self.optima.values[name]
        if np.isnan(values).all():
            return np.full(len(self.budgets), np.nan), np.full(len(self.budgets), np.nan)
        lower, upper = interval(values, prob=prob, kind=kind)
        silent = self.limited(name, prob=prob)
        return np.where(silent, np.nan, lower), np.where(silent, np.nan, upper)

    def near(self, name: str) -> tuple[Floats, Floats]:
        """Least and greatest value among the near-optimal splits, NaN where there is none."""
        ends = [one.near_optimal.ranges.get(name, (np.nan, np.nan)) for one in self.recommended]
        return np.array([low for low, _ in ends]), np.array([high for _, high in ends])

    def limited(self, name: str, *, prob: float) -> NDArray[np.bool_]:
        """Budgets at which the recommended number, or an end of the optima's interval, is a bound's."""
        hit = [any(bound.quantity == name for bound in one.bounds_hit) for one in self.recommended]
        share = self.optima.at_bound.get(name, np.zeros(len(self.budgets)))
        return np.array(hit) | (share > (1.0 - prob) / 2.0)

    def bounds(self, name: str) -> tuple[float, float]:
        """Where a quantity is searched."""
        bounds = self.optima.basis.bounds
        return {
            "student_params": bounds.student_params,
            "student_tokens": bounds.student_tokens,
            "teacher_params": bounds.params,
            "teacher_tokens": bounds.teacher_tokens,
        }[name]

    def shares(self) -> dict[str, Floats]:
        """Share of the cost that goes to each purpose, by purpose; those that cost nothing are left out."""
        parts = {
            purpose: np.array([one.parts[purpose] / one.cost_flops for one in self.recommended])
            for purpose in self.recommended[0].parts
        }
        return {purpose: share for purpose, share in parts.items() if share.max() > 0}

    def beyond(self, table: RunTable) -> float | None:
        """The budget from which the recommended student's params x tokens exceed every run's; None: nowhere."""
        used = table.used
        largest = float(np.log(np.max(used.values("params") * used.values("tokens"))))
        plans = [one.plan for one in self.recommended]
        student = np.log([plan.student_params * plan.student_tokens for plan in plans])
        above = np.flatnonzero(student > largest)
        if not len(above):
            return None
        first = int(above[0])
        if first == 0:
            return float(self.budgets[0])
        ends = slice(first - 1, first + 1)
        return float(np.exp(np.interp(largest, student[ends], np.log(self.budgets[ends]))))


def allocation_path(
    basis: Basis,
    scenario: Scenario,
    *,
    budget_flops: Sequence[float],
    student_params: float | None = None,
    within: float = WITHIN,
    rule: Rule = "mean",
    progress: Progress | None = None,
) -> AllocationPath:
    """Recommended splits and the draws' optima from a decade below the budgets asked about to one above.

    Arguments and errors as in `recommended_allocation`; `progress` is told (budgets done, all budgets).
    """
    basis.require(scenario)
    few = basis.thinned(DRAWS if student_params is not None else DRAWS // 2)
    budgets, asked = budgets_about(budget_flops, least_that_works(basis, scenario, student_params))
    found = []
    for position, budget in enumerate(budgets):
        found.append(
            recommended_allocation(
                basis if asked[position] else few,
                scenario,
                budget_flops=float(budget),
                student_params=student_params,
                within=within,
                rule=rule,
            )
        )
        if progress is not None:
            progress(position + 1, len(budgets))
    return AllocationPath(
        scenario=scenario,
        budgets=budgets,
        asked=asked,
        student_params=student_params,
        draws=basis.draws,
        optima=optimal_allocations(few, scenario, budget_flops=budgets, student_params=student_params),
        recommended=tuple(found),
    )


def budgets_about(asked: Sequence[float], least: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Budgets on a logarithmic grid about those asked about, which are among them, and which these are.

    None but an asked one is below the least that works.
    """
    wanted = np.unique(np.asarray(asked, dtype=np.float64))
    low, high = max(wanted[0] / ROOM, least), max(wanted[-1] * ROOM, least)
    points = min(MOST_BUDGETS, 1 + round(PER_DECADE * np.log10(high / low)))
    grid = np.geomspace(low, high, max(points, 2))
    apart = np.abs(np.log(grid[:, None] / wanted)).min(axis=1) > 0.3 * np.log(10.0) / PER_DECADE
    budgets = np.sort(np.concatenate([grid[apart], wanted]))
    return budgets, np.isin(budgets, wanted)


def least_that_works(basis: Basis, scenario: Scenario, size: float | None) -> float:
    """The least budget within the search bounds, FLOPs."""
    try:
        least_budget(basis, scenario, np.full(1, 1e-300), None if size is None else np.full(1, size))
    except BudgetTooSmall as error:
        return 1.01 * error.least_flops
    return 0.0


def _teacher_loss(chosen: Recommendation) -> float:
    plan = chosen.plan
    if plan.teacher_params is None or plan.teacher_tokens is None:
        return np.nan if plan.teacher_loss is None else plan.teacher_loss
    teacher = Plan(student_params=plan.teacher_params, student_tokens=plan.teacher_tokens)
    return float(plan_losses(chosen.basis, [teacher]).mean())
