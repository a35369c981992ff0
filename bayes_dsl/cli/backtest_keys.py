"""What `backtest --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import Keys


class ScoresKeys(Keys):
    """How one method did on some held-out runs; every cluster counts once."""

    where: str = Field(description="the holdout, or the range of distances beyond the largest known run")
    method: str
    runs: int
    clusters: int = Field(description="independent runs: of one group, teacher or configuration count once")
    coverage: float
    coverage_lower: float = Field(description="exact binomial interval of 90 %, clusters as trials")
    coverage_upper: float
    crps: float | None = Field(description="of ln loss; null without scoringrules")
    bias: float = Field(description="mean of ln(actual / median)")
    width: float = Field(description="median of ln(upper / lower)")
    healthy: bool = Field(description="every posterior passed its gate, or 99 % of the refits converged")


class BacktestKeys(Keys):
    """`backtest --json`: forecasts from smaller runs held against larger ones."""

    table: str
    table_sha256: str
    law: str = Field(description="of the posteriors; each point fit names its own")
    prior: str | None = Field(
        description="whence the prior of the posteriors' coefficients; null: the package's"
    )
    by: str = Field(description="the scale that runs were held out by")
    prob: float
    seed: int
    reach: float = Field(description="farthest held-out run, in multiples of the largest known scale")
    by_holdout: list[ScoresKeys]
    by_distance: list[ScoresKeys]
    backtest: str | None = Field(description="the file that was written")
    notes: list[str]
