"""The one split to follow: least expected loss over the whole posterior, with every split that is nearly as good."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.optimize import minimize

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import AT_BOUND, least_budget, left_open, quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.choice import GRID_DRAWS, Choice, Summary
from bayes_dsl.decisions.near_optimal import NearOptimal, near_optimal
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.posterior import Posterior

Rule = Literal["mean", "quantile", "minimax-regret"]
WITHIN = 0.005
"""Nats per token by which a near-optimal split may be worse: what a law with three-digit coefficients resolves."""

# Points on each axis of the grid from which the search starts, by the number of free coordinates.
_GRID = {1: 129, 2: 25, 3: 11}


# Nats per token that stand for a split which the budget does not pay.
_UNAFFORDABLE = 1e6


@dataclass(frozen=True, kw_only=True)
class BoundHit:
    """A quantity that stands on a bound: its value is the bound's, not what the law asks for."""

    quantity: str
    side: Literal["lower", "upper"]
    value: float

    def __str__(self) -> str:
        return f"{self.quantity} runs into the {self.side} bound {self.value:.4g} of the search"


@dataclass(frozen=True, kw_only=True, eq=False)
class Recommendation:
    """One split of one budget, and how sure it is.

    Attributes
    ----------
    plan : Plan
        The split; a number in `bounds_hit` or `undetermined` is no advice.
    losses : numpy.ndarray
        The plan's expected loss at every draw, (draw,), nats per token.
    parts : dict
        FLOPs by purpose: student_training, teacher_logits, teacher_training, serving.
    near_optimal : NearOptimal
        Splits whose score is within some nats of the plan's.
    undetermined : tuple of str
        What the scenario leaves open: with a free teacher its size and tokens.
    bounds_hit : tuple of BoundHit
        What runs into a bound of the search.
    rule : str
        What is least: the mean over draws, an upper quantile, or the largest regret.
    """

    scenario: Scenario
    basis: Basis
    budget_flops: float
    plan: Plan
    losses: np.ndarray
    parts: dict[str, float]
    near_optimal: NearOptimal
    undetermined: tuple[str, ...]
    bounds_hit: tuple[BoundHit, ...]
    rule: Rule

    @property
    def cost_flops(self) -> float:
        return float(sum(self.parts.values()))

    def stated(self) -> dict[str, float | None]:
        """The numbers of the plan that are advice; None where undetermined or bound-limited."""
        silent = {*self.undetermined, *(hit.quantity for hit in self.bounds_hit)}
        names = ("student_params", "student_tokens", "teacher_params", "teacher_tokens")
        return {name: None if name in silent else getattr(self.plan, name) for name in names}


def recommended_allocation(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    within: float = WITHIN,
    rule: Rule = "mean",
    quantile: float = 0.9,
    accept_unhealthy: bool = False,
) -> Recommendation:
    """The split of a budget that minimises expected loss over the posterior.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients.
    scenario : Scenario
        Which costs are charged; `SUPERVISED_TRAINING` for a run without a teacher.
    budget_flops : float
        FLOPs.
    student_params : float, optional
        The student's parameters; without it the size is optimised, too.
    cost_model, bounds : optional
        See `basis_of`.
    within : float
        Nats per token: how much worse a near-optimal split may be.
    rule : {"mean", "quantile", "minimax-regret"}
        Least mean loss (default), least upper quantile of the loss, or least largest regret over the draws.
    quantile : float
        Of the loss, for rule "quantile".

    Raises
    ------
    BudgetTooSmall
        The budget does not pay the least student and teacher within the bounds.
    NotIdentified, CountingMismatch, UnhealthyPosterior, InputError
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    choice, point = _chosen(basis, scenario, budget_flops, student_params, rule, quantile)
    plan = choice.plan(point)
    parts = scenario.parts(
        basis.cost,
        student_params=plan.student_params,
        student_tokens=plan.student_tokens,
        teacher_params=plan.teacher_params,
        teacher_tokens=plan.teacher_tokens,
    )
    left = left_open(scenario) if scenario.teacher else ()
    return Recommendation(
        scenario=scenario,
        basis=basis,
        budget_flops=choice.budget,
        plan=plan,
        losses=choice.losses(point[None])[0],
        parts={name: float(part) for name, part in parts.items()},
        near_optimal=near_optimal(choice, point, within),
        undetermined=left,
        bounds_hit=_bounds_hit(choice, plan),
        rule=rule,
    )


def recommended_plan(
    basis: Basis,
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    rule: Rule = "mean",
    quantile: float = 0.9,
) -> Plan:
    """The plan of `recommended_allocation` alone, for whoever needs many."""
    choice, point = _chosen(basis, scenario, budget_flops, student_params, rule, quantile)
    return choice.plan(point)


def _chosen(
    basis: Basis,
    scenario: Scenario,
    budget_flops: float,
    student_params: float | None,
    rule: Rule,
    quantile: float,
) -> tuple[Choice, np.ndarray]:
    basis.require(scenario)
    budget = float(positive("budget_flops", budget_flops)[0])
    size = None if student_params is None else float(positive("student_params", student_params)[0])
    sizes = None if size is None else np.full(1, size)
    least_budget(basis, scenario, np.full(1, budget), sizes)
    choice = Choice(basis=basis, scenario=scenario, budget=budget, student_params=size)
    if not choice.names:
        return choice, np.zeros(0)
    # Regret is counted at every draw; for a start the optima of some of them are enough.
    judged = basis if rule == "minimax-regret" else basis.thinned(GRID_DRAWS)
    optima = quantities(solve(judged, scenario, np.full(1, budget), sizes))
    score = _score(rule, quantile, optima["student_loss"][:, 0])
    return choice, _search(choice, optima, rule, quantile, score)


def _score(rule: str, quantile: float, best: np.ndarray) -> Summary:
    """What a rule makes least, from losses (point, draw); `best` (draw,) are the draws' own optima."""
    if rule == "mean":
        return lambda losses: np.asarray(losses.mean(axis=-1))
    if rule == "quantile" and 0 < quantile < 1:
        return lambda losses: np.asarray(np.quantile(np.minimum(losses, _UNAFFORDABLE), quantile, axis=-1))
    if rule == "minimax-regret":
        return lambda losses: np.asarray(np.max(losses - best, axis=-1))
    value = f"{rule} at {quantile}" if rule == "quantile" else str(rule)
    raise InputError(
        Fault(
            where="decision",
            what="rule",
            value=value,
            rule="no such rule for a decision",
            remedy="Choose mean, quantile (between 0 and 1) or minimax-regret",
        )
    )


def _search(
    choice: Choice, optima: dict[str, np.ndarray], rule: Rule, quantile: float, score: Summary
) -> np.ndarray:
    """The best point: from the best of a grid and from the middle of the draws' optima, by Nelder-Mead."""
    box = choice.box()
    low, high = np.array(box).T
    middle = np.array([np.median(np.log(optima[name][:, 0])) for name in choice.names])
    starts = [np.clip(middle, low, high), _best_of_grid(choice, box, rule, quantile)]

    def value(point: np.ndarray) -> float:
        found = float(score(choice.losses(np.clip(point, low, high)[None]))[0])
        return min(found, _UNAFFORDABLE)

    results = []
    for start in starts:
        step = np.where(start + 0.4 <= high, 0.4, -0.4)
        simplex = np.vstack([start, start + np.diag(step)])
        options = {"initial_simplex": simplex, "xatol": 1e-5, "fatol": 1e-10, "maxiter": 400}
        results.append(minimize(value, start, method="Nelder-Mead", bounds=box, options=options))
    best = min(results, key=lambda result: float(result.fun))
    return np.asarray(np.clip(best.x, low, high))


def _best_of_grid(choice: Choice, box: list[tuple[float, float]], rule: Rule, quantile: float) -> np.ndarray:
    few = replace(choice, basis=choice.basis.thinned(GRID_DRAWS))
    axes = [np.linspace(low, high, _GRID[len(box)]) for low, high in box]
    points = np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    losses = few.losses(points)
    # Regret needs the draws' optima; the mean is a start that is good enough.
    values = _score("quantile" if rule == "quantile" else "mean", quantile, losses)(losses)
    return np.asarray(points[int(np.argmin(values))])


def _bounds_hit(choice: Choice, plan: Plan) -> tuple[BoundHit, ...]:
    bounds = choice.basis.bounds
    ranges = {"student_tokens": bounds.student_tokens}
    known = {
        "student_params": bounds.student_params,
        "teacher_params": bounds.params,
        "teacher_tokens": bounds.teacher_tokens,
    }
    ranges |= {name: known[name] for name in choice.names if name in known}
    if "teacher_loss" in choice.names:
        low, high = choice.box()[choice.names.index("teacher_loss")]
        ranges["teacher_loss"] = float(np.exp(low)), float(np.exp(high))
    hits = []
    for name, (low, high) in ranges.items():
        value = float(getattr(plan, name))
        if abs(np.log(value / low)) < 100 * AT_BOUND:
            hits.append(BoundHit(quantity=name, side="lower", value=low))
        elif abs(np.log(value / high)) < 100 * AT_BOUND:
            hits.append(BoundHit(quantity=name, side="upper", value=high))
    return tuple(hits)
