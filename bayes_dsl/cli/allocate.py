"""`allocate`: how to split a budget between the student and its teacher, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bayes_dsl.cli.believed import WITH, WITHOUT, health_of, show_health
from bayes_dsl.cli.decision_keys import (
    AllocateKeys,
    BoundHitKeys,
    NearOptimalKeys,
    RangeKeys,
    RecommendedKeys,
)
from bayes_dsl.cli.json_keys import LossKeys
from bayes_dsl.cli.output import interval_in_words, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.progress import problem_progress
from bayes_dsl.costs.flops import check_counting
from bayes_dsl.costs.scenarios import Scenario
from bayes_dsl.decisions.allocation import Allocations, least_budget, optimal_allocations
from bayes_dsl.decisions.basis import Basis, basis_of
from bayes_dsl.decisions.bounds import Bounds
from bayes_dsl.decisions.plans import Plan, plan_losses
from bayes_dsl.decisions.recommended import Recommendation, Rule, recommended_allocation
from bayes_dsl.errors import Fault, InputError
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity

PURPOSES = {
    "student_training": "the student's training",
    "teacher_logits": "the teacher's logits",
    "teacher_training": "the teacher's training",
    "serving": "serving",
}

# A cost this close to the budget, as a share of it, is the budget.
SPENT = 1e-3


def allocate_budget(
    path: Path,
    *,
    budgets: Sequence[float],
    students: Sequence[float],
    asked: Any,
    counting: str | None,
    within: float,
    rule: Rule,
    prob: float,
    kind: str,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
    plot: Path | None = None,
) -> None:
    """Recommend a split for every budget and student; `asked(posterior)` gives scenario, cost and bounds."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    counting = check_same_counting(posterior.counting, counting)
    scenario, cost, bounds = asked(posterior)
    basis = basis_of(posterior, cost_model=cost, bounds=bounds, accept_unhealthy=True)
    check_counting(basis.cost, counting)
    problems = [(budget, student) for student in (students or (None,)) for budget in budgets]
    require_budgets(basis, scenario, problems)
    if plot is not None:
        _draw(
            posterior,
            basis,
            scenario,
            plot,
            budgets=budgets,
            students=students,
            quiet=quiet,
            **{"within": within, "rule": rule, "prob": prob, "kind": kind},
        )
    reports = [
        report_of(
            posterior,
            basis,
            scenario,
            budget=budget,
            student=student,
            within=within,
            rule=rule,
            prob=prob,
            kind=kind,
        )
        for budget, student in problems
    ]
    if as_json:
        print_json(reports[0] if len(reports) == 1 else reports)
        return
    for report in reports:
        show_allocation(report, scenario, quiet=quiet)
    if plot is not None:
        say()
        say(f"Drawn: {plot}")


def _draw(
    posterior: Posterior,
    basis: Basis,
    scenario: Scenario,
    path: Path,
    *,
    budgets: Sequence[float],
    students: Sequence[float],
    quiet: bool,
    **shown: Any,
) -> None:
    from bayes_dsl.reporting.plots import plot_allocation  # Matplotlib is slow to load

    if len(students) > 1:
        rule, remedy = "a figure shows one student", "Give --student once, or leave --plot out"
        value = f"{len(students)} students"
        raise InputError(Fault(where="allocate", what="--plot", value=value, rule=rule, remedy=remedy))
    with problem_progress("drawing", wanted=not quiet) as progress:
        plot_allocation(
            posterior,
            path,
            scenario,
            budget_flops=budgets,
            student_params=students[0] if students else None,
            cost_model=basis.cost,
            bounds=basis.bounds,
            accept_unhealthy=True,
            progress=progress,
            **shown,
        )


def require_budgets(basis: Basis, scenario: Scenario, problems: Sequence[tuple[float, float | None]]) -> None:
    """Refuse budgets that are too small before the first is split; every one is listed."""
    basis.require(scenario)
    budgets = np.array([budget for budget, _ in problems])
    free = any(student is None for _, student in problems)
    sizes = None if free else np.array([student for _, student in problems], dtype=np.float64)
    least_budget(basis, scenario, budgets, sizes)


def report_of(
    posterior: Posterior,
    basis: Basis,
    scenario: Scenario,
    *,
    budget: float,
    student: float | None,
    within: float,
    rule: Rule,
    prob: float,
    kind: str,
) -> AllocateKeys:
    """The recommended split of one budget, and where the best one lies."""
    chosen = recommended_allocation(
        basis, scenario, budget_flops=budget, student_params=student, within=within, rule=rule
    )
    optima = optimal_allocations(basis, scenario, budget_flops=budget, student_params=student)
    question = forecast_question(chosen.plan)
    expected = expected_loss(posterior, **question)
    return AllocateKeys(
        scenario=scenario.name,
        budget_flops=budget,
        cost_model=chosen.basis.cost.record(),
        recommended=RecommendedKeys(
            **chosen.stated(),
            teacher_loss=_teacher_loss(posterior, chosen),
            cost_flops=chosen.cost_flops,
            cost_parts=chosen.parts,
            student_loss=LossKeys(**expected.records(prob=prob, kind=kind)[0]),
            next_run=LossKeys(**next_run_loss(posterior, **question).records(prob=prob, kind=kind)[0]),
        ),
        near_optimal=NearOptimalKeys(within_nats=within, ranges=chosen.near_optimal.ranges),
        undetermined=list(chosen.undetermined),
        bounds_hit=[BoundHitKeys(quantity=h.quantity, side=h.side, value=h.value) for h in chosen.bounds_hit],
        optimal=ranges_of(optima, prob=prob, kind=kind),
        rule=rule,
        search=search_of(basis.bounds),
        health=health_of(posterior),
        notes=notes_of(posterior, basis, scenario),
        warnings=list(expected.warnings),
    )


def forecast_question(plan: Plan) -> dict[str, float]:
    """The plan as a forecast is asked for."""
    asked = {"student_params": plan.student_params, "student_tokens": plan.student_tokens}
    if plan.teacher_loss is not None:
        return {**asked, "teacher_loss": plan.teacher_loss}
    if plan.teacher_params is not None and plan.teacher_tokens is not None:
        return {**asked, "teacher_params": plan.teacher_params, "teacher_tokens": plan.teacher_tokens}
    return asked


def ranges_of(optima: Allocations, *, prob: float, kind: str) -> dict[str, RangeKeys]:
    """Interval of each quantity of the draws' optima, by name."""
    frame = optima.interval(prob=prob, kind=kind)
    return {
        str(row["quantity"]): RangeKeys(
            median=row["median"],
            lower=row["lower"],
            upper=row["upper"],
            prob=prob,
            kind=kind,
            at_bound=row["at_bound"],
        )
        for row in frame.to_dict("records")
    }


def search_of(bounds: Bounds) -> dict[str, tuple[float, float]]:
    """Where each quantity is searched, the caps included."""
    return {
        "student_params": bounds.student_params,
        "student_tokens": bounds.student_tokens,
        "teacher_params": bounds.params,
        "teacher_tokens": bounds.teacher_tokens,
    }


def notes_of(posterior: Posterior, basis: Basis, scenario: Scenario) -> list[str]:
    """What a token costs, what is charged, and what was assumed because nobody stated it."""
    notes = [
        basis.cost.describe(),
        scenario.describe(),
        *basis.notes,
        WITHOUT if basis.drift is None else WITH,
    ]
    if basis.cost.counting is not None and posterior.counting is None:
        notes.append(
            f"the table {posterior.table.source} does not say whether params count the embeddings; "
            f"taken as {basis.cost.counting}, for which the cost model {basis.cost.name} is made"
        )
    return notes


def _teacher_loss(posterior: Posterior, chosen: Recommendation) -> float | None:
    plan = chosen.plan
    if plan.teacher_loss is not None or plan.teacher_params is None or plan.teacher_tokens is None:
        return plan.teacher_loss
    teacher = Plan(student_params=plan.teacher_params, student_tokens=plan.teacher_tokens)
    return float(np.median(plan_losses(chosen.basis, [teacher])))


def show_allocation(report: AllocateKeys, scenario: Scenario, *, quiet: bool, health: bool = True) -> None:
    """Print one recommended split for people."""
    chosen, optimal = report.recommended, report.optimal
    prob, kind = chosen.student_loss.prob, chosen.student_loss.kind
    names: tuple[str, ...] = ("student_params", "student_tokens")
    if scenario.teacher:
        names += ("teacher_params", "teacher_tokens", "teacher_loss")
    rows = []
    for name in names:
        shown = _shown(getattr(chosen, name), name, report)
        ranges = _range(report.near_optimal.ranges.get(name)), _optima(optimal.get(name))
        given = name == "student_params" and name not in report.near_optimal.ranges
        rows.append((name.replace("_", " "), shown, *(("given", "") if given else ranges)))
    within = report.near_optimal.within_nats
    header = ("", "recommended", f"within {within:g} nats of it", "the draws' optima")
    budget = format_quantity(report.budget_flops)
    title = f"{report.scenario}, {budget} FLOPs; optima as {interval_in_words(prob, kind)}"
    show_table(title, header, rows)
    say()
    for about, loss in (("Expected loss", chosen.student_loss), ("Next run", chosen.next_run)):
        say(f"{about}: {loss.median:.4f}, from {loss.lower:.4f} to {loss.upper:.4f} nats per token")
    paid = ", ".join(
        f"{100 * flops / chosen.cost_flops:.0f} % {PURPOSES[part]}"
        for part, flops in chosen.cost_parts.items()
        if flops > 0
    )
    say(f"Cost: {format_quantity(chosen.cost_flops)} FLOPs: {paid}")
    if health:
        show_health(report.health)
    say_all("Left open", _left_open(report))
    say_all("Warnings", report.warnings)
    if not quiet:
        say_all("Notes", report.notes)


def _optima(best: RangeKeys | None) -> str:
    if best is None:
        return _range(None)
    at_bound = f" ({percent(round(best.at_bound, 2))} at a bound)" if best.at_bound else ""
    return f"{_range((best.lower, best.upper))}{at_bound}"


def _range(ends: tuple[float, float] | None) -> str:
    return "-" if ends is None else f"{format_quantity(ends[0])} .. {format_quantity(ends[1])}"


def _shown(value: float | None, name: str, report: AllocateKeys) -> str:
    if value is not None:
        return format_quantity(value)
    return "open" if name in report.undetermined else "at a bound"


def _left_open(report: AllocateKeys) -> list[str]:
    lines = [
        f"{name.replace('_', ' ')}: nothing is charged for it, and the law asks for the teacher's loss alone"
        for name in report.undetermined
    ]
    lines += [
        f"{hit.quantity.replace('_', ' ')} runs into the {hit.side} bound {format_quantity(hit.value)} of the search: "
        "that number is the bound's, not the law's"
        for hit in report.bounds_hit
    ]
    unspent = report.budget_flops - report.recommended.cost_flops
    if unspent > SPENT * report.budget_flops:
        lines.append(
            f"{format_quantity(unspent)} FLOPs of the budget are not spent: no split within the bounds needs them"
        )
    return lines
