"""Break-even students: how many must share one teacher before distilling beats supervised training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import least_budget, solve
from bayes_dsl.decisions.basis import Basis, basis_of, paid, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.compare import Progress, problems, without_teacher
from bayes_dsl.decisions.splits import Kind, Prices, best_splits
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

LIMIT = 1e4
"""The most students that a search looks for, unless told otherwise."""
# Halvings of ln(limit): the number is known to 1e-5 of itself before it is rounded up.
HALVINGS = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class BreakEven:
    """The least number of students sharing one teacher at which distilling wins, for each problem and draw.

    Attributes
    ----------
    budget_flops, student_params : numpy.ndarray
        (problem,): total FLOPs and parameters of each student, its share of the teacher included.
    students : numpy.ndarray
        (draw, problem), whole numbers; NaN where not even `limit` students are enough.
    limit : float
        The most students that were looked for.
    """

    scenario: Scenario
    basis: Basis
    budget_flops: np.ndarray
    student_params: np.ndarray
    students: np.ndarray
    limit: float

    @property
    def never(self) -> np.ndarray:
        """Share of draws in which not even `limit` students are enough, (problem,)."""
        return np.asarray(np.isnan(self.students).mean(axis=0))

    @property
    def alone(self) -> np.ndarray:
        """Share of draws in which a single student pays for its teacher, (problem,)."""
        return np.asarray((self.students == 1).mean(axis=0))

    def probability(self, students: float) -> np.ndarray:
        """P(distilling beats supervised training) with so many students, up to `limit`, (problem,)."""
        return np.asarray((self.students <= min(students, self.limit)).mean(axis=0))

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """Median and credible interval over the draws that break even, with their share; a row a problem."""
        rows = []
        for problem, (budget, size) in enumerate(zip(self.budget_flops, self.student_params, strict=True)):
            draws = self.students[:, problem]
            found = draws[np.isfinite(draws)]
            ends = (np.nan, np.nan, np.nan)
            if len(found):
                lower, upper = interval(found, prob=prob, kind=kind)
                ends = (float(np.median(found)), float(lower), float(upper))
            share = len(found) / len(draws)
            rows.append((budget, size, *ends, prob, kind, share, self.never[problem], self.limit))
        columns = ["budget_flops", "student_params", "median", "lower", "upper", "prob", "kind", "share"]
        return pd.DataFrame(rows, columns=[*columns, "never", "limit"])


def break_even_students(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    budget_flops: ArrayLike,
    student_params: ArrayLike,
    limit: float = LIMIT,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
    progress: Progress | None = None,
) -> BreakEven:
    """The least number of students that share one teacher at which distilling beats supervised training.

    Every student has the same budget, of which its share of the teacher's training (and of stored logits)
    is paid; more students leave more of it for tokens or buy a better teacher, so that the best distilled
    loss only falls with their number. It is sought between 1 and `limit` by halving, then rounded up.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients, which must explain distilled and supervised runs.
    scenario : Scenario
        What is charged; its own number of students is not used.
    budget_flops, student_params : array_like
        FLOPs and parameters of each student; scalars or (problem,).
    limit : float
        The most students to look for; draws that need more are counted, not clipped.
    cost_model, bounds : optional
        See `basis_of`.
    progress : callable, optional
        Called with (done, total) after each problem.

    Raises
    ------
    BudgetTooSmall
        A budget does not pay the least student with a teacher of its own.
    InputError
        Students share nothing in this scenario: neither training nor stored logits are charged.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    alone = without_teacher(basis, scenario)
    limit = _whole(limit)
    _require_shared(scenario)
    budgets, sizes = problems(budget_flops, student_params)
    if sizes is None:
        raise _refused(
            "student_params", "None", "students of a given size share a teacher", "Give their size"
        )
    single = replace(scenario, students=1.0)
    for one in (single, alone):
        least_budget(basis, one, budgets, sizes)
    supervised = np.asarray(solve(basis, alone, budgets, sizes).log_loss)
    columns = []
    for done, (budget, size, best) in enumerate(zip(budgets, sizes, supervised, strict=True), start=1):

        def wins(
            students: np.ndarray, budget: float = budget, size: float = size, best: np.ndarray = best
        ) -> np.ndarray:
            """Whether distilling wins with a number of students for each draw, (draw,)."""
            return shared_log_loss(basis, single, float(budget), float(size), students) < best

        columns.append(_least(wins, limit, basis.draws))
        if progress is not None:
            progress(done, len(budgets))
    return BreakEven(
        scenario=single,
        basis=basis,
        budget_flops=budgets,
        student_params=sizes,
        students=np.stack(columns, axis=1),
        limit=limit,
    )


def shared_log_loss(
    basis: Basis, scenario: Scenario, budget: float, size: float, students: np.ndarray
) -> np.ndarray:
    """ln of each draw's best distilled loss, (draw,), where `students` (draw,) share its teacher."""
    kind = Kind(law=basis.law, cost=basis.cost, role="distilled", paid=paid(scenario))
    with jax.enable_x64(True):
        number = jnp.asarray(students)
        each = Prices(
            scenario.logits / number if scenario.stored_logits else jnp.full_like(number, scenario.logits),
            scenario.pretraining / number,
            jnp.asarray(float(scenario.serving_tokens)),
        )
        size_of_all = jnp.log(jnp.full(1, size))
        split = best_splits(kind, basis.world(), each, basis.limits(), jnp.full(1, budget), size_of_all)
        return np.asarray(split.log_loss[0])


def _least(wins: Callable[[np.ndarray], np.ndarray], limit: float, draws: int) -> np.ndarray:
    """The least whole number of students with which each draw wins, (draw,); NaN where `limit` is not enough."""
    low, high = np.ones(draws), np.full(draws, limit)
    at_one, at_limit = wins(low), wins(high)
    for _ in range(HALVINGS):
        middle = np.sqrt(low * high)
        enough = wins(middle)
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    # The whole number below may lie within what the halving left open.
    below = np.maximum(np.floor(high), 1.0)
    whole = np.where(wins(below), below, below + 1.0)
    return np.where(at_one, 1.0, np.where(at_limit, np.minimum(whole, limit), np.nan))


def _whole(limit: float) -> float:
    number = float(positive("limit", limit)[0])
    if number < 2:
        raise _refused("limit", f"{number:g}", "at least two students share a teacher", "Give a larger limit")
    return float(np.floor(number))


def _require_shared(scenario: Scenario) -> None:
    """Refuse a scenario in which more students make nothing cheaper."""
    if scenario.pretraining or (scenario.stored_logits and scenario.logits):
        return
    raise _refused(
        "scenario",
        scenario.name,
        "charges neither the teacher's training nor stored logits: students share no cost",
        "Choose teacher-pretraining or pretraining-and-inference",
    )


def _refused(what: str, value: str, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="break-even students", what=what, value=value, rule=rule, remedy=remedy))
