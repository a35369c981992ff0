"""Where the peak learning rate is best, by width: `python -m benchmarks.learning_rate RUNS.csv [--ledger]`.

Reads the table of a finished sweep of `models/plans/learning_rate.toml`. Runs of one seed share their data, so rates
are compared seed by seed; the record is `benchmarks/results/learning_rate.json`.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.files import write_atomically
from benchmarks.ledger import append
from models.recipe import Recipe

RECORD = Path(__file__).parent / "results" / "learning_rate.json"
RESAMPLED = 2000
MADE_BY = {"device": "device", "jax": "jax_version", "git_rev": "git_rev"}


def optima(runs: pd.DataFrame, *, default: float, seed: int = 0) -> list[dict[str, Any]]:
    """One record a width: mean loss of each rate, the best rate, and what the recipe's own rate costs.

    Parameters
    ----------
    runs : pandas.DataFrame
        `width`, `seed`, `peak_rate`, `loss` (nats per token), `status`; a rate at which a seed has no loss is left
        out of that width, and named.
    default : float
        The recipe's peak rate, which must be among the rates.
    seed : int
        Decides which seeds the bootstrap draws.

    Returns
    -------
    list of dict
        `optimum` is the vertex of the parabola through the best rate of the grid and its neighbours, in log rate;
        `optimum_lower` and `optimum_upper` its central 90 % over bootstrapped seeds (few seeds: too narrow rather
        than too wide). `default_costs` is the mean over seeds of the loss at the default less that at the best
        rate of the grid, with its standard error.
    """
    rng = np.random.default_rng(seed)
    records = []
    for width, rows in runs.groupby("width", sort=True):
        wide = rows[rows["status"] == "ok"].pivot(index="seed", columns="peak_rate", values="loss")
        lost = sorted(set(rows["peak_rate"]) - set(wide.dropna(axis=1).columns))
        wide = wide.dropna(axis=1)
        rates, losses = wide.columns.to_numpy(float), wide.to_numpy(float)
        mean = losses.mean(axis=0)
        best = int(np.argmin(mean))
        drawn = rng.integers(0, len(losses), size=(RESAMPLED, len(losses)))
        vertices = [_vertex(rates, losses[rows].mean(axis=0)) for rows in drawn]
        costs = losses[:, int(np.flatnonzero(rates == default)[0])] - losses[:, best]
        records.append(
            {
                "width": int(width),
                "seeds": len(losses),
                "rates": rates.tolist(),
                "mean_loss": mean.tolist(),
                "se_loss": (losses.std(axis=0, ddof=1) / np.sqrt(len(losses))).tolist(),
                "best_rate": float(rates[best]),
                "optimum": _vertex(rates, mean),
                "optimum_lower": float(np.quantile(vertices, 0.05)),
                "optimum_upper": float(np.quantile(vertices, 0.95)),
                "default_costs": float(costs.mean()),
                "default_costs_se": float(costs.std(ddof=1) / np.sqrt(len(costs))),
                "without_a_loss": lost,
            }
        )
    return records


def _vertex(rates: np.ndarray, losses: np.ndarray) -> float:
    """The rate at the vertex of the parabola through the lowest loss and its neighbours; an end stays an end."""
    best = int(np.argmin(losses))
    if best in (0, len(rates) - 1):
        return float(rates[best])
    near = slice(best - 1, best + 2)
    square, slope, _ = np.polyfit(np.log(rates[near]), losses[near], 2)
    return float(np.exp(-slope / (2.0 * square)))


def row(records: list[dict[str, Any]], *, default: float) -> dict[str, Any]:
    """The row of the ledger."""
    best = [record["optimum"] for record in records]
    return {
        "benchmark": "learning_rate",
        "claim": f"The best peak learning rate by width (the recipe's: {default:g}), runs of half a million tokens",
        "figures": {
            "width": [record["width"] for record in records],
            "optimum": [round(rate, 5) for rate in best],
            "optimum_lower": [round(record["optimum_lower"], 5) for record in records],
            "optimum_upper": [round(record["optimum_upper"], 5) for record in records],
            "default_costs_nats": [round(record["default_costs"], 5) for record in records],
            "default_costs_se_nats": [round(record["default_costs_se"], 5) for record in records],
            "optimum_largest_over_smallest": max(best) / min(best),
        },
        "settings": {"seeds": records[0]["seeds"], "rates": records[0]["rates"]},
        "note": "vertex of a parabola in log rate; interval: central 90 % over bootstrapped seeds",
    }


def trained_on(runs: Path) -> dict[str, str] | None:
    """What trained the runs, as the sweep recorded it beside their table; None where it left nothing."""
    beside = runs.with_suffix(".made.csv")
    if not beside.is_file():
        return None
    made = pd.read_csv(beside)
    return {
        name: ", ".join(sorted(made[column].dropna().astype(str).unique()))
        for name, column in MADE_BY.items()
    }


def main() -> None:
    """Read the table, write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--ledger", action="store_true", help="append the figures to the ledger")
    parser.add_argument("-o", "--output", type=Path, default=RECORD)
    arguments = parser.parse_args()
    default = Recipe().peak_rate
    records = optima(pd.read_csv(arguments.runs), default=default)
    write_atomically(arguments.output, (json.dumps(records, indent=2) + "\n").encode())
    found = row(records, default=default)
    print(json.dumps(found, indent=2))
    if arguments.ledger:
        append(found, elsewhere=trained_on(arguments.runs))


if __name__ == "__main__":
    main()
