"""Crossover budgets: where distilling stops, or starts, to beat supervised training at equal total compute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import least_budget
from bayes_dsl.decisions.basis import Basis, basis_of, positive
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.compare import Progress, known_difference, without_teacher
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.inference.intervals import interval
from bayes_dsl.inference.posterior import Posterior

# Budgets a decade at which the sign of the difference is taken: two crossings closer than that are missed.
PER_DECADE = 8
# Halvings of an eighth of a decade: the budget is known to 3e-7 of itself.
HALVINGS = 20
DIRECTIONS = ("below", "above")
"""On which side of a crossing distilling wins."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Crossover:
    """Where each draw's best distilled and best supervised loss cross, for each student size.

    Attributes
    ----------
    student_params : numpy.ndarray
        (size,)
    budgets : (float, float)
        FLOPs: the range that was searched; nothing is said about budgets outside it.
    crossings : numpy.ndarray
        (crossing, draw, size), FLOPs, ascending along the first axis; NaN where a draw has no more.
    wins_below : numpy.ndarray of bool
        As `crossings`: whether distilling wins below this crossing, and supervised training above it.
    always_distil, never_distil : numpy.ndarray
        (size,), shares of the draws that never cross within the range, by who wins there.
    """

    scenario: Scenario
    basis: Basis
    student_params: np.ndarray
    budgets: tuple[float, float]
    crossings: np.ndarray
    wins_below: np.ndarray
    always_distil: np.ndarray
    never_distil: np.ndarray

    @property
    def count(self) -> np.ndarray:
        """How often each draw crosses, (draw, size)."""
        return np.asarray(np.isfinite(self.crossings).sum(axis=0))

    @property
    def crosses(self) -> np.ndarray:
        """Share of draws that cross at least once, (size,)."""
        return np.asarray((self.count > 0).mean(axis=0))

    @property
    def crosses_again(self) -> np.ndarray:
        """Share of draws that cross more than once, (size,)."""
        return np.asarray((self.count > 1).mean(axis=0))

    def budget_flops(self, direction: str = "below") -> np.ndarray:
        """Each draw's first crossing of one direction, (draw, size), FLOPs; NaN where there is none.

        `direction` is on which side distilling wins: "below" the crossing, or "above" it.

        Raises
        ------
        InputError
            There is no such direction.
        """
        if direction not in DIRECTIONS:
            raise _refused(
                "direction", str(direction), "no such direction", f"Choose {' or '.join(DIRECTIONS)}"
            )
        chosen = self.wins_below == (direction == "below")
        kept = np.where(chosen & np.isfinite(self.crossings), self.crossings, np.inf)
        first = np.min(kept, axis=0, initial=np.inf)
        return np.where(np.isfinite(first), first, np.nan)

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """Median and credible interval of the crossover budget over the draws that cross, with their share.

        One row for each size and direction that any draw crosses in, and one with direction "none" for a
        size that no draw crosses at, its interval NaN.
        """
        rows = []
        for i, size in enumerate(self.student_params):
            found = [(name, self.budget_flops(name)[:, i]) for name in DIRECTIONS]
            found = [(name, values[np.isfinite(values)]) for name, values in found]
            for name, values in [one for one in found if len(one[1])] or [("none", np.zeros(0))]:
                ends = (np.nan, np.nan, np.nan)
                if len(values):
                    ends = (np.median(values), *_log_interval(values, prob, kind))
                share = len(values) / self.crossings.shape[1]
                counted = (self.always_distil[i], self.never_distil[i], self.crosses_again[i])
                rows.append((size, name, *ends, prob, kind, share, *counted))
        columns = ["student_params", "distil_wins", "median", "lower", "upper", "prob", "kind", "share"]
        return pd.DataFrame(rows, columns=[*columns, "always_distil", "never_distil", "crosses_again"])


def crossover_budget(
    posterior: Posterior | Basis,
    scenario: Scenario,
    *,
    student_params: ArrayLike,
    budgets: tuple[float, float],
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
    progress: Progress | None = None,
) -> Crossover:
    """The total compute at which distilling and supervised training reach the same loss, at every draw.

    Each draw's best split is compared with the supervised run of the same size and total compute, on a
    logarithmic grid of budgets; every change of sign is then closed in by halving.

    Parameters
    ----------
    posterior : Posterior or Basis
        Draws of a law's coefficients, which must explain distilled and supervised runs.
    scenario : Scenario
        What distilling is charged for.
    student_params : array_like
        Parameters of the student; scalar or (size,).
    budgets : (float, float)
        FLOPs: the range to search. Draws that do not cross within it are counted, not clipped.
    cost_model, bounds : optional
        See `basis_of`.
    progress : callable, optional
        Called with (done, total) after each size.

    Raises
    ------
    BudgetTooSmall
        The lower end does not pay the least student and teacher within the bounds.
    InputError
        The scenario has no teacher, or the range holds nothing.
    NotIdentified, CountingMismatch, UnhealthyPosterior
        See `basis_of` and `Basis.require`.
    """
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    alone = without_teacher(basis, scenario)
    sizes = positive("student_params", student_params)
    low, high = _range(budgets)
    for one in (scenario, alone):
        least_budget(basis, one, np.full(len(sizes), low), sizes)
    found, signs = [], []
    for done, size in enumerate(sizes, start=1):

        def distils(log_budgets: np.ndarray, size: float = size) -> np.ndarray:
            """Whether distilling wins, at budgets (problem, draw)."""
            each = np.full(len(log_budgets), size)
            return known_difference(basis, scenario, alone, np.exp(log_budgets), each).T < 0

        wins = distils(np.repeat(_grid(low, high)[:, None], basis.draws, axis=1))
        found.append(_closed(distils, wins, _grid(low, high)))
        signs.append((wins.all(axis=0).mean(), (~wins).all(axis=0).mean()))
        if progress is not None:
            progress(done, len(sizes))
    most = max(len(crossings) for crossings, _ in found)
    always, never = np.array(signs).T
    return Crossover(
        scenario=scenario,
        basis=basis,
        student_params=sizes,
        budgets=(low, high),
        crossings=np.stack([_filled(crossings, most, np.nan) for crossings, _ in found], axis=2),
        wins_below=np.stack([_filled(below, most, False) for _, below in found], axis=2),
        always_distil=always,
        never_distil=never,
    )


def _closed(
    distils: Callable[[np.ndarray], np.ndarray], wins: np.ndarray, grid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Every crossing of each draw and whether distilling wins below it, (crossing, draw)."""
    change = wins[1:] != wins[:-1]
    most = int(change.sum(axis=0).max())
    draws = np.arange(wins.shape[1])
    crossings, below = np.full((most, len(draws)), np.nan), np.zeros((most, len(draws)), dtype=bool)
    # Cells with a change come first, in their order.
    order = np.argsort(~change, axis=0, kind="stable")
    for crossing in range(most):
        cell = order[crossing]
        real = change[cell, draws]
        left, right, wins_left = grid[cell], grid[cell + 1], wins[cell, draws]
        for _ in range(HALVINGS):
            middle = 0.5 * (left + right)
            same = distils(middle[None])[0] == wins_left
            left, right = np.where(same, middle, left), np.where(same, right, middle)
        crossings[crossing] = np.where(real, np.exp(0.5 * (left + right)), np.nan)
        below[crossing] = real & wins_left
    return crossings, below


def _grid(low: float, high: float) -> np.ndarray:
    points = int(np.ceil(np.log10(high / low) * PER_DECADE)) + 1
    return np.asarray(np.linspace(np.log(low), np.log(high), max(points, 2)))


def _filled(array: np.ndarray, rows: int, value: float) -> np.ndarray:
    return np.pad(array, ((0, rows - len(array)), (0, 0)), constant_values=value)


def _log_interval(values: np.ndarray, prob: float, kind: str) -> tuple[float, float]:
    """An interval of budgets: over their logarithms, which matters for the highest-density kind."""
    lower, upper = interval(np.log(values), prob=prob, kind=kind)
    return float(np.exp(lower)), float(np.exp(upper))


def _range(budgets: tuple[float, float]) -> tuple[float, float]:
    low, high = positive("budgets", budgets)
    if not low < high:
        raise _refused(
            "budgets",
            f"{low:g} .. {high:g}",
            "the range must hold something",
            "Give the lower end first, such as (1e20, 1e26)",
        )
    return float(low), float(high)


def _refused(what: str, value: str, rule: str, remedy: str) -> InputError:
    return InputError(Fault(where="crossover", what=what, value=value, rule=rule, remedy=remedy))
