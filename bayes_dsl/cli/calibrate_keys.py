"""What `calibrate --json` prints: the keys, each with its meaning."""

from __future__ import annotations

from pydantic import Field

from bayes_dsl.cli.json_keys import Keys


class RankedKeys(Keys):
    """What the ranks of one quantity say."""

    quantity: str
    coverage: float = Field(description="share of replications whose truth lies in the interval")
    p_coverage: float = Field(description="exact binomial, after Holm over the quantities")
    p_ecdf: float = Field(description="ranks against the uniform, after Holm over the quantities")


class CalibrateKeys(Keys):
    """`calibrate --json`: truths ranked among the draws of their posteriors."""

    law: str
    misfit: bool
    prob: float
    seed: int
    fingerprint: str = Field(description="hash of what the program computes: law, prior, noise, misfit")
    replications: int
    refused: int = Field(description="draws of the prior that no law could have made, replaced")
    diverged: int = Field(description="replications with a divergence, after a second attempt")
    quantities: list[RankedKeys]
    folder: str
    notes: list[str]
