"""Where a truth stands among the draws of its posterior, and whether many such ranks are uniform.

A rank is kept as a position in (0, 1): (draws below the truth + U (ties + 1)) / (draws + 1) with U uniform, which is
exactly uniform where truth and draws are independent draws of one distribution, however many draws there are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from arviz_stats.base import array_stats
from scipy.stats import binom, binomtest

MOST_DRAWS = 199
"""Draws that a rank is taken among at most: more would not make it finer than a thousand ranks can tell."""
NULL_RANKS = 10_000
"""Simulated sets of uniform ranks that an ECDF is judged against."""


def effective_draws(draws: np.ndarray) -> float:
    """Bulk effective sample size of draws (chain, draw), at most their number; 0 where it cannot be computed."""
    if draws.size == 0 or np.ptp(draws) == 0:
        return float(draws.size)
    found = float(array_stats.ess(draws, method="bulk"))
    return min(found, float(draws.size)) if np.isfinite(found) else 0.0


def position(truth: float, draws: np.ndarray, rng: np.random.Generator) -> float:
    """Where a truth stands among draws (chain, draw), thinned to as many as are independent, in (0, 1).

    Among no draws at all, where every one of them was dropped, it stands anywhere: the rule above, for 0 draws.
    """
    if draws.size == 0:
        return float(rng.random())
    kept = max(1, min(MOST_DRAWS, int(effective_draws(draws))))
    thinned = draws.reshape(-1)[np.linspace(0, draws.size - 1, kept).round().astype(int)]
    ties = int(np.sum(thinned == truth))
    return float((np.sum(thinned < truth) + rng.random() * (ties + 1)) / (kept + 1))


@dataclass(frozen=True, kw_only=True, eq=False)
class Verdicts:
    """What the positions (replication,) of every ranked quantity say.

    `table` has a row a quantity: `n`, `coverage` of central intervals of probability `prob`, `p_coverage` (exact
    binomial) and `p_ecdf`, both also after Holm's correction over the quantities (`..._holm`).
    """

    table: pd.DataFrame
    prob: float

    def wrong(self, level: float, *, test: str = "coverage") -> tuple[str, ...]:
        """Quantities whose `test` ("coverage" or "ecdf") fails at `level` after Holm's correction."""
        return tuple(self.table.index[self.table[f"p_{test}_holm"] <= level])


def verdicts(positions: Mapping[str, np.ndarray], *, prob: float = 0.9) -> Verdicts:
    """Judge the positions of every quantity, each an array (replication,)."""
    rows = []
    for values in positions.values():
        inside = int(np.sum(np.abs(values - 0.5) < prob / 2))
        p_coverage = float(binomtest(inside, len(values), prob).pvalue)
        rows.append((len(values), inside / len(values), p_coverage, p_of_ecdf(values)))
    columns = ["n", "coverage", "p_coverage", "p_ecdf"]
    table = pd.DataFrame(rows, index=pd.Index(list(positions), name="quantity"), columns=columns)
    for test in ("coverage", "ecdf"):
        table[f"p_{test}_holm"] = holm(table[f"p_{test}"].to_numpy())
    return Verdicts(table=table, prob=prob)


def holm(p_values: np.ndarray) -> np.ndarray:
    """p values after Holm's step-down correction (Scandinavian Journal of Statistics 6, 1979)."""
    order = np.argsort(p_values)
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    corrected = np.empty(len(p_values))
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


def p_of_ecdf(values: np.ndarray) -> float:
    """p value of the ECDF of positions against the uniform.

    By the least pointwise tail probability of the ECDF on a grid, as in the simultaneous bands of Säilynoja et al.
    (Statistics and Computing 32, 2022) that ArviZ draws; its distribution is simulated, with a fixed seed.
    """
    n = len(values)
    least, null = _least_tail(values[None])[0], _null(n)
    return float((1 + np.searchsorted(null, least, side="right")) / (len(null) + 1))


def _least_tail(values: np.ndarray) -> np.ndarray:
    """The least two-sided pointwise probability of each row's ECDF, (set,)."""
    n = values.shape[1]
    grid = np.arange(1, n) / n
    counts = np.empty((len(values), n - 1), dtype=np.int64)
    for row, one in enumerate(np.sort(values, axis=1)):
        counts[row] = np.searchsorted(one, grid, side="right")
    places, table = np.arange(n - 1), _tails(n)
    return np.asarray(table[places, counts].min(axis=1))


@lru_cache(maxsize=4)
def _tails(n: int) -> np.ndarray:
    """2 min(P(count <= k), P(count >= k)) by grid place and count k, (n - 1, n + 1)."""
    grid, k = np.arange(1, n)[:, None] / n, np.arange(n + 1)
    below, above = binom.cdf(k, n, grid), binom.sf(k - 1, n, grid)
    return np.asarray(2.0 * np.minimum(below, above))


@lru_cache(maxsize=4)
def _null(n: int) -> np.ndarray:
    rng = np.random.default_rng(20220309)
    blocks = [_least_tail(rng.random((500, n))) for _ in range(NULL_RANKS // 500)]
    return np.sort(np.concatenate(blocks))
