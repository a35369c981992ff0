"""The verbs that turn a posterior into a decision, each opening its room only when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayes_dsl.cli.decision_options import (
    AssuranceOption,
    BudgetOption,
    CostOption,
    CrossoverOption,
    LogitsOption,
    MaxStudentOption,
    MaxTeacherTokensOption,
    MaxTokensOption,
    OneBudgetOption,
    OneStudentOption,
    PlanOption,
    PlotOption,
    PretrainingOption,
    RiskProbOption,
    RuleOption,
    ScenarioOption,
    ServingOption,
    StoredOption,
    StudentOption,
    StudentsOption,
    TargetOption,
    TeacherOption,
    WithinOption,
)
from bayes_dsl.cli.options import (
    AcceptOption,
    CountingOption,
    JsonOption,
    KindOption,
    PosteriorArgument,
    ProbOption,
    QuietOption,
)


def allocate(
    posterior: PosteriorArgument,
    budget: BudgetOption,
    student: StudentOption = None,
    scenario: ScenarioOption = None,
    cost: CostOption = None,
    logits: LogitsOption = None,
    pretraining: PretrainingOption = None,
    students: StudentsOption = 1,
    stored_logits: StoredOption = False,
    serving: ServingOption = None,
    max_student: MaxStudentOption = None,
    max_tokens: MaxTokensOption = None,
    max_teacher_tokens: MaxTeacherTokensOption = None,
    within: WithinOption = 0.005,
    rule: RuleOption = "mean",
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the best split against the budget to this file."),
    ] = None,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say how to split a budget between a student and its teacher.

    One split for the whole posterior, the splits that are nearly as good, and where each draw's best lies.

    Keys of --json: scenario, budget_flops, cost_model, recommended, near_optimal, undetermined, bounds_hit,
    optimal, rule, search, health, notes, warnings. With several budgets or students it is a list.
    """
    from bayes_dsl.cli.allocate import allocate_budget
    from bayes_dsl.cli.decision_question import question_of

    question = question_of(
        "allocate",
        {"--budget": budget, "--student": student, "--serving": serving},
        max_student=max_student,
        max_tokens=max_tokens,
        max_teacher_tokens=max_teacher_tokens,
        cost=cost,
        logits=logits,
        pretraining=pretraining,
        students=students,
        stored_logits=stored_logits,
    )

    allocate_budget(
        posterior,
        budgets=question.found["--budget"],
        students=question.found.get("--student", []),
        asked=lambda loaded: (question.scenario(loaded, scenario), *question.ground(loaded)),
        counting=counting,
        within=within,
        rule=rule,
        prob=prob,
        kind=kind,
        plot=plot,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )


def compare(
    posterior: PosteriorArgument,
    budget: BudgetOption,
    student: StudentOption = None,
    scenario: ScenarioOption = None,
    cost: CostOption = None,
    logits: LogitsOption = None,
    pretraining: PretrainingOption = None,
    students: StudentsOption = 1,
    stored_logits: StoredOption = False,
    serving: ServingOption = None,
    max_student: MaxStudentOption = None,
    max_tokens: MaxTokensOption = None,
    max_teacher_tokens: MaxTeacherTokensOption = None,
    crossover: CrossoverOption = False,
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    plot: PlotOption = None,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say whether to distil or just to train, at equal total compute.

    Without --scenario all four of them are compared. Every plan is judged on the same draws.

    --json prints a list; its keys: scenario, budget_flops, student_params, probability,
    probability_if_known, difference, distilled, supervised, crossover, break_even_students, cost_model,
    health, notes, warnings.
    """
    from bayes_dsl.cli.compare import compare_plans
    from bayes_dsl.cli.decision_question import question_of
    from bayes_dsl.costs.scenarios import SCENARIOS

    names = [one.name for one in SCENARIOS] if scenario is None else [scenario]
    question = question_of(
        "compare",
        {"--budget": budget, "--student": student, "--serving": serving},
        max_student=max_student,
        max_tokens=max_tokens,
        max_teacher_tokens=max_teacher_tokens,
        cost=cost,
        logits=logits,
        pretraining=pretraining,
        students=students,
        stored_logits=stored_logits,
    )

    compare_plans(
        posterior,
        budgets=question.found["--budget"],
        students=question.found.get("--student", []),
        asked=lambda loaded: ([question.scenario(loaded, name) for name in names], *question.ground(loaded)),
        crossover=crossover,
        counting=counting,
        prob=prob,
        kind=kind,
        plot=plot,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )


def risk(
    posterior: PosteriorArgument,
    budget: OneBudgetOption,
    student: OneStudentOption = None,
    scenario: ScenarioOption = None,
    plan: PlanOption = None,
    target: TargetOption = None,
    assurance: AssuranceOption = 0.9,
    risk_prob: RiskProbOption = 0.9,
    cost: CostOption = None,
    logits: LogitsOption = None,
    pretraining: PretrainingOption = None,
    students: StudentsOption = 1,
    stored_logits: StoredOption = False,
    serving: ServingOption = None,
    max_student: MaxStudentOption = None,
    max_tokens: MaxTokensOption = None,
    max_teacher_tokens: MaxTeacherTokensOption = None,
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    plot: PlotOption = None,
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say what each plan for a budget risks, and what a target costs.

    The recommended plan, the usual ones and yours, all judged on the same draws.

    Keys of --json: scenario, budget_flops, student_params, against, target_loss, risk_prob, plans,
    budget_for_target, value_of_knowing, cost_model, health, notes, warnings.
    """
    from bayes_dsl.cli.decision_question import question_of
    from bayes_dsl.cli.plan_option import plans_of
    from bayes_dsl.cli.risk import OWN_NAMES, risk_of_plans

    question = question_of(
        "risk",
        {"--budget": budget, "--student": student, "--target": target, "--serving": serving},
        max_student=max_student,
        max_tokens=max_tokens,
        max_teacher_tokens=max_teacher_tokens,
        cost=cost,
        logits=logits,
        pretraining=pretraining,
        students=students,
        stored_logits=stored_logits,
    )

    risk_of_plans(
        posterior,
        budget=question.found["--budget"][0],
        student=question.one("--student"),
        plans=plans_of(plan or (), taken=OWN_NAMES),
        target=question.one("--target"),
        assurance=assurance,
        risk_prob=risk_prob,
        asked=lambda loaded: (question.scenario(loaded, scenario), *question.ground(loaded)),
        counting=counting,
        prob=prob,
        kind=kind,
        plot=plot,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )


def teachers(
    posterior: PosteriorArgument,
    budget: OneBudgetOption,
    teacher: TeacherOption,
    student: OneStudentOption = None,
    scenario: ScenarioOption = None,
    cost: CostOption = None,
    logits: LogitsOption = None,
    students: StudentsOption = 1,
    stored_logits: StoredOption = False,
    serving: ServingOption = None,
    max_student: MaxStudentOption = None,
    max_tokens: MaxTokensOption = None,
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
    accept_unhealthy: AcceptOption = False,
    json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Say which of several teachers that exist to take for a student, or none.

    A teacher's price and its logits come out of the budget; its own training is paid already.

    Keys of --json: scenario, budget_flops, student_params, recommended, options, unaffordable, cost_model,
    health, notes, warnings.
    """
    from bayes_dsl.cli.decision_question import question_of
    from bayes_dsl.cli.teacher_option import teachers_of
    from bayes_dsl.cli.teachers import choose_among

    question = question_of(
        "teachers",
        {"--budget": budget, "--student": student, "--serving": serving},
        max_student=max_student,
        max_tokens=max_tokens,
        max_teacher_tokens=None,
        cost=cost,
        logits=logits,
        pretraining=None,
        students=students,
        stored_logits=stored_logits,
    )

    choose_among(
        posterior,
        teachers=teachers_of(teacher),
        budget=question.found["--budget"][0],
        student=question.one("--student"),
        asked=lambda loaded: (question.scenario(loaded, scenario), *question.ground(loaded)),
        counting=counting,
        prob=prob,
        kind=kind,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )
