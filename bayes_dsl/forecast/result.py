"""A forecast: draws of a loss for each candidate, what they are about, and how far they reach."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.forecast.extrapolation import Extrapolation
from bayes_dsl.inference.intervals import interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Forecast:
    """`loss` (draw, candidate) in nats per token, about the "expected" loss or the "next_run".

    The expected loss is the law's (with the posterior's doubt); the next run adds the scatter of one run.
    """

    inputs: dict[str, np.ndarray]
    loss: np.ndarray
    about: str
    extrapolation: Extrapolation
    warnings: tuple[str, ...]

    def interval(self, *, prob: float = 0.9, kind: str = "eti") -> pd.DataFrame:
        """Median and credible interval, one row a candidate, after the columns of what was asked."""
        lower, upper = interval(self.loss, prob=prob, kind=kind)
        frame = pd.DataFrame(
            {**self.inputs, "median": np.median(self.loss, axis=0), "lower": lower, "upper": upper}
        )
        return frame.assign(prob=prob, kind=kind, about=self.about)

    def records(self, *, prob: float = 0.9, kind: str = "eti") -> list[dict[str, Any]]:
        """One record a candidate: median, lower, upper, prob, kind, about."""
        columns = ["median", "lower", "upper", "prob", "kind", "about"]
        records: list[dict[str, Any]] = self.interval(prob=prob, kind=kind)[columns].to_dict("records")
        return records

    def quantiles(self, probs: np.ndarray) -> np.ndarray:
        """Quantiles of the loss, shape (probability, candidate)."""
        return np.asarray(np.quantile(self.loss, probs, axis=0))
