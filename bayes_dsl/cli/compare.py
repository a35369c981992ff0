"""`compare`: distil or just train, at equal total compute, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.cli.allocate import forecast_question, notes_of
from bayes_dsl.cli.believed import health_of, show_health
from bayes_dsl.cli.decision_keys import (
    BreakEvenKeys,
    CompareKeys,
    CrossoverKeys,
    DifferenceKeys,
    PlanKeys,
)
from bayes_dsl.cli.output import interval_in_words, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.costs.flops import check_counting
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.basis import Basis, basis_of
from bayes_dsl.decisions.compare import Comparison, distil_or_train
from bayes_dsl.decisions.crossovers import crossover_budget
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.sharing import break_even_students
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity

DECADES = 1.5
"""How far to each side of the budgets asked about a crossover is looked for."""


def compare_plans(
    path: Path,
    *,
    budgets: Sequence[float],
    students: Sequence[float],
    asked: Any,
    crossover: bool,
    counting: str | None,
    prob: float,
    kind: str,
    plot: Path | None,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Compare for every scenario, budget and student; `asked(posterior)` gives scenarios, cost and bounds."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    counting = check_same_counting(posterior.counting, counting)
    scenarios, cost, bounds = asked(posterior)
    basis = basis_of(posterior, cost_model=cost, bounds=bounds, accept_unhealthy=True)
    check_counting(basis.cost, counting)
    if plot is not None:
        _draw(posterior, basis, scenarios, plot, budgets=budgets, students=students, quiet=quiet)
    reports: list[CompareKeys] = []
    for scenario in scenarios:
        reports += comparisons_of(
            posterior,
            basis,
            scenario,
            budgets=budgets,
            students=students,
            crossover=crossover,
            prob=prob,
            kind=kind,
            quiet=quiet,
        )
    if as_json:
        print_json(reports)
        return
    show_comparison(reports, quiet=quiet)
    if plot is not None:
        say()
        say(f"Drawn: {plot}")


def _draw(
    posterior: Posterior,
    basis: Basis,
    scenarios: Sequence[Scenario],
    path: Path,
    *,
    budgets: Sequence[float],
    students: Sequence[float],
    quiet: bool,
) -> None:
    from bayes_dsl.reporting.plots import plot_comparison  # Matplotlib is slow to load

    if len(scenarios) > 1 or not students:
        value = "all scenarios" if len(scenarios) > 1 else "no --student"
        rule, remedy = "a figure shows one scenario over students' sizes", "Give --scenario and --student"
        raise InputError(Fault(where="compare", what="--plot", value=value, rule=rule, remedy=remedy))
    with problem_progress("drawing", wanted=not quiet) as progress:
        plot_comparison(
            posterior,
            path,
            scenarios[0],
            budget_flops=budgets,
            student_params=students,
            cost_model=basis.cost,
            bounds=basis.bounds,
            accept_unhealthy=True,
            progress=progress,
        )


def comparisons_of(
    posterior: Posterior,
    basis: Basis,
    scenario: Scenario,
    *,
    budgets: Sequence[float],
    students: Sequence[float],
    crossover: bool = False,
    prob: float,
    kind: str,
    quiet: bool = True,
) -> list[CompareKeys]:
    """Distil or train in one scenario, for every budget and student."""
    problems = [(budget, student) for student in (students or (None,)) for budget in budgets]
    sizes = np.array([student for _, student in problems], dtype=np.float64) if students else None
    with problem_progress(scenario.name, wanted=not quiet) as progress:
        found = distil_or_train(
            basis,
            scenario,
            budget_flops=[budget for budget, _ in problems],
            student_params=sizes,
            progress=progress,
        )
    return [
        CompareKeys(
            scenario=scenario.name,
            budget_flops=budget,
            student_params=student,
            probability=float(found.probability[i]),
            probability_if_known=float(found.probability_if_known[i]),
            difference=_difference(found, i, prob=prob, kind=kind),
            distilled=plan_of(found.distilled[i]),
            supervised=plan_of(found.supervised[i]),
            crossover=_crossover(basis, scenario, student, budgets, prob, kind)
            if crossover and student is not None
            else [],
            break_even_students=_break_even(basis, scenario, budget, student, prob, kind)
            if crossover and student is not None
            else None,
            cost_model=basis.cost.record(),
            health=health_of(posterior),
            notes=notes_of(posterior, basis, scenario),
            warnings=list(expected_loss(posterior, **forecast_question(found.distilled[i])).warnings),
        )
        for i, (budget, student) in enumerate(problems)
    ]


def plan_of(plan: Plan) -> PlanKeys:
    """A plan as it is printed."""
    return PlanKeys(
        student_params=plan.student_params,
        student_tokens=plan.student_tokens,
        teacher_params=plan.teacher_params,
        teacher_tokens=plan.teacher_tokens,
        teacher_loss=plan.teacher_loss,
    )


def _difference(found: Comparison, problem: int, *, prob: float, kind: str) -> DifferenceKeys:
    row = found.interval(prob=prob, kind=kind).iloc[problem]
    ends = {name: float(row[name]) for name in ("mean", "median", "lower", "upper")}
    return DifferenceKeys(**ends, prob=prob, kind=kind)


def _crossover(
    basis: Basis, scenario: Scenario, student: float, budgets: Sequence[float], prob: float, kind: str
) -> list[CrossoverKeys]:
    searched = (min(budgets) / 10**DECADES, max(budgets) * 10**DECADES)
    found = crossover_budget(basis, scenario, student_params=student, budgets=searched)
    return [
        CrossoverKeys(
            budgets=searched,
            distil_wins=row["distil_wins"],
            median=_or_none(row["median"]),
            lower=_or_none(row["lower"]),
            upper=_or_none(row["upper"]),
            prob=prob,
            kind=kind,
            share=row["share"],
            always_distil=row["always_distil"],
            never_distil=row["never_distil"],
            crosses_again=row["crosses_again"],
        )
        for row in found.interval(prob=prob, kind=kind).to_dict("records")
    ]


def _break_even(
    basis: Basis, scenario: Scenario, budget: float, student: float, prob: float, kind: str
) -> BreakEvenKeys | None:
    """None where students share nothing that is charged."""
    if not scenario.pretraining and not (scenario.logits and scenario.stored_logits):
        return None
    found = break_even_students(basis, scenario, budget_flops=budget, student_params=student)
    row = found.interval(prob=prob, kind=kind).to_dict("records")[0]
    ends = {name: _or_none(row[name]) for name in ("median", "lower", "upper")}
    return BreakEvenKeys(
        **ends, prob=prob, kind=kind, share=row["share"], never=row["never"], limit=row["limit"]
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def show_comparison(reports: Sequence[CompareKeys], *, quiet: bool, health: bool = True) -> None:
    """Print comparisons for people."""
    first = reports[0].difference
    rows = [
        (
            report.scenario,
            format_quantity(report.budget_flops),
            "free" if report.student_params is None else format_quantity(report.student_params),
            percent(round(report.probability, 3)),
            f"{report.difference.mean:+.4f}",
            f"{report.difference.lower:+.4f} .. {report.difference.upper:+.4f}",
            percent(round(report.probability_if_known, 3)),
        )
        for report in reports
    ]
    words = interval_in_words(first.prob, first.kind)
    title = f"Distil or train, at equal total compute; {words}"
    header = (
        "scenario",
        "budget",
        "student",
        "P(distilling wins)",
        "difference",
        "nats per token",
        "if known",
    )
    show_table(title, header, rows)
    say()
    say(
        "Difference: loss of the recommended distilled plan minus that of the supervised one; below 0 distilling wins."
    )
    say('"If known": the same probability, were both planned knowing the coefficients.')
    say_all("Where the two meet", [line for report in reports for line in crossover_lines(report)])
    if health:
        show_health(reports[0].health)
    warnings = [f"{report.scenario}: {warning}" for report in reports for warning in report.warnings]
    say_all("Warnings", dict.fromkeys(warnings))
    if not quiet:
        say_all("Notes", dict.fromkeys(note for report in reports for note in report.notes))


def crossover_lines(report: CompareKeys) -> list[str]:
    """A sentence for every way in which the draws cross, and for those that never do."""
    lines = []
    student = format_quantity(report.student_params or float("nan"))
    for one in report.crossover:
        low, high = (format_quantity(budget) for budget in one.budgets)
        head = f"{report.scenario}, {student} student"
        never = (
            f"{percent(round(one.always_distil, 3))} of the draws have distilling ahead throughout "
            f"{low} .. {high} FLOPs, {percent(round(one.never_distil, 3))} never"
        )
        if one.median is None or one.lower is None or one.upper is None:
            lines.append(f"{head}: {never}")
            continue
        lines.append(
            f"{head}: distilling wins {one.distil_wins} {format_quantity(one.median)} FLOPs "
            f"({format_quantity(one.lower)} .. {format_quantity(one.upper)}) in {percent(round(one.share, 3))} "
            f"of the draws; {never}"
        )
    even = report.break_even_students
    if even is not None:
        budget = format_quantity(report.budget_flops)
        head = f"{report.scenario}, {student} student at {budget} FLOPs each"
        if even.median is None or even.lower is None or even.upper is None:
            lines.append(f"{head}: not even {even.limit:g} students sharing a teacher are enough")
        else:
            lines.append(
                f"{head}: distilling wins from {even.median:g} students a teacher "
                f"({even.lower:g} .. {even.upper:g}); never in {percent(round(even.never, 3))} of the draws"
            )
    return lines
