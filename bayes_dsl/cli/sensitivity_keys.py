"""What `sensitivity --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import HealthKeys, Keys


class EndsKeys(Keys):
    """A loss in nats per token: its median and the ends of its equal-tailed interval."""

    median: float
    lower: float
    upper: float


class AlternativeKeys(Keys):
    """The forecast where something else had been assumed."""

    name: str
    about: str = Field(description="priors, E, tail or misfit")
    loss: EndsKeys
    shifts: EndsKeys = Field(description="of each, in widths of the forecast's own interval")
    matters: bool = Field(description="a shift is beyond a quarter (of the median alone where E is fixed)")
    method: str = Field(description="reweighed, or sampled anew")
    pareto_k: float | None = Field(description="of the weights; null where the draws weigh alike")
    effective_draws: float = Field(description="independent draws that the weighted ones are worth")


class PowerKeys(Keys):
    """Power-scaling sensitivity of one quantity: from 0.05 on it shows."""

    quantity: str
    prior: float
    by_part: dict[str, float] = Field(description="that of the coefficients, the noise, the misfit alone")
    likelihood: float
    diagnosis: str = Field(description="data (they tell it), conflict (both move it), prior (more than data)")


class SensitivityKeys(Keys):
    """`sensitivity --json`: how far a forecast moves under other assumptions."""

    inputs: dict[str, float] = Field(
        description="params, tokens, and what else was asked: the teacher's loss or size, unique tokens"
    )
    about: str = Field(description="expected (the law's loss) or next_run (with the scatter of one run)")
    prob: float = Field(description="probability of every interval")
    forecast: EndsKeys
    alternatives: list[AlternativeKeys]
    matters: list[str] = Field(description="a sentence for each thing that the forecast leans on")
    not_told: list[str] = Field(description="alternatives without a number, each with the reason")
    not_asked: list[str] = Field(description="what this posterior has nothing of")
    power_scaling: list[PowerKeys]
    diagnoses: list[str] = Field(description="a sentence for every quantity that its prior moves")
    health: HealthKeys
    sensitivity: str | None = Field(description="the file that was written")
