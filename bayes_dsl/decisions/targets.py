"""The budget that reaches a target loss with a stated assurance, or the sentence that none does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import BEST_CASE, SUPERVISED_TRAINING, Scenario
from bayes_dsl.decisions.allocation import least_budget, quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.choice import GRID_DRAWS
from bayes_dsl.decisions.recommended import Recommendation, recommended_allocation
from bayes_dsl.errors import BudgetTooSmall, Fault, InputError
from bayes_dsl.inference.posterior import Posterior

HIGHEST = 1e28
"""FLOPs up to which a budget is sought, unless told otherwise: a hundred times the paper's largest."""
# The answer is at most this much above the least budget, relative to it.
RESOLUTION = 0.005
# Halvings that find where to begin, with plans made for each draw.
FIRST = 12


@dataclass(frozen=True, kw_only=True, eq=False)
class AssuredBudget:
    """The least budget whose recommended plan reaches a target with some assurance.

    Attributes
    ----------
    budget_flops : float or None
        FLOPs, known to `RESOLUTION`; None where no budget of the range is enough (`statement` says why).
    recommendation : Recommendation or None
        The plan at this budget.
    probability : float
        P(expected loss at most the target) of that plan; without one, of the plan at the range's upper end,
        or where the law itself does not reach the target, `reachable`.
    reachable : float
        Share of draws in which any budget at all would reach the target: the floor of the law for this
        student within the search bounds, with the best teacher for nothing.
    floor : numpy.ndarray
        The loss at that floor, (draw,), nats per token.
    budgets : (float, float)
        FLOPs: the range that was searched.
    """

    scenario: Scenario
    basis: Basis
    target_loss: float
    assurance: float
    student_params: float | None
    budget_flops: float | None
    recommendation: Recommendation | None
    probability: float
    reachable: float
    floor: np.ndarray
    budgets: tuple[float, float]

    def statement(self) -> str:
        """One sentence: the budget, or why there is none."""
        target, assured = f"a loss of {self.target_loss:.4g}", f"{100 * self.assurance:.4g} % assurance"
        if self.budget_flops is not None:
            return f"{self.budget_flops:.4g} FLOPs reach {target} with {assured}"
        if self.reachable < self.assurance:
            return (
                f"no budget reaches {target} with {assured}: the law's floor for this student is that low in "
                f"{100 * self.reachable:.3g} % of the draws"
            )
        return (
            f"no budget up to {self.budgets[1]:.4g} FLOPs reaches {target} with {assured}: there the recommended "
            f"plan reaches it with {100 * self.probability:.3g} %"
        )


def budget_for_target(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    target_loss: float,
    assurance: float = 0.9,
    student_params: float | None = None,
    budgets: tuple[float, float] | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> AssuredBudget:
    """The least budget whose recommended plan has P(expected loss <= target) >= assurance.

    More budget never hurts, so it is found by halving the logarithm of the budget; every plan is judged on
    all draws.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients.
    scenario : Scenario
        Which costs are charged.
    target_loss : float
        Nats per token.
    assurance : float
        The probability that is asked for.
    student_params : float, optional
        The student's parameters; without it the size is optimised, too.
    budgets : (float, float), optional
        FLOPs: the range to search; without it from the least that pays to `HIGHEST`.
    cost_model, bounds : optional
        See `basis_of`.

    Raises
    ------
    BudgetTooSmall
        The lower end of the range does not pay the least student and teacher.
    InputError
        A number is out of its range.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    basis.require(scenario)
    target = float(positive("target_loss", target_loss)[0])
    if not 0 < assurance < 1:
        raise _refused(
            "assurance", f"{assurance}", "must be a probability between 0 and 1", "The default is 0.9"
        )
    size = None if student_params is None else float(positive("student_params", student_params)[0])
    low, high = _range(basis, scenario, size, budgets)
    floor = law_floor(basis, scenario, size)
    reachable = float(np.mean(floor <= target))

    @cache
    def plan(budget: float) -> tuple[Recommendation, float]:
        found = recommended_allocation(basis, scenario, budget_flops=budget, student_params=size)
        return found, float(np.mean(found.losses <= target))

    budget = None
    if reachable >= assurance:
        few = basis.thinned(GRID_DRAWS) if size is None else basis
        start = _first(lambda at: _known(few, scenario, at, size, target) >= assurance, low, high)
        budget = _least(lambda at: plan(at)[1] >= assurance, start, low, high)
    found = None if budget is None else plan(budget)
    missed = reachable if reachable < assurance else None
    return AssuredBudget(
        scenario=scenario,
        basis=basis,
        target_loss=target,
        assurance=assurance,
        student_params=size,
        budget_flops=budget,
        recommendation=found[0] if found else None,
        probability=found[1] if found else plan(high)[1] if missed is None else missed,
        reachable=reachable,
        floor=floor,
        budgets=(low, high),
    )


def law_floor(basis: Basis, scenario: Scenario, size: float | None) -> np.ndarray:
    """Loss at every draw that no budget goes below, (draw,): most tokens, largest student where it is free.

    With a teacher it is the best one within the bounds, for nothing.
    """
    largest = basis.bounds.student_params[1] if size is None else size
    cost = basis.cost.training(largest, basis.bounds.student_tokens[1]) * (1.0 + RESOLUTION)
    everything = BEST_CASE if scenario.teacher else SUPERVISED_TRAINING
    split = solve(basis, everything, np.full(1, float(cost)), np.full(1, float(largest)))
    return np.asarray(quantities(split)["student_loss"][:, 0])


def _known(basis: Basis, scenario: Scenario, budget: float, size: float | None, target: float) -> float:
    """Share of draws whose own best split reaches the target."""
    sizes = None if size is None else np.full(1, size)
    losses = quantities(solve(basis, scenario, np.full(1, budget), sizes))["student_loss"]
    return float(np.mean(losses <= target))


def _first(enough: Callable[[float], bool], low: float, high: float) -> float:
    """A budget near the least that is enough for plans made in each draw: where the search begins."""
    left, right = np.log(low), np.log(high)
    for _ in range(FIRST):
        middle = 0.5 * (left + right)
        left, right = (left, middle) if enough(float(np.exp(middle))) else (middle, right)
    return float(np.exp(right))


def _least(enough: Callable[[float], bool], start: float, low: float, high: float) -> float | None:
    """The least budget in the range that is enough, None where its upper end is not."""
    bad, good, step = None, None, 1.0 + 4 * RESOLUTION
    at = min(max(start, low), high)
    while bad is None or good is None:
        if enough(at):
            good = at
            if bad is None and at <= low:
                return low
            at = max(at / step, low)
        else:
            bad = at
            if good is None and at >= high:
                return None
            at = min(at * step, high)
        step = min(step**2, 1e3)
    while good / bad > 1.0 + RESOLUTION:
        middle = float(np.sqrt(good * bad))
        good, bad = (middle, bad) if enough(middle) else (good, middle)
    return good


def _range(
    basis: Basis, scenario: Scenario, size: float | None, budgets: tuple[float, float] | None
) -> tuple[float, float]:
    sizes = None if size is None else np.full(1, size)
    if budgets is None:
        try:
            least_budget(basis, scenario, np.full(1, 1e-300), sizes)
        except BudgetTooSmall as error:
            return error.least_flops * (1.0 + RESOLUTION), HIGHEST
    low, high = positive("budgets", budgets if budgets is not None else (1.0, HIGHEST))
    if not low < high:
        remedy = "Give the lower end first, such as (1e20, 1e26)"
        raise _refused("budgets", f"{low:g} .. {high:g}", "the range must hold something", remedy)
    least_budget(basis, scenario, np.full(1, low), sizes)
    return float(low), float(high)


def _refused(what: str, value: str, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="budget for a target", what=what, value=value, rule=rule, remedy=remedy))
