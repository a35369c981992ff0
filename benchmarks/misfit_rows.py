"""How long does a posterior with misfit take, and what does a row cost? Simulated tables of 250 to 2,000 rows.

`python -m benchmarks.misfit_rows [--rows N ...] [--seed 0] [--ledger]`. The same world at every size: supervised runs
of 3e17 to 1e21 FLOPs, 3 to 300 tokens per parameter, noise of .4 % (Student-t, 5 degrees of freedom). `fit` at its
defaults, from the table to the posterior with its diagnostics, compile included; seconds of all cores beside it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayes_dsl.errors import NotConverged
from bayes_dsl.inference.fit import fit
from bayes_dsl.runs.table import RunTable
from benchmarks import ledger
from benchmarks.supervised_worlds import World, coefficients, log_loss

ROWS = (250, 500, 1000, 2000)
WORLD_SEED = 5
ASKED_S = 75.0
"""About a minute, for the largest table."""
STEEPEST = 2.5
"""What a step's cost may grow by over the last doubling of the rows, in what it grew by over the one before: linear
costs grow by twice as much, whatever is fixed."""


def table(rows: int) -> RunTable:
    """The first of the world's runs."""
    rng = np.random.default_rng(WORLD_SEED)
    truth = coefficients(rng)
    compute = np.exp(rng.uniform(np.log(3e17), np.log(1e21), max(ROWS)))
    ratio = np.exp(rng.uniform(np.log(3.0), np.log(300.0), max(ROWS)))
    params = np.round(np.sqrt(compute / 6.0 / ratio))
    tokens = np.round(ratio * params)
    loss = np.exp(log_loss(truth, World(), params, tokens) + 0.004 * rng.standard_t(5, max(ROWS)))
    frame = pd.DataFrame({"role": "supervised", "params": params, "tokens": tokens, "loss": loss})
    return RunTable.from_pandas(frame.iloc[:rows])


def measured(rows: int, seed: int) -> dict[str, float]:
    """One table: seconds, steps a draw, and the health of what came out."""
    known, began, used = table(rows), time.perf_counter(), time.process_time()
    try:
        posterior, healthy = fit(known, seed=seed), True
    except NotConverged as error:
        posterior, healthy = error.posterior, False
    wall, cpu = time.perf_counter() - began, time.process_time() - used
    found = posterior.diagnostics
    return {
        "wall_s": round(wall, 1),
        "cpu_s": round(cpu, 1),
        "steps_per_draw": round(float(posterior.tree["sample_stats"]["n_steps"].mean()), 1),
        "draws": found.draws,
        "rhat": round(found.rhat, 4),
        "bulk_ess": round(found.bulk_ess),
        "tail_ess": round(found.tail_ess),
        "divergences": found.divergences,
        "healthy": int(healthy),
    }


def row(found: Sequence[dict[str, float]], sizes: Sequence[int], seed: int) -> dict[str, Any]:
    """The ledger's row; one number a table size in each list."""
    figures: dict[str, Any] = {"rows": list(sizes)}
    figures |= {name: [one[name] for one in found] for name in found[0]}
    largest, costs = found[-1], [one["cpu_s"] / one["steps_per_draw"] for one in found]
    doubled = sizes[-1] == 2 * sizes[-2] == 4 * sizes[-3]
    figures["growth_over_last_doubling"] = round((costs[-1] - costs[-2]) / (costs[-2] - costs[-3]), 2)
    return {
        "benchmark": "misfit_rows",
        "claim": "The posterior with misfit of a simulated supervised table, from table to diagnostics, by its rows",
        "figures": figures,
        "target": f"about a minute for the largest (at most {ASKED_S:g} s); a step's cost linear in rows (grows by at "
        f"most {STEEPEST:g} times as much over the last doubling as over the one before); every gate passed",
        "met": bool(
            largest["wall_s"] <= ASKED_S
            and doubled
            and figures["growth_over_last_doubling"] <= STEEPEST
            and all(one["healthy"] for one in found)
        ),
        "settings": {"seed": seed, "world_seed": WORLD_SEED, "sampler": "fit's defaults"},
        "note": "compile included, nothing cached",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=list(ROWS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ledger", action="store_true", help="append a row")
    asked = parser.parse_args(arguments)
    found = []
    for size in asked.rows:
        found.append(measured(size, asked.seed))
        print(size, found[-1], flush=True)
    if asked.ledger:
        ledger.append(row(found, asked.rows, asked.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
