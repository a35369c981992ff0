"""What `laws compare --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import HealthKeys, Keys


class LawKeys(Keys):
    """How one law did; the best elpd comes first."""

    law: str
    elpd: float = Field(description="expected log predictive density of ln loss, summed over rows left out")
    se: float = Field(description="standard error of elpd")
    elpd_diff: float = Field(description="elpd less that of the best law")
    dse: float = Field(description="standard error of that difference")
    stacking_weight: float = Field(
        description="ArviZ's, by the rows left out: not for forecasts far beyond them"
    )
    high_k: float | None = Field(description="rows with Pareto k above .7; null where clusters were left out")
    largest_k: float | None
    log_score: float | None = Field(
        description="mean ln density of the held-out largest runs; larger is better"
    )
    crps: float | None = Field(description="of their ln loss; smaller is better; null without scoringrules")
    forecast_weight: float | None = Field(description="in the mixture that would have forecast them best")
    health: HealthKeys = Field(description="of the posterior of the whole table")


class TargetKeys(Keys):
    """The expected loss of a run not yet made, by one law or by the mixture ("stacked"); nats per token."""

    target: str
    law: str
    median: float
    lower: float = Field(description="of the equal-tailed interval")
    upper: float


class LawsKeys(Keys):
    """`laws compare --json`: which law a run table supports."""

    table: str
    table_sha256: str
    prob: float = Field(description="probability of the equal-tailed intervals")
    seed: int
    method: str = Field(description="how rows were left out for elpd")
    laws: list[LawKeys]
    held_out: dict[str, int] = Field(description="held-out runs by holdout, such as 8x")
    targets: list[TargetKeys]
    sentences: list[str] = Field(description="for laws that fit equally well, whether they agree")
    written: str | None = Field(description="the file that was written")
    notes: list[str]
