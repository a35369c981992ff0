"""What `--json` prints: the keys of every verb, each with its type and meaning."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Keys(BaseModel):
    """Base of every report: no key that is not declared, numbers that are not finite become null."""

    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="null")


class CheckKeys(Keys):
    """`check --json`: what a run table holds."""

    source: str = Field(description="name of the file")
    sha256: str = Field(description="hash of the table's values, whatever file they came from")
    rows: int = Field(description="rows read, whatever their status")
    used: int = Field(description="rows that a posterior conditions on: those with status ok")
    by_role: dict[str, int] = Field(description="rows of each role")
    by_status: dict[str, int] = Field(description="rows of each status")
    left_out: dict[str, int] = Field(description="rows that each condition or status leaves out")
    configurations: int = Field(description="distinct (role, params, tokens) among the used rows")
    teachers: int = Field(description="distinct teachers")
    groups: int = Field(description="distinct groups")
    evaluations: int = Field(description="distinct eval_ids")
    ranges: dict[str, tuple[float, float]] = Field(description="smallest and largest value of a column")
    largest_compute_flops: float = Field(description="of the used row with the largest compute")
    counting: str | None = Field(description="non_embedding, total, or null where unstated")
    notes: list[str]
    warnings: list[str]


class TableKeys(Keys):
    """Where a posterior's rows come from."""

    source: str = Field(description="name of the file")
    rows: int = Field(description="rows of the table, whatever their status")
    used: int = Field(description="rows that the posterior conditions on")
    sha256: str = Field(description="hash of the table's values")


class HealthKeys(Keys):
    """The worst diagnostics over everything sampled and reported, and what is wrong with them."""

    healthy: bool = Field(description="whether every gate was passed")
    rhat: float
    bulk_ess: float
    tail_ess: float
    divergences: int
    ebfmi: float
    draws: int
    problems: list[str] = Field(description="a sentence for every gate that was not passed")
    line: str = Field(description="the diagnostics in one line")


class IntervalKeys(Keys):
    """The interval of one parameter; the four first numbers are null where they are not finite."""

    parameter: str
    mean: float
    sd: float
    median: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")


class FitKeys(Keys):
    """`fit --json`: what was fitted and whether it can be trusted."""

    posterior: str = Field(description="the file that was written")
    law: str
    misfit: str = Field(description="none (the bare law) or drift (the world may leave the law)")
    prior: str | None = Field(
        description="whence the carried prior of the coefficients, or null for the package's own"
    )
    table: TableKeys
    cost_model: dict[str, object] | None = Field(
        description="what a token costs, by name and numbers, or null where nobody stated it"
    )
    seed: int
    health: HealthKeys
    intervals: list[IntervalKeys]
    notes: list[str]
    warnings: list[str] = Field(description="what is unusual about the table")


class OddRowKeys(Keys):
    """A row that the law and its noise hardly explain."""

    run_id: str
    line: int | None = Field(description="line of the row in its file, null where unknown")
    role: str
    observed: float = Field(description="its loss, nats per token")
    expected: float = Field(description="what the posterior expects of it, nats per token")
    residual: float = Field(description="ln(observed / expected)")
    standardised_residual: float = Field(description="the residual over the row's noise scale")
    pareto_k: float = Field(description="how much the posterior leans on this one row")
    reason: str


class StatisticKeys(Keys):
    """One statistic of the residuals of a role's rows, beside the same of rows made anew."""

    role: str
    name: str
    observed: float = Field(description="its mean over the draws")
    lower: float = Field(description="of the central interval of the replicated statistic")
    upper: float
    prob: float = Field(description="probability of that interval")
    two_sided: bool = Field(description="whether too low a value is as wrong as too high a one")
    p: float = Field(description="posterior predictive p value")
    p_holm: float = Field(description="after Holm's correction over all that is asked of the rows")
    wrong: str = Field(description="what a surprising value means")


class RowCalibrationKeys(Keys):
    """Whether the other rows forecast each row of a role as well as they claim (leave-one-out)."""

    role: str
    rows: int
    judged: int = Field(description="rows that can be left out: Pareto k at most .7")
    inside: float | None = Field(
        description="share of these inside their intervals; null, as p and p_holm, where too few are judged"
    )
    prob: float = Field(description="probability of these intervals")
    p: float | None = Field(description="p value of uniform places in the forecasts")
    p_holm: float | None = Field(description="after Holm's correction over all that is asked of the rows")


class PriorCheckKeys(Keys):
    """The rows of one role among the same rows made from the prior."""

    role: str
    tables: int = Field(description="tables made from the prior")
    refused: int = Field(description="draws of the prior that no law could have made")
    prob: float = Field(description="probability of the prior's central intervals")
    inside: float = Field(description="share of the role's rows inside the prior's interval for them")
    width: float = Field(description="that interval's upper end over its lower one, median over the rows")
    median_place: float = Field(description="share of the prior's tables of lower median loss")
    range_place: float = Field(description="share of the prior's tables of narrower range of losses")
    p_inside: float = Field(description="this and the next two: p values after Holm's correction")
    p_median: float
    p_range: float


class PredictiveKeys(Keys):
    """Whether the fitted model looks like the runs, and whether its prior expected them."""

    statistics: list[StatisticKeys]
    calibration: list[RowCalibrationKeys]
    prior: list[PriorCheckKeys] = Field(description="of each role; empty where the prior makes no laws")
    surprises: list[str] = Field(description="what about the rows the model does not make")
    sentences: list[str] = Field(description="the verdict, what the prior expected, and what was not judged")


class SummaryKeys(Keys):
    """`summary --json`: what a saved posterior is, says, and does not know."""

    law: str
    misfit: str = Field(description="none (the bare law) or drift (the world may leave the law)")
    prior: str | None = Field(
        description="whence the carried prior of the coefficients, or null for the package's own"
    )
    table: TableKeys
    counting: str | None = Field(description="non_embedding, total, or null where unstated")
    seed: int
    settings: dict[str, float]
    versions: dict[str, str]
    health: HealthKeys
    intervals: list[IntervalKeys]
    unidentified: list[str] = Field(description="a sentence for every coefficient the data do not identify")
    odd_rows: list[OddRowKeys]
    predictive: PredictiveKeys | None = Field(
        description="rows made anew beside the table's; null where the posterior lacks its coordinates"
    )
    notes: list[str]


class LossKeys(Keys):
    """A loss, in nats per token, with its interval."""

    median: float
    lower: float
    upper: float
    prob: float = Field(description="probability of the interval")
    kind: str = Field(description="eti (equal-tailed) or hdi (highest density)")
    about: str = Field(description="expected (the law's loss) or next_run (with the scatter of one run)")


class ExtrapolationKeys(Keys):
    """How far the target lies from the runs."""

    times_largest_compute: float = Field(description="its params x tokens over the largest of a run")
    decades: dict[str, float] = Field(
        description="by axis: positive beyond the runs, negative below, 0 inside"
    )


class LeaningKeys(Keys):
    """What a forecast leans on, as far as its own draws tell."""

    matters: list[str] = Field(
        description="a sentence for each thing that moves its interval by more than a quarter"
    )
    not_told: list[str] = Field(description="alternatives too far from the draws, each with the reason")


class ForecastKeys(Keys):
    """`forecast --json`: the loss of a run not yet made; a list of these for several targets."""

    inputs: dict[str, float] = Field(description="params, tokens, and the teacher's loss or size")
    expected: LossKeys
    next_run: LossKeys
    extrapolation: ExtrapolationKeys
    misfit: str = Field(description="none (the bare law) or drift (the world may leave the law)")
    misfit_share: float | None = Field(
        default=None, description="of the variance of ln(expected loss); not there for the bare law"
    )
    sensitivity: LeaningKeys | None = Field(
        default=None, description="of the expected loss; null where the posterior lacks its coordinates"
    )
    health: HealthKeys
    warnings: list[str]
    backtest: str | None = Field(
        default=None, description="what --backtest says of forecasts that reach as far"
    )


class ScoreOneKeys(Keys):
    """One registered forecast beside its outcome; losses in nats per token."""

    number: int = Field(description="of the forecast in its register")
    registered_at: str
    median: float
    lower: float
    upper: float
    prob: float
    kind: str
    actual: float
    hit: bool = Field(description="whether the outcome lies in the interval")
    error: float = Field(description="actual - median")
    log_error: float = Field(description="ln(actual / median)")
    interval_score: float = Field(description="smaller is better")
    crps: float | None = Field(description="smaller is better; null without quantiles or scoringrules")


class ScoreKeys(Keys):
    """`score --json`: how registered forecasts did."""

    registered: int
    scored: int
    hits: int
    coverage: float = Field(description="hits / scored")
    coverage_lower: float = Field(description="exact binomial interval of the coverage")
    coverage_upper: float
    coverage_prob: float = Field(description="probability of that interval")
    expected_coverage: float = Field(description="mean of the forecasts' own probabilities")
    mean_absolute_log_error: float
    mean_interval_score: float
    mean_crps: float | None
    notes: list[str]
    scores: list[ScoreOneKeys]
