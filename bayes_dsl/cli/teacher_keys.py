"""What `teachers --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.decision_keys import PlanKeys
from bayes_dsl.cli.json_keys import HealthKeys, Keys
from bayes_dsl.cli.risk_keys import MeanKeys


class OptionKeys(Keys):
    """One way to train the student: from a teacher, or (named none) without any."""

    name: str
    plan: PlanKeys
    loss: MeanKeys = Field(description="expected loss")
    probability_best: float = Field(description="P(no other option reaches a lower expected loss)")
    regret: float = Field(description="mean over the draws, above each draw's best option, nats per token")
    largest_regret: float = Field(description="over the draws")


class TeachersKeys(Keys):
    """`teachers --json`: existing teachers, and none, at equal total compute."""

    scenario: str
    budget_flops: float
    student_params: float | None = Field(description="null: each option chose its own size")
    recommended: str = Field(description="the option of least expected loss; none is a supervised run")
    options: list[OptionKeys]
    unaffordable: list[str] = Field(description="teachers whose price leaves too little for a student")
    cost_model: dict[str, object]
    health: HealthKeys
    notes: list[str]
    warnings: list[str] = Field(description="by option: what lies beyond the runs")
