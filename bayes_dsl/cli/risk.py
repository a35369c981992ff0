"""`risk`: what each plan for a budget risks, what a target costs, and what knowing more would be worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from bayes_dsl.cli.allocate import notes_of, require_budgets
from bayes_dsl.cli.believed import health_of, show_health
from bayes_dsl.cli.compare import plan_of
from bayes_dsl.cli.output import interval_in_words, percent, print_json, say, say_all, show_table
from bayes_dsl.cli.risk_keys import AssuredKeys, KnowingKeys, MeanKeys, PlanRiskKeys, RiskKeys
from bayes_dsl.costs.flops import check_counting
from bayes_dsl.costs.scenarios import SUPERVISED_TRAINING, Scenario
from bayes_dsl.decisions.basis import Basis, basis_of
from bayes_dsl.decisions.knowing import value_of_knowing
from bayes_dsl.decisions.plans import Plan
from bayes_dsl.decisions.recommended import recommended_plan
from bayes_dsl.decisions.reference_plans import paper_recipe_plan, plug_in_plan
from bayes_dsl.decisions.risk import Risk, assess
from bayes_dsl.decisions.targets import budget_for_target
from bayes_dsl.inference.posterior import Posterior
from bayes_dsl.runs.counting import check_same_counting
from bayes_dsl.runs.quantities import format_quantity

OWN_NAMES = ("recommended", "minimax regret", "plug-in", "paper's recipe", "supervised")
"""Plans that are judged beside the user's own."""


def risk_of_plans(
    path: Path,
    *,
    budget: float,
    student: float | None,
    plans: Mapping[str, Plan],
    target: float | None,
    assurance: float,
    risk_prob: float,
    asked: Any,
    counting: str | None,
    prob: float,
    kind: str,
    plot: Path | None,
    accept_unhealthy: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    """Judge the recommended plan, the usual ones and the user's own on the same draws, and print it."""
    posterior = Posterior.load(path)
    posterior.require_healthy(accept_unhealthy)
    counting = check_same_counting(posterior.counting, counting)
    scenario, cost, bounds = asked(posterior)
    basis = basis_of(posterior, cost_model=cost, bounds=bounds, accept_unhealthy=True)
    check_counting(basis.cost, counting)
    require_budgets(basis, scenario, [(budget, student)])
    same_size = all(plan.student_params == student for plan in plans.values())
    judged = assess(
        posterior,
        scenario,
        plans={**usual_plans(posterior, basis, scenario, budget, student), **plans},
        target_loss=target,
        risk_prob=risk_prob,
        student_params=student if same_size else None,
        cost_model=basis.cost,
        bounds=bounds,
        accept_unhealthy=True,
    )
    knowing = value_of_knowing(basis, scenario, budget_flops=budget, student_params=student)
    report = RiskKeys(
        scenario=scenario.name,
        budget_flops=budget,
        student_params=student,
        against=judged.against,
        target_loss=target,
        risk_prob=risk_prob,
        plans=_plans(judged, prob=prob, kind=kind),
        budget_for_target=None if target is None else _assured(basis, scenario, target, assurance, student),
        value_of_knowing=KnowingKeys(nats=knowing.nats, budget_share=knowing.budget_share),
        cost_model=basis.cost.record(),
        health=health_of(posterior),
        notes=notes_of(posterior, basis, scenario),
        warnings=list(judged.notes),
    )
    if plot is not None:
        from bayes_dsl.reporting.plots import plot_risk  # Matplotlib is slow to load

        plot_risk(posterior, plot, judged, prob=prob, kind=kind)
    if as_json:
        print_json(report)
        return
    show_risk(report, quiet=quiet)
    if plot is not None:
        say()
        say(f"Drawn: {plot}")


def usual_plans(
    posterior: Posterior, basis: Basis, scenario: Scenario, budget: float, student: float | None
) -> dict[str, Plan]:
    """The recommended plan under two rules, the plug-in optimum, the paper's recipe, and just training."""
    asked: dict[str, Any] = {"budget_flops": budget, "student_params": student}
    plans = {
        "recommended": recommended_plan(basis, scenario, **asked),
        "minimax regret": recommended_plan(basis, scenario, **asked, rule="minimax-regret"),
        "plug-in": plug_in_plan(
            posterior,
            scenario,
            **asked,
            cost_model=basis.cost,
            bounds=basis.bounds,
            accept_unhealthy=True,
        ),
        "paper's recipe": paper_recipe_plan(basis, scenario, **asked),
    }
    if scenario.teacher:
        alone = replace(SUPERVISED_TRAINING, serving_tokens=scenario.serving_tokens)
        plans["supervised"] = recommended_plan(basis, alone, **asked)
    return plans


def _plans(judged: Risk, *, prob: float, kind: str) -> list[PlanRiskKeys]:
    table = judged.table(prob=prob, kind=kind)
    return [
        PlanRiskKeys(
            name=str(name),
            plan=plan_of(judged.plans[str(name)]),
            cost_flops=row["cost_flops"],
            loss=_mean(row, "loss", prob, kind),
            regret=_mean(row, "regret", prob, kind),
            largest_regret=row["largest_regret"],
            missing=_or_none(row["missing"]),
            next_run_missing=_or_none(row["next_run_missing"]),
            loss_at_risk=row["loss_at_risk"],
            cvar=row["cvar"],
        )
        for name, row in table.iterrows()
    ]


def _mean(row: pd.Series, name: str, prob: float, kind: str) -> MeanKeys:
    return MeanKeys(
        mean=row[name], lower=row[f"{name}_lower"], upper=row[f"{name}_upper"], prob=prob, kind=kind
    )


def _or_none(value: float) -> float | None:
    return None if value != value else float(value)


def _assured(
    basis: Basis, scenario: Scenario, target: float, assurance: float, student: float | None
) -> AssuredKeys:
    found = budget_for_target(
        basis, scenario, target_loss=target, assurance=assurance, student_params=student
    )
    return AssuredKeys(
        target_loss=target,
        assurance=assurance,
        budget_flops=found.budget_flops,
        plan=None if found.recommendation is None else plan_of(found.recommendation.plan),
        statement=found.statement(),
    )


def show_risk(report: RiskKeys, *, quiet: bool) -> None:
    """Print the report for people."""
    first = report.plans[0].loss
    target = report.target_loss
    header = ["plan", "expected loss", "interval", "regret", "interval", "largest", "at risk", "CVaR"]
    header += [] if target is None else ["P(miss)", "next run's"]
    rows = [
        (
            one.name,
            f"{one.loss.mean:.4f}",
            f"{one.loss.lower:.4f} .. {one.loss.upper:.4f}",
            f"{one.regret.mean:.4f}",
            f"{one.regret.lower:.4f} .. {one.regret.upper:.4f}",
            f"{one.largest_regret:.4f}",
            f"{one.loss_at_risk:.4f}",
            f"{one.cvar:.4f}",
            *(() if target is None else (_percent(one.missing), _percent(one.next_run_missing))),
        )
        for one in report.plans
    ]
    words = interval_in_words(first.prob, first.kind)
    title = f"{report.scenario}, {format_quantity(report.budget_flops)} FLOPs; nats per token, {words}"
    show_table(title, header, rows)
    show_table("The plans", ("plan", *_PARTS), [(one.name, *_numbers(one)) for one in report.plans])
    say()
    say(f"Regret: above the best split of the same budget ({report.against}), were the coefficients known.")
    say(
        f"At risk, CVaR: the {percent(report.risk_prob)} quantile of the expected loss, and the mean beyond it."
    )
    if report.budget_for_target is not None:
        say(f"Target: {report.budget_for_target.statement}.")
    knowing = report.value_of_knowing
    worth = (
        "more than any budget would buy"
        if knowing.budget_share is None
        else f"as much as {percent(round(knowing.budget_share, 4))} more budget"
    )
    say(f"Knowing the coefficients exactly would be worth {knowing.nats:.5f} nats per token: {worth}.")
    show_health(report.health)
    say_all("Warnings", report.warnings)
    if not quiet:
        say_all("Notes", report.notes)


_PARTS = ("student", "tokens", "teacher", "its tokens", "its loss", "FLOPs")


def _numbers(one: PlanRiskKeys) -> tuple[str, ...]:
    plan = one.plan
    values = (plan.student_params, plan.student_tokens, plan.teacher_params, plan.teacher_tokens)
    shown = ["-" if value is None else format_quantity(value) for value in values]
    loss = "-" if plan.teacher_loss is None else f"{plan.teacher_loss:.4f}"
    return (*shown, loss, format_quantity(one.cost_flops))


def _percent(value: float | None) -> str:
    return "-" if value is None else percent(round(value, 3))
