"""P(distilling wins) over student sizes and budgets: what its heat map shows, before it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.compare import distil_or_train, without_teacher
from bayes_dsl.reporting.allocation_path import Floats, Progress, least_that_works
from bayes_dsl.runs.table import RunTable

BUDGETS, SIZES = 9, 7
ROOM = 10.0
"""Budgets reach this factor beyond those asked about, sizes its square root."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonGrid:
    """`probability` (size, budget) that distilling beats supervised training; NaN where a budget is too small.

    `tokens` (size, budget) are the training tokens of the recommended distilled student; `asked` the pairs
    (budget, size) of the question, with the probability of each in `asked_probability`.
    """

    scenario: Scenario
    basis: Basis
    budgets: Floats
    sizes: Floats
    probability: Floats
    tokens: Floats
    asked: tuple[tuple[float, float], ...]
    asked_probability: Floats

    def beyond(self, table: RunTable) -> Floats:
        """How far each student lies outside the runs, (size, budget), natural logarithm, below 0 inside.

        Outside are sizes that no run has, and params x tokens that no run reaches.
        """
        used = table.used
        params, tokens = used.values("params"), used.values("tokens")
        size = np.log(self.sizes)[:, None]
        compute = size + np.log(self.tokens) - np.log(np.max(params * tokens))
        by_size = np.maximum(size - np.log(params.max()), np.log(params.min()) - size)
        return np.asarray(np.maximum(compute, by_size))


def comparison_grid(
    basis: Basis,
    scenario: Scenario,
    *,
    budget_flops: Sequence[float],
    student_params: Sequence[float],
    progress: Progress | None = None,
) -> ComparisonGrid:
    """Compare at every size and budget about those asked about, every plan on the same draws.

    Arguments and errors as in `distil_or_train`.
    """
    alone = without_teacher(basis, scenario)
    budgets = _about(budget_flops, ROOM, BUDGETS)
    sizes = _about(student_params, np.sqrt(ROOM), SIZES)
    asked = [(float(budget), float(size)) for size in student_params for budget in budget_flops]
    least = np.array([max(least_that_works(basis, one, size) for one in (scenario, alone)) for size in sizes])
    affordable = budgets > least[:, None]
    pairs = [(budgets[j], sizes[i]) for i, j in np.argwhere(affordable)]
    found = distil_or_train(
        basis,
        scenario,
        budget_flops=[budget for budget, _ in [*pairs, *asked]],
        student_params=[size for _, size in [*pairs, *asked]],
        progress=progress,
    )
    probability = np.full(affordable.shape, np.nan)
    tokens = np.full(affordable.shape, np.nan)
    probability[affordable] = found.probability[: len(pairs)]
    tokens[affordable] = [plan.student_tokens for plan in found.distilled[: len(pairs)]]
    return ComparisonGrid(
        scenario=scenario,
        basis=basis,
        budgets=budgets,
        sizes=sizes,
        probability=probability,
        tokens=tokens,
        asked=tuple(asked),
        asked_probability=found.probability[len(pairs) :],
    )


def _about(asked: Sequence[float], room: float, points: int) -> Floats:
    values = np.asarray(asked, dtype=np.float64)
    return np.asarray(np.geomspace(values.min() / room, values.max() * room, points))
