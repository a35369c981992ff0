"""Credible intervals of draws, always with their probability and kind."""

from __future__ import annotations

from typing import Literal

import numpy as np
from arviz_stats.base import array_stats

from bayes_dsl.errors import Fault, InputError

Kind = Literal["eti", "hdi"]
KINDS = ("eti", "hdi")


def interval(draws: np.ndarray, *, prob: float, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper ends over the first axis of `draws` (draw, ...), equal-tailed or highest-density.

    Raises
    ------
    InputError
        `prob` is not inside (0, 1), or `kind` is neither "eti" nor "hdi".
    """
    if not 0.0 < prob < 1.0:
        raise InputError(_fault("prob", f"{prob}", "a probability between 0 and 1", "The default is 0.9"))
    if kind == "eti":
        lower, upper = np.quantile(draws, [(1 - prob) / 2, (1 + prob) / 2], axis=0)
        return lower, upper
    if kind == "hdi":
        ends = array_stats.hdi(draws, prob=prob, axis=0)
        return ends[..., 0], ends[..., 1]
    raise InputError(
        _fault("kind", kind, "eti (equal-tailed) or hdi (highest density)", "The default is eti")
    )


def _fault(what: str, value: str, rule: str, remedy: str) -> Fault:
    return Fault(where="interval", what=what, value=value, rule=f"must be {rule}", remedy=remedy)
