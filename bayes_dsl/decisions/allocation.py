"""The optimal allocation at every draw of a posterior: how the best split of a budget is distributed."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis, basis_of, paid, positive, prices
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.splits import Kind, Split, best_splits
from bayes_dsl.errors import BudgetTooSmall, Fault
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

QUANTITIES = (
    "student_params",
    "student_tokens",
    "teacher_params",
    "teacher_tokens",
    "teacher_loss",
    "student_loss",
)
# A quantity this close to its bound, in natural logarithms, stands on it.
AT_BOUND = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Allocations:
    """The best split at every draw, for each problem (a budget with a student's size).

    `values` has an array (draw, problem) for each of `QUANTITIES`: parameters, tokens, nats per token; NaN
    where the scenario leaves a quantity open (`undetermined`). `at_bound` (problem,) has, by quantity, the
    share of draws whose optimum stands on a bound of the search: such a quantity is the bound's, not the law's.
    """

    scenario: Scenario
    basis: Basis
    budget_flops: np.ndarray
    values: dict[str, np.ndarray]
    undetermined: tuple[str, ...]
    at_bound: dict[str, np.ndarray]

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """Median and credible interval of each quantity, one row a problem and quantity."""
        rows = []
        for problem, budget in enumerate(self.budget_flops):
            for name in QUANTITIES:
                draws = self.values[name][:, problem]
                if np.isnan(draws).all():
                    continue
                lower, upper = interval(draws, prob=prob, kind=kind)
                share = float(self.at_bound[name][problem]) if name in self.at_bound else 0.0
                rows.append((budget, name, np.median(draws), lower, upper, prob, kind, share))
        columns = ["budget_flops", "quantity", "median", "lower", "upper", "prob", "kind", "at_bound"]
        return pd.DataFrame(rows, columns=columns)

    def tokens_per_param(self) -> np.ndarray:
        """Training tokens of the student over its parameters, (draw, problem)."""
        return np.asarray(self.values["student_tokens"] / self.values["student_params"])


def optimal_allocations(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: ArrayLike,
    student_params: ArrayLike | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> Allocations:
    """The split of least expected loss, found for each draw as if its coefficients were the truth.

    The draws' optima say how well the best split is known; the one split to follow is
    `recommended_allocation`'s, which is not their mean.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients.
    scenario : Scenario
        Which costs are charged; `SUPERVISED_TRAINING` for a run without a teacher.
    budget_flops : array_like
        FLOPs; scalar or (problem,).
    student_params : array_like, optional
        The student's parameters, counted as in the posterior's table; scalar or (problem,). Without it the
        size is optimised, too.
    cost_model, bounds : optional
        See `basis_of`.

    Raises
    ------
    BudgetTooSmall
        A budget does not pay the least student and teacher within the bounds.
    NotIdentified, CountingMismatch, UnhealthyPosterior, InputError
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    basis.require(scenario)
    budgets = positive("budget_flops", budget_flops)
    sizes = np.full(1, np.nan) if student_params is None else positive("student_params", student_params)
    budgets, sizes = np.broadcast_arrays(budgets, sizes)
    least_budget(basis, scenario, budgets, None if student_params is None else sizes)
    split = solve(basis, scenario, budgets, None if student_params is None else sizes)
    values = quantities(split)
    if student_params is not None:
        values["student_params"] = np.broadcast_to(sizes, values["student_params"].shape)  # to the last digit
    left = left_open(scenario)
    for name in left:
        values[name] = np.full_like(values[name], np.nan)
    return Allocations(
        scenario=scenario,
        basis=basis,
        budget_flops=np.array(budgets),
        values=values,
        undetermined=left if scenario.teacher else (),
        at_bound=_at_bound(basis, values, free_size=student_params is None),
    )


def solve(basis: Basis, scenario: Scenario, budgets: np.ndarray, sizes: np.ndarray | None) -> Split:
    """Best splits as arrays (problem, draw); without `sizes` the student's is optimised."""
    kind = Kind(
        law=basis.law,
        cost=basis.cost,
        role="distilled" if scenario.teacher else "supervised",
        paid=paid(scenario),
    )
    with jax.enable_x64(True):
        log_sizes = None if sizes is None else jnp.log(jnp.asarray(np.array(sizes)))
        budget = jnp.asarray(np.array(budgets, dtype=np.float64))
        return best_splits(kind, basis.world(), prices(scenario), basis.limits(), budget, log_sizes)


def quantities(split: Split) -> dict[str, np.ndarray]:
    """The fields of a split under their public names, (draw, problem)."""
    values = {
        "student_params": np.exp(split.log_student_params),
        "student_tokens": split.student_tokens,
        "teacher_params": np.exp(split.log_teacher_params),
        "teacher_tokens": np.exp(split.log_teacher_tokens),
        "teacher_loss": split.teacher_loss,
        "student_loss": np.exp(split.log_loss),
    }
    return {name: np.array(np.asarray(value).T) for name, value in values.items()}


def left_open(scenario: Scenario) -> tuple[str, ...]:
    """What no budget can determine: without a teacher its numbers, with a free one its size and tokens."""
    if not scenario.teacher:
        return ("teacher_params", "teacher_tokens", "teacher_loss")
    return ("teacher_params", "teacher_tokens") if paid(scenario) == "nothing" else ()


def least_budget(basis: Basis, scenario: Scenario, budgets: np.ndarray, sizes: np.ndarray | None) -> None:
    """Raise `BudgetTooSmall` where a budget does not pay the least student with the least teacher."""
    bounds = basis.bounds
    student = np.full(len(budgets), bounds.student_params[0]) if sizes is None else sizes
    least = np.asarray(
        scenario.cost(
            basis.cost,
            student_params=student,
            student_tokens=bounds.student_tokens[0],
            teacher_params=bounds.params[0] if scenario.teacher else None,
            teacher_tokens=bounds.tokens[0] if scenario.teacher else None,
        )
    )
    # A hair above: at the least budget itself the search has no room.
    least = least * (1.0 + 1e-6)
    whom = "the least student and teacher" if scenario.teacher else "the least run's tokens"
    faults = [
        Fault(
            where=f"allocation, {scenario.name}",
            what="budget_flops",
            value=f"{budget:.4g}",
            rule=f"{whom} within the search bounds cost {needed:.4g} FLOPs",
            remedy=f"Give at least {needed:.4g} FLOPs, or a smaller student",
        )
        for budget, needed in zip(budgets, np.broadcast_to(least, budgets.shape), strict=True)
        if budget < needed
    ]
    if faults:
        raise BudgetTooSmall(faults, least_flops=float(np.max(least)))


def _at_bound(basis: Basis, values: dict[str, np.ndarray], *, free_size: bool) -> dict[str, np.ndarray]:
    """Share of draws that stand on a bound, (problem,), for each quantity that the search moves."""
    ranges = {
        "student_tokens": basis.bounds.student_tokens,
        "teacher_params": basis.bounds.params,
        "teacher_tokens": basis.bounds.teacher_tokens,
    }
    if free_size:
        ranges["student_params"] = basis.bounds.student_params
    shares = {}
    for name, (low, high) in ranges.items():
        logs = np.log(values[name])
        near = (np.abs(logs - np.log(low)) < AT_BOUND) | (np.abs(logs - np.log(high)) < AT_BOUND)
        if near.any():
            shares[name] = near.mean(axis=0)
    return shares
