"""Options that the verbs of decisions share, each with its help text."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

import typer

from bayes_dsl.cli.options import probability

ScenarioName = Literal[
    "best-case", "teacher-inference", "teacher-pretraining", "pretraining-and-inference", "supervised"
]
CostName = Literal["paper", "6ND", "table"]
RuleName = Literal["mean", "quantile", "minimax-regret"]


def _distance(value: float) -> float:
    if not 0 < value < math.inf:
        raise typer.BadParameter(f"{value:g} is no finite number above 0; write 0.005 for 0.005 nats")
    return value


BudgetOption = Annotated[
    list[str],
    typer.Option(
        metavar="FLOPS", show_default=False, help="The whole budget, such as 1e21. Can be repeated."
    ),
]
StudentOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PARAMS",
        show_default=False,
        help="The student's parameters, such as 1B; without it the best size is found. Can be repeated.",
    ),
]
ScenarioOption = Annotated[
    ScenarioName | None,
    typer.Option(
        metavar="NAME",
        show_default=False,
        help="Which costs are paid: best-case, teacher-inference, teacher-pretraining, "
        "pretraining-and-inference (the default where the posterior knows teachers), supervised.",
    ),
]
CostOption = Annotated[
    CostName | None,
    typer.Option(
        metavar="paper|6ND|table",
        show_default=False,
        help="What a token costs; default: what came with the posterior, else 6ND.",
    ),
]
LogitsOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", show_default=False, help="Share of the teacher's logits that is charged, 0 to 1."
    ),
]
PretrainingOption = Annotated[
    float | None,
    typer.Option(
        metavar="SHARE", show_default=False, help="Share of the teacher's training that is charged, 0 to 1."
    ),
]
StudentsOption = Annotated[
    float, typer.Option(metavar="K", help="Students that share one teacher, and the price of its training.")
]
StoredOption = Annotated[
    bool, typer.Option("--stored-logits", help="Logits are computed once and kept for all students.")
]
ServingOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKENS",
        show_default=False,
        help="Tokens that the student will serve in its lifetime: charged, too.",
    ),
]
MaxStudentOption = Annotated[
    str | None,
    typer.Option(metavar="PARAMS", show_default=False, help="The largest student that can be served."),
]
MaxTokensOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKENS",
        show_default=False,
        help="The most tokens for the student: unique tokens, or a deadline.",
    ),
]
MaxTeacherTokensOption = Annotated[
    str | None, typer.Option(metavar="TOKENS", show_default=False, help="The most tokens for the teacher.")
]
WithinOption = Annotated[
    float,
    typer.Option(
        metavar="NATS", callback=_distance, help="How much worse a split may be to count as nearly as good."
    ),
]
RuleOption = Annotated[
    RuleName,
    typer.Option(
        metavar="mean|quantile|minimax-regret",
        help="What is made least: the mean loss, its 90 % quantile, or the largest regret over the draws.",
    ),
]
CrossoverOption = Annotated[
    bool,
    typer.Option(
        "--crossover",
        help="Find the budget, and the number of students sharing a teacher, at which the two meet.",
    ),
]
OneBudgetOption = Annotated[
    str, typer.Option(metavar="FLOPS", show_default=False, help="The whole budget, such as 1e21.")
]
OneStudentOption = Annotated[
    str | None,
    typer.Option(
        metavar="PARAMS",
        show_default=False,
        help="The student's parameters, such as 1B; without it each plan chooses its own.",
    ),
]
PlanOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PLAN",
        show_default=False,
        help="A plan of your own to judge with the others: 'ours: student=1B, tokens=20B, teacher=3B, "
        "teacher-tokens=60B', or teacher-loss=2.1, or no teacher. Can be repeated.",
    ),
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        metavar="LOSS",
        show_default=False,
        help="The loss to reach, nats per token: what it costs, who misses it.",
    ),
]
AssuranceOption = Annotated[
    float,
    typer.Option(metavar="P", callback=probability, help="Of reaching --target with the budget sought."),
]
RiskProbOption = Annotated[
    float, typer.Option(metavar="P", callback=probability, help="Quantile of the loss at risk.")
]
PlotOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        show_default=False,
        help="Draw it to this file: who wins over sizes and budgets, or what each plan risks.",
    ),
]
TeacherOption = Annotated[
    list[str],
    typer.Option(
        metavar="'NAME: loss=L, ...'",
        show_default=False,
        help="A teacher that exists, such as 'ours: loss=2.1, params=7B, price=1e21, loss-se=0.002'; "
        "params where its logits are charged, price in FLOPs where it has one. Can be repeated.",
    ),
]
