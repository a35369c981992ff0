"""Distil or train: whether a distilled student beats a supervised run of the same total compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING, Scenario
from bayes_dsl.decisions.allocation import least_budget, quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.choice import GRID_DRAWS
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import recommended_plan
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

Progress = Callable[[int, int], None]
# With more problems than these, plans are sought on a few hundred draws; all are judged on every draw.
FEW = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Comparison:
    """The recommended distilled plan against the recommended supervised one, for each problem.

    Attributes
    ----------
    scenario, supervised_scenario : Scenario
        What each side is charged for; both serve the same tokens.
    basis : Basis
        The joint draws that both sides are judged on.
    budget_flops : numpy.ndarray
        (problem,), total FLOPs of either side.
    student_params : numpy.ndarray or None
        (problem,); None: each side chooses its own size.
    distilled, supervised : tuple of Plan
        (problem,), of least expected loss over the posterior.
    distilled_loss, supervised_loss : numpy.ndarray
        (draw, problem), expected losses of these plans in nats per token.
    difference_if_known : numpy.ndarray
        (draw, problem), distilled minus supervised, of plans made for each draw as if it were the truth.
    """

    scenario: Scenario
    supervised_scenario: Scenario
    basis: Basis
    budget_flops: np.ndarray
    student_params: np.ndarray | None
    distilled: tuple[Plan, ...]
    supervised: tuple[Plan, ...]
    distilled_loss: np.ndarray
    supervised_loss: np.ndarray
    difference_if_known: np.ndarray

    @property
    def difference(self) -> np.ndarray:
        """Loss of the distilled plan minus that of the supervised one, (draw, problem), nats per token."""
        return np.asarray(self.distilled_loss - self.supervised_loss)

    @property
    def probability(self) -> np.ndarray:
        """P(distilling beats supervised training) with the recommended plans, (problem,)."""
        return np.asarray((self.difference < 0).mean(axis=0))

    @property
    def probability_if_known(self) -> np.ndarray:
        """The same where both plans are made knowing the coefficients, (problem,)."""
        return np.asarray((self.difference_if_known < 0).mean(axis=0))

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """Mean, median and credible interval of the difference in nats per token, one row a problem."""
        difference = self.difference
        lower, upper = interval(difference, prob=prob, kind=kind)
        return pd.DataFrame(
            {
                "budget_flops": self.budget_flops,
                "student_params": np.nan if self.student_params is None else self.student_params,
                "probability": self.probability,
                "probability_if_known": self.probability_if_known,
                "mean": difference.mean(axis=0),
                "median": np.median(difference, axis=0),
                "lower": lower,
                "upper": upper,
                "prob": prob,
                "kind": kind,
            }
        )


def distil_or_train(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: ArrayLike,
    student_params: ArrayLike | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    """P(distilling beats supervised training) at equal total compute, every plan on the same draws.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients, which must explain distilled and supervised runs.
    scenario : Scenario
        What distilling is charged for; the supervised run serves the same tokens and pays no teacher.
    budget_flops : array_like
        FLOPs; scalar or (problem,).
    student_params : array_like, optional
        The student's parameters; scalar or (problem,). Without it each side chooses its own size.
    cost_model, bounds : optional
        See `basis_of`.
    progress : callable, optional
        Called with (done, total) after each problem.

    Raises
    ------
    BudgetTooSmall
        A budget does not pay the least student and teacher within the bounds.
    InputError
        The scenario has no teacher.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.

    Notes
    -----
    The comparison of Busbridge et al., arXiv 2502.08606, Section 5, with the doubt about the coefficients.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    alone = without_teacher(basis, scenario)
    budgets, sizes = problems(budget_flops, student_params)
    for one in (scenario, alone):
        least_budget(basis, one, budgets, sizes)
    sought = basis if len(budgets) <= FEW else basis.thinned(GRID_DRAWS)
    plans: list[tuple[Plan, Plan]] = []
    known = np.empty((basis.draws, len(budgets)))
    for problem, budget in enumerate(budgets):
        size = None if sizes is None else float(sizes[problem])
        pair = [recommended(sought, one, float(budget), size) for one in (scenario, alone)]
        plans.append((pair[0], pair[1]))
        known[:, problem] = known_difference(
            basis, scenario, alone, budgets[problem : problem + 1], None if size is None else np.full(1, size)
        )[:, 0]
        if progress is not None:
            progress(problem + 1, len(budgets))
    distilled, supervised = zip(*plans, strict=True)
    return Comparison(
        scenario=scenario,
        supervised_scenario=alone,
        basis=basis,
        budget_flops=budgets,
        student_params=sizes,
        distilled=distilled,
        supervised=supervised,
        distilled_loss=plan_losses(basis, distilled),
        supervised_loss=plan_losses(basis, supervised),
        difference_if_known=known,
    )


def without_teacher(basis: Basis, scenario: Scenario) -> Scenario:
    """The supervised scenario that a distilled one competes with: the same tokens are served.

    Raises
    ------
    InputError
        The scenario has no teacher.
    NotIdentified
        The law does not explain one of the two.
    """
    if not scenario.teacher:
        raise InputError(
            Fault(
                where="distil or train",
                what="scenario",
                value=scenario.name,
                rule="there is no teacher in it, so nothing is compared with supervised training",
                remedy="Choose a scenario with a teacher, such as best-case",
            )
        )
    alone = replace(SUPERVISED_TRAINING, serving_tokens=scenario.serving_tokens)
    basis.require(scenario)
    basis.require(alone)
    return alone


def problems(
    budget_flops: ArrayLike, student_params: ArrayLike | None
) -> tuple[np.ndarray, np.ndarray | None]:
    """Budgets and sizes as arrays of one length, (problem,); None where the size is free.

    Raises
    ------
    InputError
        A value is not above 0, or there are several of both and not as many of each.
    """
    budgets = positive("budget_flops", budget_flops)
    if student_params is None:
        return budgets, None
    sizes = positive("student_params", student_params)
    try:
        budgets, sizes = (np.array(one) for one in np.broadcast_arrays(budgets, sizes))
    except ValueError:
        raise InputError(
            Fault(
                where="distil or train",
                what="budget_flops and student_params",
                value=f"{len(budgets)} and {len(sizes)}",
                rule="there must be one of either, or as many of both",
                remedy="Give every combination as a pair, such as numpy.meshgrid makes them",
            )
        ) from None
    return budgets, sizes


def recommended(basis: Basis, scenario: Scenario, budget: float, size: float | None) -> Plan:
    """The plan of least expected loss on a basis."""
    return recommended_plan(basis, scenario, budget_flops=budget, student_params=size)


def known_difference(
    basis: Basis, scenario: Scenario, alone: Scenario, budgets: np.ndarray, sizes: np.ndarray | None
) -> np.ndarray:
    """Best distilled minus best supervised loss of each draw, (draw, problem), nats per token.

    `budgets` are (problem,), or with given sizes (problem, draw): a budget of its own for every draw.
    """
    best = [quantities(solve(basis, one, budgets, sizes))["student_loss"] for one in (scenario, alone)]
    return np.asarray(best[0] - best[1])
