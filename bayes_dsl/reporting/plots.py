"""Figures of a posterior, written to files: what it forecasts, what it advises, and how its chains ran."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from bayes_dsl.costs.flops import CostModel
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.recommended import WITHIN, Rule
from bayes_dsl.decisions.risk import Risk
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.files import write_atomically
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.reporting.allocation_figure import allocation_figure
from bayes_dsl.reporting.allocation_path import Progress, allocation_path
from bayes_dsl.reporting.backtest_figure import backtest_figure
from bayes_dsl.reporting.comparison_grid import comparison_grid
from bayes_dsl.reporting.decision_figures import comparison_figure, risk_figure
from bayes_dsl.reporting.diagnostic_figure import diagnostic_figure
from bayes_dsl.reporting.forecast_figure import forecast_figure
from bayes_dsl.reporting.style import STYLE
from bayes_dsl.validation.backtest import Backtest

SUFFIXES = (".png", ".svg", ".pdf")


def plot_forecast(
    posterior: Posterior,
    path: str | Path,
    *,
    student_params: float,
    student_tokens: float | None = None,
    teacher_loss: float | None = None,
    teacher_params: float | None = None,
    teacher_tokens: float | None = None,
    unique_tokens: float | None = None,
    prob: float = 0.9,
    kind: str = "eti",
) -> None:
    """Draw the forecast over training tokens, with the runs on top and the extrapolation zones shaded.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.
    student_params : float
        Size of the student (of the run, for a supervised posterior), parameters.
    student_tokens : float, optional
        The target, training tokens: marked with its intervals.
    teacher_loss, teacher_params, teacher_tokens : float, optional
        The teacher, as in `expected_loss`; without one the supervised loss is drawn.
    unique_tokens : float, optional
        Distinct tokens, the same at every number of training tokens; for the law of repeated data.
    prob, kind
        Of the intervals.

    Raises
    ------
    InputError, NotIdentified
        The file's suffix is unknown, or see `expected_loss`.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        figure = forecast_figure(
            posterior,
            student_params=student_params,
            student_tokens=student_tokens,
            teacher_loss=teacher_loss,
            teacher_params=teacher_params,
            teacher_tokens=teacher_tokens,
            unique_tokens=unique_tokens,
            prob=prob,
            kind=kind,
        )
        _save(figure, Path(path))


def plot_allocation(
    posterior: Posterior,
    path: str | Path,
    scenario: Scenario,
    *,
    budget_flops: Sequence[float],
    student_params: float | None = None,
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    within: float = WITHIN,
    rule: Rule = "mean",
    prob: float = 0.9,
    kind: str = "eti",
    accept_unhealthy: bool = False,
    progress: Progress | None = None,
) -> None:
    """Draw the best split against the budget: the recommended one, the near-optimal ones, the draws' optima.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.
    scenario : Scenario
        Which costs are charged.
    budget_flops : sequence of float
        FLOPs: marked, with a decade drawn to each side.
    student_params, cost_model, bounds, within, rule
        As in `recommended_allocation`.
    prob, kind
        Of the intervals.
    progress : callable, optional
        Called with (budgets done, all budgets).

    Raises
    ------
    InputError, BudgetTooSmall, NotIdentified, CountingMismatch, UnhealthyPosterior
        The file's suffix is unknown, or see `recommended_allocation`.
    """
    check_suffix(path)
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    found = allocation_path(
        basis,
        scenario,
        budget_flops=budget_flops,
        student_params=student_params,
        within=within,
        rule=rule,
        progress=progress,
    )
    with matplotlib.rc_context(STYLE):
        _save(allocation_figure(posterior, found, prob=prob, kind=kind), Path(path))


def plot_comparison(
    posterior: Posterior,
    path: str | Path,
    scenario: Scenario,
    *,
    budget_flops: Sequence[float],
    student_params: Sequence[float],
    cost_model: CostModel | None = None,
    bounds: Bounds | None = None,
    accept_unhealthy: bool = False,
    progress: Progress | None = None,
) -> None:
    """Draw P(distilling wins) over the student's size and the total budget, with its contours.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.
    scenario : Scenario
        Which costs are charged.
    budget_flops, student_params : sequence of float
        FLOPs and parameters: every pair is marked, and the map reaches beyond them.
    cost_model, bounds
        As in `distil_or_train`.
    progress : callable, optional
        Called with (pairs compared, all pairs).

    Raises
    ------
    InputError, BudgetTooSmall, NotIdentified, CountingMismatch, UnhealthyPosterior
        The file's suffix is unknown, or see `distil_or_train`.
    """
    check_suffix(path)
    basis = basis_of(posterior, cost_model=cost_model, bounds=bounds, accept_unhealthy=accept_unhealthy)
    grid = comparison_grid(
        basis, scenario, budget_flops=budget_flops, student_params=student_params, progress=progress
    )
    with matplotlib.rc_context(STYLE):
        _save(comparison_figure(posterior, grid), Path(path))


def plot_risk(
    posterior: Posterior, path: str | Path, risk: Risk, *, prob: float = 0.9, kind: str = "eti"
) -> None:
    """Draw the regret and the expected loss of plans that `assess` has judged.

    Parameters
    ----------
    posterior : Posterior
        The one that the plans were judged with.
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.
    risk : Risk
    prob, kind
        Of the intervals.

    Raises
    ------
    InputError
        The file's suffix is unknown.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        _save(risk_figure(posterior, risk, prob=prob, kind=kind), Path(path))


def plot_backtest(found: Backtest, path: str | Path) -> None:
    """Draw how often the intervals of held-out runs held, and how sharp they were, by distance.

    Parameters
    ----------
    found : Backtest
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.

    Raises
    ------
    InputError
        The file's suffix is unknown.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        _save(backtest_figure(found), Path(path))


def plot_diagnostics(posterior: Posterior, path: str | Path) -> None:
    """Draw trace and rank plots of the law's parameters and of the noise.

    Parameters
    ----------
    posterior : Posterior
    path : str or Path
        Ends in .png, .svg or .pdf; written whole or not at all.

    Raises
    ------
    InputError
        The file's suffix is unknown.
    """
    check_suffix(path)
    with matplotlib.rc_context(STYLE):
        _save(diagnostic_figure(posterior), Path(path))


def check_suffix(path: str | Path) -> None:
    """Refuse a file whose suffix names no format that figures are written in."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(
            Fault(
                where="plot",
                what="file",
                value=Path(path).name,
                rule=f"a figure's file ends in {', '.join(SUFFIXES)}",
                remedy=f"Call it {Path(path).stem or 'figure'}.png",
            )
        )


def _save(figure: Figure, path: Path) -> None:
    FigureCanvasAgg(figure)
    suffix = path.suffix.lower().removeprefix(".")
    # Without dates the same posterior gives the same bytes.
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[suffix]
    write_atomically(path, lambda file: figure.savefig(file, format=suffix, metadata=metadata))
