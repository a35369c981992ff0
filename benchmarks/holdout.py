"""Two public tables cut at an eighth of their largest compute: the largest run's forecast beside its actual loss.

`python -m benchmarks.holdout [--table NAME ...] [--ledger]`. The bare law, the default prior, chains of twice
the default length. Whether the interval holds the loss is recorded as it comes out; one run a table says little
about a method.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bayes_dsl.errors import ExtrapolationWarning
from bayes_dsl.forecast.next_run import next_run_loss
from bayes_dsl.inference.fit import fit
from bayes_dsl.inference.settings import Settings
from bayes_dsl.runs.table import RunTable
from benchmarks import ledger
from tests.real_tables import entry, open_table

TABLES = ("chinchilla-245", "gemstones-cool-end")
SHARE = 1 / 8
PROB = 0.9
# Twice the default: on 126 checkpoints of the gemstones the floor E is explored slowly (R-hat 1.011 at the default).
SETTINGS = Settings(warmup=2000, draws=2000)


@dataclass(frozen=True, kw_only=True)
class Largest:
    """The run that was left for last: its size, tokens, compute (6 params tokens) and loss in nats per token."""

    params: float
    tokens: float
    flops: float
    loss: float


def split(table: RunTable) -> tuple[RunTable, Largest]:
    """The rows at no more than an eighth of the largest compute, and the largest run."""
    params, tokens = table.values("params"), table.values("tokens")
    flops = 6 * params * tokens
    top = int(np.argmax(flops))
    largest = Largest(
        params=float(params[top]),
        tokens=float(tokens[top]),
        flops=float(flops[top]),
        loss=float(table.values("loss")[top]),
    )
    return table.select(flops <= SHARE * largest.flops), largest


def held_out(name: str, *, settings: Settings = SETTINGS, seed: int = 0) -> dict[str, Any]:
    """What the rows of small compute say about the largest run, and what it did."""
    small, largest = split(open_table(entry(name)))
    posterior = fit(small, misfit=None, seed=seed, settings=settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExtrapolationWarning)
        forecast = next_run_loss(posterior, student_params=largest.params, student_tokens=largest.tokens)
    told = forecast.records(prob=PROB)[0]
    return {
        "rows": len(small),
        "lower": told["lower"],
        "median": told["median"],
        "upper": told["upper"],
        "actual": largest.loss,
        "hit": told["lower"] <= largest.loss <= told["upper"],
        "times_largest_compute": float(forecast.extrapolation.times_largest_compute[0]),
    }


def row(name: str, found: dict[str, Any]) -> dict[str, Any]:
    """The ledger's row of one table."""
    return {
        "benchmark": f"holdout_{name.replace('-', '_')}",
        "claim": f"{name}: the largest run, from the rows at no more than an eighth of its compute",
        "figures": {key: value for key, value in found.items() if key != "rows"},
        "target": "said as it comes out: the 90 % interval of the next run beside its loss, nats per token",
        "settings": {"law": "supervised", "rows": found["rows"], "prob": PROB, "seed": 0},
        "note": "the bare law; one run a table",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every table's interval beside the actual loss."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.holdout", description=__doc__)
    parser.add_argument("--table", nargs="+", choices=TABLES, default=list(TABLES))
    parser.add_argument("--ledger", action="store_true", help="append a row for each table")
    chosen = parser.parse_args(arguments)
    for name in chosen.table:
        found = held_out(name)
        print(json.dumps({"table": name, **found}))
        if chosen.ledger:
            ledger.append(row(name, found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
