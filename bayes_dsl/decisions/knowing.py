"""The value of knowing the coefficients: what the doubt about them costs a decision, in nats and in compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import quantities, solve
from bayes_dsl.decisions.basis import Basis, basis_of
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.recommended import Recommendation, recommended_allocation
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

MOST = 10.0
"""How many times the budget is looked at for what would buy as much as knowing."""
# Budgets tried at most, and how closely what they buy must match, relative to the value itself and in nats.
TRIES = 8
CLOSE, CLOSE_NATS = 0.01, 1e-7


@dataclass(frozen=True, kw_only=True, eq=False)
class ValueOfKnowing:
    """What perfect knowledge of the coefficients would be worth to one decision.

    Attributes
    ----------
    recommendation : Recommendation
        The plan that is made without it.
    regret : numpy.ndarray
        What each draw's own best split would save, (draw,), nats per token.
    budget_share : float or None
        The additional budget, as a share of the budget, with which the recommended plan is expected to reach
        what knowing would; None where `MOST` times the budget does not.
    """

    recommendation: Recommendation
    regret: np.ndarray
    budget_share: float | None

    @property
    def nats(self) -> float:
        """Expected value of perfect information, nats per token."""
        return float(self.regret.mean())

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> tuple[float, float]:
        """Credible interval of the regret, nats per token."""
        lower, upper = interval(self.regret, prob=prob, kind=kind)
        return float(lower), float(upper)


def value_of_knowing(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: float,
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
) -> ValueOfKnowing:
    """Expected loss of the recommended plan less the mean of each draw's least loss, at the same budget.

    Arguments and errors as in `recommended_allocation`. It bounds what any further run could be worth to
    this decision. It does not speak of a choice between scenarios.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)

    def plan(budget: float) -> Recommendation:
        return recommended_allocation(basis, scenario, budget_flops=budget, student_params=student_params)

    found = plan(budget_flops)
    sizes = None if student_params is None else np.full(1, float(student_params))
    split = solve(basis, scenario, np.full(1, found.budget_flops), sizes)
    best = quantities(split)["student_loss"][:, 0]

    def lacks(log_times: float) -> float:
        """Nats by which the plan of so much more budget misses what knowing reaches."""
        return float(plan(found.budget_flops * np.exp(log_times)).losses.mean() - best.mean())

    regret = found.losses - best
    return ValueOfKnowing(
        recommendation=found, regret=regret, budget_share=_share(lacks, float(regret.mean()))
    )


def _share(lacks: Callable[[float], float], value: float) -> float | None:
    """The share of the budget that buys `value` nats; `lacks` falls with ln(times the budget)."""
    close = max(CLOSE * value, CLOSE_NATS)
    if value <= CLOSE_NATS:
        return 0.0
    # Where the slope of a small step leads, then ever further until it is enough.
    step = np.log(1.02)
    slope = (value - lacks(step)) / step
    high = float(np.clip(value / slope, step, np.log(MOST))) if slope > 0 else float(np.log(MOST))
    low, low_lacks, high_lacks = 0.0, value, lacks(high)
    while high_lacks > close and high < np.log(MOST):
        low, low_lacks = high, high_lacks
        high = min(1.5 * high, float(np.log(MOST)))
        high_lacks = lacks(high)
    if high_lacks > close:
        return None
    for _ in range(TRIES):
        if abs(high_lacks) <= close:
            return float(np.expm1(high))
        middle = low + (high - low) * low_lacks / (low_lacks - high_lacks)
        at = lacks(middle)
        if at > close:
            low, low_lacks = middle, at
        else:
            high, high_lacks = middle, at
    return float(np.expm1(high))
