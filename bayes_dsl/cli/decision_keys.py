"""What `--json` prints of decisions: the keys of `allocate`, `compare` and `risk`, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import HealthKeys, Keys, LossKeys


class RangeKeys(Keys):
    """The credible interval of one quantity over the draws' optima."""

    median: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")
    at_bound: float = Field(
        description="share of the draws whose optimum stands on a bound of the search: such numbers are no advice"
    )


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
    search: dict[str, tuple[float, float]] = Field(
        description="by quantity: least and greatest value, caps included"
    )
    health: HealthKeys
    notes: list[str]
    warnings: list[str]


class PlanKeys(Keys):
    """One plan; the teacher's numbers are null where there is none, or where only its loss matters."""

    student_params: float
    student_tokens: float
    teacher_params: float | None
    teacher_tokens: float | None
    teacher_loss: float | None


class DifferenceKeys(Keys):
    """Loss of the distilled plan minus that of the supervised one, nats per token; below 0 distilling wins."""

    mean: float
    median: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")


class CrossoverKeys(Keys):
    """The total compute at which distilling and supervised training reach the same loss, for one student."""

    budgets: tuple[float, float] = Field(description="FLOPs that were searched; nothing is said beyond")
    distil_wins: str = Field(description="below or above the crossing, or none: no draw crosses")
    median: float | None
    lower: float | None
    upper: float | None
    prob: float
    kind: str
    share: float = Field(description="of the draws that cross so; the interval is theirs alone")
    always_distil: float = Field(description="share of draws in which distilling wins throughout")
    never_distil: float = Field(description="share of draws in which it never does")
    crosses_again: float = Field(description="share of draws that cross more than once")


class BreakEvenKeys(Keys):
    """How many students must share one teacher before distilling wins."""

    median: float | None
    lower: float | None
    upper: float | None
    prob: float
    kind: str
    share: float = Field(description="of the draws in which some number of students is enough")
    never: float = Field(description="share of draws in which not even the limit is")
    limit: float = Field(description="the most students that were looked for")


class CompareKeys(Keys):
    """`compare --json`: distil or train, for one scenario, budget and student; always a list of these."""

    scenario: str
    budget_flops: float
    student_params: float | None = Field(description="null: each side chooses its own size")
    probability: float = Field(description="that the recommended distilled plan beats the supervised one")
    probability_if_known: float = Field(description="the same if both were planned knowing the coefficients")
    difference: DifferenceKeys
    distilled: PlanKeys
    supervised: PlanKeys
    crossover: list[CrossoverKeys]
    break_even_students: BreakEvenKeys | None
    cost_model: dict[str, object]
    health: HealthKeys
    notes: list[str]
    warnings: list[str]
