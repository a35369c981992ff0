"""Problems of allocation as scenarios and bounds say them, handed to the solver and taken back in plain units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bayes_dsl.costs.flops import PAPER, CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import quantities, solve
from bayes_dsl.decisions.basis import Basis
from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds
from bayes_dsl.inference.paths import Drift
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.published import published

CORRECTED = published("busbridge_corrected")
Answer = dict[str, np.ndarray]


def solved(
    scenario: Scenario,
    budgets: Any,
    student_params: Any = None,
    *,
    parameters: Mapping[str, Any] = CORRECTED.parameters,
    model: CostModel = PAPER,
    bounds: Bounds = PAPER_BOUNDS,
    law: Law = CORRECTED.law,
    drift: Drift | None = None,
) -> Answer:
    """The best split of each budget at each draw, fields (problem, draw); the size is free where None."""
    draws = {name: np.atleast_1d(np.asarray(value, float)) for name, value in parameters.items()}
    basis = Basis(law=law, parameters=draws, cost=model, bounds=bounds, drift=drift)
    budgets = np.atleast_1d(np.asarray(budgets, float))
    sizes = (
        None if student_params is None else np.broadcast_to(np.asarray(student_params, float), budgets.shape)
    )
    found = {name: value.T for name, value in quantities(solve(basis, scenario, budgets, sizes)).items()}
    return found


def cost_of(scenario: Scenario, model: CostModel, answer: Answer) -> np.ndarray:
    """The bill of every split, (problem, draw)."""
    names = ["student_params", "student_tokens"]
    names += ["teacher_params", "teacher_tokens"] if scenario.teacher else []
    return np.asarray(scenario.cost(model, **{name: answer[name] for name in names}))
