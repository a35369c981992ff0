"""What `risk --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.decision_keys import PlanKeys
from bayes_dsl.cli.json_keys import HealthKeys, Keys


class MeanKeys(Keys):
    """A mean over the draws with its interval, nats per token."""

    mean: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")


class PlanRiskKeys(Keys):
    """What one plan costs, what it reaches and what it risks."""

    name: str
    plan: PlanKeys
    cost_flops: float
    loss: MeanKeys = Field(description="expected loss")
    regret: MeanKeys = Field(description="above the best split of the same budget in the same draw")
    largest_regret: float = Field(description="over the draws")
    missing: float | None = Field(description="P(expected loss above the target); null without a target")
    next_run_missing: float | None = Field(description="the same of the next run, noise included")
    loss_at_risk: float = Field(description="upper quantile of the expected loss at risk_prob")
    cvar: float = Field(description="mean of the losses that are at least the loss at risk")


class AssuredKeys(Keys):
    """The least budget whose recommended plan reaches the target with the assurance asked for."""

    target_loss: float
    assurance: float
    budget_flops: float | None = Field(description="null where no budget is enough; the statement says why")
    plan: PlanKeys | None
    statement: str


class KnowingKeys(Keys):
    """What perfect knowledge of the coefficients would be worth to the recommended plan."""

    nats: float = Field(description="expected value of perfect information, nats per token")
    budget_share: float | None = Field(
        description="additional budget, as a share of it, that would buy as much; null where none would"
    )


class RiskKeys(Keys):
    """`risk --json`: plans of one budget, judged on the same draws."""

    scenario: str
    budget_flops: float
    student_params: float | None = Field(description="null: each plan chose its own size")
    against: str = Field(description="what the best split of each draw is chosen from")
    target_loss: float | None
    risk_prob: float
    plans: list[PlanRiskKeys]
    budget_for_target: AssuredKeys | None
    value_of_knowing: KnowingKeys
    cost_model: dict[str, object]
    health: HealthKeys
    notes: list[str]
    warnings: list[str]
