"""What a plan risks: its regret, its chance of missing a target, and its worst losses, all plans on the same draws."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING, Scenario
from bayes_dsl.decisions.allocation import quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.errors import ExtrapolationWarning, Fault, InputError
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

# A plan on a bound or at its whole budget may exceed it by rounding.
ROUNDING = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class Risk:
    """Plans judged on the same draws; `names` are theirs, in the order of every array's last axis.

    Attributes
    ----------
    scenario : Scenario
        What is charged.
    basis : Basis
        The draws.
    plans : dict of str to Plan
    cost_flops : numpy.ndarray
        (plan,)
    losses : numpy.ndarray
        Expected loss, (draw, plan), nats per token.
    best : numpy.ndarray
        What each draw's best split of the same budget reaches, (draw, plan), nats per token.
    next_run : numpy.ndarray or None
        Loss of one new run, (draw, plan), noise included; None where a basis was given, which has no noise.
    target_loss : float or None
        Nats per token.
    risk_prob : float
        Of the upper quantile.
    against : str
        What `best` chooses among.
    notes : tuple of str
        What the forecasts of new runs warn of.
    """

    scenario: Scenario
    basis: Basis
    plans: dict[str, Plan]
    cost_flops: np.ndarray
    losses: np.ndarray
    best: np.ndarray
    next_run: np.ndarray | None
    target_loss: float | None
    risk_prob: float
    against: str
    notes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.plans)

    @property
    def regret(self) -> np.ndarray:
        """Expected loss above that of each draw's best split of the same budget, (draw, plan), nats per token."""
        return np.asarray(self.losses - self.best)

    @property
    def expected_regret(self) -> np.ndarray:
        """(plan,), nats per token."""
        return np.asarray(self.regret.mean(axis=0))

    @property
    def largest_regret(self) -> np.ndarray:
        """Over the draws, (plan,), nats per token."""
        return np.asarray(self.regret.max(axis=0))

    @property
    def missing(self) -> np.ndarray | None:
        """P(expected loss above the target), (plan,); None without a target."""
        return None if self.target_loss is None else np.asarray((self.losses > self.target_loss).mean(axis=0))

    @property
    def next_run_missing(self) -> np.ndarray | None:
        """P(loss of the next run above the target), (plan,); None without a target or without noise."""
        if self.target_loss is None or self.next_run is None:
            return None
        return np.asarray((self.next_run > self.target_loss).mean(axis=0))

    @property
    def loss_at_risk(self) -> np.ndarray:
        """Upper quantile of the expected loss at `risk_prob`, (plan,), nats per token."""
        return np.asarray(np.quantile(self.losses, self.risk_prob, axis=0))

    @property
    def cvar(self) -> np.ndarray:
        """Mean of the expected losses that are at least `loss_at_risk`, (plan,), nats per token."""
        return tail_mean(self.losses, self.risk_prob)

    def table(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """One row a plan: what it costs, what it reaches and what it risks; intervals are of prob and kind.

        NaN where nothing was asked: no target, or no noise to forecast a run with.
        """
        loss, regret = (interval(array, prob=prob, kind=kind) for array in (self.losses, self.regret))
        return pd.DataFrame(
            {
                "cost_flops": self.cost_flops,
                "loss": self.losses.mean(axis=0),
                "loss_lower": loss[0],
                "loss_upper": loss[1],
                "regret": self.expected_regret,
                "regret_lower": regret[0],
                "regret_upper": regret[1],
                "largest_regret": self.largest_regret,
                "missing": np.nan if self.missing is None else self.missing,
                "next_run_missing": np.nan if self.next_run_missing is None else self.next_run_missing,
                "loss_at_risk": self.loss_at_risk,
                "cvar": self.cvar,
                "risk_prob": self.risk_prob,
                "prob": prob,
                "kind": kind,
            },
            index=pd.Index(self.names, name="plan"),
        )


def assess(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    plans: Mapping[str, Plan],
    target_loss: float | None = None,
    risk_prob: float = 0.9,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> Risk:
    """Judge plans on the same draws: regret, chance of missing a target, loss at risk.

    A plan's regret is its expected loss above that of the split which would have been best in the same draw,
    at the plan's own cost. The best split keeps to the scenario; where one of the plans has no teacher, it
    is the better of that and of supervised training, for all plans alike.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients; a Posterior also tells the scatter of the next run.
    scenario : Scenario
        What a plan with a teacher is charged for; a plan without one serves the same tokens.
    plans : mapping of str to Plan
        By the names that answers call them.
    target_loss : float, optional
        Nats per token; lower is better.
    risk_prob : float
        Probability of the upper quantile that is the loss at risk.
    student_params : float, optional
        The size that any plan must have; without it the best split chooses its own size.
    cost_model, bounds : optional
        See `basis_of`.

    Raises
    ------
    InputError
        No plans, or one that the scenario cannot charge, that lies outside the search bounds or has another
        size than `student_params`; every breach is listed.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    size = None if student_params is None else float(positive("student_params", student_params)[0])
    target = None if target_loss is None else float(positive("target_loss", target_loss)[0])
    faults = _faults(basis, scenario, plans, size, risk_prob)
    costs = np.zeros(len(plans))
    for i, plan in enumerate(plans.values()):
        try:
            costs[i] = plan.cost(scenario, basis.cost)
        except InputError as error:
            faults.extend(error.faults)
    if faults:
        raise InputError(faults)
    competitors = _competitors(scenario, plans)
    for one in competitors:
        basis.require(one)
    losses = plan_losses(basis, list(plans.values()))
    next_run, notes = _next_run(posterior, plans) if isinstance(posterior, Posterior) else (None, ())
    return Risk(
        scenario=scenario,
        basis=basis,
        plans=dict(plans),
        cost_flops=costs,
        losses=losses,
        best=_best(basis, competitors, costs, size, losses, plans),
        next_run=next_run,
        target_loss=target,
        risk_prob=risk_prob,
        against=" or ".join(one.name for one in competitors),
        notes=notes,
    )


def tail_mean(losses: np.ndarray, prob: float) -> np.ndarray:
    """Mean over the first axis of the losses that are at least their quantile at `prob` (CVaR)."""
    at_least = losses >= np.quantile(losses, prob, axis=0)
    return np.asarray(np.sum(np.where(at_least, losses, 0.0), axis=0) / at_least.sum(axis=0))


def _competitors(scenario: Scenario, plans: Mapping[str, Plan]) -> tuple[Scenario, ...]:
    """The scenarios that the best split of a draw chooses among."""
    alone = replace(SUPERVISED_TRAINING, serving_tokens=scenario.serving_tokens)
    if not scenario.teacher:
        return (scenario,)
    return (scenario, alone) if any(plan.supervised for plan in plans.values()) else (scenario,)


def _best(
    basis: Basis,
    competitors: tuple[Scenario, ...],
    costs: np.ndarray,
    size: float | None,
    losses: np.ndarray,
    plans: Mapping[str, Plan],
) -> np.ndarray:
    """The least loss that each plan's cost buys in each draw, (draw, plan)."""
    budgets, back = np.unique(costs, return_inverse=True)
    # A hair more: what a plan costs must buy that plan, on whichever side its cost was rounded.
    budgets = budgets * (1.0 + 1e-9)
    sizes = None if size is None else np.full(len(budgets), size)
    found = [quantities(solve(basis, one, budgets, sizes))["student_loss"] for one in competitors]
    best = np.min(found, axis=0)[:, back]
    # A teacher known by its loss may be stronger than any that a draw finds within the bounds: then the
    # draw's best split is the plan itself.
    known = np.array([plan.teacher_loss is not None for plan in plans.values()])
    return np.where(known, np.minimum(best, losses), best)


def _next_run(posterior: Posterior, plans: Mapping[str, Plan]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Loss of a new run of each plan, (draw, plan), and what its forecast warns of."""
    columns: list[np.ndarray] = []
    notes: list[str] = []
    for name, plan in plans.items():
        by_loss = plan.teacher_loss is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExtrapolationWarning)  # said in the notes
            forecast = next_run_loss(
                posterior,
                student_params=plan.student_params,
                student_tokens=plan.student_tokens,
                teacher_loss=plan.teacher_loss,
                teacher_params=None if by_loss else plan.teacher_params,
                teacher_tokens=None if by_loss else plan.teacher_tokens,
            )
        columns.append(forecast.loss[:, 0])
        notes.extend(f"{name}: {sentence}" for sentence in forecast.warnings)
    return np.stack(columns, axis=1), tuple(notes)


def _faults(
    basis: Basis, scenario: Scenario, plans: Mapping[str, Plan], size: float | None, risk_prob: float
) -> list[Fault]:
    faults = []
    if not 0 < risk_prob < 1:
        rule, remedy = "must be a probability between 0 and 1", "The default is 0.9"
        faults.append(_fault("risk_prob", f"{risk_prob}", rule, remedy))
    if not plans:
        rule, remedy = "there must be a plan to judge", "Give one, such as the recommended one"
        faults.append(_fault("plans", "none", rule, remedy))
    bounds = basis.bounds
    ranges = {
        "student_params": bounds.student_params,
        "student_tokens": bounds.student_tokens,
        "teacher_params": bounds.params,
        "teacher_tokens": bounds.teacher_tokens,
    }
    for name, plan in plans.items():
        for what, (low, high) in ranges.items():
            value = getattr(plan, what)
            if value is not None and not low * (1 - ROUNDING) <= value <= high * (1 + ROUNDING):
                rule = f"outside the search bounds {low:.4g} .. {high:.4g}, where no best split is known"
                remedy = "Widen the bounds, or change the plan"
                faults.append(_fault(f"plan {name}, {what}", f"{value:.4g}", rule, remedy))
        if not scenario.teacher and not plan.supervised:
            rule, remedy = (
                "there is no teacher in this scenario",
                "Choose one with a teacher, such as best-case",
            )
            faults.append(_fault(f"plan {name}, scenario", scenario.name, rule, remedy))
        if size is not None and abs(plan.student_params / size - 1) > ROUNDING:
            rule = f"the student is to have {size:.4g} parameters"
            remedy = "Give every plan this size, or leave student_params out"
            what = f"plan {name}, student_params"
            faults.append(_fault(what, f"{plan.student_params:.4g}", rule, remedy))
    return faults


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="risk", what=what, value=value, rule=rule, remedy=remedy)
