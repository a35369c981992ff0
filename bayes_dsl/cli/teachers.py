"""`teachers`: which existing teacher to take for a student, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bayes_dsl.cli.allocate import forecast_question, notes_of
from bayes_dsl.cli.believed import health_of, show_health
from bayes_dsl.cli.compare import plan_of
from bayes_dsl.cli.output import interval_in_words, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.risk_keys import MeanKeys
from bayes_dsl.cli.teacher_keys import OptionKeys, TeachersKeys
from bayes_dsl.costs.flops import check_counting
from bayes_dsl.decisions.basis import basis_of
from bayes_dsl.decisions.existing import Teacher, TeacherChoice, choose_teacher
from bayes_dsl.forecast.expected import expected_loss
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity


def choose_among(
    path: Path,
    *,
    teachers: Sequence[Teacher],
    budget: float,
    student: float | None,
    asked: Any,
    counting: str | None,
    prob: float,
    kind: str,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge every teacher, and none, on the same draws, and print which one to take."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    counting = check_same_counting(posterior.counting, counting)
    scenario, cost, bounds = asked(posterior)
    basis = basis_of(posterior, cost_model=cost, bounds=bounds, accept_unhealthy=True)
    check_counting(basis.cost, counting)
    found = choose_teacher(basis, scenario, teachers, budget_flops=budget, student_params=student)
    report = TeachersKeys(
        scenario=scenario.name,
        budget_flops=budget,
        student_params=student,
        recommended=found.recommended,
        options=_options(found, prob=prob, kind=kind),
        unaffordable=list(found.unaffordable),
        cost_model=basis.cost.record(),
        health=health_of(posterior),
        # What its training cost is in a teacher's price.
        notes=notes_of(posterior, basis, replace(scenario, pretraining=0.0)),
        warnings=_warnings(posterior, found),
    )
    if as_json:
        print_json(report)
    else:
        show_teachers(report, quiet=quiet)


def _options(found: TeacherChoice, *, prob: float, kind: str) -> list[OptionKeys]:
    return [
        OptionKeys(
            name=str(name),
            plan=plan_of(found.plans[str(name)]),
            loss=MeanKeys(mean=row["loss"], lower=row["lower"], upper=row["upper"], prob=prob, kind=kind),
            probability_best=row["probability_best"],
            regret=row["regret"],
            largest_regret=row["largest_regret"],
        )
        for name, row in found.table(prob=prob, kind=kind).iterrows()
    ]


def _warnings(posterior: Posterior, found: TeacherChoice) -> list[str]:
    """What lies beyond the runs, option by option."""
    asked = ((name, forecast_question(plan)) for name, plan in found.plans.items())
    return [
        f"{name}: {said}"
        for name, question in asked
        for said in expected_loss(posterior, **question).warnings
    ]


def show_teachers(report: TeachersKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    first = report.options[0].loss
    words = interval_in_words(first.prob, first.kind)
    rows = [
        (
            one.name,
            format_quantity(one.plan.student_params),
            format_quantity(one.plan.student_tokens),
            f"{one.loss.mean:.4f}",
            f"{one.loss.lower:.4f} .. {one.loss.upper:.4f}",
            percent(round(one.probability_best, 3)),
            f"{one.regret:.4f}",
            f"{one.largest_regret:.4f}",
        )
        for one in report.options
    ]
    title = f"{report.scenario}, {format_quantity(report.budget_flops)} FLOPs; nats per token, {words}"
    header = ("teacher", "student", "tokens", "expected loss", "interval", "P(best)", "regret", "largest")
    show_table(title, header, rows)
    say()
    taken = "no teacher: just train" if report.recommended == "none" else report.recommended
    say(f"Take {taken} (least expected loss over the posterior).")
    for name in report.unaffordable:
        say(f"{name}: its price leaves too little for a student.")
    show_health(report.health)
    say_all("Warnings", report.warnings)
    if not quiet:
        say_all("Notes", report.notes)
