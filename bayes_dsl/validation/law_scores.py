"""The scores of laws as one table: elpd with ArviZ's differences and weights, and the held-out largest runs'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import compare
from arviz_stats.utils import ELPDData
from numpy.typing import NDArray

from bayes_dsl.validation.backtest import CRPS_NOTE
from bayes_dsl.validation.loo import LARGEST_PARETO_K
from bayes_dsl.validation.stacking import stacking_weights

Floats = NDArray[np.float64]
FEW_CLUSTERS = 10
"""Held-out clusters below which a note says on how little the forecast weights rest."""


def ranked(scores: Mapping[str, Floats], pareto_k: Mapping[str, Floats]) -> pd.DataFrame:
    """One row a law, best first: elpd, se, elpd_diff, dse, stacking_weight (ArviZ's `compare`), high_k, largest_k.

    Parameters
    ----------
    scores : mapping of str to array
        By law, each row's (cluster's) part of elpd, in one order.
    pareto_k : mapping of str to array
        By law, each row's Pareto k; empty where rows were not left out by importance sampling.
    """
    # A constant taken off an entry of every law changes neither differences nor weights, and e^score stays finite.
    best = np.max(list(scores.values()), axis=0)
    given = {name: _elpd(each, each - best) for name, each in scores.items()}
    found = compare(given, method="stacking", round_to="none")
    frame = found[["elpd", "se", "elpd_diff", "dse"]].astype(float)
    frame["stacking_weight"] = np.clip(found["weight"].astype(float), 0.0, 1.0)
    high = {name: float(np.sum(~(k <= LARGEST_PARETO_K))) for name, k in pareto_k.items()}
    largest = {name: float(np.max(k)) for name, k in pareto_k.items()}
    frame["high_k"] = pd.Series(high, dtype=float)
    frame["largest_k"] = pd.Series(largest, dtype=float)
    return frame.rename_axis("law")


def _elpd(each: Floats, shifted: Floats) -> ELPDData:
    n = len(each)
    return ELPDData(
        elpd=float(each.sum()),
        se=float(np.sqrt(n * np.var(each))),
        p=float("nan"),
        n_samples=0,
        n_data_points=n,
        scale="log",
        warning=False,
        good_k=LARGEST_PARETO_K,
        elpd_i=xr.DataArray(shifted, dims="entry"),
    )


def shares_of(rows: pd.DataFrame) -> Floats:
    """What each held-out run counts for: holdouts alike, clusters of a holdout alike, runs of a cluster alike."""
    factors = rows["factor"].nunique()
    clusters = rows.groupby("factor")["cluster"].transform("nunique")
    members = rows.groupby(["factor", "cluster"])["run_id"].transform("size")
    return np.asarray(1.0 / (factors * clusters * members), dtype=np.float64)


def held_out_scores(held: pd.DataFrame) -> pd.DataFrame:
    """Mean log score and CRPS by law, of the held-out largest runs; no row where none was held out."""
    records = {}
    for name, rows in held.groupby("law", sort=False):
        shares = shares_of(rows)
        records[name] = {
            "log_score": float(shares @ rows["log_score"]),
            "crps": float(shares @ rows["crps"]),
        }
    frame = pd.DataFrame.from_dict(records, orient="index", columns=["log_score", "crps"], dtype=float)
    return frame.rename_axis("law")


def forecast_weights(held: pd.DataFrame, laws: Sequence[str]) -> dict[str, float]:
    """The laws' weights in the mixture that would have forecast the held-out runs best; empty without any."""
    if held.empty:
        return {}
    by_law = [held[held["law"] == name] for name in laws]
    scores = np.stack([np.asarray(rows["log_score"], dtype=np.float64) for rows in by_law], axis=1)
    weights = stacking_weights(scores, shares_of(by_law[0]))
    return dict(zip(laws, weights.tolist(), strict=True))


def cautions(frame: pd.DataFrame, held: pd.DataFrame) -> tuple[str, ...]:
    """What a reader must know before leaning on these scores, a sentence each."""
    found = [
        f"{name}: Pareto k above {LARGEST_PARETO_K} in {row['high_k']:.0f} rows (largest {row['largest_k']:.2f}), "
        "so that its elpd is unreliable; `summary` names the rows"
        for name, row in frame.iterrows()
        if row["high_k"] > 0
    ]
    if not held.empty:
        if held["crps"].isna().any():
            found.append(CRPS_NOTE)
        fewest = int(held.groupby("factor")["cluster"].nunique().min())
        if fewest < FEW_CLUSTERS:
            found.append(f"forecast weights rest on as few as {fewest} independent held-out runs")
        if held["factor"].nunique() > 1:
            found.append(
                "a run that several holdouts hold out counts in each: their scores are not independent"
            )
    return tuple(found)
