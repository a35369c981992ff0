"""The verbs that turn a posterior into a decision, each opening its room only when it is called."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

from bayes_dsl.cli.decision_options import (
    BudgetOption,
    CostOption,
    LogitsOption,
    MaxStudentOption,
    MaxTeacherTokensOption,
    MaxTokensOption,
    PretrainingOption,
    ScenarioOption,
    ServingOption,
    StoredOption,
    StudentOption,
    StudentsOption,
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
    within: Annotated[
        float, typer.Option(metavar="NATS", help="How much worse a split may be to count as nearly as good.")
    ] = 0.005,
    rule: Annotated[
        Literal["mean", "quantile", "minimax-regret"],
        typer.Option(
            metavar="mean|quantile|minimax-regret",
            help="What is made least: the mean loss, its 90 % quantile, or the largest regret over the draws.",
        ),
    ] = "mean",
    counting: CountingOption = None,
    prob: ProbOption = 0.9,
    kind: KindOption = "eti",
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
    from bayes_dsl.cli.decision_question import bounds_asked, cost_asked, numbers, scenario_asked

    found = numbers(
        {"--budget": budget, "--student": student or (), "--serving": [serving] if serving else ()},
        "allocate",
    )

    def asked(loaded: Any) -> Any:
        return (
            scenario_asked(
                loaded,
                scenario,
                logits=logits,
                pretraining=pretraining,
                students=students,
                stored_logits=stored_logits,
                serving_tokens=found.get("--serving", [0.0])[0],
            ),
            cost_asked(loaded, cost),
            bounds_asked(loaded, max_student, max_tokens, max_teacher_tokens, "allocate"),
        )

    allocate_budget(
        posterior,
        budgets=found["--budget"],
        students=found.get("--student", []),
        asked=asked,
        counting=counting,
        within=within,
        rule=rule,
        prob=prob,
        kind=kind,
        accept_unhealthy=accept_unhealthy,
        as_json=json,
        quiet=quiet,
    )
