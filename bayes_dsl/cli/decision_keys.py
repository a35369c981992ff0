"""What `--json` prints of decisions: the keys of `allocate`, `compare` and `risk`, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import HealthKeys, Keys, LossKeys


class RangeKeys(Keys):
    """The credible interval of one quantity."""

    median: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")


class RecommendedKeys(Keys):
    """The one split to follow; a number is null where the scenario leaves it open or a bound sets it."""

    student_params: float | None
    student_tokens: float | None
    teacher_params: float | None
    teacher_tokens: float | None
    teacher_loss: float | None = Field(description="median of the loss that the teacher is expected to have")
    cost_flops: float
    cost_parts: dict[str, float] = Field(description="FLOPs by purpose")
    student_loss: LossKeys = Field(
        description="expected; the scatter of the teacher yet to be trained included"
    )
    next_run: LossKeys = Field(description="with the scatter of the student's own run")


class NearOptimalKeys(Keys):
    """Splits that are nearly as good: least and greatest value of each quantity among them."""

    within_nats: float
    ranges: dict[str, tuple[float, float]]


class BoundHitKeys(Keys):
    """A quantity that runs into a bound of the search: the bound's value, not the law's."""

    quantity: str
    side: str
    value: float


class AllocateKeys(Keys):
    """`allocate --json`: how to split a budget; a list of these for several budgets or students."""

    scenario: str
    budget_flops: float
    cost_model: dict[str, object] = Field(description="its name and numbers")
    recommended: RecommendedKeys
    near_optimal: NearOptimalKeys
    undetermined: list[str] = Field(description="what the scenario leaves open")
    bounds_hit: list[BoundHitKeys]
    optimal: dict[str, RangeKeys] = Field(
        description="by quantity: where the best split lies, over the draws"
    )
    rule: str = Field(description="what is least: mean, quantile or minimax-regret")
    search: dict[str, tuple[float, float]] = Field(description="bounds of the search")
    health: HealthKeys
    notes: list[str]
    warnings: list[str]
