"""Problems of allocation as scenarios and bounds say them, handed to the solver and taken back in plain units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from bayes_dsl.costs.flops import PAPER, CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.bounds import PAPER_BOUNDS, Bounds
from bayes_dsl.decisions.splits import Kind, Limits, Paid, Prices, best_splits, best_supervised
from bayes_dsl.decisions.teachers import Box
from bayes_dsl.laws.base import Law
from bayes_dsl.laws.published import published

CORRECTED = published("busbridge_corrected")
Answer = dict[str, np.ndarray]


def paid_by(scenario: Scenario) -> Paid:
    if scenario.logits_weight > 0:
        return "both" if scenario.pretraining_weight > 0 else "logits"
    return "training" if scenario.pretraining_weight > 0 else "nothing"


def limits_of(bounds: Bounds) -> Limits:
    params, teacher_tokens = np.log(bounds.params), np.log(bounds.teacher_tokens)
    return Limits(
        teacher=Box(_pair(params), _pair(teacher_tokens)),
        log_student_params=_pair(np.log(bounds.student_params)),
        student_tokens=_pair(np.array(bounds.student_tokens)),
    )


def prices_of(scenario: Scenario) -> Prices:
    weights = scenario.logits_weight, scenario.pretraining_weight, scenario.serving_tokens
    return Prices(*(jnp.asarray(float(weight)) for weight in weights))


def solved(
    scenario: Scenario,
    budgets: Any,
    student_params: Any = None,
    *,
    parameters: Mapping[str, Any] = CORRECTED.parameters,
    model: CostModel = PAPER,
    bounds: Bounds = PAPER_BOUNDS,
    law: Law = CORRECTED.law,
    supervised: bool = False,
) -> Answer:
    """The best split of each budget at each draw, fields (problem, draw); the size is free where None."""
    with jax.enable_x64(True):
        draws = {name: jnp.atleast_1d(jnp.asarray(value, float)) for name, value in parameters.items()}
        budgets = np.atleast_1d(np.asarray(budgets, float))
        sizes = np.broadcast_to(1e9 if student_params is None else student_params, budgets.shape)
        kind = Kind(law=law, cost=model, paid=paid_by(scenario), free_size=student_params is None)
        solve = best_supervised if supervised else best_splits
        split = solve(
            kind,
            draws,
            prices_of(scenario),
            limits_of(bounds),
            jnp.asarray(budgets),
            jnp.log(jnp.asarray(sizes)),
        )
        found = {name: np.asarray(value) for name, value in split._asdict().items()}
    return {
        "student_params": np.exp(found["log_student_params"]),
        "student_tokens": found["student_tokens"],
        "teacher_params": np.exp(found["log_teacher_params"]),
        "teacher_tokens": np.exp(found["log_teacher_tokens"]),
        "teacher_loss": found["teacher_loss"],
        "loss": np.exp(found["log_loss"]),
    }


def cost_of(scenario: Scenario, model: CostModel, answer: Answer, *, supervised: bool = False) -> np.ndarray:
    """The bill of every split, (problem, draw)."""
    names = ("student_params", "student_tokens") if supervised else (*_SIZES,)
    sizes = {name: answer[name] for name in names}
    return np.asarray(scenario.cost(model, **sizes)) if not supervised else _run_cost(scenario, model, sizes)


_SIZES = ("student_params", "student_tokens", "teacher_params", "teacher_tokens")


def _run_cost(scenario: Scenario, model: CostModel, sizes: Mapping[str, np.ndarray]) -> np.ndarray:
    run = model.training(sizes["student_params"], sizes["student_tokens"])
    return np.asarray(run + model.serving(sizes["student_params"], scenario.serving_tokens))


def _pair(values: Any) -> tuple[jax.Array, jax.Array]:
    return jnp.asarray(float(values[0])), jnp.asarray(float(values[1]))
