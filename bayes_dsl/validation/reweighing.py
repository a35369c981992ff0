"""What draws of one posterior say under another assumption: Pareto-smoothed importance sampling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from arviz_stats.base import array_stats
from numpy.typing import NDArray

from bayes_dsl.validation.loo import LARGEST_PARETO_K

Floats = NDArray[np.float64]

FEWEST_DRAWS = 100.0
"""Independent draws that a reweighed 90 % interval rests on at least."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Reweighed:
    """Weights of the draws, (draw,), that add up to 1, and whether they can be relied on.

    `pareto_k` is the shape of their largest (-inf where they hardly differ), `effective_draws` how many independent
    draws of equal weight would do as well.
    """

    weights: Floats
    pareto_k: float
    effective_draws: float

    @property
    def reliable(self) -> bool:
        return self.pareto_k <= LARGEST_PARETO_K and self.effective_draws >= FEWEST_DRAWS

    def reason(self) -> str:
        """The numbers by which it is judged."""
        return f"Pareto k {self.pareto_k:.2f}, {self.effective_draws:.0f} effective draws"


def reweighed(log_ratio: Floats, *, chains: int) -> Reweighed:
    """Weights of draws (draw,), chain after chain, by ln of how much more probable each one is made.

    Source: Vehtari et al., Pareto smoothed importance sampling, JMLR 25 (2024), as ArviZ computes it.
    """
    count = len(log_ratio)
    efficiency = _efficiency(log_ratio, chains)
    if float(np.ptp(log_ratio)) < 1e-9:
        return Reweighed(
            weights=np.full(count, 1.0 / count), pareto_k=-np.inf, effective_draws=efficiency * count
        )
    # ArviZ smooths the reciprocals of what it is given, for leave-one-out.
    log_weights, k = array_stats.psislw(-log_ratio, r_eff=efficiency)
    weights = np.exp(log_weights - np.max(log_weights))
    weights /= weights.sum()
    return Reweighed(
        weights=weights, pareto_k=float(k), effective_draws=efficiency / float(np.sum(weights**2))
    )


def _efficiency(log_ratio: Floats, chains: int) -> float:
    """Effective over actual draws of the ratio, at most 1."""
    found = float(array_stats.ess(log_ratio.reshape(chains, -1), method="mean")) / len(log_ratio)
    return min(found, 1.0) if found > 0 else 1.0


def weighted_quantiles(values: Floats, weights: Floats, probs: Sequence[float]) -> Floats:
    """Quantiles of weighted draws (draw,), (probability,); with equal weights, NumPy's own."""
    order = np.argsort(values)
    ordered, share = values[order], weights[order]
    count = len(ordered)
    before = np.concatenate([[0.0], np.cumsum(share)[:-1]])
    places = (np.arange(count) * share + (count - 1) * before) / (count - 1)
    return np.asarray(np.interp(probs, places, ordered), dtype=np.float64)


def levelled(values: Floats, weights: Floats, off: Floats) -> Floats:
    """Weighted draws (draw,) carried to off = 0 along their own line in `off` (draw,), by weighted least squares.

    Draws near a condition stand for draws on it; what the distance from it adds to them is taken off.
    Source: Beaumont, Zhang & Balding, Approximate Bayesian computation in population genetics, 2002.
    """
    from_mean = off - weights @ off
    spread = float(weights @ from_mean**2)
    slope = float(weights @ (from_mean * values)) / spread if spread > 0 else 0.0
    return np.asarray(values - slope * off, dtype=np.float64)
